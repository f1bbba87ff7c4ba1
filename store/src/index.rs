//! Indexes: rows that follow from a database's documents, kept in pages, in a file that can be made
//! again at any time.
//!
//! What a page holds is `query`'s business. Here it is only kept: one SQLite file an index, which is
//! deleted, and starts empty, whenever it cannot be right. What keeps files of its own gets a folder.

mod disk;
pub(crate) mod folder;
mod memory;
mod name;
mod pages;
mod sqlite;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use self::disk::OpenFile;
pub use self::folder::IndexFolder;
pub use self::memory::MemoryPages;
pub use self::name::{IndexName, IndexNameError};
pub use self::pages::{PageId, Pages, PagesMut};
use crate::Error;
use crate::core::{Core, lock};

/// One index of a database; cheap to hold, its file is open only while it is used.
pub struct IndexFile {
    core: Arc<Core>,
    me: Weak<Self>,
    place: Place,
    open: Mutex<Option<Arc<OpenFile>>>,
    /// Held by whoever writes.
    writing: Mutex<()>,
    /// When it was last used, by [`Core::next_use`].
    last_use: AtomicU64,
    /// Whether it was used since somebody last looked for files to close.
    used: AtomicBool,
    removed: AtomicBool,
}

enum Place {
    Disk(PathBuf),
    Memory(Mutex<Arc<MemoryPages>>),
}

impl IndexFile {
    /// An index in this file; opens nothing.
    pub(crate) fn on_disk(core: &Arc<Core>, path: PathBuf) -> Arc<Self> {
        Self::at(core, Place::Disk(path))
    }

    /// An index that lives in memory only.
    pub(crate) fn in_memory(core: &Arc<Core>) -> Arc<Self> {
        Self::at(core, Place::Memory(Mutex::default()))
    }

    fn at(core: &Arc<Core>, place: Place) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            core: Arc::clone(core),
            me: me.clone(),
            place,
            open: Mutex::default(),
            writing: Mutex::default(),
            last_use: AtomicU64::new(0),
            used: AtomicBool::new(false),
            removed: AtomicBool::new(false),
        })
    }

    /// Reads from one consistent snapshot. Keep it short: it pins the write-ahead log.
    ///
    /// # Errors
    /// Whatever `f` returns; [`Error::Busy`] when the index was removed, or its database was, and its
    /// file with it: ask the database for it again.
    pub fn read<T, E: From<Error>>(
        &self,
        f: impl FnOnce(&dyn Pages) -> Result<T, E>,
    ) -> Result<T, E> {
        match &self.place {
            Place::Disk(path) => self.opened(path)?.read(f),
            Place::Memory(pages) => {
                self.present()?;
                let snapshot = Arc::clone(&lock(pages));
                f(&*snapshot)
            }
        }
    }

    /// Writes all or nothing; one writer at a time. What was written can be lost with the power, the
    /// last write first, but never a part of a write.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn write<T, E: From<Error>>(
        &self,
        f: impl FnOnce(&mut dyn PagesMut) -> Result<T, E>,
    ) -> Result<T, E> {
        let _alone = lock(&self.writing);
        if self.core.is_closing() {
            return Err(Error::Closing.into());
        }
        match &self.place {
            Place::Disk(path) => self.opened(path)?.write(f),
            Place::Memory(pages) => {
                self.present()?;
                let mut changed = MemoryPages::clone(&lock(pages));
                let outcome = f(&mut changed)?;
                *lock(pages) = Arc::new(changed);
                Ok(outcome)
            }
        }
    }

    /// Lets the index start empty at its next use: what its pages hold was found to be impossible.
    pub fn distrust(&self) {
        match &self.place {
            Place::Disk(_) => {
                if let Some(open) = &*lock(&self.open) {
                    open.distrust();
                }
            }
            Place::Memory(pages) => *lock(pages) = Arc::default(),
        }
    }

    /// A file for what does not fit in memory; without a name, it is gone when it is closed. `None`
    /// where the index lives in memory, and so may whatever it is made from.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn scratch(&self) -> Result<Option<File>, Error> {
        let Place::Disk(path) = &self.place else { return Ok(None) };
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        tempfile::tempfile_in(folder).map(Some).map_err(Error::io("make a scratch file"))
    }

    /// Bytes it takes on the disk.
    #[must_use]
    pub fn bytes_on_disk(&self) -> u64 {
        match &self.place {
            Place::Disk(path) => disk::bytes(path),
            Place::Memory(_) => 0,
        }
    }

    /// Opens the file, so that what is wrong with it shows now.
    pub(crate) fn open(&self) -> Result<(), Error> {
        match &self.place {
            Place::Disk(path) => self.opened(path).map(|_| ()),
            Place::Memory(_) => self.present(),
        }
    }

    /// Closes the file unless somebody uses it; `true` when it is closed.
    pub(crate) fn close_if_idle(&self) -> bool {
        let mut open = lock(&self.open);
        match &*open {
            Some(file) if Arc::strong_count(file) > 1 => false,
            _ => {
                *open = None;
                true
            }
        }
    }

    /// Closes the file unless it was used since the last call.
    pub(crate) fn close_if_unused(&self) -> bool {
        !self.used.swap(false, Ordering::Relaxed) && self.close_if_idle()
    }

    /// From now on it is refused; who is using it finishes.
    pub(crate) fn retire(&self) {
        let mut open = lock(&self.open);
        self.removed.store(true, Ordering::Release);
        *open = None;
    }

    pub(crate) fn is_open(&self) -> bool {
        lock(&self.open).is_some()
    }

    pub(crate) fn last_use(&self) -> u64 {
        self.last_use.load(Ordering::Relaxed)
    }

    fn present(&self) -> Result<(), Error> {
        match self.removed.load(Ordering::Acquire) {
            true => Err(Error::Busy),
            false => Ok(()),
        }
    }

    /// The open file; whoever holds it keeps it open.
    fn opened(&self, path: &Path) -> Result<Arc<OpenFile>, Error> {
        self.last_use.store(self.core.next_use(), Ordering::Relaxed);
        self.used.store(true, Ordering::Relaxed);
        let file = {
            let mut open = lock(&self.open);
            self.present()?;
            match &*open {
                Some(file) if !file.is_distrusted() => return Ok(Arc::clone(file)),
                Some(_) => {
                    tracing::warn!(path = %path.display(), "an index is damaged and starts anew");
                    *open = None;
                    disk::remove(path)?;
                }
                None => {}
            }
            let file = Arc::new(OpenFile::open(path)?);
            *open = Some(Arc::clone(&file));
            file
        };
        self.core.indexes.opened(&self.me);
        Ok(file)
    }
}

impl fmt::Debug for IndexFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexFile").finish_non_exhaustive()
    }
}

/// Removes an index's file from the disk.
pub(crate) use self::disk::{check as check_file, remove as remove_file};

/// The indexes of all databases whose files are open.
#[derive(Debug)]
pub(crate) struct OpenIndexes {
    open: Mutex<Vec<Weak<IndexFile>>>,
    open_max: usize,
}

impl OpenIndexes {
    pub(crate) fn new(open_max: usize) -> Self {
        Self { open: Mutex::default(), open_max: open_max.max(1) }
    }

    /// An index has opened its file; closes others that are over the limit and idle.
    fn opened(&self, index: &Weak<IndexFile>) {
        let mut open = self.open();
        if !open.iter().any(|other| Weak::ptr_eq(&other.me, index)) {
            open.extend(index.upgrade());
        }
        open.sort_by_key(|other| other.last_use());
        let mut surplus = open.len().saturating_sub(self.open_max);
        open.retain(|other| {
            let closes = surplus > 0 && !Weak::ptr_eq(&other.me, index) && other.close_if_idle();
            surplus -= usize::from(closes);
            !closes
        });
        self.keep(&open);
    }

    /// Closes those that were not used since the last call.
    pub(crate) fn close_unused(&self) {
        let mut open = self.open();
        open.retain(|index| !index.close_if_unused());
        self.keep(&open);
    }

    fn open(&self) -> Vec<Arc<IndexFile>> {
        lock(&self.open).iter().filter_map(Weak::upgrade).filter(|index| index.is_open()).collect()
    }

    /// Forgets those that are closed. Others may have opened meanwhile, so each is asked.
    fn keep(&self, known: &[Arc<IndexFile>]) {
        let mut open = lock(&self.open);
        open.retain(|index| index.upgrade().is_some_and(|index| index.is_open()));
        for index in known {
            if !open.iter().any(|other| Weak::ptr_eq(other, &index.me)) {
                open.push(index.me.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
