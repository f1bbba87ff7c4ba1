//! What of a delivery is new here, what is still lacking, and what never comes.

use std::collections::{HashMap, HashSet};

use store::rev_tree::RevTree;
use store::{
    Attachment, Content, Database, DocId, DocTree, Edit, Error, Lineage, NewAttachment, RevId,
    Snapshot, Staged,
};

use super::Taken;
use crate::sync::inflow::Key;
use crate::sync::{
    BatchDocument, Carriage, Delivery, LeafContent, SentAttachment, SentRevision, SkipReason,
    Skipped, Wish, Withheld,
};

/// Leaves of the target that a request names as possible ancestors.
const ANCESTORS_MAX: usize = 20;

/// A delivery, sorted.
#[derive(Default)]
pub(super) struct Sorting {
    /// What is new, or may be.
    pub(super) edits: Vec<Edit>,
    wishes: Vec<Wish>,
    skipped: Vec<Skipped>,
    /// Documents of which something was left out.
    incomplete: HashSet<DocId>,
}

/// What becomes of a leaf that is not here.
enum Verdict {
    /// It came.
    New(SentRevision),
    /// It has to be asked for, perhaps with all that belongs to it.
    Lacking { whole: bool },
    /// It is left out.
    Never(SkipReason),
}

type Attachments = HashMap<Key, Result<Staged, SkipReason>>;

impl Sorting {
    /// Compares a delivery with a database. Where nobody judges, what brings everything along is left to
    /// the commit, which knows best what is new.
    pub(super) fn sort(
        database: &Database,
        delivery: Delivery,
        is_judged: bool,
    ) -> Result<Self, Error> {
        let Delivery { batch, attachments, .. } = delivery;
        let mut sorting =
            Self { edits: Vec::with_capacity(batch.documents.len()), ..Self::default() };
        let mut unsure = Vec::new();
        for document in batch.documents {
            match !is_judged && is_complete(&document) {
                true => sorting.admit(document, &attachments),
                false => unsure.push(document),
            }
        }
        if !unsure.is_empty() {
            database.read::<_, Error>(|snapshot| {
                let mut compared = unsure.into_iter();
                compared.try_for_each(|document| sorting.compare(snapshot, document, &attachments))
            })?;
        }
        Ok(sorting)
    }

    pub(super) fn into_taken(self, revisions: u64) -> Taken {
        Taken { revisions, wishes: self.wishes, skipped: self.skipped }
    }

    pub(super) fn skip(&mut self, id: DocId, rev: RevId, reason: SkipReason) {
        self.incomplete.insert(id.clone());
        self.skipped.push(Skipped { id, rev, reason });
    }

    /// Leaves out the tombstones of documents of which something else was left out: one that settles a
    /// conflict must not come without the revision that it settles it for.
    pub(super) fn retain_settled(&mut self, edits: Vec<(Edit, RevId)>) -> Vec<(Edit, RevId)> {
        if self.incomplete.is_empty() {
            return edits;
        }
        let is_unsettled = |edit: &Edit| edit.deleted && self.incomplete.contains(&edit.id);
        let (unsettled, settled): (Vec<_>, Vec<_>) =
            edits.into_iter().partition(|(edit, _)| is_unsettled(edit));
        for (edit, rev) in unsettled {
            self.skip(edit.id, rev, SkipReason::Sibling);
        }
        settled
    }

    /// Asks for a revision with all that belongs to it.
    pub(super) fn want_whole(&mut self, id: DocId, rev: RevId) {
        self.want(id, rev, true, Vec::new);
    }

    fn want(&mut self, id: DocId, rev: RevId, whole: bool, ancestors: impl FnOnce() -> Vec<RevId>) {
        match self.wishes.last_mut() {
            Some(wish) if wish.id == id && wish.whole == whole => wish.revs.push(rev),
            _ => {
                let ancestors = ancestors();
                self.wishes.push(Wish { id, revs: vec![rev], ancestors, whole });
            }
        }
    }

    /// Takes a document that brings everything along.
    fn admit(&mut self, document: BatchDocument, attachments: &Attachments) {
        let BatchDocument { id, mut leaves, .. } = document;
        let last = leaves.pop();
        for leaf in leaves {
            if let LeafContent::Sent(revision) = leaf.content {
                self.edit(id.clone(), leaf.deleted, revision, attachments);
            }
        }
        if let Some(leaf) = last
            && let LeafContent::Sent(revision) = leaf.content
        {
            self.edit(id, leaf.deleted, revision, attachments);
        }
    }

    fn compare(
        &mut self,
        snapshot: &Snapshot<'_>,
        document: BatchDocument,
        attachments: &Attachments,
    ) -> Result<(), Error> {
        let BatchDocument { id, leaves, .. } = document;
        let document = snapshot.tree(&id)?;
        let revs: Vec<RevId> = leaves.iter().map(|leaf| leaf.rev.clone()).collect();
        let missing: HashSet<&RevId> =
            snapshot.missing(&id, document.as_ref(), &revs)?.into_iter().collect();
        let tree = document.map(|DocTree { tree, .. }| tree).unwrap_or_default();
        let mut verdicts = Vec::new();
        for leaf in leaves {
            let is_known = !missing.contains(&leaf.rev);
            let verdict = match leaf.content {
                LeafContent::Listed | LeafContent::Withheld(_) if is_known => continue,
                LeafContent::Listed => Verdict::Lacking { whole: false },
                LeafContent::Withheld(reason) => Verdict::Never(reason.into()),
                LeafContent::Sent(_) if is_known && !lacks_body(&tree, &leaf.rev) => continue,
                LeafContent::Sent(mut revision) => {
                    match join(&tree, &mut revision) && stubs_resolve(snapshot, &tree, &revision)? {
                        true => Verdict::New(revision),
                        false => Verdict::Lacking { whole: true },
                    }
                }
            };
            verdicts.push((leaf.rev, leaf.deleted, verdict));
        }
        // All leaves of a document go into one commit, which settles its conflicts: what came waits
        // for what did not, and is sent again with it.
        let lacking = verdicts.iter().any(|(.., one)| matches!(one, Verdict::Lacking { .. }));
        for (rev, deleted, verdict) in verdicts {
            match verdict {
                Verdict::New(revision) if !lacking => {
                    self.edit(id.clone(), deleted, revision, attachments);
                }
                Verdict::New(_) | Verdict::Lacking { whole: true } => {
                    self.want_whole(id.clone(), rev);
                }
                Verdict::Lacking { whole: false } => self.want(id.clone(), rev, false, || {
                    let leaves = tree.leaves().into_iter().take(ANCESTORS_MAX);
                    leaves.map(|at| tree.node(at).rev.clone()).collect()
                }),
                Verdict::Never(reason) => self.skip(id.clone(), rev, reason),
            }
        }
        Ok(())
    }

    fn edit(
        &mut self,
        id: DocId,
        deleted: bool,
        revision: SentRevision,
        attachments: &Attachments,
    ) {
        let SentRevision { path, body, attachments: described, .. } = revision;
        let described = described.into_iter().map(|one| new_attachment(one, attachments));
        let contents = body
            .map_err(SkipReason::Unreadable)
            .and_then(|body| Ok((body, described.collect::<Result<Vec<_>, _>>()?)));
        match contents {
            Ok((body, attachments)) => {
                let lineage = Lineage::Path(path);
                self.edits.push(Edit { id, lineage, deleted, body, attachments });
            }
            Err(reason) => {
                if let Some(rev) = path.into_iter().next() {
                    self.skip(id, rev, reason);
                }
            }
        }
    }
}

impl From<Withheld> for SkipReason {
    fn from(reason: Withheld) -> Self {
        match reason {
            Withheld::TooLarge => Self::TooLarge,
            Withheld::AttachmentTooLarge => Self::AttachmentTooLarge,
            Withheld::Gone => Self::Gone,
        }
    }
}

/// Whether a document can be written without a look at what is here.
fn is_complete(document: &BatchDocument) -> bool {
    document.leaves.iter().all(|leaf| match &leaf.content {
        LeafContent::Listed | LeafContent::Withheld(_) => false,
        LeafContent::Sent(revision) => {
            !revision.cut
                && revision.body.is_ok()
                && revision.attachments.iter().all(|one| one.carriage != Carriage::Stub)
        }
    })
}

/// Whether a revision is known by name only, and takes the body that comes.
fn lacks_body(tree: &RevTree, rev: &RevId) -> bool {
    tree.find(rev).is_some_and(|at| tree.node(at).stored.is_none() && tree.is_leaf(at))
}

/// Lets the path of a revision whose oldest ancestors were left out begin where the tree knows it;
/// `false` when it does not.
fn join(tree: &RevTree, revision: &mut SentRevision) -> bool {
    if !revision.cut {
        return true;
    }
    let known = revision.path.iter().skip(1).position(|rev| tree.contains(rev));
    if let Some(at) = known {
        // The tip, and what came before the one that is known, stay in front of it.
        revision.path.truncate(at + 2);
    }
    known.is_some()
}

/// Whether every stub stands for the bytes that the source means: those of the nearest stored
/// ancestors, and of no other document.
fn stubs_resolve(
    snapshot: &Snapshot<'_>,
    tree: &RevTree,
    revision: &SentRevision,
) -> Result<bool, Error> {
    let mut stubs =
        revision.attachments.iter().filter(|one| one.carriage == Carriage::Stub).peekable();
    if stubs.peek().is_none() {
        return Ok(true);
    }
    let mut inherited: Vec<Attachment> = Vec::new();
    for rev in revision.path.iter().skip(1) {
        let stored = tree.find(rev).and_then(|at| tree.node(at).stored);
        if let Some(stored) = stored
            && let Some(body) = snapshot.body(stored.body)?
        {
            inherited.extend(body.attachments);
        }
    }
    let resolves = |stub: &SentAttachment| {
        let named = |one: &&Attachment| one.name == stub.name && one.revpos == stub.revpos;
        inherited.iter().find(named).is_some_and(|found| found.content.0 == stub.content)
    };
    Ok(stubs.all(resolves))
}

fn new_attachment(
    described: SentAttachment,
    attachments: &Attachments,
) -> Result<NewAttachment, SkipReason> {
    let content = match described.carriage {
        Carriage::Stub => Content::Stub,
        Carriage::Inline(_) | Carriage::Before => {
            let key = (described.content, described.encoding);
            let absent = || SkipReason::Unreadable("an attachment did not come".into());
            let staged = attachments.get(&key).ok_or_else(absent)?.clone()?;
            if staged.length() != described.length {
                let reason = "an attachment has another length";
                return Err(SkipReason::Unreadable(reason.into()));
            }
            Content::Staged(staged)
        }
    };
    Ok(NewAttachment {
        name: described.name,
        content_type: Some(described.content_type),
        revpos: Some(described.revpos),
        content,
    })
}
