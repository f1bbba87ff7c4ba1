//! Bytes of an attachment on their way in.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::write::{GzEncoder, MultiGzDecoder};
use flate2::{Compression as Level, GzBuilder};
use md5::{Digest, Md5};
use tempfile::{NamedTempFile, TempPath};

use super::{ContentHash, INLINE_BYTES_MAX, Intake, Md5Digest};
use crate::Error;

/// What a gzip header says of the system that wrote it: Unix, as zlib says, so that equal bytes get
/// equal digests wherever they are compressed.
const GZIP_UNIX: u8 = 3;

/// Bytes taken in and durable, but not yet part of any document; dropped unused, they are gone.
#[derive(Clone, Debug)]
pub struct Staged {
    pub(crate) digest: Md5Digest,
    pub(crate) received: Md5Digest,
    pub(crate) content: ContentHash,
    pub(crate) length: u64,
    /// Bytes stored, where they are encoded.
    pub(crate) encoded_length: Option<u64>,
    pub(crate) data: StagedData,
}

#[derive(Clone, Debug)]
pub(crate) enum StagedData {
    Inline(Arc<[u8]>),
    File(Arc<TempPath>),
}

impl Staged {
    /// What CouchDB calls the attachment's digest: of the bytes stored.
    #[must_use]
    pub fn digest(&self) -> Md5Digest {
        self.digest
    }

    /// The digest of the bytes as they came.
    #[must_use]
    pub fn received_digest(&self) -> Md5Digest {
        self.received
    }

    /// Length in bytes, decoded.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many of its bytes are in memory until it is written.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        match &self.data {
            StagedData::Inline(bytes) => bytes.len() as u64,
            StagedData::File(_) => 0,
        }
    }

    /// How many bytes are stored.
    #[must_use]
    pub fn stored_length(&self) -> u64 {
        self.encoded_length.unwrap_or(self.length)
    }
}

/// Takes in the bytes of an attachment, hashing as they come.
///
/// Writing past the limit fails with [`io::ErrorKind::FileTooLarge`]; the limit counts decoded
/// bytes, so that little cannot become much. Writing what is no gzip where gzip is said to come
/// fails with [`io::ErrorKind::InvalidData`] or [`io::ErrorKind::InvalidInput`].
#[derive(Debug)]
pub struct AttachmentWriter {
    bytes_max: u64,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Plain(Sink),
    Compress { encoder: GzEncoder<Sink>, length: u64, md5: Md5 },
    Gzip { sink: Sink, decoder: Box<MultiGzDecoder<Counter>>, empty: bool },
}

impl AttachmentWriter {
    /// Stages in `folder`, or only in memory where there is none.
    pub(crate) fn new(folder: Option<PathBuf>, bytes_max: u64, intake: Intake) -> Self {
        let sink = Sink::new(folder);
        let way = match intake {
            Intake::Plain => Way::Plain(sink),
            Intake::Compress(level) => Way::Compress {
                encoder: GzBuilder::new()
                    .operating_system(GZIP_UNIX)
                    .write(sink, Level::new(level.clamp(1, 9))),
                length: 0,
                md5: Md5::new(),
            },
            Intake::Gzip => {
                let counter = Counter { length: 0, bytes_max };
                Way::Gzip { sink, decoder: Box::new(MultiGzDecoder::new(counter)), empty: true }
            }
        };
        Self { bytes_max, way }
    }

    /// Ends the attachment and makes its bytes durable.
    ///
    /// # Errors
    /// [`Error::DiskFull`] or [`Error::Io`] when the file system refuses, [`Error::NotGzip`] when
    /// what was said to be gzip is broken off or followed by something else.
    pub fn finish(self) -> Result<Staged, Error> {
        match self.way {
            Way::Plain(sink) => {
                let length = sink.length;
                sink.finish(length, None)
            }
            Way::Compress { encoder, length, md5 } => {
                let sink = encoder.finish().map_err(Error::io("stage an attachment"))?;
                sink.finish(length, Some(Md5Digest(md5.finalize().into())))
            }
            Way::Gzip { sink, decoder, empty } => {
                let counter = decoder.finish().map_err(|error| match error.kind() {
                    io::ErrorKind::FileTooLarge => Error::AttachmentTooLarge(self.bytes_max),
                    _ => Error::NotGzip,
                })?;
                if empty {
                    return Err(Error::NotGzip);
                }
                let digest = Md5Digest(sink.md5.clone().finalize().into());
                sink.finish(counter.length, Some(digest))
            }
        }
    }
}

impl Write for AttachmentWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = |length: u64| {
            let length = length + bytes.len() as u64;
            if length > self.bytes_max {
                return Err(io::Error::from(io::ErrorKind::FileTooLarge));
            }
            Ok(length)
        };
        match &mut self.way {
            Way::Plain(sink) => {
                fits(sink.length)?;
                sink.write_all(bytes)?;
            }
            Way::Compress { encoder, length, md5 } => {
                *length = fits(*length)?;
                md5.update(bytes);
                encoder.write_all(bytes)?;
            }
            Way::Gzip { sink, decoder, empty } => {
                fits(sink.length)?;
                *empty &= bytes.is_empty();
                decoder.write_all(bytes)?;
                sink.write_all(bytes)?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts decoded bytes and keeps none.
#[derive(Debug)]
struct Counter {
    length: u64,
    bytes_max: u64,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length += bytes.len() as u64;
        if self.length > self.bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where the bytes that are kept go.
#[derive(Debug)]
struct Sink {
    folder: Option<PathBuf>,
    length: u64,
    md5: Md5,
    blake3: Box<blake3::Hasher>,
    buffer: Vec<u8>,
    file: Option<NamedTempFile>,
}

impl Sink {
    fn new(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            length: 0,
            md5: Md5::new(),
            blake3: Box::default(),
            buffer: Vec::new(),
            file: None,
        }
    }

    /// Makes the bytes durable; `received` is the digest of what came, where they are encoded.
    fn finish(self, length: u64, received: Option<Md5Digest>) -> Result<Staged, Error> {
        let data = match self.file {
            None => StagedData::Inline(self.buffer.into()),
            Some(file) => {
                file.as_file().sync_data().map_err(Error::io("sync an attachment"))?;
                StagedData::File(Arc::new(file.into_temp_path()))
            }
        };
        let digest = Md5Digest(self.md5.finalize().into());
        Ok(Staged {
            digest,
            received: received.unwrap_or(digest),
            content: ContentHash(self.blake3.finalize().into()),
            length,
            encoded_length: received.map(|_| self.length),
            data,
        })
    }

    fn spill(&mut self, folder: &Path) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix("tmp-").tempfile_in(folder)?;
        file.write_all(&self.buffer)?;
        self.buffer = Vec::new();
        self.file = Some(file);
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.length + bytes.len() as u64;
        if self.file.is_none()
            && length > INLINE_BYTES_MAX as u64
            && let Some(folder) = self.folder.take()
        {
            self.spill(&folder)?;
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes)?,
            None => self.buffer.extend_from_slice(bytes),
        }
        self.md5.update(bytes);
        self.blake3.update(bytes);
        self.length = length;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file
            .as_mut()
            .map_or(Ok(()), |file: &mut NamedTempFile| File::flush(file.as_file_mut()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::MultiGzDecoder as Gunzip;

    use super::*;

    fn staged(writer: AttachmentWriter, bytes: &[u8]) -> Result<Staged, String> {
        let mut writer = writer;
        for chunk in bytes.chunks(10_000) {
            writer.write_all(chunk).map_err(|error| format!("{:?}", error.kind()))?;
        }
        writer.finish().map_err(|error| error.to_string())
    }

    fn check(intake: Intake, bytes: &[u8], bytes_max: u64) -> Result<Staged, String> {
        let folder = tempfile::tempdir().unwrap();
        staged(AttachmentWriter::new(Some(folder.path().into()), bytes_max, intake), bytes)
    }

    fn kept(staged: &Staged) -> Vec<u8> {
        match &staged.data {
            StagedData::Inline(bytes) => bytes.to_vec(),
            StagedData::File(path) => std::fs::read(path.as_ref() as &Path).unwrap(),
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::new(1));
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn small_ones_stay_in_memory_and_large_ones_go_to_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let stage = |length| {
            let writer = AttachmentWriter::new(Some(folder.path().into()), u64::MAX, Intake::Plain);
            staged(writer, &vec![7; length]).unwrap()
        };
        let small = stage(INLINE_BYTES_MAX);
        assert!(matches!(small.data, StagedData::Inline(_)));
        let large = stage(INLINE_BYTES_MAX + 1);
        assert!(matches!(large.data, StagedData::File(_)));
        assert_eq!(blake3::hash(&kept(&large)).as_bytes(), &large.content.0);
        drop(large);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn refuses_more_than_the_limit() {
        let bytes = vec![7; 100_001];
        for intake in [Intake::Plain, Intake::Compress(8)] {
            assert_eq!(check(intake, &bytes, 100_000).unwrap_err(), "FileTooLarge");
        }
        // A bomb is as large as what it becomes.
        assert!(gzip(&bytes).len() < 1000);
        let error = check(Intake::Gzip, &gzip(&bytes), 100_000).unwrap_err();
        assert!(["FileTooLarge", "attachment is larger than 100000 bytes"].contains(&&*error));
        assert_eq!(check(Intake::Gzip, &gzip(&bytes), 100_001).unwrap().length(), 100_001);
    }

    #[test]
    fn compresses() {
        let bytes = b"to and fro ".repeat(20_000);
        let staged = check(Intake::Compress(8), &bytes, u64::MAX).unwrap();
        assert_eq!(staged.length(), bytes.len() as u64);
        let stored = kept(&staged);
        assert_eq!(staged.stored_length(), stored.len() as u64);
        assert!(stored.len() < 5_000);
        assert_eq!(staged.digest.0, <[u8; 16]>::from(Md5::digest(&stored)));
        assert_eq!(staged.received.0, <[u8; 16]>::from(Md5::digest(&bytes)));
        let mut decoded = Vec::new();
        Gunzip::new(&stored[..]).read_to_end(&mut decoded).unwrap();
        assert_eq!(decoded, bytes);
        // The same whenever and wherever it is compressed: no time, and one name of a system.
        assert_eq!(stored[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
    }

    #[test]
    fn keeps_gzip_as_it_comes() {
        let bytes = b"to and fro ".repeat(20_000);
        let compressed = gzip(&bytes);
        let staged = check(Intake::Gzip, &compressed, u64::MAX).unwrap();
        assert_eq!(kept(&staged), compressed);
        assert_eq!(staged.length(), bytes.len() as u64);
        assert_eq!(staged.stored_length(), compressed.len() as u64);
        assert_eq!(staged.received, staged.digest);
        // Several members are one file, as RFC 1952 has it.
        let twice = [compressed.clone(), compressed].concat();
        assert_eq!(check(Intake::Gzip, &twice, u64::MAX).unwrap().length(), 440_000);
    }

    #[test]
    fn refuses_what_is_no_gzip() {
        let whole = gzip(b"hello");
        let mut flipped = whole.clone();
        flipped[12] ^= 0xff;
        let mut wrong_sum = whole.clone();
        wrong_sum[whole.len() - 8] ^= 1;
        let trailing = [whole.clone(), b"more".to_vec()].concat();
        for broken in
            [&b""[..], b"hello", &whole[..whole.len() - 1], &flipped, &wrong_sum, &trailing]
        {
            assert!(check(Intake::Gzip, broken, u64::MAX).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn prints_couchdbs_digest() {
        let staged = check(Intake::Plain, b"", 0).unwrap();
        assert_eq!(staged.digest.to_string(), "md5-1B2M2Y8AsgTpgAmY7PhCfg==");
        assert_eq!(staged.encoded_length, None);
    }
}
