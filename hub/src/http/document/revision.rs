//! One stored revision with its body, to be read or edited.

use store::{Body, DocId, RevId, Snapshot};

use crate::http::HttpError;

/// A revision and what it holds.
pub(crate) struct Revision {
    /// Which one it is.
    pub(crate) rev: RevId,
    /// Whether it is a tombstone.
    pub(crate) deleted: bool,
    /// What it holds.
    pub(crate) body: Body,
}

impl Revision {
    /// The revision named, `None` when it is not there.
    pub(crate) fn named(
        snapshot: &Snapshot<'_>,
        id: &DocId,
        rev: &RevId,
    ) -> Result<Option<Self>, store::Error> {
        let Some(document) = snapshot.tree(id)? else { return Ok(None) };
        let Some(at) = document.tree.find(rev) else { return Ok(None) };
        let node = document.tree.node(at);
        let Some(stored) = node.stored else { return Ok(None) };
        let body = snapshot.body(stored.body)?;
        Ok(body.map(|body| Self { rev: rev.clone(), deleted: node.deleted, body }))
    }

    /// The winner, when it lives.
    pub(crate) fn winner(snapshot: &Snapshot<'_>, id: &DocId) -> Result<Self, HttpError> {
        let head = snapshot.head(id)?.ok_or(HttpError::NotFound("missing"))?;
        if head.deleted {
            return Err(HttpError::NotFound("deleted"));
        }
        let body = snapshot.body(head.body)?.ok_or(HttpError::NotFound("missing"))?;
        Ok(Self { rev: head.rev, deleted: false, body })
    }

    /// The revision named when it is there, or the winner when it lives.
    pub(crate) fn wanted(
        snapshot: &Snapshot<'_>,
        id: &DocId,
        rev: Option<&RevId>,
    ) -> Result<Self, HttpError> {
        match rev {
            None => Self::winner(snapshot, id),
            Some(rev) => Self::named(snapshot, id, rev)?.ok_or(HttpError::NotFound("missing")),
        }
    }

    /// One of its attachments.
    pub(crate) fn attachment(&self, name: &str) -> Result<&store::Attachment, HttpError> {
        let attachments = &self.body.attachments;
        attachments
            .iter()
            .find(|attachment| attachment.name == name)
            .ok_or(HttpError::NotFound("Document is missing attachment"))
    }
}
