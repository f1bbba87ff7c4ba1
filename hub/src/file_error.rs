//! What the file system refused.

use std::io;
use std::path::{Path, PathBuf};

/// Something could not be done to a file or a folder.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {}", path.display())]
pub(crate) struct FileError {
    /// What was being done.
    pub(crate) action: &'static str,
    /// To what.
    pub(crate) path: PathBuf,
    /// The reason.
    #[source]
    pub(crate) source: io::Error,
}

impl FileError {
    /// What a refusal means that meets this action on this file.
    pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self { action, path, source }
    }
    /// Whether there is no room for it.
    pub(crate) fn is_disk_full(&self) -> bool {
        self.source.kind() == io::ErrorKind::StorageFull
    }
}
