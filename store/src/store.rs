//! All databases of one data directory.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use event_listener::{Event, EventListener};

use crate::catalog::{Catalog, Entry};
use crate::core::Core;
use crate::engine::{Backend, FIRST_GENERATION, sync_folder};
use crate::{Activity, Database, DbName, DbUuid, Epoch, Error, Millis, OpenError};

/// All databases of one data directory, which it holds locked.
pub struct Store {
    core: Arc<Core>,
    databases: RwLock<BTreeMap<DbName, Arc<Database>>>,
    changed: Event,
    /// Locked while the store lives; the lock ends with the process, however it ends.
    _lock: Option<File>,
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
        let core = Core::new(Backend::in_memory(), Catalog::in_memory()?, options);
        Self::with(Arc::new(core), None)
    }

    fn with(core: Arc<Core>, lock: Option<File>) -> Result<Arc<Self>, Error> {
        let mut entries = core.catalog.entries()?;
        entries.retain(|entry| !core.backend.is_taken_away(entry.uuid) || core.forget(entry.uuid));
        core.backend.tidy(&|uuid| entries.iter().any(|entry| entry.uuid == uuid))?;
        let mut databases = BTreeMap::new();
        for entry in entries {
            let database = Database::new(Arc::clone(&core), entry);
            if let Err(error) = database.recover() {
                // The others are served; this one answers with what is wrong with it.
                let (uuid, error) = (database.uuid(), error.unnamed());
                tracing::error!(database = %uuid, error, "database cannot be read");
            }
            databases.insert(database.name().clone(), database);
        }
        let databases = RwLock::new(databases);
        Ok(Arc::new(Self { core, databases, changed: Event::new(), _lock: lock }))
    }

    /// Creates an empty database.
    ///
    /// # Errors
    /// [`Error::DatabaseExists`], or any other of [`Error`].
    pub fn create(&self, name: &DbName, now: Millis) -> Result<Arc<Database>, Error> {
        self.core.noting_room(self.make(name, now, false))
    }

    /// Creates an empty database whose documents are kept in partitions: their ids must pass
    /// [`Partition::check_id`](crate::Partition::check_id).
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_partitioned(&self, name: &DbName, now: Millis) -> Result<Arc<Database>, Error> {
        self.core.noting_room(self.make(name, now, true))
    }

    fn make(&self, name: &DbName, now: Millis, partitioned: bool) -> Result<Arc<Database>, Error> {
        if self.core.is_closing() {
            return Err(Error::Closing);
        }
        if self.database(name).is_some() {
            return Err(Error::DatabaseExists(name.clone()));
        }
        let entry = Entry {
            uuid: DbUuid(random()?),
            name: name.clone(),
            generation: FIRST_GENERATION,
            epoch: Epoch(random()?),
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
        let database = Database::new(Arc::clone(&self.core), entry);
        self.databases_mut().insert(name.clone(), Arc::clone(&database));
        self.changed.notify(usize::MAX);
        Ok(database)
    }

    /// Finds a database; opens nothing.
    #[must_use]
    pub fn database(&self, name: &DbName) -> Option<Arc<Database>> {
        self.databases_ref().get(name).cloned()
    }

    /// All databases in order of their names.
    #[must_use]
    pub fn databases(&self) -> Vec<Arc<Database>> {
        self.databases_ref().values().cloned().collect()
    }

    /// Deletes a database with all it holds.
    ///
    /// # Errors
    /// [`Error::NoDatabase`], or any other of [`Error`].
    pub fn delete(&self, name: &DbName) -> Result<(), Error> {
        let database = self.database(name).ok_or(Error::NoDatabase)?;
        let uuid = database.uuid();
        database.take_away(|| self.core.backend.take_away(uuid))?;
        {
            let mut databases = self.databases_mut();
            // Another caller may have deleted it, and created the next one of that name, meanwhile.
            if databases.get(name).is_some_and(|present| Arc::ptr_eq(present, &database)) {
                databases.remove(name);
            }
        }
        self.changed.notify(usize::MAX);
        self.core.forget(uuid);
        Ok(())
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

    /// Wakes when a database has been created or deleted.
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

    fn databases_ref(&self) -> RwLockReadGuard<'_, BTreeMap<DbName, Arc<Database>>> {
        self.databases.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn databases_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<DbName, Arc<Database>>> {
        self.databases.write().unwrap_or_else(PoisonError::into_inner)
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
