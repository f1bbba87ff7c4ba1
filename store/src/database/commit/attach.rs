//! Attachments of a revision that is written.

use super::{Commit, decode_attachments};
use crate::rev_tree::NodeId;
use crate::{
    Attachment, Content, CopySource, DocId, Edit, EditError, Encoding, Error, NewAttachment,
};

impl Commit<'_> {
    /// Files staged bytes, and finds what stubs stand for in the stored ancestors and what copies are
    /// of in the revisions they name.
    pub(super) fn attach(
        &mut self,
        edit: &Edit,
        generation: u64,
        ancestors: &[NodeId],
    ) -> Result<Result<Vec<Attachment>, EditError>, Error> {
        let mut attachments = Vec::with_capacity(edit.attachments.len());
        let mut inherited = None;
        let mut copied: Option<(&CopySource, Vec<Attachment>)> = None;
        for new in &edit.attachments {
            let attachment = match &new.content {
                Content::Staged(staged) => {
                    if let Some(blob) = self.rows.put_blob(staged)? {
                        self.counters.blob_bytes += blob.length;
                        self.counters.blob_file_bytes += if blob.in_file { blob.length } else { 0 };
                    }
                    let content_type = new.content_type.clone();
                    Attachment {
                        name: new.name.clone(),
                        content_type: content_type.unwrap_or_else(default_type),
                        revpos: new.revpos.unwrap_or(generation).min(generation),
                        digest: staged.digest,
                        length: staged.length,
                        content: staged.content,
                        encoding: staged.encoded_length.map(|_| Encoding::Gzip),
                        encoded_length: staged.encoded_length,
                    }
                }
                Content::Stub => {
                    if inherited.is_none() {
                        inherited = Some(self.inherited(&edit.id, ancestors)?);
                    }
                    let found = inherited.iter().flatten().find(|a| stands_for(new, a));
                    match found {
                        Some(attachment) => attachment.clone(),
                        None => {
                            let (id, name) = (edit.id.to_string(), new.name.clone());
                            return Ok(Err(EditError::MissingStub { id, name }));
                        }
                    }
                }
                Content::Copied(source) => {
                    if copied.as_ref().is_none_or(|(last, _)| *last != source) {
                        copied = Some((source, self.attachments_of(source)?));
                    }
                    let of_source = copied.iter().flat_map(|(_, attachments)| attachments);
                    let Some(found) = of_source.into_iter().find(|a| a.name == new.name) else {
                        let (id, name) = (source.id.to_string(), new.name.clone());
                        return Ok(Err(EditError::MissingStub { id, name }));
                    };
                    let content_type = new.content_type.clone();
                    // New to this document, whose replicas ask by its own generations.
                    Attachment {
                        content_type: content_type.unwrap_or_else(|| found.content_type.clone()),
                        revpos: generation,
                        ..found.clone()
                    }
                }
            };
            attachments.push(attachment);
        }
        Ok(Ok(attachments))
    }

    /// The attachments of a stored revision; none where it is not stored.
    fn attachments_of(&mut self, source: &CopySource) -> Result<Vec<Attachment>, Error> {
        self.load(&source.id)?;
        let tree = self.docs.get(&source.id).map(|pending| &pending.tree);
        let at = tree.and_then(|tree| tree.find(&source.rev));
        self.inherited(&source.id, at.as_slice())
    }

    /// The attachments of these ancestors, those of the nearest first.
    fn inherited(&self, id: &DocId, ancestors: &[NodeId]) -> Result<Vec<Attachment>, Error> {
        let mut inherited = Vec::new();
        let Some(pending) = self.docs.get(id) else { return Ok(inherited) };
        for at in ancestors {
            let node = pending.tree.node(*at);
            let body = match node.stored {
                Some(stored) => Some(stored.body),
                None => self.overwritten_body(id, &node.rev)?,
            };
            let Some(body) = body else { continue };
            let found = self.rows.attachments(body)?;
            inherited.extend(decode_attachments(found.as_deref())?);
        }
        Ok(inherited)
    }
}

fn stands_for(stub: &NewAttachment, stored: &Attachment) -> bool {
    // Another `revpos` is another edit of that name, which this hub may not have.
    stub.name == stored.name && stub.revpos.is_none_or(|revpos| revpos == stored.revpos)
}

fn default_type() -> String {
    "application/octet-stream".into()
}
