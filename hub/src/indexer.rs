//! Indexes brought up to date: when they are asked, and in the background when design documents
//! changed.

#[cfg(feature = "search")]
mod search;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use query::design::Views;
use query::index::Progress;
use query::view::{Update, ViewError};
use serde_json::json;
use store::{Database, DbUuid, IndexFile, IndexName};
use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, watch};

#[cfg(feature = "search")]
pub(crate) use self::search::WantedSearch;
use crate::app::App;
use crate::clock;
use crate::designs::DesignDocs;
use crate::functions::{FunctionRunner, log};
use crate::http::quick;
use crate::tasks::{Task, Tasks};

/// Indexes brought up to date.
pub(crate) struct Indexer {
    tasks: Arc<Tasks>,
    functions: Arc<FunctionRunner>,
    shutdown: watch::Receiver<bool>,
    /// Held by whoever updates an index; forgotten when nobody does.
    updating: Mutex<HashMap<Key, Weak<Alone>>>,
    /// How many are updated at a time.
    turns: Semaphore,
}

/// An index among those of all databases.
type Key = (DbUuid, IndexName);

/// Held by the one who updates an index.
type Alone = AsyncMutex<()>;

/// What a query needs of an index.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Whose documents are mapped.
    pub(crate) database: Arc<Database>,
    /// The id of the design document, for those who look at what is going on.
    pub(crate) design: String,
    /// What maps them.
    pub(crate) views: Arc<Views>,
}

impl Wanted {
    /// Where the rows are. May block.
    pub(crate) fn file(&self) -> Result<Arc<IndexFile>, store::Error> {
        self.database.index(&self.views.signature)
    }
}

impl Indexer {
    /// Updates as many indexes at a time as there are processors.
    pub(crate) fn new(
        tasks: Arc<Tasks>,
        functions: Arc<FunctionRunner>,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            tasks,
            functions,
            shutdown,
            updating: Mutex::default(),
            turns: Semaphore::new(processors),
        }
    }

    /// Waits until the index has everything that is written by now; up to where it goes then.
    pub(crate) async fn update(self: &Arc<Self>, wanted: &Wanted) -> Result<Progress, ViewError> {
        let (indexer, worked) = (Arc::clone(self), wanted.clone());
        let work = move || {
            indexer.run(&worked)?;
            reached(&worked)
        };
        let index = &wanted.views.signature;
        self.bring_up(&wanted.database, index, || reached_by_now(wanted), work).await
    }

    /// Looks how far an index of the database goes; where that is not far enough lets `work` update it,
    /// unless somebody else has done so meanwhile.
    async fn bring_up<E, L>(
        &self,
        database: &Database,
        index: &IndexName,
        look: impl Fn() -> L,
        work: impl FnOnce() -> Result<Progress, E> + Send + 'static,
    ) -> Result<Progress, E>
    where
        E: From<store::Error> + Send + 'static,
        L: Future<Output = Result<Progress, E>>,
    {
        let seq = database.update_seq().seq;
        // One that tells of what is not there is for `work` to find out.
        let is_enough = |reached: &Progress| {
            (seq.0..=database.update_seq().seq.0).contains(&reached.update_seq)
        };
        let reached = look().await?;
        if is_enough(&reached) {
            return Ok(reached);
        }
        let alone = self.lock_of(database.uuid(), index);
        let _alone = alone.lock().await;
        let reached = look().await?;
        if is_enough(&reached) {
            return Ok(reached);
        }
        // Closed never.
        let _turn = self.turns.acquire().await;
        match tokio::task::spawn_blocking(work).await {
            Ok(outcome) => outcome,
            Err(join) => {
                tracing::error!(%join, "an update of an index was broken off");
                Err(store::Error::Closing.into())
            }
        }
    }

    /// Updates an index in the background.
    pub(crate) fn update_later(self: &Arc<Self>, wanted: Wanted) {
        let Ok(handle) = Handle::try_current() else { return };
        let indexer = Arc::clone(self);
        handle.spawn(async move {
            match indexer.update(&wanted).await {
                Ok(_) | Err(ViewError::Stopped) => {}
                // Whoever asks the view is told; here it is no more than a note.
                Err(error) => {
                    let database = wanted.database.name();
                    tracing::debug!(%database, design = wanted.design, %error, "not indexed");
                }
            }
        });
    }

    /// Design documents have changed: what they define is indexed in the background, and what none of
    /// them defines any more is removed. May block.
    pub(crate) fn follow(self: &Arc<Self>, database: &Arc<Database>, designs: &DesignDocs) {
        let defined = designs.iter().filter_map(|design| {
            let views = design.views.as_ref().ok().filter(|views| !views.is_empty())?;
            let design = design.id.as_str().to_owned();
            Some(Wanted { database: Arc::clone(database), design, views: Arc::clone(views) })
        });
        let removed =
            database.indexes().and_then(|there| self.remove_unused(database, designs, &there));
        if let Err(error) = removed {
            // They take room, and no more.
            let (uuid, error) = (database.uuid(), error.unnamed());
            tracing::warn!(database = %uuid, error, "unused indexes stay");
        }
        defined.for_each(|wanted| self.update_later(wanted));
        #[cfg(feature = "search")]
        self.follow_search(database, designs);
    }

    /// Removes those of the indexes `there` that no design document defines and nobody updates. May
    /// block.
    pub(crate) fn remove_unused(
        &self,
        database: &Database,
        designs: &DesignDocs,
        there: &[IndexName],
    ) -> Result<(), store::Error> {
        let views = designs.iter().filter_map(|design| design.views.as_ref().ok());
        let mut used: BTreeSet<IndexName> = views.map(|views| views.signature.clone()).collect();
        used.extend(designs.search_indexes());
        let unused = there.iter().filter(|name| !used.contains(name));
        for name in unused.filter(|name| !self.is_held(database.uuid(), name)) {
            database.remove_index(name)?;
        }
        Ok(())
    }

    fn is_held(&self, database: DbUuid, index: &IndexName) -> bool {
        let updating = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        updating.get(&(database, index.clone())).is_some_and(|lock| lock.strong_count() > 0)
    }

    /// Whether somebody updates this index.
    pub(crate) fn is_updating(&self, wanted: &Wanted) -> bool {
        let alone = self.lock_of(wanted.database.uuid(), &wanted.views.signature);
        alone.try_lock().is_err()
    }

    fn lock_of(&self, database: DbUuid, index: &IndexName) -> Arc<Alone> {
        let mut updating = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        updating.retain(|_, lock| lock.strong_count() > 0);
        let key = (database, index.clone());
        let known = updating.get(&key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let lock = Arc::new(Alone::new(()));
            updating.insert(key, Arc::downgrade(&lock));
            lock
        })
    }

    fn run(&self, wanted: &Wanted) -> Result<(), ViewError> {
        let Wanted { database, design, views } = wanted;
        let update = Update {
            database,
            file: &*wanted.file()?,
            views,
            limits: self.functions.limits(),
            log,
            wanted: &|| self.is_wanted(database),
            progress: &self.shown("indexer", database, design),
        };
        update.run()
    }

    /// Whether an update of the database's indexes goes on.
    fn is_wanted(&self, database: &Database) -> bool {
        !*self.shutdown.borrow() && !database.is_deleted()
    }

    /// Shows an update as a task once there is something to tell.
    fn shown(&self, kind: &str, database: &Database, design: &str) -> impl Fn(u64, u64) + Sync {
        let task: Mutex<Option<Task>> = Mutex::new(None);
        move |done, total| {
            let now = clock::now();
            let mut task = task.lock().unwrap_or_else(PoisonError::into_inner);
            let begin = || {
                let task = self.tasks.start(kind, vec![database.name().to_string()], now);
                task.set([("design_document", json!(design))], now);
                task
            };
            task.get_or_insert_with(begin).progress(done, total, now);
        }
    }
}

/// Up to where an index goes: a look at one row.
pub(crate) async fn reached_by_now(wanted: &Wanted) -> Result<Progress, ViewError> {
    let wanted = wanted.clone();
    quick(move || Ok(reached(&wanted))).await.unwrap_or(Err(ViewError::Stopped))
}

/// Up to where an index goes. May block.
pub(crate) fn reached(wanted: &Wanted) -> Result<Progress, ViewError> {
    Update::reached(&*wanted.file()?)
}

/// Closes the files of indexes that nobody asks for, until the hub stops.
pub(crate) async fn close_unused(app: Arc<App>) {
    let every = Duration::from_secs(app.databases.index_idle_s.get().into());
    let mut shutdown = app.shutdown.clone();
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            changed = shutdown.changed() => if changed.is_err() || *shutdown.borrow() { return },
        }
        let store = Arc::clone(&app.store);
        // What was closed last is moved from its log into its file, which may take a while.
        if tokio::task::spawn_blocking(move || store.close_unused_indexes()).await.is_err() {
            tracing::error!("closing unused indexes failed");
        }
    }
}

impl fmt::Debug for Indexer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Indexer").finish_non_exhaustive()
    }
}
