//! What a replication asks of a database of this hub, without threads or waiting.

use std::sync::Arc;

use event_listener::EventListener;
use store::{
    Attachment, AttachmentReader, Content, Database, Direction, DocId, DocumentLimits, Edit,
    EditError, Lineage, LocalId, Millis, NewAttachment, RevId, Seq, Snapshot, Staged,
};

use crate::{
    Change, ChangesBatch, ChangesQuery, Fetched, Filter, Judge, Leaves, LocalDocument, PeerError,
    PeerInfo, Refusal, RefusalReason, Revision, RevisionAttachment, Transfer, Wanted,
};

/// A database of this hub, asked from a thread that may block.
#[derive(Clone, Debug)]
pub struct LocalDatabase {
    database: Arc<Database>,
    limits: DocumentLimits,
}

/// A revision to write, the bytes of its new attachments taken in.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The revision.
    pub revision: Revision,
    /// One for each attachment; absent for [`Transfer::Stub`].
    pub staged: Vec<Option<Staged>>,
}

impl From<Revision> for Incoming {
    /// A revision that brings no bytes.
    fn from(revision: Revision) -> Self {
        Self { staged: vec![None; revision.attachments.len()], revision }
    }
}

impl LocalDatabase {
    /// Asks this database, and lets it take documents within `limits`.
    #[must_use]
    pub fn new(database: Arc<Database>, limits: DocumentLimits) -> Self {
        Self { database, limits }
    }

    /// The database asked.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// How large a document it takes.
    #[must_use]
    pub fn limits(&self) -> DocumentLimits {
        self.limits
    }

    pub(super) fn updated(&self) -> EventListener {
        self.database.updated()
    }

    /// As [`crate::Peer::info`].
    ///
    /// # Errors
    /// [`PeerError::NoDatabase`] when it was deleted.
    pub fn info(&self) -> Result<PeerInfo, PeerError> {
        if self.database.is_deleted() {
            return Err(PeerError::NoDatabase);
        }
        Ok(PeerInfo {
            update_seq: self.database.update_seq().into(),
            // Its epoch: made anew when the database is, and when it is restored.
            instance: Some(self.database.seq(Seq(0)).to_string()),
        })
    }

    /// As [`crate::Peer::local`].
    ///
    /// # Errors
    /// Any of [`PeerError`], as for every method here.
    pub fn local(&self, id: &LocalId) -> Result<Option<LocalDocument>, PeerError> {
        let local = self.database.read(|snapshot| snapshot.local(id))?;
        Ok(local
            .map(|local| LocalDocument { rev: Some(format!("0-{}", local.rev)), body: local.json }))
    }

    /// As [`crate::Peer::write_local`].
    ///
    /// # Errors
    /// Any of [`PeerError`].
    pub fn write_local(
        &self,
        id: LocalId,
        document: LocalDocument,
    ) -> Result<Option<String>, PeerError> {
        let rev = document.rev.as_deref().and_then(|rev| rev.strip_prefix("0-"));
        let base = rev.and_then(|rev| rev.parse().ok()).unwrap_or_default();
        let rev = self.database.write_local(id, base, Some(document.body))?;
        Ok(rev.map(|rev| format!("0-{rev}")))
    }

    /// As [`crate::Peer::changes`], but never waits.
    ///
    /// # Errors
    /// Any of [`PeerError`].
    pub fn changes(&self, query: &ChangesQuery) -> Result<ChangesBatch, PeerError> {
        let since = self.since(query)?;
        let mut batch = self.database.read(|snapshot| match &query.filter {
            Filter::All => self.all_changes(snapshot, since, query.limit),
            Filter::DocIds(ids) => self.changes_of(snapshot, ids, since, query.limit),
            Filter::Selector(_) | Filter::Function(_) => {
                Err(PeerError::Unsupported("a filter on a local source"))
            }
        })?;
        if query.leaves == Leaves::Winner {
            batch.changes.iter_mut().for_each(|change| change.leaves.truncate(1));
        }
        Ok(batch)
    }

    /// Behind which position changes are asked for.
    pub(super) fn since(&self, query: &ChangesQuery) -> Result<Seq, PeerError> {
        if self.database.is_deleted() {
            return Err(PeerError::NoDatabase);
        }
        let unknown = |error: store::MalformedSeq| PeerError::UnknownSeq(error.to_string());
        self.database.parse_since(&query.since.as_since()).map_err(unknown)
    }

    fn all_changes(
        &self,
        snapshot: &Snapshot<'_>,
        since: Seq,
        limit: usize,
    ) -> Result<ChangesBatch, PeerError> {
        let changes = snapshot.changes(since, Direction::Ascending, limit)?;
        let last = changes.last().map_or(since, |change| change.seq);
        let pending = snapshot.changes_after(last)?;
        Ok(self.batch(changes, last, pending))
    }

    /// Changes of a few documents: looked up one by one, not searched for in the feed.
    fn changes_of(
        &self,
        snapshot: &Snapshot<'_>,
        ids: &[DocId],
        since: Seq,
        limit: usize,
    ) -> Result<ChangesBatch, PeerError> {
        let mut changes = Vec::new();
        for id in ids {
            let Some(document) = snapshot.tree(id)?.filter(|document| document.seq > since) else {
                continue;
            };
            let leaves = document.tree.leaves().into_iter().map(|leaf| {
                let node = document.tree.node(leaf);
                (node.rev.clone(), node.deleted)
            });
            let leaves = leaves.collect();
            changes.push(store::Change { seq: document.seq, id: id.clone(), leaves });
        }
        changes.sort_by_key(|change| change.seq);
        changes.dedup_by_key(|change| change.seq);
        let pending = changes.len().saturating_sub(limit) as u64;
        changes.truncate(limit);
        let last = match changes.last() {
            Some(change) if pending > 0 => change.seq,
            _ => snapshot.update_seq()?,
        };
        Ok(self.batch(changes, last, pending))
    }

    fn batch(&self, changes: Vec<store::Change>, last: Seq, pending: u64) -> ChangesBatch {
        let change = |change: store::Change| Change {
            id: change.id,
            leaves: change.leaves.into_iter().map(|(rev, _)| rev).collect(),
        };
        ChangesBatch {
            changes: changes.into_iter().map(change).collect(),
            last_seq: self.database.seq(last).into(),
            pending: Some(pending),
            more: pending > 0,
            unreadable: 0,
        }
    }

    /// As [`crate::Peer::revs_diff`].
    ///
    /// # Errors
    /// Any of [`PeerError`].
    pub fn revs_diff(&self, changes: &[Change]) -> Result<Vec<Wanted>, PeerError> {
        self.database.read(|snapshot| {
            let mut wanted = Vec::new();
            for Change { id, leaves } in changes {
                let document = snapshot.tree(id)?;
                let missing = snapshot.missing(id, document.as_ref(), leaves)?;
                let ancestors =
                    document.as_ref().map_or_else(Vec::new, |store::DocTree { tree, .. }| {
                        let ancestors = tree.possible_ancestors(&missing).into_iter();
                        ancestors.map(|id| tree.node(id).rev.clone()).collect()
                    });
                let revs: Vec<RevId> = missing.into_iter().cloned().collect();
                if !revs.is_empty() {
                    wanted.push(Wanted { id: id.clone(), revs, ancestors, whole: false });
                }
            }
            Ok(wanted)
        })
    }

    /// As [`crate::Peer::revisions`].
    ///
    /// # Errors
    /// Any of [`PeerError`].
    pub fn revisions(&self, wanted: &[Wanted], bytes_max: usize) -> Result<Fetched, PeerError> {
        let mut fetched = Fetched::default();
        let mut bytes = 0;
        self.database.read(|snapshot| {
            for (at, one) in wanted.iter().enumerate() {
                if bytes >= bytes_max {
                    fetched.unanswered = wanted[at..].to_vec();
                    break;
                }
                bytes += read_revisions(snapshot, one, &mut fetched)?;
            }
            Ok::<_, PeerError>(())
        })?;
        Ok(fetched)
    }

    /// As [`crate::Peer::attachment`]: the bytes stored, and what is said of them.
    ///
    /// # Errors
    /// Any of [`PeerError`]; one that is passing when the revision is gone.
    pub fn attachment(
        &self,
        id: &DocId,
        rev: &RevId,
        name: &str,
    ) -> Result<(AttachmentReader, Attachment), PeerError> {
        self.database.read(|snapshot| {
            let gone = || PeerError::Answer(format!("attachment {name:?} is gone"));
            let document = snapshot.tree(id)?.ok_or_else(gone)?;
            let node = document.tree.find(rev).map(|found| document.tree.node(found));
            let stored = node.and_then(|node| node.stored).ok_or_else(gone)?;
            let body = snapshot.body(stored.body)?.ok_or_else(gone)?;
            let found = body.attachments.iter().find(|attachment| attachment.name == name);
            let attachment = found.ok_or_else(gone)?;
            Ok((snapshot.attachment(attachment)?, attachment.clone()))
        })
    }

    /// As [`crate::Peer::write`], attachments taken in before; `by` is who brings them, if not this device.
    ///
    /// # Errors
    /// Any of [`PeerError`].
    pub fn write(
        &self,
        incoming: Vec<Incoming>,
        judge: Option<&dyn Judge>,
        by: Option<&str>,
        now: Millis,
    ) -> Result<Vec<Refusal>, PeerError> {
        let mut refusals = Vec::new();
        let mut names = Vec::with_capacity(incoming.len());
        let mut edits = Vec::with_capacity(incoming.len());
        for Incoming { revision, staged } in incoming {
            let Some(rev) = revision.rev().cloned() else { continue };
            if revision.body.len() as u64 > self.limits.body_bytes_max {
                let reason = RefusalReason::Final("document is too large".into());
                refusals.push(Refusal { id: revision.id, rev, reason });
                continue;
            }
            names.push((revision.id.clone(), rev));
            edits.push(edit(revision, staged));
        }
        if let Some(judge) = judge {
            let judged = judge.judge(&self.database, &edits)?;
            // This protocol's checkpoint would pass it for good.
            if let Some(Err(RefusalReason::NoRoom(reason))) =
                judged.iter().find(|one| matches!(one, Err(RefusalReason::NoRoom(_))))
            {
                let reason = reason.clone();
                return Err(PeerError::Unavailable { status: 503, reason });
            }
            let refused = judged.into_iter().map(Result::err);
            let mut admitted = Vec::with_capacity(edits.len());
            let mut left = Vec::with_capacity(edits.len());
            for (((id, rev), edit), refused) in names.into_iter().zip(edits).zip(refused) {
                match refused {
                    Some(reason) => refusals.push(Refusal { id, rev, reason }),
                    None => {
                        left.push((id, rev));
                        admitted.push(edit);
                    }
                }
            }
            (names, edits) = (left, admitted);
        }
        if edits.is_empty() {
            return Ok(refusals);
        }
        let results = match by {
            Some(by) => self.database.deliver(edits, now, by)?,
            None => self.database.write(edits, now)?,
        };
        for ((id, rev), result) in names.into_iter().zip(results) {
            if let Err(error) = result {
                refusals.push(Refusal { id, rev, reason: reason(&error)? });
            }
        }
        Ok(refusals)
    }
}

/// Adds the revisions wanted of one document; returns about how many bytes they have.
fn read_revisions(
    snapshot: &Snapshot<'_>,
    wanted: &Wanted,
    fetched: &mut Fetched,
) -> Result<usize, PeerError> {
    let Some(store::DocTree { tree, .. }) = snapshot.tree(&wanted.id)? else {
        fetched.missing += wanted.revs.len() as u64;
        return Ok(0);
    };
    let mut bytes = 0;
    let mut nodes: Vec<_> = wanted.revs.iter().flat_map(|rev| tree.latest(rev)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    for id in nodes {
        let node = tree.node(id);
        let body = match node.stored {
            Some(stored) => snapshot.body(stored.body)?,
            None => None,
        };
        let Some(body) = body else {
            fetched.missing += 1;
            continue;
        };
        let path: Vec<RevId> = tree.ancestry(id).map(|node| node.rev.clone()).collect();
        bytes += body.json.len() + 32 * path.len();
        fetched.revisions.push(Revision {
            id: wanted.id.clone(),
            path,
            deleted: node.deleted,
            body: body.json,
            attachments: body.attachments.into_iter().map(described).collect(),
        });
    }
    Ok(bytes)
}

fn described(attachment: Attachment) -> RevisionAttachment {
    RevisionAttachment {
        name: attachment.name,
        content_type: attachment.content_type,
        revpos: attachment.revpos,
        digest: Some(attachment.digest.to_string()),
        length: Some(attachment.length),
        encoding: attachment.encoding,
        encoded_length: attachment.encoded_length,
        transfer: Transfer::Bytes,
    }
}

fn edit(revision: Revision, staged: Vec<Option<Staged>>) -> Edit {
    let attachment = |(described, staged): (RevisionAttachment, Option<Staged>)| NewAttachment {
        name: described.name,
        content_type: Some(described.content_type),
        revpos: Some(described.revpos),
        content: staged.map_or(Content::Stub, Content::Staged),
    };
    Edit {
        id: revision.id,
        lineage: Lineage::Path(revision.path),
        deleted: revision.deleted,
        body: revision.body.into(),
        attachments: revision.attachments.into_iter().zip(staged).map(attachment).collect(),
    }
}

/// What is told of an edit that was not written.
///
/// # Errors
/// [`PeerError::Unavailable`] when it could only not be written now.
fn reason(error: &EditError) -> Result<RefusalReason, PeerError> {
    match error {
        EditError::MissingStub { .. } => Ok(RefusalReason::MissingStub),
        EditError::Conflict | EditError::InvalidPath | EditError::Partition(_) => {
            Ok(RefusalReason::Final(error.to_string()))
        }
        EditError::TooManyHeld => {
            Err(PeerError::Unavailable { status: 503, reason: error.to_string() })
        }
    }
}
