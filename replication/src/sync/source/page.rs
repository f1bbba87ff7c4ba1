//! Filling one batch.

use std::collections::HashSet;
use std::io::Read as _;

use bytes::Bytes;
use store::rev_tree::{NodeId, RevTree};
use store::{Attachment, Encoding, Error, RevId, Seq, Snapshot};

use super::{BatchSize, Parcel};
use crate::sync::batch::INLINE_BYTES_MAX;
use crate::sync::request::Terms;
use crate::sync::{BatchWriter, Carriage, ParcelHeader, Withheld};

/// Bytes past which no further revision of a document joins a batch; the target asks for it.
const BYTES_MAX: usize = 4 << 20;

/// Revisions past which a batch ends, ancestors included.
const REVS_ENOUGH: usize = 1 << 16;

/// Attachments that travel by themselves before one batch.
const PARCELS_ENOUGH: usize = 64;

/// Bytes of attachments inside one batch; further ones travel by themselves.
const INLINE_TOTAL_MAX: u64 = 2 << 20;

/// Bytes that the small attachments of one revision may have, since the target keeps them in memory.
const SMALL_TOTAL_MAX: u64 = 32 << 20;

/// Ancestors that a revision brings along to a target that is likely to know one of them.
pub(super) const RECENT_REVS: usize = 50;

/// What is gathered for one batch.
pub(super) struct Page {
    pub(super) writer: BatchWriter,
    parcels: Vec<Parcel>,
    carried: HashSet<([u8; 32], Option<Encoding>)>,
    inline_bytes: u64,
    small_bytes: u64,
}

/// How much of a revision is sent.
pub(super) struct Extent<'a> {
    /// Revisions of its path.
    pub(super) revs_max: usize,
    /// Which attachments.
    pub(super) attachments: Attachments<'a>,
    /// What is said of a revision that is not stored.
    pub(super) absent: Absent,
}

/// Which attachments of a revision are sent.
#[derive(Clone, Copy)]
pub(super) enum Attachments<'a> {
    /// All of them.
    All,
    /// Those that came with it.
    Own,
    /// Those that came behind the youngest of these ancestors.
    Since(&'a [RevId]),
}

/// What is said of a revision that is not stored.
#[derive(Clone, Copy)]
pub(super) enum Absent {
    /// That it is there.
    Listed,
    /// That it is gone.
    Withheld,
}

impl Page {
    pub(super) fn new() -> Self {
        Self {
            writer: BatchWriter::new(Seq(0)),
            parcels: Vec::new(),
            carried: HashSet::new(),
            inline_bytes: 0,
            small_bytes: 0,
        }
    }

    /// Where the first batch begins.
    pub(super) fn begin(&mut self, from: Seq) {
        self.writer = BatchWriter::new(from);
    }

    /// The attachments that travel before this batch.
    pub(super) fn take_parcels(&mut self) -> impl Iterator<Item = Parcel> + use<> {
        self.carried.clear();
        (self.inline_bytes, self.small_bytes) = (0, 0);
        std::mem::take(&mut self.parcels).into_iter()
    }

    /// Whether the next document is for another batch.
    pub(super) fn is_full(&self, size: BatchSize) -> bool {
        self.writer.documents() >= size.documents
            || self.writer.bytes() >= size.bytes
            || self.writer.revs() >= REVS_ENOUGH
            || self.parcels.len() >= PARCELS_ENOUGH
            || self.small_bytes >= SMALL_TOTAL_MAX
    }

    /// Whether something of that many bytes may still join what is here.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.writer.documents() == 0 || self.writer.bytes() as u64 + bytes <= BYTES_MAX as u64
    }

    /// Writes one leaf, within what the target takes.
    pub(super) fn leaf(
        &mut self,
        snapshot: &Snapshot<'_>,
        tree: &RevTree,
        at: NodeId,
        terms: &Terms,
        extent: &Extent<'_>,
    ) -> Result<(), Error> {
        let node = tree.node(at);
        let Some(stored) = node.stored else { return self.absent(tree, at, extent.absent) };
        if stored.bytes > terms.body_bytes_max {
            self.writer.withheld(&node.rev, node.deleted, Withheld::TooLarge);
            return Ok(());
        }
        let crowded = self.writer.leaves_sent() > 0
            && self.writer.bytes() as u64 + stored.bytes > BYTES_MAX as u64;
        if crowded || self.writer.revs() > 2 * REVS_ENOUGH {
            self.writer.listed(&node.rev, node.deleted);
            return Ok(());
        }
        let Some(body) = snapshot.body(stored.body)? else {
            return self.absent(tree, at, extent.absent);
        };
        let small = body.attachments.iter().map(Attachment::stored_length);
        let small: u64 = small.filter(|length| *length <= INLINE_BYTES_MAX).sum();
        let too_large = |one: &Attachment| one.length > terms.attachment_bytes_max;
        // A deletion passes whatever it has.
        if small > SMALL_TOTAL_MAX || (!node.deleted && body.attachments.iter().any(too_large)) {
            self.writer.withheld(&node.rev, node.deleted, Withheld::AttachmentTooLarge);
            return Ok(());
        }
        let known = match extent.attachments {
            Attachments::All => 0,
            Attachments::Own => node.rev.generation.saturating_sub(1),
            Attachments::Since(ancestors) => {
                let mut older = tree.ancestry(at).skip(1);
                let common = older.find(|node| ancestors.contains(&node.rev));
                common.map_or(0, |node| node.rev.generation)
            }
        };
        let (json, attachments) = (body.json, body.attachments);
        self.writer.sent(tree.ancestry(at), extent.revs_max, &json, attachments.len());
        for attachment in &attachments {
            let carriage = match attachment.revpos > known {
                true => self.carry(snapshot, attachment)?,
                false => Carriage::Stub,
            };
            self.writer.attachment(attachment, &carriage);
        }
        Ok(())
    }

    fn absent(&mut self, tree: &RevTree, at: NodeId, absent: Absent) -> Result<(), Error> {
        let node = tree.node(at);
        match absent {
            Absent::Listed => self.writer.listed(&node.rev, node.deleted),
            Absent::Withheld => self.writer.withheld(&node.rev, node.deleted, Withheld::Gone),
        }
        Ok(())
    }

    /// Brings an attachment's bytes along.
    fn carry(
        &mut self,
        snapshot: &Snapshot<'_>,
        attachment: &Attachment,
    ) -> Result<Carriage, Error> {
        let stored_length = attachment.stored_length();
        if self.carried.contains(&(attachment.content.0, attachment.encoding)) {
            return Ok(Carriage::Before);
        }
        let mut reader = snapshot.attachment(attachment)?;
        if stored_length <= INLINE_BYTES_MAX {
            self.small_bytes += stored_length;
            if self.inline_bytes + stored_length <= INLINE_TOTAL_MAX {
                self.inline_bytes += stored_length;
                let mut bytes = Vec::new();
                let failed = |source| Error::Io { action: "read an attachment", source };
                reader.read_to_end(&mut bytes).map_err(failed)?;
                return Ok(Carriage::Inline(Bytes::from(bytes)));
            }
        }
        self.carried.insert((attachment.content.0, attachment.encoding));
        let (content, encoding) = (attachment.content.0, attachment.encoding);
        let header = ParcelHeader { content, stored_length, encoding };
        self.parcels.push(Parcel { header, reader, left: stored_length });
        Ok(Carriage::Before)
    }
}
