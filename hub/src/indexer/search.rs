//! Full-text indexes brought up to date, when they are asked and when design documents changed.

use std::sync::Arc;

use query::index::Progress;
use query::search::{SearchError, SearchIndex, SearchUpdate};
use store::{Database, IndexFolder};
use tokio::runtime::Handle;

use super::Indexer;
use crate::designs::DesignDocs;
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

    /// Design documents have changed: the full-text indexes that they define are brought up to date in
    /// the background, as many at a time as views are.
    pub(super) fn follow_search(self: &Arc<Self>, database: &Arc<Database>, designs: &DesignDocs) {
        let Ok(handle) = Handle::try_current() else { return };
        for design in designs.iter() {
            for index in design.search_indexes.iter() {
                let (database, index) = (Arc::clone(database), Arc::clone(index));
                let design = design.id.as_str().to_owned();
                let wanted = WantedSearch { database, design, index };
                let indexer = Arc::clone(self);
                handle.spawn(async move { indexer.update_search_now(&wanted).await });
            }
        }
    }

    async fn update_search_now(self: &Arc<Self>, wanted: &WantedSearch) {
        match self.update_search(wanted).await {
            Ok(()) | Err(SearchError::Stopped) => {}
            // Whoever asks the index is told; here it is no more than a note.
            Err(error) => {
                let database = wanted.database.name();
                tracing::info!(%database, design = wanted.design, %error, "not indexed");
            }
        }
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
