//! Full-text indexes brought up to date when they are asked.

use std::sync::{Arc, Mutex, PoisonError};

use query::search::{SearchError, SearchIndex, SearchUpdate};
use serde_json::json;
use store::{Database, IndexFolder};

use super::Indexer;
use crate::clock;
use crate::functions::log;
use crate::tasks::Task;

/// What a question needs of a full-text index.
#[derive(Clone, Debug)]
pub(crate) struct WantedSearch {
    /// Whose documents are indexed.
    pub(crate) database: Arc<Database>,
    /// The id of the design document, for those who look at what is going on.
    pub(crate) design: String,
    /// What makes it.
    pub(crate) index: Arc<SearchIndex>,
}

impl WantedSearch {
    /// Where it is.
    pub(crate) fn folder(&self) -> Result<Arc<IndexFolder>, store::Error> {
        self.database.search_index(&self.index.signature)
    }
}

impl Indexer {
    /// Waits until the index has everything that is written by now.
    pub(crate) async fn update_search(
        self: &Arc<Self>,
        wanted: &WantedSearch,
    ) -> Result<(), SearchError> {
        let alone = self.lock_of(wanted.database.uuid(), &wanted.index.signature);
        let _alone = alone.lock().await;
        // Closed never.
        let _turn = self.turns.acquire().await;
        let (indexer, wanted) = (Arc::clone(self), wanted.clone());
        match tokio::task::spawn_blocking(move || indexer.run_search(&wanted)).await {
            Ok(outcome) => outcome,
            Err(join) => {
                tracing::error!(%join, "an update of a full-text index was broken off");
                Err(SearchError::Stopped)
            }
        }
    }

    /// Updates an index, shown as a task once there is something to tell.
    fn run_search(&self, wanted: &WantedSearch) -> Result<(), SearchError> {
        let WantedSearch { database, design, index } = wanted;
        let task: Mutex<Option<Task>> = Mutex::new(None);
        let update = SearchUpdate {
            database,
            folder: &*wanted.folder()?,
            index,
            limits: self.functions.limits(),
            log,
            wanted: &|| !*self.shutdown.borrow() && !database.is_deleted(),
            progress: &|done, total| {
                let now = clock::now();
                let mut task = task.lock().unwrap_or_else(PoisonError::into_inner);
                let begin = || {
                    let databases = vec![database.name().as_str().to_owned()];
                    let task = self.tasks.start("search_indexer", databases, now);
                    task.set([("design_document", json!(design))], now);
                    task
                };
                task.get_or_insert_with(begin).progress(done, total, now);
            },
        };
        update.run()
    }
}
