//! The answer of `_find`, read page by page.

use std::sync::Arc;
use std::time::Instant;

use query::index::{Collation, IndexError, Tree, View, tree};
use query::mango::{Find, Progress as Found, Step};
use query::view::{Reducers, ViewError};
use store::json::write_string;
use store::{Database, Output, Pages as IndexPages, Snapshot};

use super::source::{Indexed, Reading};
use crate::app::App;
use crate::functions::log;
use crate::http::HttpError;
use crate::http::pages::{PAGE_BYTES, Pages, Progress};

/// Rows looked at for one page, whether their documents match or not.
const STEP: Step = Step { rows_max: 500, bytes_max: PAGE_BYTES };

/// A question, and how far it is.
pub(super) struct FindPages {
    app: Arc<App>,
    find: Find,
    indexed: Option<Indexed>,
    began: Instant,
    documents: u64,
    begun: bool,
}

impl FindPages {
    /// A question that is asked now.
    pub(super) fn new(
        app: &Arc<App>,
        find: Find,
        indexed: Option<Indexed>,
        began: Instant,
    ) -> Self {
        Self { app: Arc::clone(app), find, indexed, began, documents: 0, begun: false }
    }

    fn step(&mut self, database: &Database) -> Result<(Found, Vec<String>), HttpError> {
        let Self { app, find, indexed, .. } = self;
        let mut documents = Vec::new();
        let Some(indexed) = indexed else {
            let found = database.read(|snapshot| {
                find.step(&mut Reading { snapshot, index: None }, STEP, &mut documents)
            })?;
            return Ok((found, documents));
        };
        let file = indexed.wanted.file()?;
        let views = &indexed.wanted.views;
        let reducers = Reducers::new(views, app.functions.limits(), log)?;
        let reducers = reducers.of_tree(indexed.place.tree);
        let view = View { collation: Collation::Standard, reducers: &reducers };
        let outcome: Result<Found, HttpError> = file.read(|pages: &dyn IndexPages| {
            let tree: Tree<'_> = tree(pages, indexed.place.tree, view).map_err(ViewError::from)?;
            database.read(|snapshot: &Snapshot<'_>| {
                let index = Some((pages, &tree, &*indexed));
                find.step(&mut Reading { snapshot, index }, STEP, &mut documents)
            })
        });
        if let Err(HttpError::Index(ViewError::Index(IndexError::Damaged(what)))) = &outcome {
            tracing::warn!(what, "an index is damaged and starts anew");
            file.distrust();
        }
        Ok((outcome?, documents))
    }
}

impl Pages for FindPages {
    fn read(&mut self, database: &Database, out: &mut Output) -> Result<Progress, HttpError> {
        let (found, documents) = self.step(database)?;
        if !std::mem::replace(&mut self.begun, true) {
            out.text().extend_from_slice(b"{\"docs\":[");
        }
        for document in documents {
            let separator: &[u8] = if self.documents == 0 { b"\r\n" } else { b",\r\n" };
            out.text().extend_from_slice(separator);
            out.text().extend_from_slice(document.as_bytes());
            self.documents += 1;
        }
        if found == Found::More {
            return Ok(Progress::More);
        }
        let ending = self.find.ending(self.began.elapsed().as_secs_f64() * 1000.0);
        let text = out.text();
        text.extend_from_slice(b"\r\n]");
        if let Some(bookmark) = &ending.bookmark {
            text.extend_from_slice(b",\r\n\"bookmark\": ");
            write_string(text, bookmark);
        }
        if let Some(statistics) = &ending.execution_stats {
            text.extend_from_slice(b",\r\n\"execution_stats\": ");
            text.extend_from_slice(statistics.as_bytes());
        }
        if let Some(warning) = &ending.warning {
            text.extend_from_slice(b",\r\n\"warning\": ");
            write_string(text, warning);
        }
        text.extend_from_slice(b"}\n");
        Ok(Progress::Done)
    }
}
