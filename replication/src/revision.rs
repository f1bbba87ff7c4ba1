//! Revisions on their way from one database to another.

use std::sync::Arc;

use store::{Database, DocId, Edit, Encoding, RevId};

use crate::PeerError;

/// Revisions of one document that the target asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The document.
    pub id: DocId,
    /// The revisions that the target does not know; never empty.
    pub revs: Vec<RevId>,
    /// Leaves of the target that a missing revision may descend from: CouchDB's
    /// `possible_ancestors`.
    pub ancestors: Vec<RevId>,
    /// Whether every attachment is to be sent, even those the target seems to have.
    pub whole: bool,
}

/// One revision with its history and contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The document.
    pub id: DocId,
    /// The revision and its ancestors, newest first; never empty.
    pub path: Vec<RevId>,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// The JSON object as its author wrote it, compacted, without members that begin with an
    /// underscore.
    pub body: String,
    /// All attachments the revision has.
    pub attachments: Vec<RevisionAttachment>,
}

/// What a revision says of one of its attachments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionAttachment {
    /// Its name within the document.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// Generation of the revision that brought it.
    pub revpos: u64,
    /// Digest as the source prints it; of the *stored* form, which CouchDB may have compressed.
    pub digest: Option<String>,
    /// Length in bytes, where the source says it of the attachment as its author sent it.
    pub length: Option<u64>,
    /// How the source stores it, where that is not as its author sent it.
    pub encoding: Option<Encoding>,
    /// How many bytes the source stores, where they are encoded and it says so.
    pub encoded_length: Option<u64>,
    /// How it travels.
    pub transfer: Transfer,
}

/// How an attachment travels to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// Not at all: the target has it from an ancestor.
    Stub,
    /// Its bytes are read from the source while the revision is written.
    Bytes,
}

/// A revision that the target did not take; the others of the same request are unharmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The document.
    pub id: DocId,
    /// The revision.
    pub rev: RevId,
    /// Why.
    pub reason: RefusalReason,
}

/// Why the target did not take a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// An attachment came as a stub, but no ancestor at the target has it.
    MissingStub,
    /// Anything that a further attempt would not change: rights, validation, size; in the target's
    /// own words.
    Final(String),
    /// There is no room for it now, and may be later: the target's quota; in its own words.
    NoRoom(String),
}

/// Says which edits a database of this hub takes: whoever makes a [`crate::LocalPeer`] knows what
/// its design documents refuse.
pub trait Judge: Send + Sync {
    /// For each edit, in order, the reason why it is refused. On a thread that may block.
    ///
    /// # Errors
    /// Any of [`PeerError`]: then nothing is written. One that is passing when an edit cannot be judged
    /// now, so that it comes again.
    fn judge(
        &self,
        database: &Arc<Database>,
        edits: &[Edit],
    ) -> Result<Vec<Result<(), RefusalReason>>, PeerError>;
}

impl Revision {
    /// The revision's id.
    #[must_use]
    pub fn rev(&self) -> Option<&RevId> {
        self.path.first()
    }

    /// Leaves out the bytes of attachments that the target has from an ancestor: those not younger
    /// than the youngest of `ancestors` in this revision's history.
    ///
    /// Source: CouchDB's `atts_since`.
    pub(crate) fn spare_attachments(&mut self, ancestors: &[RevId]) {
        let common = self.path.iter().skip(1).find(|rev| ancestors.contains(rev));
        let Some(generation) = common.map(|rev| rev.generation) else { return };
        for attachment in &mut self.attachments {
            if attachment.revpos <= generation {
                attachment.transfer = Transfer::Stub;
            }
        }
    }

    /// Whether any attachment's bytes have to be read from the source.
    pub(crate) fn sends_bytes(&self) -> bool {
        self.attachments.iter().any(|attachment| attachment.transfer == Transfer::Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &[&str], revpos: &[u64], ancestors: &[&str], sent: &[u64]) {
        let rev = |text: &&str| text.parse::<RevId>().unwrap();
        let attachment = |revpos: &u64| RevisionAttachment {
            name: revpos.to_string(),
            content_type: "text/plain".into(),
            revpos: *revpos,
            digest: None,
            length: None,
            encoding: None,
            encoded_length: None,
            transfer: Transfer::Bytes,
        };
        let mut revision = Revision {
            id: "a".parse().unwrap(),
            path: path.iter().map(rev).collect(),
            deleted: false,
            body: "{}".into(),
            attachments: revpos.iter().map(attachment).collect(),
        };
        revision.spare_attachments(&ancestors.iter().map(rev).collect::<Vec<_>>());
        let bytes = |a: &&RevisionAttachment| a.transfer == Transfer::Bytes;
        let found: Vec<u64> = revision.attachments.iter().filter(bytes).map(|a| a.revpos).collect();
        assert_eq!(found, sent, "{path:?} {ancestors:?}");
    }

    #[test]
    fn sends_what_came_after_the_common_ancestor() {
        let path = ["4-d", "3-c", "2-b", "1-a"];
        check(&path, &[1, 2, 3, 4], &[], &[1, 2, 3, 4]);
        check(&path, &[1, 2, 3, 4], &["2-b"], &[3, 4]);
        check(&path, &[1, 2, 3, 4], &["1-a", "3-c"], &[4]);
        check(&path, &[1, 2], &["3-other"], &[1, 2]);
        check(&path, &[4], &["4-d"], &[4]);
    }
}
