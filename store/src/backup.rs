//! Copies of databases to take away, and data directories made from such copies.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, Entry};
use crate::engine::{Backend, BlobRow, DiskEngine, Engine as _, FIRST_GENERATION, blob_path};
use crate::{ContentHash, Database, DbName, DbUuid, Error, Millis, OpenError, store};

/// One file of a database's copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFile {
    /// The documents, and the attachments up to 64 KiB.
    Main,
    /// One larger attachment.
    Attachment(ContentHash),
}

impl CopyFile {
    /// The file's name within a copy: `main.sqlite`, or `att-` and the hash in hexadecimal.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Main => "main.sqlite".into(),
            Self::Attachment(hash) => format!("att-{hash}"),
        }
    }

    /// Reads what [`Self::name`] writes.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name.strip_prefix("att-") {
            None => (name == "main.sqlite").then_some(Self::Main),
            Some(hash) => {
                let bytes = *blake3::Hash::from_hex(hash).ok()?.as_bytes();
                let file = Self::Attachment(ContentHash(bytes));
                (file.name() == name).then_some(file)
            }
        }
    }
}

impl Database {
    /// Shows `take` each file of a consistent copy, the main file first; `scratch` is a folder where
    /// that is put together. Writers and readers go on; compaction waits.
    ///
    /// # Errors
    /// Whatever `take` returns, or any of [`Error`].
    pub fn copy<E: From<Error>>(
        &self,
        scratch: &Path,
        mut take: impl FnMut(CopyFile, &Path) -> Result<(), E>,
    ) -> Result<(), E> {
        let _held = self.hold_files()?;
        let engine = self.engine()?;
        let main = scratch.join(format!("{}.sqlite", self.uuid()));
        engine.copy_into(&main)?;
        let taken = take(CopyFile::Main, &main);
        let blobs = if taken.is_ok() { blobs_in_files(&main) } else { Ok(Vec::new()) };
        fs::remove_file(&main).map_err(Error::io("remove a scratch file"))?;
        taken?;
        let Some(folder) = engine.attachment_folder() else { return Ok(()) };
        for blob in blobs? {
            take(CopyFile::Attachment(blob.hash), &blob_path(folder, &blob.hash))?;
        }
        Ok(())
    }
}

/// The attachments that a copied main file expects beside it.
fn blobs_in_files(main: &Path) -> Result<Vec<BlobRow>, Error> {
    let copy = DiskEngine::open_copy(main)?;
    let mut blobs = Vec::new();
    copy.read(&mut |rows| {
        rows.blobs(&mut |blob| {
            if blob.in_file {
                blobs.push(blob);
            }
            ControlFlow::Continue(())
        })
    })?;
    Ok(blobs)
}

/// A data directory that is being made from copies.
///
/// What it holds counts only once [`Self::adopt`] has taken each database in.
#[derive(Debug)]
pub struct Restore {
    backend: Backend,
    catalog: Catalog,
    _lock: File,
}

impl Restore {
    /// Begins in a directory that is empty or not there yet.
    ///
    /// # Errors
    /// [`OpenError`] when it is in use or holds anything.
    pub fn begin(dir: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Store { dir: dir.into(), source };
        let empty = fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
        if !empty {
            return Err(OpenError::NotEmpty { dir: dir.into() });
        }
        let lock = store::lock(dir)?;
        let backend = Backend::on_disk(dir).map_err(failed)?;
        let catalog = Catalog::open(&dir.join(store::CATALOG)).map_err(failed)?;
        Ok(Self { backend, catalog, _lock: lock })
    }

    /// Where a file of a database's copy is to be written.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn place(&self, uuid: DbUuid, file: CopyFile) -> Result<PathBuf, Error> {
        let folder = self.backend.folder(uuid).ok_or(Error::NoDatabase)?;
        let attachments = folder.join(crate::engine::ATTACHMENTS);
        let path = match file {
            CopyFile::Main => folder.join(crate::engine::file_name(FIRST_GENERATION)),
            CopyFile::Attachment(hash) => blob_path(&attachments, &hash),
        };
        let parents = [Some(attachments.as_path()), path.parent()];
        for parent in parents.into_iter().flatten() {
            fs::create_dir_all(parent).map_err(Error::io("restore a database"))?;
        }
        Ok(path)
    }

    /// Takes a database in whose files are all in their places. Its sequences count a new history
    /// from now on, since others may have seen more of the old one than the copy has.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the copy is not whole, or any other of [`Error`].
    pub fn adopt(&self, uuid: DbUuid, name: &DbName, created: Millis) -> Result<(), Error> {
        let main = self.place(uuid, CopyFile::Main)?;
        for blob in blobs_in_files(&main)? {
            let path = self.place(uuid, CopyFile::Attachment(blob.hash))?;
            let length = fs::metadata(path).map_err(Error::io("find a restored attachment"))?.len();
            if length != blob.length {
                return Err(Error::Damaged(format!("attachment {} of {name}", blob.hash)));
            }
        }
        self.backend.settle(uuid)?;
        self.catalog.insert(&Entry {
            uuid,
            name: name.clone(),
            generation: FIRST_GENERATION,
            epoch: crate::Epoch(store::random()?),
            created,
            update_seq: 0,
            clean: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_come_back() {
        let hash = ContentHash([0xab; 32]);
        for file in [CopyFile::Main, CopyFile::Attachment(hash)] {
            assert_eq!(CopyFile::parse(&file.name()), Some(file));
        }
        for bad in ["", "main", "att-", "att-xyz", "../main.sqlite"] {
            assert_eq!(CopyFile::parse(bad), None, "{bad:?}");
        }
    }
}
