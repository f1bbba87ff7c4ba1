//! What can go wrong, sorted by what the caller can do about it.

use std::path::PathBuf;

use crate::DbName;

/// A database could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A database of that name exists already.
    #[error("database {0} exists already")]
    DatabaseExists(DbName),
    /// There is no such database, or it was deleted while in use.
    #[error("database does not exist")]
    NoDatabase,
    /// More writes are waiting than the database accepts; try again later.
    #[error("too many writes are waiting")]
    Busy,
    /// A compaction of this database is running already.
    #[error("compaction is running")]
    CompactionRunning,
    /// An attachment is larger than the limit given to its writer.
    #[error("attachment is larger than {0} bytes")]
    AttachmentTooLarge(u64),
    /// What was said to be gzip is not, or not all of it.
    #[error("the attachment is not valid gzip")]
    NotGzip,
    /// The disk is full; nothing of the write was kept.
    #[error("the disk is full")]
    DiskFull,
    /// The process has no more file handles; try again later.
    #[error("too many files are open")]
    OutOfHandles,
    /// What is stored cannot be right; this database is refused until it is repaired or restored.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The file was written by a newer release than this one.
    #[error("stored in format {found}, this release reads up to {known}")]
    NewerFormat {
        /// Version found in the file.
        found: u64,
        /// Newest version this release reads.
        known: u64,
    },
    /// The store is closing.
    #[error("the store is closing")]
    Closing,
    /// SQLite refused.
    #[error("could not {action}")]
    Sqlite {
        /// What was being done.
        action: &'static str,
        /// SQLite's own words.
        #[source]
        source: rusqlite::Error,
    },
    /// The file system refused.
    #[error("could not {action}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file system's own words.
        #[source]
        source: std::io::Error,
    },
}

/// A data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another hub holds the directory.
    #[error("{} is in use by another hub (process {pid})", dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// What the lock file says of its holder.
        pid: String,
    },
    /// A directory to restore into holds something already.
    #[error("{} is not empty", dir.display())]
    NotEmpty {
        /// The data directory.
        dir: PathBuf,
    },
    /// Anything else.
    #[error("could not open {}", dir.display())]
    Store {
        /// The data directory.
        dir: PathBuf,
        /// The reason.
        #[source]
        source: Error,
    },
}

impl Error {
    /// The error with its cause, without what may name a database or a document: for logs.
    #[must_use]
    pub fn unnamed(&self) -> String {
        match self {
            Self::Damaged(_) => "stored data is damaged".into(),
            Self::DatabaseExists(_) => "the database exists already".into(),
            Self::Sqlite { source, .. } => format!("{self}: {source}"),
            Self::Io { source, .. } => format!("{self}: {source}"),
            Self::NoDatabase
            | Self::Busy
            | Self::CompactionRunning
            | Self::AttachmentTooLarge(_)
            | Self::NotGzip
            | Self::DiskFull
            | Self::OutOfHandles
            | Self::NewerFormat { .. }
            | Self::Closing => self.to_string(),
        }
    }

    /// What the file system's refusal means for whoever wanted this done.
    #[must_use]
    pub fn of_io(action: &'static str, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ if is_for_want_of_handles(&source) => Self::OutOfHandles,
            _ => Self::Io { action, source },
        }
    }

    pub(crate) fn io(action: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::of_io(action, source)
    }

    pub(crate) fn sqlite(action: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull,
            Some(rusqlite::ErrorCode::SystemIoFailure) if is_for_want_of_room(&source) => {
                Self::DiskFull
            }
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Self::Damaged(source.to_string())
            }
            _ => Self::Sqlite { action, source },
        }
    }
}

/// The system's and the process's limits of open files, on Unix and Windows alike.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// Whether a file could not be opened for there being too many. An error that was given a path has
/// lost the system's number, so the system is asked again.
fn is_for_want_of_handles(error: &std::io::Error) -> bool {
    let says_so = |code| matches!(code, Some(ENFILE | EMFILE));
    let asked = || std::fs::File::open(".").err().and_then(|error| error.raw_os_error());
    says_so(error.raw_os_error()) || error.get_ref().is_some() && says_so(asked())
}

/// Whether shared memory, which lies on the same disk, could not grow.
fn is_for_want_of_room(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}
