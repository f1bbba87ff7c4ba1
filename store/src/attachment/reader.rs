//! Bytes of an attachment on their way out.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

use flate2::bufread::MultiGzDecoder;

use super::{Attachment, Encoding};

/// The bytes of a stored attachment, in the form in which they are stored or decoded. What is not
/// decoded seeks to any of them.
#[derive(Debug)]
pub struct AttachmentReader {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Inline(Cursor<Vec<u8>>),
    File(File),
    Gzip(Box<MultiGzDecoder<BufReader<AttachmentReader>>>),
}

impl AttachmentReader {
    pub(crate) fn inline(bytes: Vec<u8>) -> Self {
        Self { source: Source::Inline(Cursor::new(bytes)) }
    }

    pub(crate) fn file(file: File) -> Self {
        Self { source: Source::File(file) }
    }

    /// Reads what the bytes of this attachment stand for.
    #[must_use]
    pub fn decoded(self, attachment: &Attachment) -> Self {
        match attachment.encoding {
            None => self,
            Some(Encoding::Gzip) => {
                let decoder = MultiGzDecoder::new(BufReader::new(self));
                Self { source: Source::Gzip(Box::new(decoder)) }
            }
        }
    }
}

impl Read for AttachmentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            Source::Inline(bytes) => bytes.read(buffer),
            Source::File(file) => file.read(buffer),
            Source::Gzip(decoder) => decoder.read(buffer),
        }
    }
}

impl Seek for AttachmentReader {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match &mut self.source {
            Source::Inline(bytes) => bytes.seek(position),
            Source::File(file) => file.seek(position),
            Source::Gzip(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
