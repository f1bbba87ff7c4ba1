//! Where databases live: a folder of the data directory each, or memory.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::Durability;
use super::memory::MemoryEngine;
use super::{DiskEngine, Engine, Power, schema};
use crate::{DbUuid, Error};

/// Where databases live.
#[derive(Debug)]
pub(crate) enum Backend {
    /// One folder a database, below this one.
    Disk(DiskBackend),
    /// Nowhere but here.
    Memory(MemoryBackend),
}

#[derive(Debug, Default)]
pub(crate) struct MemoryBackend {
    engines: Mutex<HashMap<(DbUuid, u64), Arc<MemoryEngine>>>,
    /// What commits need on a disk that is simulated.
    power: Option<Arc<Power>>,
}

#[derive(Debug)]
pub(crate) struct DiskBackend {
    databases: PathBuf,
    /// Databases on their way in and out.
    trash: PathBuf,
    template: Vec<u8>,
    #[cfg(test)]
    faults: Option<Arc<super::Faults>>,
}

impl Backend {
    /// Below a data directory.
    pub(crate) fn on_disk(dir: &Path) -> Result<Self, Error> {
        let io = Error::io("prepare the data directory");
        let [databases, trash] = ["databases", "trash"].map(|name| dir.join(name));
        for folder in [&databases, &trash] {
            fs::create_dir_all(folder).map_err(&io)?;
        }
        sync_folder(dir).map_err(&io)?;
        let template = lay_out(false)?;
        Ok(Self::Disk(DiskBackend {
            databases,
            trash,
            template,
            #[cfg(test)]
            faults: None,
        }))
    }

    /// From now on the rows of this backend fail on cue.
    #[cfg(test)]
    pub(crate) fn fail_by(&mut self, by: &Arc<super::Faults>) {
        if let Self::Disk(disk) = self {
            disk.faults = Some(Arc::clone(by));
        }
    }

    pub(crate) fn in_memory(power: Option<Arc<Power>>) -> Self {
        Self::Memory(MemoryBackend { power, ..MemoryBackend::default() })
    }

    /// The power was off: what was not settled is gone.
    pub(crate) fn lose_unsettled(&self) {
        if let Self::Memory(memory) = self {
            memory.engines().retain(|_, engine| engine.is_settled());
        }
    }

    /// Makes a database's folder with its first, empty generation.
    pub(crate) fn create(
        &self,
        uuid: DbUuid,
        generation: u64,
        partitioned: bool,
    ) -> Result<(), Error> {
        let Self::Disk(disk) = self else {
            let engine = self.open(uuid, generation)?;
            return match partitioned {
                true => engine.write(&mut |rows| rows.set_setting(schema::PARTITIONED, &[1])),
                false => Ok(()),
            };
        };
        let io = Error::io("create a database");
        let folder = disk.databases.join(uuid.to_string());
        let staging = disk.trash.join(uuid.to_string());
        let partitioned = partitioned.then(|| lay_out(true)).transpose()?;
        let image = partitioned.as_deref().unwrap_or(&disk.template);
        let make = || {
            fs::create_dir_all(staging.join(ATTACHMENTS)).map_err(&io)?;
            DiskEngine::create(&staging.join(file_name(generation)), image)?;
            sync_folder(&staging).map_err(&io)?;
            fs::rename(&staging, &folder).map_err(&io)
        };
        make().inspect_err(|_| self.give_back(uuid))?;
        sync_folder(&disk.databases).map_err(&io)
    }

    /// Opens one generation of a database.
    pub(crate) fn open(&self, uuid: DbUuid, generation: u64) -> Result<Arc<dyn Engine>, Error> {
        match self {
            Self::Disk(disk) => {
                let (path, attachments) = disk.present(uuid, generation)?;
                disk.tidy_generations(uuid, generation);
                disk.watched(DiskEngine::open(&path, &attachments, Durability::EachCommit)?)
            }
            Self::Memory(memory) => Ok(memory.open(uuid, generation, true)),
        }
    }

    /// Opens one generation of a database for somebody who only reads, on a disk without room for
    /// anything else.
    pub(crate) fn open_without_room(
        &self,
        uuid: DbUuid,
        generation: u64,
    ) -> Result<Arc<dyn Engine>, Error> {
        let Self::Disk(disk) = self else { return self.open(uuid, generation) };
        let (path, attachments) = disk.present(uuid, generation)?;
        disk.watched(DiskEngine::open(&path, &attachments, Durability::NothingIsWritten)?)
    }

    /// Makes a further generation, to be filled and settled before it takes the other's place.
    pub(crate) fn open_next(
        &self,
        uuid: DbUuid,
        generation: u64,
    ) -> Result<Arc<dyn Engine>, Error> {
        let disk = match self {
            Self::Disk(disk) => disk,
            Self::Memory(memory) => return Ok(memory.open_next(uuid, generation)),
        };
        let folder = disk.databases.join(uuid.to_string());
        let path = folder.join(file_name(generation));
        disk.tidy_generations(uuid, generation - 1);
        let attachments = folder.join(ATTACHMENTS);
        let fill = || {
            DiskEngine::create(&path, &disk.template)?;
            sync_folder(&folder).map_err(Error::io("create a database file"))?;
            disk.watched(DiskEngine::open(&path, &attachments, Durability::WhenSettled)?)
        };
        fill().inspect_err(|_| disk.tidy_generations(uuid, generation - 1))
    }

    /// Takes a database out of sight: from then on it is deleted for good, whatever happens.
    pub(crate) fn take_away(&self, uuid: DbUuid) -> Result<(), Error> {
        match self {
            Self::Disk(disk) => move_folder(&disk.live(uuid), &disk.trash.join(uuid.to_string())),
            Self::Memory(_) => Ok(()),
        }
    }

    /// Puts a database where it can be brought back from: from then on it is deleted, whatever happens.
    pub(crate) fn set_aside(&self, uuid: DbUuid) -> Result<(), Error> {
        let Self::Disk(disk) = self else { return Ok(()) };
        move_folder(&disk.live(uuid), &disk.aside(uuid))?;
        // They can be made again, and are not asked while it lies here.
        let _left = fs::remove_dir_all(disk.aside(uuid).join(INDEXES));
        Ok(())
    }

    /// Puts a database back that was set aside: from then on it is there, whatever happens.
    pub(crate) fn bring_back(&self, uuid: DbUuid) -> Result<(), Error> {
        let Self::Disk(disk) = self else { return Ok(()) };
        if !self.is_set_aside(uuid) {
            return Err(Error::Damaged(format!("databases/{ASIDE}{uuid} is gone")));
        }
        move_folder(&disk.aside(uuid), &disk.live(uuid))
    }

    /// Makes that a database which was set aside is deleted for good, whatever happens.
    pub(crate) fn discard(&self, uuid: DbUuid) -> Result<(), Error> {
        let Self::Disk(disk) = self else { return Ok(()) };
        move_folder(&disk.aside(uuid), &disk.trash.join(uuid.to_string()))
    }

    /// Whether a database was set aside.
    pub(crate) fn is_set_aside(&self, uuid: DbUuid) -> bool {
        let Self::Disk(disk) = self else { return false };
        disk.aside(uuid).exists() && !disk.live(uuid).exists()
    }

    /// Whether a database that the catalog calls set aside was discarded since.
    pub(crate) fn is_discarded(&self, uuid: DbUuid) -> bool {
        let Self::Disk(disk) = self else { return false };
        !disk.aside(uuid).exists()
    }

    /// What a database takes on the disk that was set aside.
    pub(crate) fn bytes_set_aside(&self, uuid: DbUuid) -> u64 {
        let Self::Disk(disk) = self else { return 0 };
        bytes_below(&disk.aside(uuid))
    }

    /// Gives the space of a database back that was taken away, its place in the trash last.
    pub(crate) fn give_back(&self, uuid: DbUuid) {
        let disk = match self {
            Self::Disk(disk) => disk,
            Self::Memory(memory) => {
                return memory.engines().retain(|(other, _), _| *other != uuid);
            }
        };
        let trash = disk.trash.join(uuid.to_string());
        match fs::remove_dir_all(&trash) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, path = %trash.display(), "stays until the next start");
            }
            _ => {}
        }
    }

    /// The same, but its place in the trash stays and tells the next start that it is deleted.
    pub(crate) fn empty(&self, uuid: DbUuid) {
        let Self::Disk(disk) = self else { return };
        let Ok(entries) = fs::read_dir(disk.trash.join(uuid.to_string())) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            // What cannot be removed takes room until the next start, and no more.
            let _removed =
                if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }

    /// Whether a database was taken away that the catalog still names.
    pub(crate) fn is_taken_away(&self, uuid: DbUuid) -> bool {
        let Self::Disk(disk) = self else { return false };
        // What was moved out of the trash can still be named there after the power failed.
        let elsewhere = disk.live(uuid).exists() || disk.aside(uuid).exists();
        disk.trash.join(uuid.to_string()).exists() && !elsewhere
    }

    /// After a crash: removes folders of databases that the catalog does not know, for their creation
    /// or deletion was cut short, and attachments that were staged and never used. `kept` says which
    /// databases are set aside.
    pub(crate) fn tidy(
        &self,
        known: &dyn Fn(DbUuid) -> bool,
        kept: &dyn Fn(DbUuid) -> bool,
    ) -> Result<(), Error> {
        let Self::Disk(disk) = self else { return Ok(()) };
        let io = Error::io("tidy the data directory");
        for entry in fs::read_dir(&disk.databases).map_err(&io)?.flatten() {
            let name = entry.file_name();
            let aside = name.to_str().and_then(|name| name.strip_prefix(ASIDE));
            match aside.and_then(DbUuid::parse) {
                Some(uuid) if !kept(uuid) => match self.discard(uuid) {
                    Ok(()) => self.give_back(uuid),
                    Err(error) => tracing::warn!(error = error.unnamed(), %uuid, "stays"),
                },
                _ => {}
            }
        }
        for entry in fs::read_dir(&disk.trash).map_err(Error::io("empty the trash"))?.flatten() {
            match entry.file_name().to_str().and_then(DbUuid::parse) {
                // Its row could not be removed.
                Some(uuid) if known(uuid) && self.is_taken_away(uuid) => self.empty(uuid),
                Some(uuid) => self.give_back(uuid),
                None => {}
            }
        }
        for entry in fs::read_dir(&disk.databases).map_err(&io)? {
            let entry = entry.map_err(&io)?;
            match entry.file_name().to_str().and_then(DbUuid::parse) {
                Some(uuid) if known(uuid) => remove_staged(&entry.path().join(ATTACHMENTS)),
                Some(_) => fs::remove_dir_all(entry.path()),
                None => Ok(()),
            }
            // It takes room, and no more: no reason to refuse the databases.
            .unwrap_or_else(|error| {
                tracing::warn!(%error, path = %entry.path().display(), "could not be tidied");
            });
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

impl MemoryBackend {
    fn open(&self, uuid: DbUuid, generation: u64, settled: bool) -> Arc<MemoryEngine> {
        let mut engines = self.engines();
        let made = || Arc::new(MemoryEngine::new(self.power.clone(), settled));
        Arc::clone(engines.entry((uuid, generation)).or_insert_with(made))
    }

    /// A further generation, empty whatever an earlier attempt has left of it.
    fn open_next(&self, uuid: DbUuid, generation: u64) -> Arc<MemoryEngine> {
        let left = |(other, number): &(DbUuid, u64)| *other == uuid && *number == generation;
        self.engines().retain(|key, engine| !left(key) && !engine.is_retired());
        self.open(uuid, generation, false)
    }

    fn engines(&self) -> MutexGuard<'_, HashMap<(DbUuid, u64), Arc<MemoryEngine>>> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskBackend {
    fn live(&self, uuid: DbUuid) -> PathBuf {
        self.databases.join(uuid.to_string())
    }

    /// Where a database lies that was deleted and can come back: beside the others, so that it is in one
    /// place or the other when the power fails.
    fn aside(&self, uuid: DbUuid) -> PathBuf {
        self.databases.join(format!("{ASIDE}{uuid}"))
    }

    /// The file of a generation, which is there, and the folder of its attachments.
    fn present(&self, uuid: DbUuid, generation: u64) -> Result<(PathBuf, PathBuf), Error> {
        let folder = self.databases.join(uuid.to_string());
        let path = folder.join(file_name(generation));
        match path.try_exists() {
            Ok(true) => Ok((path, folder.join(ATTACHMENTS))),
            Ok(false) => Err(Error::Damaged(format!("{uuid}/{} is gone", file_name(generation)))),
            Err(error) => Err(Error::io("find a database file")(error)),
        }
    }

    /// A compaction that was cut short leaves its unfinished file; one that was cut short at its very
    /// end leaves the old one.
    fn tidy_generations(&self, uuid: DbUuid, kept: u64) {
        let kept = file_name(kept);
        let Ok(entries) = fs::read_dir(self.databases.join(uuid.to_string())) else { return };
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

    /// The engine as it is; in tests, one that may fail.
    fn watched(&self, engine: DiskEngine) -> Result<Arc<dyn Engine>, Error> {
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            faults.strike()?;
            return Ok(Arc::new(super::FaultyEngine::new(engine, faults)));
        }
        Ok(Arc::new(engine))
    }
}

/// Moves a database's folder, durably. Within one folder that is done or not done, whatever happens; on its
/// way to another one it can be lost.
fn move_folder(from: &Path, to: &Path) -> Result<(), Error> {
    let io = Error::io("move a database");
    match fs::rename(from, to) {
        // Somebody else has done away with the files.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        renamed => renamed.map_err(&io)?,
    }
    let folders = [to, from].map(|path| path.parent().unwrap_or(path));
    sync_folder(folders[0]).map_err(&io)?;
    match folders[0] == folders[1] {
        true => Ok(()),
        false => sync_folder(folders[1]).map_err(&io),
    }
}

/// What files take; what vanishes meanwhile is not counted.
fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

fn lay_out(partitioned: bool) -> Result<Vec<u8>, Error> {
    schema::template(partitioned).map_err(Error::sqlite("lay out an empty database"))
}

/// The number of a database's first file.
pub(crate) const FIRST_GENERATION: u64 = 1;

/// The folder for attachments within a database's folder.
pub(crate) const ATTACHMENTS: &str = "att";

/// What the folder of a database is called that was deleted and can come back, before its uuid.
const ASIDE: &str = "deleted-";

/// The folder for files that can be made again.
pub(crate) const INDEXES: &str = "indexes";

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
