//! Attachments: what a revision says of them, and their bytes on the way in and out.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempPath};

use crate::{DocId, Error, RevId};

/// Attachments up to this many bytes lie in the database file; larger ones in files of their own.
pub(crate) const INLINE_BYTES_MAX: usize = 64 * 1024;

/// What a stored revision says of one of its attachments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name within the document.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// Generation of the revision that brought it.
    pub revpos: u64,
    /// What CouchDB calls its digest.
    pub digest: Md5Digest,
    /// Length in bytes.
    pub length: u64,
    /// What its bytes are filed under.
    pub content: ContentHash,
}

/// MD5 of an attachment, printed as CouchDB prints it: `md5-` and base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Md5Digest(pub [u8; 16]);

impl fmt::Display for Md5Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "md5-{}", STANDARD.encode(self.0))
    }
}

/// BLAKE3 of an attachment's bytes; equal bytes are kept once in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContentHash(pub [u8; 32]);

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What an attachment of a new revision holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// The bytes its name has in the nearest stored ancestor of the same document.
    Stub,
    /// The bytes its name has in another document of the same database, found when the revision is
    /// written: nothing but a stored revision can vouch for bytes.
    Copied(CopySource),
    /// Bytes that an [`AttachmentWriter`] took in.
    Staged(Staged),
}

/// A stored revision that attachments are copied from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// The document.
    pub id: DocId,
    /// Its revision.
    pub rev: RevId,
}

/// Bytes taken in and durable, but not yet part of any document; dropped unused, they are gone.
#[derive(Clone, Debug)]
pub struct Staged {
    pub(crate) digest: Md5Digest,
    pub(crate) content: ContentHash,
    pub(crate) length: u64,
    pub(crate) data: StagedData,
}

#[derive(Clone, Debug)]
pub(crate) enum StagedData {
    Inline(Arc<[u8]>),
    File(Arc<TempPath>),
}

impl Staged {
    /// What CouchDB calls the attachment's digest.
    #[must_use]
    pub fn digest(&self) -> Md5Digest {
        self.digest
    }

    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// Takes in the bytes of an attachment, hashing as they come.
///
/// Writing past the limit fails with [`io::ErrorKind::FileTooLarge`].
#[derive(Debug)]
pub struct AttachmentWriter {
    folder: Option<PathBuf>,
    bytes_max: u64,
    length: u64,
    md5: Md5,
    blake3: Box<blake3::Hasher>,
    buffer: Vec<u8>,
    file: Option<NamedTempFile>,
}

impl AttachmentWriter {
    /// Stages in `folder`, or only in memory where there is none.
    pub(crate) fn new(folder: Option<PathBuf>, bytes_max: u64) -> Self {
        Self {
            folder,
            bytes_max,
            length: 0,
            md5: Md5::new(),
            blake3: Box::default(),
            buffer: Vec::new(),
            file: None,
        }
    }

    /// Ends the attachment and makes its bytes durable.
    ///
    /// # Errors
    /// [`Error::DiskFull`] or [`Error::Io`] when the file system refuses.
    pub fn finish(self) -> Result<Staged, Error> {
        let data = match self.file {
            None => StagedData::Inline(self.buffer.into()),
            Some(file) => {
                file.as_file().sync_data().map_err(Error::io("sync an attachment"))?;
                StagedData::File(Arc::new(file.into_temp_path()))
            }
        };
        Ok(Staged {
            digest: Md5Digest(self.md5.finalize().into()),
            content: ContentHash(self.blake3.finalize().into()),
            length: self.length,
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

impl Write for AttachmentWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.length + bytes.len() as u64;
        if length > self.bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
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
        Ok(())
    }
}

/// The bytes of a stored attachment; seeks to any of them.
#[derive(Debug)]
pub struct AttachmentReader {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Inline(Cursor<Vec<u8>>),
    File(File),
}

impl AttachmentReader {
    pub(crate) fn inline(bytes: Vec<u8>) -> Self {
        Self { source: Source::Inline(Cursor::new(bytes)) }
    }

    pub(crate) fn file(file: File) -> Self {
        Self { source: Source::File(file) }
    }
}

impl Read for AttachmentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            Source::Inline(bytes) => bytes.read(buffer),
            Source::File(file) => file.read(buffer),
        }
    }
}

impl Seek for AttachmentReader {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match &mut self.source {
            Source::Inline(bytes) => bytes.seek(position),
            Source::File(file) => file.seek(position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(length: usize, folder: &Path, bytes_max: u64) -> io::Result<Staged> {
        let mut writer = AttachmentWriter::new(Some(folder.into()), bytes_max);
        for chunk in vec![7; length].chunks(10_000) {
            writer.write_all(chunk)?;
        }
        Ok(writer.finish().unwrap())
    }

    #[test]
    fn small_ones_stay_in_memory_and_large_ones_go_to_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let small = stage(INLINE_BYTES_MAX, folder.path(), u64::MAX).unwrap();
        assert!(matches!(small.data, StagedData::Inline(_)));
        let large = stage(INLINE_BYTES_MAX + 1, folder.path(), u64::MAX).unwrap();
        let StagedData::File(path) = &large.data else { panic!("kept in memory") };
        let bytes = std::fs::read(path.as_ref() as &Path).unwrap();
        assert_eq!(blake3::hash(&bytes).as_bytes(), &large.content.0);
        drop(large);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn refuses_more_than_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let error = stage(100_001, folder.path(), 100_000).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn prints_couchdbs_digest() {
        let staged = stage(0, Path::new("unused"), 0).unwrap();
        assert_eq!(staged.digest.to_string(), "md5-1B2M2Y8AsgTpgAmY7PhCfg==");
    }
}
