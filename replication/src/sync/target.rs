//! The side that wants the documents: what it asks of its own store.

mod sorting;

use std::sync::Arc;

use store::{
    Database, Direction, DocumentLimits, Edit, EditError, Error, LocalId, Millis, RevId, Seq,
};

use self::sorting::Sorting;
use super::hints::HINTS_MAX;
use super::{
    Checkpoint, Delivered, Delivery, Hints, Inflow, SkipReason, Skipped, SyncFilter, Wish,
};
use crate::{Judge, PeerError, RefusalReason};

/// A database of this hub that is brought up to date with a peer's. Every call may block on the disk.
#[derive(Clone)]
pub struct Target {
    database: Arc<Database>,
    deliverer: Arc<str>,
    checkpoint: LocalId,
    selector: Option<Box<str>>,
    limits: DocumentLimits,
    judge: Option<Arc<dyn Judge>>,
    delivered: Option<Arc<Delivered>>,
}

/// What a target knows before it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// How far it has come.
    pub checkpoint: Option<Checkpoint>,
    /// Whether it has no document at all.
    pub is_empty: bool,
    /// What it got from others since then.
    pub hints: Hints,
    /// Which documents it wants.
    pub selector: Option<Box<str>>,
    /// How large they may be.
    pub limits: DocumentLimits,
}

/// What became of a delivery; everything that was taken is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Revisions taken, or known before.
    pub revisions: u64,
    /// What the target lacks, and has to ask for.
    pub wishes: Vec<Wish>,
    /// What it does without.
    pub skipped: Vec<Skipped>,
}

impl Target {
    /// Brings this database up to date with what `peer` has of it; the peer's name is the one that
    /// its checkpoints are filed under.
    #[must_use]
    pub fn new(
        database: Arc<Database>,
        peer: &str,
        filter: &SyncFilter,
        limits: DocumentLimits,
    ) -> Self {
        let cap = filter.attachment_bytes_max.unwrap_or(u64::MAX);
        let attachment_bytes_max = limits.attachment_bytes_max.min(cap);
        Self {
            database,
            deliverer: peer.into(),
            checkpoint: Checkpoint::id(peer, filter),
            selector: filter.selector.clone(),
            limits: DocumentLimits { attachment_bytes_max, ..limits },
            judge: None,
            delivered: None,
        }
    }

    /// The same, writing down that somebody else has brought what comes, whose hub the peer is.
    #[must_use]
    pub fn delivered_by(mut self, deliverer: &str) -> Self {
        self.deliverer = deliverer.into();
        self
    }

    /// The same, taking only what the judge lets in.
    #[must_use]
    pub fn judged_by(mut self, judge: Arc<dyn Judge>) -> Self {
        self.judge = Some(judge);
        self
    }

    /// The same, noting what the peer has brought, for a source that answers it.
    #[must_use]
    pub fn noting(mut self, delivered: Arc<Delivered>) -> Self {
        self.delivered = Some(delivered);
        self
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// Takes an answer apart for this database.
    #[must_use]
    pub fn inflow(&self) -> Inflow {
        Inflow::new(Arc::clone(&self.database), self.limits)
    }

    /// How far it has come.
    ///
    /// # Errors
    /// Any of [`PeerError`], as for every method here.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, PeerError> {
        let local = self.database.read(|snapshot| snapshot.local(&self.checkpoint))?;
        Ok(local.and_then(|local| Checkpoint::parse(&local.json)).map(|(checkpoint, _)| checkpoint))
    }

    /// What there is to know before it asks.
    ///
    /// # Errors
    /// Any of [`PeerError`].
    pub fn look(&self) -> Result<Looked, PeerError> {
        if self.database.is_deleted() {
            return Err(PeerError::NoDatabase);
        }
        let (stored, is_empty, hints) = self.database.read::<_, Error>(|snapshot| {
            let local = snapshot.local(&self.checkpoint)?;
            let stored = local.and_then(|local| Checkpoint::parse(&local.json));
            let own = stored.map(|(_, own)| own);
            // What changed here before another history began says nothing.
            let own = own.filter(|own| self.database.seq(own.seq) == *own).map(|own| own.seq);
            let hints = own.map_or(Ok(Hints::default()), |own| {
                let end = Seq(snapshot.update_seq()?.0 + 1);
                let changes = snapshot.changes(end, Direction::Descending, HINTS_MAX)?;
                let newer = changes.iter().take_while(|change| change.seq > own);
                let leaves = newer
                    .flat_map(|change| change.leaves.iter().map(|(rev, _)| (&change.id, rev)))
                    .take(HINTS_MAX);
                Ok::<_, Error>(Hints::of(leaves))
            })?;
            Ok((stored, snapshot.counts()? == (0, 0), hints))
        })?;
        Ok(Looked {
            checkpoint: stored.map(|(checkpoint, _)| checkpoint),
            is_empty,
            hints,
            selector: self.selector.clone(),
            limits: self.limits,
        })
    }

    /// Compares a delivery with what is here, and writes what is new.
    ///
    /// # Errors
    /// Any of [`PeerError`]: then it is as if the delivery had not come, and may come again.
    pub fn take(&self, delivery: Delivery, now: Millis) -> Result<Taken, PeerError> {
        let mut sorting = Sorting::sort(&self.database, delivery, self.judge.is_some())?;
        let tips = sorting.edits.iter().map(tip).collect::<Vec<_>>();
        if let Some(delivered) = &self.delivered {
            let tips = sorting.edits.iter().zip(&tips);
            let leaves = tips.filter_map(|(edit, rev)| Some((&edit.id, rev.as_ref()?)));
            delivered.note(self.database.uuid(), leaves);
        }
        let verdicts = match &self.judge {
            Some(judge) if !sorting.edits.is_empty() => {
                judge.judge(&self.database, &sorting.edits)?
            }
            _ => Vec::new(),
        };
        let edits = std::mem::take(&mut sorting.edits);
        let mut verdicts = verdicts.into_iter();
        let mut admitted = Vec::with_capacity(edits.len());
        for (edit, rev) in edits.into_iter().zip(tips) {
            let Some(rev) = rev else { continue };
            match verdicts.next().unwrap_or(Ok(())) {
                Ok(()) => admitted.push((edit, rev)),
                Err(RefusalReason::MissingStub) => sorting.want_whole(edit.id, rev),
                Err(RefusalReason::Final(reason)) => {
                    sorting.skip(edit.id, rev, SkipReason::Refused(reason));
                }
                Err(RefusalReason::NoRoom(reason)) => {
                    sorting.skip(edit.id, rev, SkipReason::NoRoom(reason));
                }
            }
        }
        let admitted = sorting.retain_settled(admitted);
        if admitted.is_empty() {
            return Ok(sorting.into_taken(0));
        }
        let names: Vec<_> =
            admitted.iter().map(|(edit, rev)| (edit.id.clone(), rev.clone())).collect();
        let admitted = admitted.into_iter().map(|(edit, _)| edit).collect();
        let outcomes = deliver(&self.database, admitted, now, &self.deliverer)?;
        let mut revisions = 0;
        for ((id, rev), outcome) in names.into_iter().zip(outcomes) {
            match outcome {
                Ok(_) => revisions += 1,
                Err(EditError::MissingStub { .. }) => sorting.want_whole(id, rev),
                Err(
                    error
                    @ (EditError::Conflict | EditError::InvalidPath | EditError::Partition(_)),
                ) => {
                    sorting.skip(id, rev, SkipReason::Refused(error.to_string()));
                }
                // Nobody may be told that they are here.
                Err(error @ EditError::TooManyHeld) => {
                    let reason = error.to_string();
                    return Err(PeerError::Unavailable { status: 503, reason });
                }
            }
        }
        Ok(sorting.into_taken(revisions))
    }

    /// Remembers, durably, how far it has come.
    ///
    /// # Errors
    /// Any of [`PeerError`].
    pub fn remember(&self, checkpoint: &Checkpoint) -> Result<(), PeerError> {
        let json = checkpoint.to_json(self.database.update_seq());
        self.database.write_local(self.checkpoint.clone(), 0, Some(json))?;
        Ok(())
    }

    /// Forgets how far it has come: the next time it compares everything anew.
    ///
    /// # Errors
    /// Any of [`PeerError`].
    pub fn forget(&self) -> Result<(), PeerError> {
        self.database.write_local(self.checkpoint.clone(), 0, None)?;
        Ok(())
    }
}

/// Hands to the store what a peer has brought.
fn deliver(
    database: &Database,
    edits: Vec<Edit>,
    now: Millis,
    by: &str,
) -> Result<Vec<Result<RevId, EditError>>, Error> {
    database.deliver(edits, now, by)
}

/// The revision that an edit brings.
fn tip(edit: &Edit) -> Option<RevId> {
    match &edit.lineage {
        store::Lineage::Path(path) => path.first().cloned(),
        store::Lineage::Child(_) => None,
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("database", &self.database)
            .field("deliverer", &self.deliverer)
            .finish_non_exhaustive()
    }
}
