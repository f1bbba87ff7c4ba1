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
const ROWS_MAX: usize = 500;

/// Documents that are read in no time.
const SHORT: u64 = 100;

/// A question, and how far it is.
pub(super) struct FindPages {
    app: Arc<App>,
    find: Find,
    indexed: Option<Indexed>,
    began: Instant,
    documents: u64,
    /// Documents to read before any can be the last.
    wanted: u64,
    begun: bool,
}

impl FindPages {
    /// A question that is asked now.
    pub(super) fn new(
        app: &Arc<App>,
        (find, wanted): (Find, u64),
        indexed: Option<Indexed>,
        began: Instant,
    ) -> Self {
        Self { app: Arc::clone(app), find, indexed, began, documents: 0, wanted, begun: false }
    }

    /// Looks at rows until as many documents were found as are wanted, if the first ones are right.
    fn steps(&mut self, database: &Database) -> Result<(Found, Vec<String>), HttpError> {
        let mut budget = ROWS_MAX;
        let mut documents = Vec::new();
        let mut next = usize::try_from(self.wanted).unwrap_or(ROWS_MAX).clamp(1, ROWS_MAX);
        while budget > 0 {
            let rows_max = next.min(budget);
            budget -= rows_max;
            next = next.saturating_mul(2);
            let step = Step { rows_max, bytes_max: PAGE_BYTES };
            let (found, more) = self.step(database, step)?;
            documents.extend(more);
            let bytes: usize = documents.iter().map(String::len).sum();
            if found == Found::Done || bytes >= PAGE_BYTES {
                return Ok((found, documents));
            }
        }
        Ok((Found::More, documents))
    }

    fn step(&mut self, database: &Database, step: Step) -> Result<(Found, Vec<String>), HttpError> {
        let Self { app, find, indexed, .. } = self;
        let mut documents = Vec::new();
        let Some(indexed) = indexed else {
            let found = database.read(|snapshot| {
                find.step(&mut Reading::new(snapshot, None), step, &mut documents)
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
                find.step(&mut Reading::new(snapshot, index), step, &mut documents)
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
        let (found, documents) = self.steps(database)?;
        if !std::mem::replace(&mut self.begun, true) {
            out.text().extend_from_slice(b"{\"docs\":[");
        }
        for document in documents {
            let separator: &[u8] = if self.documents == 0 { b"\r\n" } else { b",\r\n" };
            out.text().extend_from_slice(separator);
            out.text().extend_from_slice(document.as_bytes());
            self.documents += 1;
            out.count_row();
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

    fn is_short(&self) -> bool {
        self.indexed.is_some() && self.wanted <= SHORT
    }
}
