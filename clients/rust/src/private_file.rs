//! Files and directories that only we may reach.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use zeroize::Zeroizing;

/// Bits that let anybody but the owner read or write.
const OTHERS: u32 = 0o077;

/// Longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A file or directory is not one that can be trusted, or cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// It is somebody else's.
    #[error("{} belongs to another user", .0.display())]
    Foreign(PathBuf),
    /// Others may read it or write to it.
    #[error("{} is open to others; allow only yourself: chmod go=", .0.display())]
    Open(PathBuf),
    /// It is no file, no text, or too long to be what it should be.
    #[error("{} is damaged", .0.display())]
    Damaged(PathBuf),
    /// The file system refused.
    #[error("could not {action} {}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
}

impl PrivateFileError {
    /// What a refusal means that meets this action on this file.
    pub(crate) fn at<E: Into<io::Error>>(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source: source.into() }
    }

    /// Whether it is not there at all.
    pub(crate) fn is_absence(&self) -> bool {
        match self {
            Self::File { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Foreign(_) | Self::Open(_) | Self::Damaged(_) => false,
        }
    }
}

/// A directory that is ours and closed to others.
#[derive(Debug)]
pub(crate) struct PrivateFolder {
    folder: File,
    path: PathBuf,
}

impl PrivateFolder {
    /// Opens and checks a directory, or the one that a link leads to.
    pub(crate) fn open(path: &Path) -> Result<Self, PrivateFileError> {
        let path = path.canonicalize().map_err(PrivateFileError::at("find", path))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, &path, flags, Mode::empty());
        let folder: File = folder.map_err(PrivateFileError::at("open", &path))?.into();
        let metadata = folder.metadata().map_err(PrivateFileError::at("look at", &path))?;
        check_owner(&path, metadata.uid())?;
        check_closed(&path, metadata.mode())?;
        Ok(Self { folder, path })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The text of a file of ours in it.
    pub(crate) fn read(&self, name: &str) -> Result<Zeroizing<String>, PrivateFileError> {
        let path = self.path.join(name);
        let file = openat(&self.folder, name, FILE_FLAGS, Mode::empty());
        text_of(file.map_err(PrivateFileError::at("read", &path))?.into(), &path, Reach::Folder)
    }
}

/// The text of a file that is ours and closed to others.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, PrivateFileError> {
    let file = openat(CWD, path, FILE_FLAGS, Mode::empty());
    text_of(file.map_err(PrivateFileError::at("read", path))?.into(), path, Reach::Mode)
}

/// No link is followed, and no pipe waited for.
const FILE_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// What keeps others from a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Folder,
    Mode,
}

fn text_of(file: File, path: &Path, reach: Reach) -> Result<Zeroizing<String>, PrivateFileError> {
    let metadata = file.metadata().map_err(PrivateFileError::at("read", path))?;
    let damaged = || PrivateFileError::Damaged(path.into());
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err(damaged());
    }
    check_owner(path, metadata.uid())?;
    if reach == Reach::Mode {
        check_closed(path, metadata.mode())?;
    }
    // Whole from the start: what grows leaves copies behind.
    let capacity = usize::try_from(FILE_BYTES_MAX).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    match file.take(FILE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(damaged()),
        Err(error) => Err(PrivateFileError::at("read", path)(error)),
    }
}

fn check_owner(path: &Path, uid: u32) -> Result<(), PrivateFileError> {
    if uid == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(PrivateFileError::Foreign(path.into()))
    }
}

fn check_closed(path: &Path, mode: u32) -> Result<(), PrivateFileError> {
    if mode & OTHERS == 0 { Ok(()) } else { Err(PrivateFileError::Open(path.into())) }
}
