//! Frames: what an answer consists of.

use bytes::{BufMut as _, Bytes, BytesMut};
use store::{DocumentLimits, Encoding, Epoch, Seq, UpdateSeq};

use super::{Batch, Misbehaviour, Mode, RefusalCode, SyncRefusal};

/// Bytes of a frame's type and length.
pub(super) const HEADER_BYTES: usize = 5;

/// Bytes of one piece of an attachment that travels by itself.
pub(super) const CHUNK_BYTES_MAX: usize = 256 * 1024;

/// Bytes that a frame of fixed form may have, those included that later versions may add.
const SMALL_BYTES_MAX: usize = 1024;

/// Bytes of a refusal's reason.
const REASON_BYTES_MAX: usize = 2048;

/// Bytes that a frame may have which is passed over.
const SKIPPED_BYTES_MAX: usize = 1 << 20;

/// Bytes of a batch beside one body: what bounds the memory of both sides.
const BATCH_EXTRA_BYTES_MAX: u64 = 16 << 20;

/// Bytes of a batch frame before its packed content.
const BATCH_HEADER_BYTES: usize = 37;

/// Frames of these types may be passed over by whoever does not know them.
const SKIPPABLE: u8 = 0x80;

/// Fast rather than small: what is packed is sent once.
const ZSTD_LEVEL: i32 = 1;

/// One frame of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The first one.
    Begin(Begin),
    /// An attachment begins that a later batch refers to; its chunks follow.
    Parcel(ParcelHeader),
    /// The next bytes of the attachment that has begun.
    Chunk(Bytes),
    /// Changes with what belongs to them.
    Batch(PackedBatch),
    /// The last one: everything up to that position was sent.
    End(Seq),
    /// The last one: the source does not go on.
    Failed(SyncRefusal),
}

/// What a source says before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Behind which position its changes begin: the start, where it does not know the one asked for.
    pub since: Seq,
    /// What it sends.
    pub mode: Mode,
    /// Position of its last edit: the answer goes on that far.
    pub update_seq: UpdateSeq,
    /// Changes on the way there.
    pub documents: u64,
    /// About how many bytes they have, attachments included.
    pub bytes: u64,
}

/// What is said of an attachment that travels by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParcelHeader {
    /// BLAKE3 over its bytes as they come.
    pub content: [u8; 32],
    /// How many there are.
    pub stored_length: u64,
    /// How they are encoded.
    pub encoding: Option<Encoding>,
}

/// A batch as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedBatch {
    codec: Codec,
    /// Bytes unpacked.
    length: u32,
    /// BLAKE3 over the bytes unpacked.
    digest: [u8; 32],
    packed: Bytes,
}

/// How a batch is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Raw = 0,
    Zstd = 1,
}

/// The types of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Begin = 1,
    Parcel = 2,
    Chunk = 3,
    Batch = 4,
    End = 5,
    Failed = 6,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Parcel => "attachment",
            Self::Chunk => "chunk",
            Self::Batch => "batch",
            Self::End => "end",
            Self::Failed => "failed",
        }
    }

    /// The kind that a byte stands for; `None` for one to pass over.
    fn of(byte: u8) -> Result<Option<Self>, Misbehaviour> {
        Ok(Some(match byte {
            1 => Self::Begin,
            2 => Self::Parcel,
            3 => Self::Chunk,
            4 => Self::Batch,
            5 => Self::End,
            6 => Self::Failed,
            SKIPPABLE.. => return Ok(None),
            _ => return Err(Misbehaviour::UnknownFrame(byte)),
        }))
    }

    fn bytes_max(self, limits: DocumentLimits) -> usize {
        match self {
            Self::Begin | Self::Parcel | Self::End => SMALL_BYTES_MAX,
            Self::Failed => SMALL_BYTES_MAX + REASON_BYTES_MAX,
            Self::Chunk => CHUNK_BYTES_MAX,
            Self::Batch => BATCH_HEADER_BYTES + content_bytes_max(limits),
        }
    }
}

/// Bytes that a batch may have unpacked, where documents are taken within `limits`.
pub(super) fn content_bytes_max(limits: DocumentLimits) -> usize {
    let bytes = limits.body_bytes_max.saturating_add(BATCH_EXTRA_BYTES_MAX);
    // The length is a `u32` on its way.
    usize::try_from(bytes).unwrap_or(usize::MAX).min(u32::MAX as usize - BATCH_HEADER_BYTES)
}

/// What a frame's first bytes say: its kind, where it is known, and how many bytes follow.
pub(super) fn read_header(
    header: [u8; HEADER_BYTES],
    limits: DocumentLimits,
) -> Result<(Option<Kind>, usize), Misbehaviour> {
    let [kind, length @ ..] = header;
    let kind = Kind::of(kind)?;
    let bytes_max = kind.map_or(SKIPPED_BYTES_MAX, |kind| kind.bytes_max(limits));
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    match length > bytes_max {
        true => Err(Misbehaviour::TooLarge(kind.map_or("skipped frame", |_| "frame"))),
        false => Ok((kind, length)),
    }
}

/// Writes the frames of one answer, and a digest of them all into the last.
#[derive(Debug, Default)]
pub struct Encoder(Transcript);

/// BLAKE3 over what an answer has said so far.
#[derive(Debug, Default)]
pub(super) struct Transcript(blake3::Hasher);

impl Transcript {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of it all, and of where it ends.
    pub(super) fn digest(&self, through: Seq) -> [u8; 32] {
        let mut hasher = self.0.clone();
        hasher.update(&through.0.to_le_bytes());
        *hasher.finalize().as_bytes()
    }
}

impl Encoder {
    /// The next frame as bytes.
    pub fn encode(&mut self, frame: &Frame) -> Bytes {
        let bytes = match frame {
            Frame::End(through) => framed(Kind::End, |out| {
                out.put_u64_le(through.0);
                out.put_slice(&self.0.digest(*through));
            }),
            Frame::Begin(begin) => framed(Kind::Begin, |out| begin.write(out)),
            Frame::Parcel(header) => framed(Kind::Parcel, |out| header.write(out)),
            Frame::Chunk(bytes) => framed(Kind::Chunk, |out| out.put_slice(bytes)),
            Frame::Batch(batch) => framed(Kind::Batch, |out| batch.write(out)),
            Frame::Failed(refusal) => refusal.to_frame(),
        };
        self.0.add(&bytes);
        bytes
    }
}

impl SyncRefusal {
    /// The last frame of an answer that does not go on.
    pub(super) fn to_frame(&self) -> Bytes {
        framed(Kind::Failed, |out| {
            out.put_u8(self.code.byte());
            let reason = &self.reason[..self.reason.floor_char_boundary(REASON_BYTES_MAX)];
            out.put_slice(reason.as_bytes());
        })
    }
}

impl Frame {
    /// Reads what follows a frame's first bytes.
    pub(super) fn read(
        kind: Kind,
        payload: Bytes,
        before: &Transcript,
    ) -> Result<Self, Misbehaviour> {
        let mut rest = &payload[..];
        let read = match kind {
            Kind::Begin => Begin::read(&mut rest).map(Self::Begin),
            Kind::Parcel => ParcelHeader::read(&mut rest).map(Self::Parcel),
            Kind::Chunk => return Ok(Self::Chunk(payload)),
            Kind::Batch => return PackedBatch::read(&payload).map(Self::Batch),
            Kind::End => match (u64_of(&mut rest).map(Seq), array_of(&mut rest)) {
                (Some(through), Some(digest)) if before.digest(through) == digest => {
                    Some(Self::End(through))
                }
                (Some(_), Some(_)) => return Err(Misbehaviour::Digest("the answer")),
                _ => None,
            },
            Kind::Failed => rest.split_first().map(|(&code, reason)| {
                let reason = String::from_utf8_lossy(reason).into_owned();
                Self::Failed(SyncRefusal { code: RefusalCode::from_byte(code), reason })
            }),
        };
        read.ok_or_else(|| Misbehaviour::Malformed(kind.name()))
    }
}

/// Writes a frame around what `write` appends.
fn framed(kind: Kind, write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    out.put_u8(kind as u8);
    out.put_u32_le(0);
    write(&mut out);
    // Whoever writes more than its bound has broken it before.
    let length = u32::try_from(out.len() - HEADER_BYTES).unwrap_or(u32::MAX);
    out[1..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    out.freeze()
}

impl Begin {
    fn write(&self, out: &mut BytesMut) {
        out.put_slice(&self.update_seq.epoch.0);
        out.put_u64_le(self.since.0);
        out.put_u8(self.mode.byte());
        out.put_u64_le(self.update_seq.seq.0);
        out.put_u64_le(self.documents);
        out.put_u64_le(self.bytes);
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let epoch = Epoch(array_of(rest)?);
        let since = Seq(u64_of(rest)?);
        let [mode] = array_of(rest)?;
        let update_seq = UpdateSeq { seq: Seq(u64_of(rest)?), epoch };
        let (documents, bytes) = (u64_of(rest)?, u64_of(rest)?);
        Some(Self { since, mode: Mode::from_byte(mode)?, update_seq, documents, bytes })
    }
}

impl ParcelHeader {
    fn write(&self, out: &mut BytesMut) {
        out.put_slice(&self.content);
        out.put_u64_le(self.stored_length);
        out.put_u8(encoding_byte(self.encoding));
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let (content, stored_length) = (array_of(rest)?, u64_of(rest)?);
        let [encoding] = array_of(rest)?;
        Some(Self { content, stored_length, encoding: encoding_of(encoding)? })
    }
}

impl PackedBatch {
    fn write(&self, out: &mut BytesMut) {
        out.reserve(BATCH_HEADER_BYTES + self.packed.len());
        out.put_u8(self.codec as u8);
        out.put_u32_le(self.length);
        out.put_slice(&self.digest);
        out.put_slice(&self.packed);
    }

    fn read(payload: &Bytes) -> Result<Self, Misbehaviour> {
        let malformed = Misbehaviour::Malformed(Kind::Batch.name());
        let mut rest = &payload[..];
        let [codec] = array_of(&mut rest).ok_or_else(|| malformed.clone())?;
        let codec = match codec {
            0 => Codec::Raw,
            1 => Codec::Zstd,
            _ => return Err(malformed),
        };
        let length = array_of(&mut rest).map(u32::from_le_bytes);
        let length = length.ok_or_else(|| malformed.clone())?;
        let digest = array_of(&mut rest).ok_or(malformed)?;
        Ok(Self { codec, length, digest, packed: payload.slice(BATCH_HEADER_BYTES..) })
    }

    /// How many bytes it has unpacked.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        self.length.into()
    }

    /// Unpacks it, compares it with its digest, and reads it.
    ///
    /// # Errors
    /// [`Misbehaviour`] when it is not what it is said to be.
    pub fn open(&self, limits: DocumentLimits) -> Result<Batch, Misbehaviour> {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        if length > content_bytes_max(limits) {
            return Err(Misbehaviour::TooLarge("batch"));
        }
        let content = match self.codec {
            Codec::Raw => self.packed.clone(),
            Codec::Zstd => match zstd::bulk::decompress(&self.packed, length) {
                Ok(content) => content.into(),
                Err(_) => return Err(Misbehaviour::Malformed("packed batch")),
            },
        };
        if content.len() != length {
            return Err(Misbehaviour::Malformed("packed batch"));
        }
        if blake3::hash(&content).as_bytes() != &self.digest {
            return Err(Misbehaviour::Digest("a batch"));
        }
        Batch::read(&content, limits)
    }
}

/// Packs batches, one after the other.
pub struct Packer(Option<zstd::bulk::Compressor<'static>>);

impl Packer {
    /// One that compresses where that is worth it.
    #[must_use]
    pub fn new() -> Self {
        // What cannot be compressed is sent as it is.
        Self(zstd::bulk::Compressor::new(ZSTD_LEVEL).ok())
    }

    /// One that sends everything as it is.
    #[must_use]
    pub fn raw() -> Self {
        Self(None)
    }

    /// Packs the content of a batch.
    pub fn pack(&mut self, content: &[u8]) -> PackedBatch {
        let packed = self.0.as_mut().and_then(|compressor| compressor.compress(content).ok());
        // What gets little smaller costs the target more than the link.
        let worth = packed.filter(|packed| packed.len() < content.len() / 16 * 15);
        let (codec, packed) = match worth {
            Some(packed) => (Codec::Zstd, Bytes::from(packed)),
            None => (Codec::Raw, Bytes::copy_from_slice(content)),
        };
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        PackedBatch { codec, length, digest: *blake3::hash(content).as_bytes(), packed }
    }
}

impl Default for Packer {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

pub(super) fn encoding_byte(encoding: Option<Encoding>) -> u8 {
    match encoding {
        None => 0,
        Some(Encoding::Gzip) => 1,
    }
}

pub(super) fn encoding_of(byte: u8) -> Option<Option<Encoding>> {
    match byte {
        0 => Some(None),
        1 => Some(Some(Encoding::Gzip)),
        _ => None,
    }
}

/// Takes bytes off the front.
pub(super) fn array_of<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

/// Takes a number off the front.
pub(super) fn u64_of(rest: &mut &[u8]) -> Option<u64> {
    array_of(rest).map(u64::from_le_bytes)
}
