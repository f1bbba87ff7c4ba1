//! All databases of one data directory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use event_listener::{Event, EventListener};

use crate::catalog::{Catalog, Entry, TrashEntry};
use crate::core::Core;
use crate::engine::{Backend, FIRST_GENERATION, sync_folder};
use crate::{Activity, Database, DbName, DbUuid, Epoch, Error, Millis, OpenError, SimulatedDisk};

/// All databases of one data directory, which it holds locked.
pub struct Store {
    core: Arc<Core>,
    present: RwLock<Present>,
    /// Databases that were put into the trash, as long as somebody is at work on their files.
    aside: Mutex<HashMap<DbUuid, Weak<Database>>>,
    changed: Event,
    /// Locked while the store lives; the lock ends with the process, however it ends.
    _lock: Option<File>,
}

/// The databases that are there.
#[derive(Default)]
struct Present {
    by_name: BTreeMap<DbName, Arc<Database>>,
    by_uuid: HashMap<DbUuid, Arc<Database>>,
}

/// A database in the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trashed {
    /// What it is.
    pub uuid: DbUuid,
    /// What it was called.
    pub name: DbName,
    /// When it was created.
    pub created: Millis,
    /// When it was deleted; `None` where the hub was killed while it did so.
    pub deleted: Option<Millis>,
    /// What it takes on the disk.
    pub bytes: u64,
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that commit writes; 0 commits on the caller's own thread.
    pub writer_threads: usize,
    /// Databases whose files are kept open at a time.
    pub open_databases_max: usize,
    /// This device's public key, mixed into the revision ids written here.
    pub device: [u8; 32],
}

/// The catalog's file within a data directory.
pub(crate) const CATALOG: &str = "catalog.sqlite";

impl Store {
    /// Opens a data directory, making it where there is none.
    ///
    /// # Errors
    /// [`OpenError::Locked`] when another process holds it.
    pub fn open(dir: &Path, options: &Options) -> Result<Arc<Self>, OpenError> {
        let failed = |source| OpenError::Store { dir: dir.into(), source };
        let lock = lock(dir)?;
        let backend = Backend::on_disk(dir).map_err(failed)?;
        let catalog = Catalog::open(&dir.join(CATALOG)).map_err(of_catalog).map_err(failed)?;
        let core = Arc::new(Core::new(backend, catalog, options));
        Self::with(core, Some(lock)).map_err(of_catalog).map_err(failed)
    }

    /// A store whose engines and catalog fail by these faults.
    #[cfg(test)]
    pub(crate) fn open_faulty(
        dir: &Path,
        options: &Options,
        faults: &Arc<crate::engine::Faults>,
    ) -> Result<Arc<Self>, Error> {
        let mut backend = Backend::on_disk(dir)?;
        backend.fail_by(faults);
        let mut catalog = Catalog::open(&dir.join(CATALOG))?;
        catalog.faults = Some(Arc::clone(faults));
        Self::with(Arc::new(Core::new(backend, catalog, options)), None)
    }

    /// A store that lives in memory only.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn in_memory(options: &Options) -> Result<Arc<Self>, Error> {
        let core = Core::new(Backend::in_memory(None), Catalog::in_memory()?, options);
        Self::with(Arc::new(core), None)
    }

    /// Opens what a simulated disk holds. Whoever opened it before lets go of it first.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn open_simulated(disk: &SimulatedDisk, options: &Options) -> Result<Arc<Self>, Error> {
        let (backend, catalog) = (Arc::clone(&disk.backend), Arc::clone(&disk.catalog));
        let mut core = Core::new(backend, catalog, options);
        core.chance = Some(Arc::clone(&disk.power));
        Self::with(Arc::new(core), None)
    }

    fn with(core: Arc<Core>, lock: Option<File>) -> Result<Arc<Self>, Error> {
        let mut entries = core.catalog.entries()?;
        entries.retain(|entry| !core.backend.is_taken_away(entry.uuid) || core.forget(entry.uuid));
        // When that was is not known here.
        let at = Millis(0);
        entries.retain(|e| !core.backend.is_set_aside(e.uuid) || core.set_aside(e.uuid, at));
        let mut kept = core.catalog.trash()?;
        kept.retain(|kept| {
            !core.backend.is_discarded(kept.entry.uuid) || core.forget(kept.entry.uuid)
        });
        core.backend.tidy(&|uuid| entries.iter().any(|entry| entry.uuid == uuid), &|uuid| {
            kept.iter().any(|kept| kept.entry.uuid == uuid)
        })?;
        let mut present = Present::default();
        for entry in entries {
            let database = Database::new(Arc::clone(&core), entry);
            if let Err(error) = database.recover() {
                // The others are served; this one answers with what is wrong with it.
                let (uuid, error) = (database.uuid(), error.unnamed());
                tracing::error!(database = %uuid, error, "database cannot be read");
            }
            present.insert(database);
        }
        let present = RwLock::new(present);
        Ok(Arc::new(Self {
            core,
            present,
            aside: Mutex::default(),
            changed: Event::new(),
            _lock: lock,
        }))
    }

    /// Creates an empty database.
    ///
    /// # Errors
    /// [`Error::DatabaseExists`], or any other of [`Error`].
    pub fn create(&self, name: &DbName, now: Millis) -> Result<Arc<Database>, Error> {
        self.create_as(self.new_uuid()?, name, false, now)
    }

    /// Creates an empty database whose documents are kept in partitions: their ids must pass
    /// [`Partition::check_id`](crate::Partition::check_id).
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_partitioned(&self, name: &DbName, now: Millis) -> Result<Arc<Database>, Error> {
        self.create_as(self.new_uuid()?, name, true, now)
    }

    /// A uuid that no database has, for one that is noted before it is made.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn new_uuid(&self) -> Result<DbUuid, Error> {
        Ok(DbUuid(self.core.random()?))
    }

    /// Creates an empty database that is this one: the one that another device has already, or that
    /// was noted before it is made. Its sequences count a history of their own.
    ///
    /// # Errors
    /// As [`Self::create`], [`Error::DatabaseExists`] too where this one is there or in the trash.
    pub fn create_as(
        &self,
        uuid: DbUuid,
        name: &DbName,
        partitioned: bool,
        now: Millis,
    ) -> Result<Arc<Database>, Error> {
        self.core.noting_room(self.make(uuid, name, partitioned, now))
    }

    fn make(
        &self,
        uuid: DbUuid,
        name: &DbName,
        partitioned: bool,
        now: Millis,
    ) -> Result<Arc<Database>, Error> {
        if self.core.is_closing() {
            return Err(Error::Closing);
        }
        if self.database(name).is_some() || self.core.catalog.knows(uuid)? {
            return Err(Error::DatabaseExists(name.clone()));
        }
        let entry = Entry {
            uuid,
            name: name.clone(),
            generation: FIRST_GENERATION,
            epoch: Epoch(self.core.random()?),
            created: now,
            update_seq: 0,
            clean: true,
        };
        self.core.backend.create(entry.uuid, entry.generation, partitioned)?;
        if let Err(error) = self.core.catalog.insert(&entry) {
            self.core.backend.take_away(entry.uuid)?;
            self.core.backend.give_back(entry.uuid);
            return Err(error);
        }
        Ok(self.add(Database::new(Arc::clone(&self.core), entry)))
    }

    fn add(&self, database: Arc<Database>) -> Arc<Database> {
        self.present_mut().insert(Arc::clone(&database));
        self.changed.notify(usize::MAX);
        database
    }

    /// Finds a database; opens nothing.
    #[must_use]
    pub fn database(&self, name: &DbName) -> Option<Arc<Database>> {
        self.present().by_name.get(name).cloned()
    }

    /// Finds a database by what it is, whatever it is called; opens nothing.
    #[must_use]
    pub fn database_of(&self, uuid: DbUuid) -> Option<Arc<Database>> {
        self.present().by_uuid.get(&uuid).cloned()
    }

    /// All databases in order of their names.
    #[must_use]
    pub fn databases(&self) -> Vec<Arc<Database>> {
        self.present().by_name.values().cloned().collect()
    }

    /// Gives a database another name.
    ///
    /// # Errors
    /// [`Error::NoDatabase`], [`Error::DatabaseExists`] where the name is taken, or any other of
    /// [`Error`].
    pub fn rename(&self, uuid: DbUuid, name: &DbName) -> Result<(), Error> {
        self.core.noting_room(self.give_name(uuid, name))
    }

    fn give_name(&self, uuid: DbUuid, name: &DbName) -> Result<(), Error> {
        let database = self.database_of(uuid).ok_or(Error::NoDatabase)?;
        self.core.catalog.rename(uuid, name)?;
        {
            let mut present = self.present_mut();
            if database.is_deleted() {
                return Err(Error::NoDatabase);
            }
            present.by_name.remove(&database.name());
            database.set_name(name.clone());
            present.by_name.insert(name.clone(), database);
        }
        self.changed.notify(usize::MAX);
        Ok(())
    }

    /// Deletes a database for good, with all it holds.
    ///
    /// # Errors
    /// [`Error::NoDatabase`], or any other of [`Error`].
    pub fn delete(&self, name: &DbName) -> Result<(), Error> {
        let database = self.database(name).ok_or(Error::NoDatabase)?;
        let uuid = database.uuid();
        database.take_away(|| self.core.backend.take_away(uuid))?;
        self.remove(&database);
        self.core.forget(uuid);
        Ok(())
    }

    /// Deletes a database and keeps what it holds in the trash, from where [`Self::restore`] brings it
    /// back. On a full disk it is deleted for good: that makes room.
    ///
    /// # Errors
    /// As [`Self::delete`].
    pub fn set_aside(&self, uuid: DbUuid, now: Millis) -> Result<(), Error> {
        let database = self.database_of(uuid).ok_or(Error::NoDatabase)?;
        if self.core.is_full() {
            return self.delete(&database.name());
        }
        database.take_away(|| self.core.backend.set_aside(uuid))?;
        crate::core::lock(&self.aside).insert(uuid, database.weak());
        self.remove(&database);
        self.core.set_aside(uuid, now);
        Ok(())
    }

    fn remove(&self, database: &Arc<Database>) {
        {
            let mut present = self.present_mut();
            // Another caller may have created the next one of that name meanwhile.
            let name = database.name();
            if present.by_name.get(&name).is_some_and(|other| Arc::ptr_eq(other, database)) {
                present.by_name.remove(&name);
            }
            present.by_uuid.remove(&database.uuid());
        }
        self.changed.notify(usize::MAX);
    }

    /// The databases in the trash, in order of their names.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn trash(&self) -> Result<Vec<Trashed>, Error> {
        let trashed = |TrashEntry { entry, deleted }: TrashEntry| Trashed {
            uuid: entry.uuid,
            created: entry.created,
            deleted: Some(deleted).filter(|deleted| deleted.0 > 0),
            bytes: self.core.backend.bytes_set_aside(entry.uuid),
            name: entry.name,
        };
        Ok(self.core.catalog.trash()?.into_iter().map(trashed).collect())
    }

    /// Whether a database is there, or in the trash.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn keeps(&self, uuid: DbUuid) -> Result<bool, Error> {
        self.core.catalog.knows(uuid)
    }

    /// Brings a database back from the trash under a name that nobody has.
    ///
    /// # Errors
    /// [`Error::NoDatabase`] where it is not in the trash, [`Error::DatabaseExists`] where the name is
    /// taken, [`Error::CompactionRunning`] while one that began before the deletion has not noticed it, or
    /// any other of [`Error`].
    pub fn restore(&self, uuid: DbUuid, name: &DbName) -> Result<Arc<Database>, Error> {
        self.core.noting_room(self.take_back(uuid, name))
    }

    fn take_back(&self, uuid: DbUuid, name: &DbName) -> Result<Arc<Database>, Error> {
        if self.core.is_closing() {
            return Err(Error::Closing);
        }
        if self.database(name).is_some() {
            return Err(Error::DatabaseExists(name.clone()));
        }
        // What is at work on them removes files where they were.
        let before = crate::core::lock(&self.aside).get(&uuid).and_then(Weak::upgrade);
        if before.is_some_and(|before| before.has_files_held()) {
            return Err(Error::CompactionRunning);
        }
        let mut trash = self.core.catalog.trash()?.into_iter();
        let found = trash.find(|trashed| trashed.entry.uuid == uuid).ok_or(Error::NoDatabase)?;
        self.core.catalog.bring_back(uuid, name)?;
        if let Err(error) = self.core.backend.bring_back(uuid) {
            self.core.set_aside(uuid, found.deleted);
            return Err(error);
        }
        crate::core::lock(&self.aside).remove(&uuid);
        let entry = Entry { name: name.clone(), ..found.entry };
        let database = Database::new(Arc::clone(&self.core), entry);
        database.recover()?;
        Ok(self.add(database))
    }

    /// Deletes a database for good that is in the trash; whether it was there.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn discard(&self, uuid: DbUuid) -> Result<bool, Error> {
        if !self.core.catalog.trash()?.iter().any(|trashed| trashed.entry.uuid == uuid) {
            return Ok(false);
        }
        self.core.backend.discard(uuid)?;
        crate::core::lock(&self.aside).remove(&uuid);
        self.core.forget(uuid);
        Ok(true)
    }

    /// Whether the last write was refused because the disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.core.is_full()
    }

    /// What has been done since the store was opened.
    #[must_use]
    pub fn activity(&self) -> Activity {
        self.core.tally.activity(self.core.open_count() as u64)
    }

    /// Wakes when a database has been created, renamed or deleted.
    #[must_use]
    pub fn changed(&self) -> EventListener {
        self.changed.listen()
    }

    /// Wakes after the next commit in any database; take it before looking at update sequences, so
    /// that nothing is missed between.
    #[must_use]
    pub fn written(&self) -> EventListener {
        self.core.written.listen()
    }

    /// Closes the files of indexes that were not used since the last call: whoever calls it now and
    /// then holds nothing open that nobody asks for.
    pub fn close_unused_indexes(&self) {
        self.core.indexes.close_unused();
    }

    /// Lets the writes in flight finish, then closes every file. Later writes fail with
    /// [`Error::Closing`].
    pub fn close(&self) {
        self.core.close();
        for database in self.databases() {
            if let Err(error) = database.close_if_idle() {
                // The next start asks the file itself, as after a crash.
                let (uuid, error) = (database.uuid(), error.unnamed());
                tracing::warn!(database = %uuid, error, "not closed cleanly");
            }
        }
    }

    fn present(&self) -> RwLockReadGuard<'_, Present> {
        self.present.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn present_mut(&self) -> RwLockWriteGuard<'_, Present> {
        self.present.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Present {
    fn insert(&mut self, database: Arc<Database>) {
        self.by_uuid.insert(database.uuid(), Arc::clone(&database));
        self.by_name.insert(database.name(), database);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Damage that keeps a store from opening can only be the catalog's: databases are looked at one by
/// one.
fn of_catalog(error: Error) -> Error {
    match error {
        Error::Damaged(finding) => Error::Damaged(format!("{CATALOG}: {finding}")),
        other => other,
    }
}

/// Locks the directory for this process and notes its number, for the message that another one gets.
pub(crate) fn lock(dir: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Store {
        dir: dir.into(),
        source: Error::io("lock the data directory")(source),
    };
    make_private_folder(dir).map_err(failed)?;
    let mut options = File::options();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join("lock"))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // Whoever it is, it holds the lock; the number is only for the message.
            let _unread = file.read_to_string(&mut pid);
            let pid = if pid.is_empty() { "unknown".into() } else { pid };
            return Err(OpenError::Locked { dir: dir.into(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).map_err(failed)?;
    file.rewind().map_err(failed)?;
    file.write_all(std::process::id().to_string().as_bytes()).map_err(failed)?;
    Ok(file)
}

/// Makes the directory durably, so that only its owner can look into it; one that is there stays as
/// it is.
///
/// # Errors
/// The file system's.
pub fn make_private_folder(dir: &Path) -> std::io::Result<()> {
    let missing: Vec<_> = dir.ancestors().take_while(|folder| !folder.exists()).collect();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_folder(parent.unwrap_or_else(|| Path::new(".")))?;
    }
    Ok(())
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Io {
        action: "get random bytes",
        source: std::io::Error::other(error.to_string()),
    })?;
    Ok(bytes)
}
