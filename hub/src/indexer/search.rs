//! Full-text indexes brought up to date when they are asked.

use std::sync::Arc;

use query::index::Progress;
use query::search::{SearchError, SearchIndex, SearchUpdate};
use store::{Database, IndexFolder};

use super::Indexer;
use crate::functions::log;

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
        let (indexer, worked) = (Arc::clone(self), wanted.clone());
        let work = move || {
            indexer.run_search(&worked)?;
            reached(&worked)
        };
        let look = || {
            let wanted = wanted.clone();
            async move {
                let look = tokio::task::spawn_blocking(move || reached(&wanted)).await;
                look.unwrap_or(Err(SearchError::Stopped))
            }
        };
        self.bring_up(&wanted.database, &wanted.index.signature, look, work).await?;
        Ok(())
    }

    fn run_search(&self, wanted: &WantedSearch) -> Result<(), SearchError> {
        let WantedSearch { database, design, index } = wanted;
        let update = SearchUpdate {
            database,
            folder: &*wanted.folder()?,
            index,
            limits: self.functions.limits(),
            log,
            wanted: &|| self.is_wanted(database),
            progress: &self.shown("search_indexer", database, design),
        };
        update.run()
    }
}

/// Up to where an index goes. May block.
fn reached(wanted: &WantedSearch) -> Result<Progress, SearchError> {
    SearchUpdate::reached(&*wanted.folder()?)
}
