//! An answer on its way in: taken apart, compared with its digests, its attachments staged.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use store::{AttachmentWriter, Database, DocumentLimits, Encoding, Error, Intake, Seq, Staged};

use super::{
    Batch, Begin, Carriage, Decoder, Frame, LeafContent, Misbehaviour, PackedBatch, ParcelHeader,
    SkipReason, SyncError, SyncRefusal,
};
use crate::PeerError;

/// Attachments that may come before one batch.
const PARCELS_MAX: usize = 1 << 17;

/// Bytes of an attachment that comes by itself, after which its progress is told.
const TOLD_BYTES: u64 = 1 << 20;

/// Bytes of small attachments kept in memory for one batch.
const HELD_BYTES_MAX: u64 = 96 << 20;

/// Something that came, in order.
#[derive(Debug)]
pub enum Arrival {
    /// The source says what there is.
    Begin(Begin),
    /// So many bytes of attachments that come by themselves, beside those of any batch.
    Bytes(u64),
    /// A batch, its attachments at hand.
    Batch(Delivery),
    /// Everything up to here has come.
    End(Seq),
    /// The source does not go on.
    Refused(SyncRefusal),
}

/// A batch whose attachments are staged: ready to be compared and written.
#[derive(Debug)]
pub struct Delivery {
    /// The batch.
    pub batch: Batch,
    /// Bytes that came for it, unpacked, but those that were told of before.
    pub bytes: u64,
    pub(super) attachments: HashMap<Key, Result<Staged, SkipReason>>,
}

/// By what an attachment's bytes are found: their hash, and how they are encoded.
pub(super) type Key = ([u8; 32], Option<Encoding>);

/// Takes one answer apart. It holds one frame, one batch, and small attachments for the next one; large ones
/// go to the disk.
#[derive(Debug)]
pub struct Inflow {
    database: Arc<Database>,
    limits: DocumentLimits,
    decoder: Decoder,
    stage: Stage,
    parcel: Option<Parcel>,
    attachments: HashMap<Key, Result<Staged, SkipReason>>,
    held_bytes: u64,
    parcel_bytes: u64,
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    Going,
    Over,
}

/// An attachment that comes by itself.
#[derive(Debug)]
struct Parcel {
    header: ParcelHeader,
    /// Where its bytes go, or why they go nowhere.
    writer: Result<AttachmentWriter, SkipReason>,
    hasher: blake3::Hasher,
    left: u64,
}

impl Inflow {
    /// Stages attachments for this database, whose documents are taken within `limits`.
    #[must_use]
    pub fn new(database: Arc<Database>, limits: DocumentLimits) -> Self {
        Self {
            database,
            limits,
            decoder: Decoder::new(limits),
            stage: Stage::Start,
            parcel: None,
            attachments: HashMap::new(),
            held_bytes: 0,
            parcel_bytes: 0,
        }
    }

    /// Takes the next bytes, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    /// Whether [`Self::next`] has something to do.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.decoder.is_ready()
    }

    /// What came next; `None` when more bytes are needed. May block on the disk.
    ///
    /// # Errors
    /// [`SyncError::Misbehaved`] and [`SyncError::Here`]; after one there is no more.
    #[allow(clippy::should_implement_trait, reason = "an iterator ends, this waits for bytes")]
    pub fn next(&mut self) -> Result<Option<Arrival>, SyncError> {
        loop {
            let Some(frame) = self.decoder.next()? else { return Ok(None) };
            if self.stage == Stage::Over {
                return Err(Misbehaviour::Endless.into());
            }
            match (frame, self.stage) {
                (Frame::Failed(refusal), _) => {
                    self.stage = Stage::Over;
                    return Ok(Some(Arrival::Refused(refusal)));
                }
                (Frame::Begin(begin), Stage::Start) => {
                    self.stage = Stage::Going;
                    return Ok(Some(Arrival::Begin(begin)));
                }
                (Frame::Begin(_), _) => return Err(Misbehaviour::Unexpected("begin").into()),
                (_, Stage::Start) => return Err(Misbehaviour::Unexpected("first").into()),
                (Frame::Parcel(header), _) => self.begin_parcel(header)?,
                (Frame::Chunk(bytes), _) => {
                    self.chunk(&bytes)?;
                    if self.parcel_bytes >= TOLD_BYTES {
                        let bytes = std::mem::take(&mut self.parcel_bytes);
                        return Ok(Some(Arrival::Bytes(bytes)));
                    }
                }
                (Frame::Batch(_) | Frame::End(_), _) if self.parcel.is_some() => {
                    return Err(Misbehaviour::Unexpected("batch or end").into());
                }
                (Frame::Batch(batch), _) => return self.batch(&batch).map(Some),
                (Frame::End(through), _) => {
                    self.stage = Stage::Over;
                    return Ok(Some(Arrival::End(through)));
                }
            }
        }
    }

    /// The connection has no more bytes.
    ///
    /// # Errors
    /// [`SyncError::Cut`] when that is too early.
    pub fn end(&self) -> Result<(), SyncError> {
        match self.stage == Stage::Over && self.decoder.is_between_frames() {
            true => Ok(()),
            false => Err(SyncError::Cut),
        }
    }

    fn begin_parcel(&mut self, header: ParcelHeader) -> Result<(), SyncError> {
        if self.parcel.is_some() {
            return Err(Misbehaviour::Unexpected("attachment").into());
        }
        if self.attachments.len() >= PARCELS_MAX {
            return Err(Misbehaviour::TooLarge("number of attachments").into());
        }
        // What is larger decoded than it may be was not to be sent; gzip grows a little what it
        // cannot shrink.
        let bytes_max = self.limits.attachment_bytes_max;
        if header.stored_length > bytes_max.saturating_add(bytes_max / 1000 + 1024) {
            return Err(Misbehaviour::TooLarge("attachment").into());
        }
        let writer = Ok(self.writer(header.encoding)?);
        let left = header.stored_length;
        self.parcel = Some(Parcel { header, writer, hasher: blake3::Hasher::new(), left });
        self.finish_parcel()
    }

    fn chunk(&mut self, bytes: &Bytes) -> Result<(), SyncError> {
        let Some(parcel) = &mut self.parcel else {
            return Err(Misbehaviour::Unexpected("chunk").into());
        };
        let left = parcel.left.checked_sub(bytes.len() as u64);
        parcel.left = left.ok_or(Misbehaviour::TooLarge("attachment"))?;
        if bytes.is_empty() {
            return Err(Misbehaviour::Malformed("chunk").into());
        }
        self.parcel_bytes += bytes.len() as u64;
        parcel.hasher.update(bytes);
        if let Ok(writer) = &mut parcel.writer
            && let Err(reason) = written(writer.write_all(bytes))?
        {
            parcel.writer = Err(reason);
        }
        self.finish_parcel()
    }

    /// Files the attachment that comes by itself, once all of it is there.
    fn finish_parcel(&mut self) -> Result<(), SyncError> {
        let Some(parcel) = self.parcel.take_if(|parcel| parcel.left == 0) else { return Ok(()) };
        if parcel.hasher.finalize().as_bytes() != &parcel.header.content {
            return Err(Misbehaviour::Digest("an attachment").into());
        }
        let staged = match parcel.writer {
            Ok(writer) => finished(writer)?,
            Err(reason) => Err(reason),
        };
        self.keep((parcel.header.content, parcel.header.encoding), staged)
    }

    fn batch(&mut self, packed: &PackedBatch) -> Result<Arrival, SyncError> {
        let batch = packed.open(self.limits)?;
        for attachment in attachments(&batch) {
            let key = (attachment.content, attachment.encoding);
            match &attachment.carriage {
                Carriage::Stub => {}
                Carriage::Before if self.attachments.contains_key(&key) => {}
                Carriage::Before => return Err(Misbehaviour::Malformed("attachment").into()),
                Carriage::Inline(bytes) => self.take_in(key, bytes)?,
            }
        }
        let bytes = packed.content_bytes() + std::mem::take(&mut self.parcel_bytes);
        self.held_bytes = 0;
        let attachments = std::mem::take(&mut self.attachments);
        Ok(Arrival::Batch(Delivery { batch, bytes, attachments }))
    }

    fn take_in(&mut self, key: Key, bytes: &[u8]) -> Result<(), SyncError> {
        if self.attachments.contains_key(&key) {
            return Ok(());
        }
        if blake3::hash(bytes).as_bytes() != &key.0 {
            return Err(Misbehaviour::Digest("an attachment").into());
        }
        let mut writer = self.writer(key.1)?;
        let staged = match written(writer.write_all(bytes))? {
            Ok(()) => finished(writer)?,
            Err(reason) => Err(reason),
        };
        self.keep(key, staged)
    }

    fn keep(&mut self, key: Key, staged: Result<Staged, SkipReason>) -> Result<(), SyncError> {
        self.held_bytes += staged.as_ref().map_or(0, Staged::held_bytes);
        if self.held_bytes > HELD_BYTES_MAX {
            return Err(Misbehaviour::TooLarge("batch's attachments").into());
        }
        self.attachments.insert(key, staged);
        Ok(())
    }

    fn writer(&self, encoding: Option<Encoding>) -> Result<AttachmentWriter, SyncError> {
        // What comes plain stays plain, or its digest would not be the source's.
        let intake = match encoding {
            Some(Encoding::Gzip) => Intake::Gzip,
            None => Intake::Plain,
        };
        let writer = self.database.stage(self.limits.attachment_bytes_max, intake);
        writer.map_err(here)
    }
}

/// The attachments of all revisions in a batch.
fn attachments(batch: &Batch) -> impl Iterator<Item = &super::SentAttachment> {
    let leaves = batch.documents.iter().flat_map(|document| &document.leaves);
    let sent = leaves.filter_map(|leaf| match &leaf.content {
        LeafContent::Sent(revision) => Some(revision),
        LeafContent::Listed | LeafContent::Withheld(_) => None,
    });
    sent.flat_map(|revision| &revision.attachments)
}

/// What it means that bytes of an attachment could not be written: the inner error is the attachment's fault.
fn written(outcome: io::Result<()>) -> Result<Result<(), SkipReason>, SyncError> {
    match outcome.map_err(|error| (error.kind(), error)) {
        Ok(()) => Ok(Ok(())),
        Err((io::ErrorKind::FileTooLarge, _)) => Ok(Err(SkipReason::AttachmentTooLarge)),
        Err((io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput, _)) => Ok(Err(not_gzip())),
        Err((_, source)) => Err(here(Error::Io { action: "stage an attachment", source })),
    }
}

fn finished(writer: AttachmentWriter) -> Result<Result<Staged, SkipReason>, SyncError> {
    match writer.finish() {
        Ok(staged) => Ok(Ok(staged)),
        Err(Error::NotGzip) => Ok(Err(not_gzip())),
        Err(Error::AttachmentTooLarge(_)) => Ok(Err(SkipReason::AttachmentTooLarge)),
        Err(error) => Err(here(error)),
    }
}

fn not_gzip() -> SkipReason {
    SkipReason::Unreadable("an attachment is not the gzip it is said to be".into())
}

fn here(error: Error) -> SyncError {
    SyncError::Here(PeerError::Store(error))
}
