//! Attachments one at a time.

mod range;
mod read;
mod staging;
mod write;

pub(crate) use read::get;
pub(crate) use staging::{Staging, too_large};
pub(crate) use write::{delete, put};

use store::{Body, DocId, RevId, Snapshot};

use super::HttpError;

/// A revision whose attachments are read or changed.
struct Revision {
    rev: RevId,
    deleted: bool,
    body: Body,
}

impl Revision {
    /// The revision named, `None` when it is not there.
    fn named(
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
    fn winner(snapshot: &Snapshot<'_>, id: &DocId) -> Result<Self, HttpError> {
        let head = snapshot.head(id)?.ok_or(HttpError::NotFound("missing"))?;
        if head.deleted {
            return Err(HttpError::NotFound("deleted"));
        }
        let body = snapshot.body(head.body)?.ok_or(HttpError::NotFound("missing"))?;
        Ok(Self { rev: head.rev, deleted: false, body })
    }

    fn attachment(&self, name: &str) -> Result<&store::Attachment, HttpError> {
        let attachments = &self.body.attachments;
        attachments
            .iter()
            .find(|attachment| attachment.name == name)
            .ok_or(HttpError::NotFound("Document is missing attachment"))
    }
}
