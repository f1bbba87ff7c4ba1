//! Revisions written out as JSON text, without parsing what is stored.

use std::io::Write as _;

use super::Output;
use crate::rev_tree::NodeId;
use crate::{
    Attachment, Body, DocId, DocTree, Error, Head, Local, RevId, Signature, Snapshot, json,
};

/// What is shown of a document beside its id, revision, body and attachments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Show {
    /// `_revisions`: the revision and its ancestors.
    pub revs: bool,
    /// `_revs_info`: the winner and its ancestors, each with what is left of it.
    pub revs_info: bool,
    /// `_conflicts`: live leaves beside the winner.
    pub conflicts: bool,
    /// `_deleted_conflicts`: deleted leaves beside the winner.
    pub deleted_conflicts: bool,
    /// `_local_seq`: position of the document's last edit.
    pub local_seq: bool,
    /// Which attachments come with their bytes.
    pub attachments: ShowAttachments,
    /// Whether it is said of attachments how they are stored, where they are encoded:
    /// `att_encoding_info`. Always said of those whose bytes follow.
    pub encoding_info: bool,
    /// Whether bytes follow the text, as [`Output::take_following`] lists them, rather than stand
    /// in it.
    pub follow: bool,
}

/// Which attachments come with their bytes, in base64; the others are stubs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ShowAttachments {
    /// None: `attachments=false`.
    #[default]
    Stubs,
    /// Each: `attachments=true`.
    All,
    /// Those that came after the youngest of these that is the revision or an ancestor:
    /// `atts_since`.
    Since(Vec<RevId>),
}

impl Show {
    /// Whether more must be read than the revision itself.
    fn needs_tree(&self) -> bool {
        self.revs
            || self.revs_info
            || self.conflicts
            || self.deleted_conflicts
            || matches!(self.attachments, ShowAttachments::Since(_))
    }
}

/// One revision of a document, its body read.
struct Revision<'a> {
    id: &'a DocId,
    rev: &'a RevId,
    deleted: bool,
    body: &'a Body,
    /// The document's tree and where the revision stands in it, where that was read.
    place: Option<(&'a DocTree, NodeId)>,
}

impl Snapshot<'_> {
    /// Appends a document's winner as one JSON object, with everything that `show` asks for.
    ///
    /// # Errors
    /// Any of [`Error`]; then `out` holds part of the object.
    pub fn render_winner(&self, head: &Head, show: &Show, out: &mut Output) -> Result<(), Error> {
        let lost = |what| Error::Damaged(format!("{what} of {} is missing", head.id));
        let body = self.body(head.body)?.ok_or_else(|| lost("the winner"))?;
        let document = if show.needs_tree() {
            Some(self.tree(&head.id)?.ok_or_else(|| lost("the tree"))?)
        } else {
            None
        };
        let place = match &document {
            Some(document) => {
                let at = document.tree.find(&head.rev).ok_or_else(|| lost("the winner"))?;
                Some((document, at))
            }
            None => None,
        };
        let revision =
            Revision { id: &head.id, rev: &head.rev, deleted: head.deleted, body: &body, place };
        revision.begin(show, out);
        if show.revs_info
            && let Some((document, at)) = place
        {
            write_revs_info(document, at, out.text());
        }
        if let Some((document, _)) = place {
            if show.conflicts {
                write_revs("_conflicts", &document.tree.conflicts(), document, out.text());
            }
            if show.deleted_conflicts {
                let conflicts = document.tree.deleted_conflicts();
                write_revs("_deleted_conflicts", &conflicts, document, out.text());
            }
        }
        if show.local_seq {
            append(out.text(), format_args!(",\"_local_seq\":{}", head.seq.0));
        }
        self.end(&revision, show, out)
    }

    /// Appends one revision of a document as a JSON object, with `_revisions` and attachments as
    /// `show` asks; its other members speak of the document and are shown with the winner only.
    /// `false`, with nothing appended, when there is no such revision or compaction has taken its
    /// body.
    ///
    /// # Errors
    /// Any of [`Error`]; then `out` holds part of the object.
    pub fn render_revision(
        &self,
        id: &DocId,
        document: &DocTree,
        rev: &RevId,
        show: &Show,
        out: &mut Output,
    ) -> Result<bool, Error> {
        let Some(at) = document.tree.find(rev) else { return Ok(false) };
        let node = document.tree.node(at);
        let Some(stored) = node.stored else { return Ok(false) };
        let Some(body) = self.body(stored.body)? else { return Ok(false) };
        let place = Some((document, at));
        let revision = Revision { id, rev, deleted: node.deleted, body: &body, place };
        revision.begin(show, out);
        self.end(&revision, show, out)?;
        Ok(true)
    }

    /// Appends the attachments and the closing brace.
    fn end(&self, revision: &Revision<'_>, show: &Show, out: &mut Output) -> Result<(), Error> {
        let since = match &show.attachments {
            ShowAttachments::Stubs => None,
            ShowAttachments::All => Some(0),
            ShowAttachments::Since(revs) => Some(revision.youngest_ancestor(revs)),
        };
        for (index, attachment) in revision.body.attachments.iter().enumerate() {
            let separator: &[u8] = if index == 0 { b",\"_attachments\":{" } else { b"," };
            out.text().extend_from_slice(separator);
            begin_attachment(attachment, out.text());
            let length = attachment.length;
            if since.is_some_and(|since| since == 0 || attachment.revpos > since) {
                if show.follow {
                    append(out.text(), format_args!("\"length\":{length},\"follows\":true"));
                    out.follow(attachment);
                } else {
                    self.write_data(attachment, out)?;
                }
            } else {
                append(out.text(), format_args!("\"length\":{length},\"stub\":true"));
            }
            if (show.encoding_info || show.follow)
                && let Some(encoding) = attachment.encoding
            {
                let length = attachment.stored_length();
                append(
                    out.text(),
                    format_args!(",\"encoding\":\"{encoding}\",\"encoded_length\":{length}"),
                );
            }
            out.text().push(b'}');
        }
        if !revision.body.attachments.is_empty() {
            out.text().push(b'}');
        }
        out.text().push(b'}');
        Ok(())
    }

    fn write_data(&self, attachment: &Attachment, out: &mut Output) -> Result<(), Error> {
        out.text().extend_from_slice(b"\"data\":\"");
        if out.defers(attachment.length) {
            out.insert(attachment);
        } else {
            out.append_base64(self.attachment(attachment)?.decoded(attachment), attachment)?;
        }
        out.text().push(b'"');
        Ok(())
    }
}

impl Revision<'_> {
    /// Everything up to `_revisions`.
    fn begin(&self, show: &Show, out: &mut Output) {
        let text = out.text();
        text.reserve(self.body.json.len() + 128);
        text.extend_from_slice(b"{\"_id\":");
        json::write_string(text, self.id.as_str());
        text.extend_from_slice(b",\"_rev\":");
        write_rev(text, self.rev);
        write_members(text, &self.body.json);
        if self.deleted {
            text.extend_from_slice(b",\"_deleted\":true");
        }
        if show.revs
            && let Some((document, at)) = self.place
        {
            append(
                text,
                format_args!(",\"_revisions\":{{\"start\":{},\"ids\":[", self.rev.generation),
            );
            for (index, node) in document.tree.ancestry(at).enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                write_signature(text, &node.rev.signature);
            }
            text.extend_from_slice(b"]}");
        }
    }

    /// Generation of the youngest of `revs` on this revision's own path, 0 when none is.
    fn youngest_ancestor(&self, revs: &[RevId]) -> u64 {
        let Some((document, at)) = self.place else { return 0 };
        let mut path = document.tree.ancestry(at).map(|node| &node.rev);
        path.find(|rev| revs.contains(rev)).map_or(0, |rev| rev.generation)
    }
}

impl Local {
    /// Appends the document as one JSON object.
    pub fn render(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(b"{\"_id\":");
        json::write_string(text, &self.id.to_string());
        append(text, format_args!(",\"_rev\":\"0-{}\"", self.rev));
        write_members(text, &self.json);
        text.push(b'}');
    }
}

/// The members of a compacted object, each after a comma.
pub(crate) fn write_members(text: &mut Vec<u8>, object: &str) {
    let members = object.strip_prefix('{').and_then(|object| object.strip_suffix('}'));
    if let Some(members) = members.filter(|members| !members.is_empty()) {
        text.push(b',');
        text.extend_from_slice(members.as_bytes());
    }
}

/// `"content_type":…,"revpos":…,"digest":…,` of an attachment, its name in front.
pub(crate) fn begin_attachment(attachment: &Attachment, text: &mut Vec<u8>) {
    json::write_string(text, &attachment.name);
    text.extend_from_slice(b":{\"content_type\":");
    json::write_string(text, &attachment.content_type);
    append(
        text,
        format_args!(",\"revpos\":{},\"digest\":\"{}\",", attachment.revpos, attachment.digest),
    );
}

fn write_revs_info(document: &DocTree, at: NodeId, text: &mut Vec<u8>) {
    text.extend_from_slice(b",\"_revs_info\":[");
    for (index, node) in document.tree.ancestry(at).enumerate() {
        let status = match node.stored {
            None => "missing",
            Some(_) if node.deleted => "deleted",
            Some(_) => "available",
        };
        text.extend_from_slice(if index == 0 { b"{\"rev\":" } else { b",{\"rev\":" });
        write_rev(text, &node.rev);
        append(text, format_args!(",\"status\":\"{status}\"}}"));
    }
    text.push(b']');
}

/// A member that lists revisions; nothing where there are none.
fn write_revs(member: &str, revs: &[NodeId], document: &DocTree, text: &mut Vec<u8>) {
    for (index, at) in revs.iter().enumerate() {
        if index == 0 {
            append(text, format_args!(",\"{member}\":["));
        } else {
            text.push(b',');
        }
        write_rev(text, &document.tree.node(*at).rev);
    }
    if !revs.is_empty() {
        text.push(b']');
    }
}

pub(crate) fn write_rev(text: &mut Vec<u8>, rev: &RevId) {
    match rev.signature {
        Signature::Digest(_) => append(text, format_args!("\"{rev}\"")),
        Signature::Text(_) => json::write_string(text, &rev.to_string()),
    }
}

pub(crate) fn write_signature(text: &mut Vec<u8>, signature: &Signature) {
    match signature {
        Signature::Digest(_) => append(text, format_args!("\"{signature}\"")),
        Signature::Text(signature) => json::write_string(text, signature),
    }
}

pub(crate) fn append(text: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _written = text.write_fmt(what);
}

#[cfg(test)]
mod tests;
