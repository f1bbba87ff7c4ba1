//! Reading batches.

use bytes::Bytes;
use store::{BodyText, DocId, Document, DocumentLimits, RevId, Seq, Signature, varint};

use super::{
    ATTACHMENTS_MAX, Batch, BatchDocument, Carriage, INLINE_BYTES_MAX, Leaf, LeafContent,
    NAME_BYTES_MAX, PATH_REVS_MAX, REVS_MAX, SentAttachment, SentRevision, Withheld, flag,
};
use crate::sync::Misbehaviour;
use crate::sync::frame::{array_of, encoding_of, u64_of};

/// Bytes that the shortest document takes: its sequence, its id, and one leaf.
const DOCUMENT_BYTES_MIN: usize = 7;

impl Batch {
    /// Reads the content of a batch.
    pub(in crate::sync) fn read(
        content: &Bytes,
        limits: DocumentLimits,
    ) -> Result<Self, Misbehaviour> {
        let mut reader = Reader { content, rest: content, limits, revs_left: REVS_MAX };
        let batch = reader.batch()?;
        match reader.rest {
            [] => Ok(batch),
            _ => Err(Misbehaviour::Malformed("end of a batch")),
        }
    }
}

struct Reader<'a> {
    content: &'a Bytes,
    rest: &'a [u8],
    limits: DocumentLimits,
    revs_left: u64,
}

impl<'a> Reader<'a> {
    fn batch(&mut self) -> Result<Batch, Misbehaviour> {
        let malformed = || Misbehaviour::Malformed("head of a batch");
        let from = Seq(u64_of(&mut self.rest).ok_or_else(malformed)?);
        let through = Seq(u64_of(&mut self.rest).ok_or_else(malformed)?);
        let pending = u64_of(&mut self.rest).ok_or_else(malformed)?;
        let count = array_of(&mut self.rest).map(u32::from_le_bytes).ok_or_else(malformed)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > self.rest.len() / DOCUMENT_BYTES_MIN {
            return Err(malformed());
        }
        if count as u64 > REVS_MAX {
            return Err(Misbehaviour::TooLarge("batch's number of documents"));
        }
        let mut documents = Vec::with_capacity(count);
        let mut seq = from;
        for _ in 0..count {
            let document = self.document(seq)?;
            seq = document.seq;
            documents.push(document);
        }
        Ok(Batch { from, through, pending, documents })
    }

    fn document(&mut self, before: Seq) -> Result<BatchDocument, Misbehaviour> {
        let seq = before.0.checked_add(self.number()?).ok_or(Misbehaviour::Order)?;
        let id: DocId =
            self.text(u64::MAX)?.parse().map_err(|_| Misbehaviour::Malformed("document id"))?;
        let count = self.number()?;
        if count == 0 || count > self.revs_left {
            return Err(Misbehaviour::TooLarge("document's number of leaves"));
        }
        let leaves = (0..count).map(|_| self.leaf()).collect::<Result<_, _>>()?;
        Ok(BatchDocument { seq: Seq(seq), id, leaves })
    }

    fn leaf(&mut self) -> Result<Leaf, Misbehaviour> {
        let flags = self.byte()?;
        let generation = self.number()?;
        if generation == 0 {
            return Err(Misbehaviour::Malformed("revision"));
        }
        let rev = RevId { generation, signature: self.signature(flags & flag::TEXT != 0)? };
        let content = match flags & !(flag::DELETED | flag::TEXT) {
            0 => LeafContent::Listed,
            flag::WITHHELD => {
                let reason = Withheld::from_byte(self.byte()?);
                LeafContent::Withheld(reason.ok_or(Misbehaviour::Malformed("withheld leaf"))?)
            }
            sent if sent & !flag::CUT == flag::SENT => {
                LeafContent::Sent(self.revision(&rev, sent & flag::CUT != 0)?)
            }
            _ => return Err(Misbehaviour::Malformed("leaf")),
        };
        Ok(Leaf { rev, deleted: flags & flag::DELETED != 0, content })
    }

    fn revision(&mut self, rev: &RevId, cut: bool) -> Result<SentRevision, Misbehaviour> {
        let count = self.number()?;
        // The oldest ancestor is of the first generation or a younger one.
        if count >= rev.generation || count >= PATH_REVS_MAX as u64 || count > self.revs_left {
            return Err(Misbehaviour::Malformed("revision path"));
        }
        let mut path = Vec::with_capacity(usize::try_from(count).unwrap_or_default() + 1);
        path.push(rev.clone());
        for age in 1..=count {
            let text = match self.byte()? {
                0 => false,
                flag::TEXT => true,
                _ => return Err(Misbehaviour::Malformed("revision path")),
            };
            path.push(RevId { generation: rev.generation - age, signature: self.signature(text)? });
        }
        let body = self.body()?;
        let count = self.number()?;
        if count > ATTACHMENTS_MAX {
            return Err(Misbehaviour::TooLarge("revision's number of attachments"));
        }
        let attachments = (0..count).map(|_| self.attachment()).collect::<Result<_, _>>()?;
        Ok(SentRevision { path, cut, body, attachments })
    }

    /// A body, checked as one that a client wrote: it must be what a hub stores, to the byte.
    fn body(&mut self) -> Result<Result<BodyText, String>, Misbehaviour> {
        let text = self.bytes(u64::MAX)?;
        let document = match Document::parse(text, self.limits) {
            Ok(document) => document,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let plain = document.id.is_none()
            && document.revs.is_empty()
            && !document.deleted
            && document.attachments.is_empty();
        if !plain || document.body.as_bytes() != text {
            return Ok(Err("the text is none that a hub stores".into()));
        }
        Ok(Ok(document.body))
    }

    fn attachment(&mut self) -> Result<SentAttachment, Misbehaviour> {
        let malformed = Misbehaviour::Malformed("attachment");
        let name = self.text(NAME_BYTES_MAX)?.to_owned();
        if name.starts_with('_') {
            return Err(malformed);
        }
        let content_type = self.text(NAME_BYTES_MAX)?.to_owned();
        let (revpos, length) = (self.number()?, self.number()?);
        let encoding = encoding_of(self.byte()?).ok_or_else(|| malformed.clone())?;
        let content = array_of(&mut self.rest).ok_or_else(|| malformed.clone())?;
        let carriage = match self.byte()? {
            0 => Carriage::Stub,
            1 => Carriage::Inline(self.content.slice_ref(self.bytes(INLINE_BYTES_MAX)?)),
            2 => Carriage::Before,
            _ => return Err(malformed),
        };
        Ok(SentAttachment { name, content_type, revpos, length, encoding, content, carriage })
    }

    fn signature(&mut self, text: bool) -> Result<Signature, Misbehaviour> {
        let malformed = Misbehaviour::Malformed("revision");
        self.revs_left = self.revs_left.checked_sub(1).ok_or(Misbehaviour::TooLarge("batch"))?;
        if !text {
            return array_of(&mut self.rest).map(Signature::Digest).ok_or(malformed);
        }
        match Signature::parse(self.text(store::SIGNATURE_BYTES_MAX as u64)?) {
            // What looks like a digest travels as one.
            Ok(signature @ Signature::Text(_)) => Ok(signature),
            _ => Err(malformed),
        }
    }

    fn byte(&mut self) -> Result<u8, Misbehaviour> {
        let [byte] = array_of(&mut self.rest).ok_or(Misbehaviour::Malformed("batch"))?;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u64, Misbehaviour> {
        varint::read(&mut self.rest).ok_or(Misbehaviour::Malformed("number"))
    }

    fn bytes(&mut self, bytes_max: u64) -> Result<&'a [u8], Misbehaviour> {
        let length = self.number()?;
        if length > bytes_max {
            return Err(Misbehaviour::TooLarge("text"));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (bytes, rest) =
            self.rest.split_at_checked(length).ok_or(Misbehaviour::Malformed("batch"))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self, bytes_max: u64) -> Result<&'a str, Misbehaviour> {
        std::str::from_utf8(self.bytes(bytes_max)?).map_err(|_| Misbehaviour::Malformed("text"))
    }
}
