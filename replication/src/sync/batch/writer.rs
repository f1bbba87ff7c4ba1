//! Writing batches.

use store::rev_tree::Node;
use store::{Attachment, DocId, RevId, Seq, Signature, varint};

use super::{Carriage, PATH_REVS_MAX, Withheld, flag};
use crate::sync::frame::encoding_byte;

/// Bytes in front of the documents: from, through, pending, and how many documents.
const HEADER_BYTES: usize = 28;

/// Writes one batch after the other into the same memory.
#[derive(Debug)]
pub struct BatchWriter {
    content: Vec<u8>,
    from: Seq,
    /// Of the document written last.
    seq: Seq,
    documents: u32,
    revs: usize,
    leaves: usize,
}

impl BatchWriter {
    /// One whose first batch begins behind `from`.
    #[must_use]
    pub fn new(from: Seq) -> Self {
        let content = vec![0; HEADER_BYTES];
        Self { content, from, seq: from, documents: 0, revs: 0, leaves: 0 }
    }

    /// Documents written so far.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.documents as usize
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.content.len()
    }

    /// Revisions named so far, ancestors included.
    #[must_use]
    pub fn revs(&self) -> usize {
        self.revs
    }

    /// Revisions written so far with their contents.
    #[must_use]
    pub fn leaves_sent(&self) -> usize {
        self.leaves
    }

    /// Begins a document with that many leaves, which follow; `seq` greater than that of the one before,
    /// or zero in an answer to what was asked for by name.
    pub fn document(&mut self, seq: Seq, id: &DocId, leaves: usize) {
        self.number(seq.0.saturating_sub(self.seq.0));
        self.seq = seq;
        self.text(id.as_str());
        self.number(leaves as u64);
        self.documents += 1;
    }

    /// A leaf without its contents.
    pub fn listed(&mut self, rev: &RevId, deleted: bool) {
        self.leaf(rev, deleted, 0);
    }

    /// A leaf whose contents are not to be had.
    pub fn withheld(&mut self, rev: &RevId, deleted: bool, reason: Withheld) {
        self.leaf(rev, deleted, flag::WITHHELD);
        self.content.push(reason.byte());
    }

    /// A leaf with its ancestors, newest first, and its body; `attachments` of them follow.
    pub fn sent<'n>(
        &mut self,
        mut path: impl Iterator<Item = &'n Node>,
        revs_max: usize,
        body: &str,
        attachments: usize,
    ) {
        let Some(leaf) = path.next() else { return };
        let at = self.content.len();
        self.leaf(&leaf.rev, leaf.deleted, flag::SENT);
        let mut ancestors = path.map(|node| &node.rev);
        let kept: Vec<&RevId> = ancestors.by_ref().take(revs_max.min(PATH_REVS_MAX) - 1).collect();
        // Past what any batch may hold, a path counts as stemmed.
        if revs_max < PATH_REVS_MAX && ancestors.next().is_some() {
            self.content[at] |= flag::CUT;
        }
        self.number(kept.len() as u64);
        for rev in kept {
            self.content.push(text_flag(&rev.signature));
            self.signature(&rev.signature);
        }
        self.text(body);
        self.number(attachments as u64);
        self.leaves += 1;
    }

    /// An attachment of the leaf written last.
    pub fn attachment(&mut self, attachment: &Attachment, carriage: &Carriage) {
        self.text(&attachment.name);
        self.text(&attachment.content_type);
        self.number(attachment.revpos);
        self.number(attachment.length);
        self.content.push(encoding_byte(attachment.encoding));
        self.content.extend_from_slice(&attachment.content.0);
        match carriage {
            Carriage::Stub => self.content.push(0),
            Carriage::Inline(bytes) => {
                self.content.push(1);
                self.number(bytes.len() as u64);
                self.content.extend_from_slice(bytes);
            }
            Carriage::Before => self.content.push(2),
        }
    }

    /// Ends the batch, hands its content to `take`, and begins the next one behind it.
    pub fn finish<T>(&mut self, through: Seq, pending: u64, take: impl FnOnce(&[u8]) -> T) -> T {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(&self.from.0.to_le_bytes());
        header[8..16].copy_from_slice(&through.0.to_le_bytes());
        header[16..24].copy_from_slice(&pending.to_le_bytes());
        header[24..].copy_from_slice(&self.documents.to_le_bytes());
        self.content[..HEADER_BYTES].copy_from_slice(&header);
        let taken = take(&self.content);
        self.content.truncate(HEADER_BYTES);
        (self.from, self.seq) = (through, through);
        (self.documents, self.revs, self.leaves) = (0, 0, 0);
        taken
    }

    fn leaf(&mut self, rev: &RevId, deleted: bool, flags: u8) {
        let deleted = if deleted { flag::DELETED } else { 0 };
        self.content.push(flags | deleted | text_flag(&rev.signature));
        self.number(rev.generation);
        self.signature(&rev.signature);
    }

    fn signature(&mut self, signature: &Signature) {
        self.revs += 1;
        match signature {
            Signature::Digest(digest) => self.content.extend_from_slice(digest),
            Signature::Text(text) => self.text(text),
        }
    }

    fn number(&mut self, number: u64) {
        varint::write(&mut self.content, number);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.content.extend_from_slice(text.as_bytes());
    }
}

fn text_flag(signature: &Signature) -> u8 {
    match signature {
        Signature::Digest(_) => 0,
        Signature::Text(_) => flag::TEXT,
    }
}
