//! Where databases live: a folder of the data directory each, or memory.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::disk::Durability;
use super::memory::MemoryEngine;
use super::{DiskEngine, Engine, schema};
use crate::{DbUuid, Error};

/// Where databases live.
#[derive(Debug)]
pub(crate) enum Backend {
    /// One folder a database, below this one.
    Disk(DiskBackend),
    /// Nowhere but here.
    Memory(Mutex<HashMap<(DbUuid, u64), Arc<MemoryEngine>>>),
}

#[derive(Debug)]
pub(crate) struct DiskBackend {
    databases: PathBuf,
    trash: PathBuf,
    template: Vec<u8>,
}

impl Backend {
    /// Below a data directory; empties what earlier deletions left behind.
    pub(crate) fn on_disk(dir: &Path) -> Result<Self, Error> {
        let io = Error::io("prepare the data directory");
        let (databases, trash) = (dir.join("databases"), dir.join("trash"));
        fs::create_dir_all(&databases).map_err(&io)?;
        if trash.exists() {
            fs::remove_dir_all(&trash).map_err(&io)?;
        }
        fs::create_dir(&trash).map_err(&io)?;
        sync_folder(dir).map_err(&io)?;
        let template = schema::template().map_err(Error::sqlite("lay out an empty database"))?;
        Ok(Self::Disk(DiskBackend { databases, trash, template }))
    }

    pub(crate) fn in_memory() -> Self {
        Self::Memory(Mutex::default())
    }

    /// Makes a database's folder with its first, empty generation.
    pub(crate) fn create(&self, uuid: DbUuid, generation: u64) -> Result<(), Error> {
        let Self::Disk(disk) = self else { return Ok(()) };
        let io = Error::io("create a database");
        let folder = disk.databases.join(uuid.to_string());
        let staging = disk.trash.join(uuid.to_string());
        fs::create_dir_all(staging.join(ATTACHMENTS)).map_err(&io)?;
        DiskEngine::create(&staging.join(file_name(generation)), &disk.template)?;
        sync_folder(&staging).map_err(&io)?;
        fs::rename(&staging, &folder).map_err(&io)?;
        sync_folder(&disk.databases).map_err(&io)
    }

    /// Opens one generation of a database.
    pub(crate) fn open(&self, uuid: DbUuid, generation: u64) -> Result<Arc<dyn Engine>, Error> {
        match self {
            Self::Disk(disk) => {
                let folder = disk.databases.join(uuid.to_string());
                remove_other_generations(&folder, generation);
                let path = folder.join(file_name(generation));
                let attachments = folder.join(ATTACHMENTS);
                Ok(Arc::new(DiskEngine::open(&path, &attachments, Durability::EachCommit)?))
            }
            Self::Memory(engines) => {
                let mut engines = engines.lock().unwrap_or_else(PoisonError::into_inner);
                let engine: Arc<MemoryEngine> =
                    Arc::clone(engines.entry((uuid, generation)).or_default());
                Ok(engine)
            }
        }
    }

    /// Makes a further generation, to be filled and settled before it takes the other's place.
    pub(crate) fn open_next(
        &self,
        uuid: DbUuid,
        generation: u64,
    ) -> Result<Arc<dyn Engine>, Error> {
        let Self::Disk(disk) = self else { return self.open(uuid, generation) };
        let folder = disk.databases.join(uuid.to_string());
        let path = folder.join(file_name(generation));
        DiskEngine::create(&path, &disk.template)?;
        sync_folder(&folder).map_err(Error::io("create a database file"))?;
        let attachments = folder.join(ATTACHMENTS);
        Ok(Arc::new(DiskEngine::open(&path, &attachments, Durability::WhenSettled)?))
    }

    /// Takes a database out of sight, then gives its space back.
    pub(crate) fn remove(&self, uuid: DbUuid) -> Result<(), Error> {
        match self {
            Self::Disk(disk) => {
                let io = Error::io("delete a database");
                let trash = disk.trash.join(uuid.to_string());
                fs::rename(disk.databases.join(uuid.to_string()), &trash).map_err(&io)?;
                sync_folder(&disk.databases).map_err(&io)?;
                fs::remove_dir_all(&trash).map_err(&io)
            }
            Self::Memory(engines) => {
                let mut engines = engines.lock().unwrap_or_else(PoisonError::into_inner);
                engines.retain(|(other, _), _| *other != uuid);
                Ok(())
            }
        }
    }

    /// After a crash: removes folders of databases that the catalog does not know, for their creation
    /// or deletion was cut short, and attachments that were staged and never used.
    pub(crate) fn tidy(&self, known: &dyn Fn(DbUuid) -> bool) -> Result<(), Error> {
        let Self::Disk(disk) = self else { return Ok(()) };
        let io = Error::io("tidy the data directory");
        for entry in fs::read_dir(&disk.databases).map_err(&io)? {
            let entry = entry.map_err(&io)?;
            match entry.file_name().to_str().and_then(DbUuid::parse) {
                Some(uuid) if known(uuid) => remove_staged(&entry.path().join(ATTACHMENTS)),
                Some(_) => fs::remove_dir_all(entry.path()),
                None => Ok(()),
            }
            .map_err(&io)?;
        }
        Ok(())
    }

    /// Makes files durable that somebody else put into a database's folder.
    pub(crate) fn settle(&self, uuid: DbUuid) -> Result<(), Error> {
        let Self::Disk(disk) = self else { return Ok(()) };
        let folder = disk.databases.join(uuid.to_string());
        sync_tree(&folder).map_err(Error::io("restore a database"))?;
        sync_folder(&disk.databases).map_err(Error::io("restore a database"))
    }

    /// The folder of a database; `None` in memory.
    pub(crate) fn folder(&self, uuid: DbUuid) -> Option<PathBuf> {
        match self {
            Self::Disk(disk) => Some(disk.databases.join(uuid.to_string())),
            Self::Memory(_) => None,
        }
    }
}

/// The number of a database's first file.
pub(crate) const FIRST_GENERATION: u64 = 1;

/// The folder for attachments within a database's folder.
pub(crate) const ATTACHMENTS: &str = "att";

/// The file of one generation within a database's folder.
pub(crate) fn file_name(generation: u64) -> String {
    format!("main-{generation}.sqlite")
}

fn sync_tree(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => sync_tree(&entry.path())?,
            false => File::open(entry.path())?.sync_all()?,
        }
    }
    sync_folder(folder)
}

/// Makes names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

fn remove_staged(attachments: &Path) -> std::io::Result<()> {
    fs::create_dir_all(attachments)?;
    for entry in fs::read_dir(attachments)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A compaction that was cut short leaves its unfinished file; one that was cut short at its very
/// end leaves the old one.
fn remove_other_generations(folder: &Path, generation: u64) {
    let kept = file_name(generation);
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with("main-")
            && !name.starts_with(&kept)
            && let Err(error) = fs::remove_file(entry.path())
        {
            tracing::warn!(%error, file = name, "left over from a compaction and stays");
        }
    }
}
