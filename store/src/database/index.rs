//! The indexes of a database.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Database;
use crate::core::lock;
use crate::engine::INDEXES;
use crate::index::{check_file, folder, remove_file};
use crate::{Error, IndexFile, IndexFolder, IndexName};

impl Database {
    /// One of its indexes; made, and empty, where there is none of that name. The file stays open only
    /// while it is used.
    ///
    /// # Errors
    /// [`Error::NoDatabase`], or any other of [`Error`].
    pub fn index(&self, name: &IndexName) -> Result<Arc<IndexFile>, Error> {
        let index = {
            let mut indexes = lock(&self.indexes);
            if self.is_deleted() {
                return Err(Error::NoDatabase);
            }
            let make = || match self.index_folder() {
                Some(folder) => IndexFile::on_disk(&self.core, folder.join(name.file_name())),
                None => IndexFile::in_memory(&self.core),
            };
            Arc::clone(indexes.entry(name.clone()).or_insert_with(make))
        };
        match index.open() {
            Err(_) if self.is_deleted() => Err(Error::NoDatabase),
            opened => opened.map(|()| index),
        }
    }

    /// The folder of one of its indexes that keeps files of its own; made, and empty, at its first use.
    ///
    /// # Errors
    /// [`Error::NoDatabase`], or any other of [`Error`].
    pub fn search_index(&self, name: &IndexName) -> Result<Arc<IndexFolder>, Error> {
        let mut folders = lock(&self.search_indexes);
        if self.is_deleted() {
            return Err(Error::NoDatabase);
        }
        if let Some(known) = folders.get(name) {
            return Ok(Arc::clone(known));
        }
        let folder = match self.index_folder() {
            Some(folder) => IndexFolder::on_disk(folder.join(name.folder_name())),
            None => IndexFolder::temporary()?,
        };
        folders.insert(name.clone(), Arc::clone(&folder));
        Ok(folder)
    }

    /// The names of its indexes, in order; opens none.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn indexes(&self) -> Result<Vec<IndexName>, Error> {
        let Some(folder) = self.index_folder() else {
            let mut names: Vec<IndexName> = lock(&self.indexes).keys().cloned().collect();
            names.extend(lock(&self.search_indexes).keys().cloned());
            names.sort_unstable();
            return Ok(names);
        };
        let io = Error::io("list indexes");
        let mut names = Vec::new();
        match fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            entries => {
                for entry in entries.map_err(&io)? {
                    let entry = entry.map_err(&io)?;
                    names.extend(entry.file_name().to_str().and_then(IndexName::of_file));
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Looks for damage in its indexes, changing none; those that keep files of their own are looked at
    /// by `check_folder`, while nobody writes them. Returns what is wrong, in plain words; empty is sound.
    ///
    /// # Errors
    /// Any of [`Error`] that keeps it from looking.
    pub fn verify_indexes(
        &self,
        check_folder: impl Fn(&Path) -> Vec<String>,
    ) -> Result<Vec<String>, Error> {
        let Some(indexes) = self.index_folder() else { return Ok(Vec::new()) };
        let mut findings = Vec::new();
        for name in self.indexes()? {
            let mut found = Vec::new();
            let file = indexes.join(name.file_name());
            if file.is_file() {
                found.extend(check_file(&file)?);
            }
            if indexes.join(name.folder_name()).is_dir() {
                let check = |path: &Path| Ok(check_folder(path));
                match self.search_index(&name)?.write(check) {
                    // Removed since it was listed.
                    Err(Error::Busy) => {}
                    checked => found.extend(checked?),
                }
            }
            findings.extend(found.iter().map(|finding| format!("index {name}: {finding}")));
        }
        Ok(findings)
    }

    /// Removes an index, if it is there; whoever is reading it finishes.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn remove_index(&self, name: &IndexName) -> Result<(), Error> {
        let mut indexes = lock(&self.indexes);
        if let Some(index) = indexes.remove(name) {
            index.retire();
        }
        let mut folders = lock(&self.search_indexes);
        if let Some(folder) = folders.remove(name) {
            folder.retire();
        }
        match self.index_folder() {
            Some(indexes) => {
                remove_file(&indexes.join(name.file_name()))?;
                folder::remove(&indexes.join(name.folder_name()))
            }
            None => Ok(()),
        }
    }

    /// Bytes that all indexes take on the disk.
    pub(super) fn index_bytes(&self) -> u64 {
        let Some(folder) = self.index_folder() else { return 0 };
        let Ok(entries) = fs::read_dir(folder) else { return 0 };
        let bytes = |entry: fs::DirEntry| {
            let of = entry.metadata().ok()?;
            Some(if of.is_dir() { folder::bytes(&entry.path()) } else { of.len() })
        };
        entries.flatten().filter_map(bytes).sum()
    }

    /// Closes the files of indexes that nobody uses.
    pub(super) fn close_idle_indexes(&self) {
        for index in lock(&self.indexes).values() {
            index.close_if_idle();
        }
    }

    /// The database is deleted: refuses its indexes from now on.
    pub(super) fn retire_indexes(&self) {
        for index in std::mem::take(&mut *lock(&self.indexes)).into_values() {
            index.retire();
        }
        for folder in std::mem::take(&mut *lock(&self.search_indexes)).into_values() {
            folder.retire();
        }
    }

    fn index_folder(&self) -> Option<PathBuf> {
        Some(self.core.backend.folder(self.uuid)?.join(INDEXES))
    }
}
