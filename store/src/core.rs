//! What all databases of a store share: where they live, who commits, and which are open.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use event_listener::Event;

use crate::activity::Tally;
use crate::catalog::Catalog;
use crate::engine::{Backend, Power};
use crate::index::OpenIndexes;
use crate::store::random;
use crate::{Database, DbUuid, Error, Millis, Options};

/// What all databases of a store share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) backend: Arc<Backend>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) device: [u8; 32],
    /// Where random bytes come from, if they must follow from a seed.
    pub(crate) chance: Option<Arc<Power>>,
    pub(crate) writers: Writers,
    /// Wakes after the next commit in any database.
    pub(crate) written: Event,
    pub(crate) tally: Tally,
    pub(crate) indexes: OpenIndexes,
    open: Mutex<Vec<Weak<Database>>>,
    open_max: usize,
    uses: AtomicU64,
    closing: AtomicBool,
    /// The last write found no room on the disk.
    full: AtomicBool,
}

impl Core {
    pub(crate) fn new(
        backend: impl Into<Arc<Backend>>,
        catalog: impl Into<Arc<Catalog>>,
        options: &Options,
    ) -> Self {
        Self {
            backend: backend.into(),
            catalog: catalog.into(),
            device: options.device,
            chance: None,
            writers: Writers::start(options.writer_threads),
            written: Event::new(),
            tally: Tally::default(),
            indexes: OpenIndexes::new(options.open_databases_max),
            open: Mutex::default(),
            open_max: options.open_databases_max.max(1),
            uses: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            full: AtomicBool::new(false),
        }
    }

    /// Bytes that nobody can foresee, unless the disk is simulated.
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], Error> {
        self.chance.as_ref().map_or_else(random, |chance| Ok(chance.random()))
    }

    /// Counts uses of any database, so that the least recently used one is known.
    pub(crate) fn next_use(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// A database has opened its file; closes others that are over the limit and idle.
    pub(crate) fn opened(&self, database: &Weak<Database>) -> Result<(), Error> {
        let mut candidates: Vec<Arc<Database>> = {
            let mut open = lock(&self.open);
            open.retain(|other| other.strong_count() > 0 && !other.ptr_eq(database));
            open.push(database.clone());
            if open.len() <= self.open_max {
                return Ok(());
            }
            open.iter().filter_map(Weak::upgrade).collect()
        };
        candidates.sort_by_key(|other| other.last_use());
        let mut surplus = candidates.len().saturating_sub(self.open_max);
        for other in candidates {
            if surplus == 0 {
                break;
            }
            if !other.weak().ptr_eq(database) && other.close_if_idle()? {
                lock(&self.open).retain(|open| !open.ptr_eq(&other.weak()));
                surplus -= 1;
            }
        }
        Ok(())
    }

    /// Databases whose files are open.
    pub(crate) fn open_count(&self) -> usize {
        lock(&self.open).iter().filter(|database| database.strong_count() > 0).count()
    }

    /// Removes the row of a database that was taken away, and what it took on the disk; `false`, for
    /// use in filters. Where the disk is too full for that, what the database held makes room first.
    pub(crate) fn forget(&self, uuid: DbUuid) -> bool {
        let mut removed = self.catalog.remove(uuid);
        if removed.is_err() {
            self.backend.empty(uuid);
            removed = self.catalog.remove(uuid);
        }
        match removed {
            Ok(()) => self.backend.give_back(uuid),
            Err(error) => {
                tracing::warn!(%error, %uuid, "the catalog names a deleted database for now");
                self.catalog.leave(uuid);
            }
        }
        false
    }

    /// Has the catalog name a database as set aside that was; `false`, for use in filters. Where the disk
    /// is too full for that, it is deleted for good.
    pub(crate) fn set_aside(&self, uuid: DbUuid, at: Millis) -> bool {
        if let Err(error) = self.catalog.set_aside(uuid, at) {
            let error = error.unnamed();
            tracing::warn!(error, %uuid, "a deleted database cannot be kept in the trash");
            match self.backend.discard(uuid) {
                Ok(()) => _ = self.forget(uuid),
                Err(error) => {
                    let error = error.unnamed();
                    tracing::warn!(error, %uuid, "it stays until the next start");
                    self.catalog.leave(uuid);
                }
            }
        }
        false
    }

    /// Remembers whether a write found room on the disk, and says so when that changes.
    pub(crate) fn noting_room<T>(&self, written: Result<T, Error>) -> Result<T, Error> {
        match &written {
            Ok(_) => {
                if self.is_full() && self.full.swap(false, Ordering::AcqRel) {
                    tracing::info!("there is room on the disk again: writes go on");
                }
            }
            Err(Error::DiskFull) => {
                if !self.full.swap(true, Ordering::AcqRel) {
                    tracing::error!("the disk is full: writes are refused until there is room");
                }
            }
            Err(_) => {}
        }
        written
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// From now on nothing is written; waits for what is being written.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.writers.stop();
    }
}

/// The threads that commit writes; none at all commits on the caller's thread.
pub(crate) struct Writers {
    queue: Mutex<Option<Sender<Arc<Database>>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Writers {
    fn start(threads: usize) -> Self {
        let (sender, receiver) = channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let spawn = |number| {
            let receiver = Arc::clone(&receiver);
            std::thread::Builder::new()
                .name(format!("writer-{number}"))
                .spawn(move || work(&receiver))
                .ok()
        };
        let threads: Vec<_> = (0..threads).filter_map(spawn).collect();
        let queue = (!threads.is_empty()).then_some(sender);
        Self { queue: Mutex::new(queue), threads: Mutex::new(threads) }
    }

    /// Has a database's waiting writes committed, by a thread of the pool or right here.
    pub(crate) fn schedule(&self, database: Arc<Database>) {
        let unsent = match &*lock(&self.queue) {
            Some(queue) => queue.send(database).map_err(|unsent| unsent.0),
            None => Err(database),
        };
        if let Err(database) = unsent {
            while database.commit_waiting() {}
        }
    }

    fn stop(&self) {
        drop(lock(&self.queue).take());
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            // A writer that panicked has said so already.
            let _panicked = thread.join();
        }
    }
}

fn work(queue: &Mutex<Receiver<Arc<Database>>>) {
    loop {
        let Ok(database) = lock(queue).recv() else { return };
        if database.commit_waiting() {
            // Behind the other databases, so that a busy one does not keep them waiting.
            database.schedule();
        }
    }
}

impl fmt::Debug for Writers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writers").finish_non_exhaustive()
    }
}

/// No invariant here outlives a statement, so a panic elsewhere while it was held does no harm.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
