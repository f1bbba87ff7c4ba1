//! The folder of an index that keeps files of its own.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::Error;
use crate::core::lock;

/// A folder for an index whose files others write; nothing of it is open here.
///
/// What it holds follows from the documents and can be made again, so a folder that cannot be right is
/// emptied.
#[derive(Debug)]
pub struct IndexFolder {
    path: PathBuf,
    /// Where the database is in memory: the folder goes with this.
    _temporary: Option<TempDir>,
    /// Held by whoever writes, and by whoever empties.
    writing: Mutex<()>,
    distrusted: AtomicBool,
    removed: AtomicBool,
}

impl IndexFolder {
    /// A folder at this path; makes nothing.
    pub(crate) fn on_disk(path: PathBuf) -> Arc<Self> {
        Arc::new(Self::at(path, None))
    }

    /// A folder for a database that lives in memory.
    pub(crate) fn temporary() -> Result<Arc<Self>, Error> {
        let folder = TempDir::new().map_err(Error::io("make a folder for an index"))?;
        Ok(Arc::new(Self::at(folder.path().join("index"), Some(folder))))
    }

    fn at(path: PathBuf, temporary: Option<TempDir>) -> Self {
        Self {
            path,
            _temporary: temporary,
            writing: Mutex::default(),
            distrusted: AtomicBool::new(false),
            removed: AtomicBool::new(false),
        }
    }

    /// Lets `f` read what is in the folder, which is there, if perhaps empty.
    ///
    /// # Errors
    /// Whatever `f` returns; [`Error::Busy`] when the index was removed, or its database was: ask the
    /// database for it again.
    pub fn read<T, E: From<Error>>(&self, f: impl FnOnce(&Path) -> Result<T, E>) -> Result<T, E> {
        self.prepare()?;
        self.unless_removed(f(&self.path))
    }

    /// Lets `f` write into the folder; one writer at a time.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn write<T, E: From<Error>>(&self, f: impl FnOnce(&Path) -> Result<T, E>) -> Result<T, E> {
        self.prepare()?;
        let outcome = {
            let _alone = lock(&self.writing);
            f(&self.path)
        };
        self.unless_removed(outcome)
    }

    /// Lets the index start empty at its next use: what its files hold was found to be impossible.
    pub fn distrust(&self) {
        self.distrusted.store(true, Ordering::Release);
    }

    /// Bytes it takes on the disk.
    #[must_use]
    pub fn bytes_on_disk(&self) -> u64 {
        bytes(&self.path)
    }

    /// From now on it is refused; who is using it finishes.
    pub(crate) fn retire(&self) {
        self.removed.store(true, Ordering::Release);
    }

    /// Makes the folder where it is not there, and empties one that cannot be right.
    fn prepare(&self) -> Result<(), Error> {
        self.present()?;
        if self.distrusted.load(Ordering::Acquire) {
            let _alone = lock(&self.writing);
            if self.distrusted.swap(false, Ordering::AcqRel) {
                tracing::warn!(path = %self.path.display(), "an index is damaged and starts anew");
                remove(&self.path)?;
            }
        }
        // Within the database's folder and never that itself: it may be gone by now.
        let indexes = self.path.parent().unwrap_or(&self.path);
        make(indexes).and_then(|()| make(&self.path)).or_else(|error| {
            self.present()?;
            Err(Error::io("make a folder for an index")(error))
        })
    }

    fn present(&self) -> Result<(), Error> {
        match self.removed.load(Ordering::Acquire) {
            true => Err(Error::Busy),
            false => Ok(()),
        }
    }

    /// An outcome that can be believed only while the folder is there.
    fn unless_removed<T, E: From<Error>>(&self, outcome: Result<T, E>) -> Result<T, E> {
        if outcome.is_err() {
            self.present()?;
        }
        outcome
    }
}

/// Removes an index's folder with all that is in it.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io("remove an index")(error))
        }
        _ => Ok(()),
    }
}

/// Bytes of the files in an index's folder.
pub(crate) fn bytes(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let files = entries.flatten().filter_map(|entry| entry.metadata().ok());
    files.filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}

fn make(path: &Path) -> std::io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &IndexFolder) -> usize {
        folder.read::<_, Error>(|path| Ok(fs::read_dir(path).unwrap().count())).unwrap()
    }

    #[test]
    fn a_distrusted_folder_is_emptied_once() {
        let folder = IndexFolder::temporary().unwrap();
        let write = |path: &Path| {
            fs::write(path.join("a"), "12345").unwrap();
            Ok::<_, Error>(())
        };
        folder.write(write).unwrap();
        assert_eq!((files(&folder), folder.bytes_on_disk()), (1, 5));
        folder.distrust();
        assert_eq!(files(&folder), 0);
        folder.write(write).unwrap();
        assert_eq!(files(&folder), 1);
    }

    #[test]
    fn what_was_removed_is_refused() {
        let folder = IndexFolder::temporary().unwrap();
        assert_eq!(files(&folder), 0);
        folder.retire();
        assert!(matches!(folder.read::<(), Error>(|_| Ok(())), Err(Error::Busy)));
        assert!(matches!(folder.write::<(), Error>(|_| Ok(())), Err(Error::Busy)));
    }
}
