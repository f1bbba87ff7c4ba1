//! Bytes of an attachment on their way out.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

use flate2::bufread::MultiGzDecoder;

use super::{Attachment, Encoding};
use crate::ContentHash;

/// The bytes of a stored attachment, in the form in which they are stored or decoded. What is not
/// decoded seeks to any of them.
///
/// Whoever reads them from the first to the last is told by [`io::ErrorKind::InvalidData`], before the
/// last ones, when they are not what was stored.
#[derive(Debug)]
pub struct AttachmentReader {
    source: Source,
    check: Option<Box<Check>>,
}

#[derive(Debug)]
enum Source {
    Inline(Cursor<Vec<u8>>),
    File(File),
    Gzip(Box<MultiGzDecoder<BufReader<AttachmentReader>>>),
}

/// What is known of the bytes read so far, as long as none was left out.
#[derive(Debug)]
struct Check {
    expected: ContentHash,
    hasher: blake3::Hasher,
    left: u64,
}

impl AttachmentReader {
    pub(crate) fn inline(expected: &ContentHash, bytes: Vec<u8>) -> Self {
        let check = Check::new(expected, bytes.len() as u64);
        Self { source: Source::Inline(Cursor::new(bytes)), check: Some(check) }
    }

    pub(crate) fn file(expected: &ContentHash, file: File) -> io::Result<Self> {
        let check = Check::new(expected, file.metadata()?.len());
        Ok(Self { source: Source::File(file), check: Some(check) })
    }

    /// Reads what the bytes of this attachment stand for.
    #[must_use]
    pub fn decoded(self, attachment: &Attachment) -> Self {
        match attachment.encoding {
            None => self,
            Some(Encoding::Gzip) => {
                let decoder = MultiGzDecoder::new(BufReader::new(self));
                Self { source: Source::Gzip(Box::new(decoder)), check: None }
            }
        }
    }
}

impl Check {
    fn new(expected: &ContentHash, left: u64) -> Box<Self> {
        Box::new(Self { expected: *expected, hasher: blake3::Hasher::new(), left })
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if self.left == 0 && self.hasher.finalize().as_bytes() != &self.expected.0 {
            let finding =
                format!("attachment {}: its bytes are not what was stored", self.expected);
            return Err(io::Error::new(io::ErrorKind::InvalidData, finding));
        }
        Ok(())
    }
}

impl Read for AttachmentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.source {
            Source::Inline(bytes) => bytes.read(buffer),
            Source::File(file) => file.read(buffer),
            Source::Gzip(decoder) => decoder.read(buffer),
        }?;
        if let Some(check) = &mut self.check {
            check.take(&buffer[..read])?;
        }
        Ok(read)
    }
}

impl Seek for AttachmentReader {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.check = None;
        match &mut self.source {
            Source::Inline(bytes) => bytes.seek(position),
            Source::File(file) => file.seek(position),
            Source::Gzip(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_changed_are_told_before_the_last_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        let hash = ContentHash(*blake3::hash(&bytes).as_bytes());
        let path = folder.path().join("a");
        let open = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            AttachmentReader::file(&hash, File::open(&path).unwrap()).unwrap()
        };
        let read = |mut reader: AttachmentReader| {
            let mut bytes = Vec::new();
            let read = io::copy(&mut reader, &mut bytes).map_err(|error| error.kind());
            (read, bytes.len())
        };
        let whole = bytes.len();
        assert_eq!(read(open(&bytes)), (Ok(whole as u64), whole));
        assert_eq!(read(AttachmentReader::inline(&hash, bytes.clone())), (Ok(whole as u64), whole));
        let mut changed = bytes.clone();
        changed[77] ^= 1;
        let damaged = Err(io::ErrorKind::InvalidData);
        for bytes in [&changed[..], &bytes[..100]] {
            let (outcome, length) = read(open(bytes));
            assert!(outcome == damaged && length < bytes.len(), "{outcome:?} {length}");
            assert_eq!(read(AttachmentReader::inline(&hash, bytes.into())).0, damaged);
        }
        // A part says nothing of the whole.
        let mut reader = open(&changed);
        reader.seek(SeekFrom::Start(1)).unwrap();
        assert_eq!(read(reader).1, whole - 1);
    }
}
