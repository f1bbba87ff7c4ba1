//! Filters that design documents define.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use query::Functions;
use serde_json::Value;
use store::{Change, Database, Seq, Snapshot};

use super::filter::{Leaf, documents};
use crate::app::App;
use crate::designs::DesignDoc;
use crate::http::functions::{Asked, design, missing};
use crate::http::pages::PAGE_DOCUMENTS_MAX;
use crate::http::{HttpError, blocking};

/// The filter that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The design document, without `_design/`.
    pub(super) design: String,
    /// The function in it.
    pub(super) function: Kind,
}

/// Which of a design document's functions decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One of its filters.
    Filter(String),
    /// The map function of one of its views: what it emits something for passes.
    View(String),
}

/// A function that decides which documents a feed shows.
#[derive(Clone)]
pub(super) struct FunctionFilter {
    app: Arc<App>,
    design: Arc<DesignDoc>,
    function: Kind,
    request: Arc<str>,
}

/// What a function said of changes: the leaves that passed.
pub(super) type Judged = HashMap<Seq, Vec<Leaf>>;

impl Named {
    /// Finds the function. Blocks a thread of its own.
    pub(super) async fn find(
        self,
        app: &Arc<App>,
        database: &Arc<Database>,
        asked: Asked,
    ) -> Result<FunctionFilter, HttpError> {
        let (app, database) = (Arc::clone(app), Arc::clone(database));
        blocking(move || self.find_now(&app, &database, &asked)).await
    }

    /// The same on a thread that may block.
    pub(super) fn find_now(
        self,
        app: &Arc<App>,
        database: &Arc<Database>,
        asked: &Asked,
    ) -> Result<FunctionFilter, HttpError> {
        let Self { design: name, function } = self;
        let design = design(app, database, &name)?;
        let (member, name) = match &function {
            Kind::Filter(name) => ("filters", name),
            Kind::View(name) => ("views", name),
        };
        let members = design.members.get(member).ok_or_else(|| missing(member))?;
        let found = match function {
            Kind::Filter(_) => members.get(name).is_some_and(Value::is_string),
            Kind::View(_) => members.get(name).is_some_and(|view| view.get("map").is_some()),
        };
        if !found {
            return Err(missing(name));
        }
        let request = asked.to_json(database)?.into();
        Ok(FunctionFilter { app: Arc::clone(app), design, function, request })
    }
}

impl FunctionFilter {
    /// Asks the function about the changes behind a position, some of them. May block; no snapshot
    /// is kept while the function runs.
    pub(super) fn judge(
        &self,
        database: &Database,
        mut read_changes: impl FnMut(&Snapshot<'_>) -> Result<Vec<Change>, store::Error>,
        (all_leaves, read_bytes_max): (bool, usize),
    ) -> Result<Judged, HttpError> {
        let mut texts = Vec::new();
        let mut places: Vec<(Seq, Leaf)> = Vec::new();
        let mut judged = Judged::new();
        database.read::<_, store::Error>(|snapshot| {
            let mut read = 0;
            for change in read_changes(snapshot)?.into_iter().take(PAGE_DOCUMENTS_MAX) {
                let shown = if all_leaves { change.leaves.len() } else { 1 };
                let listed = change.leaves.get(..shown).unwrap_or_default();
                judged.insert(change.seq, Vec::new());
                for (leaf, text) in documents(snapshot, &change, listed, &mut read)? {
                    places.push((change.seq, leaf));
                    texts.push(text);
                }
                if read >= read_bytes_max {
                    break;
                }
            }
            Ok(())
        })?;
        if texts.is_empty() {
            return Ok(judged);
        }
        let passes = self.passes(database, texts)?;
        for ((seq, leaf), passes) in places.into_iter().zip(passes) {
            if passes && let Some(leaves) = judged.get_mut(&seq) {
                leaves.push(leaf);
            }
        }
        Ok(judged)
    }

    /// Which of these documents pass.
    pub(super) fn passes(
        &self,
        database: &Database,
        texts: Vec<String>,
    ) -> Result<Vec<bool>, HttpError> {
        let (function, request) = (self.function.clone(), Arc::clone(&self.request));
        let ask = move |functions: &mut Functions| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            match &function {
                Kind::Filter(name) => functions.filter(name, &texts, &request),
                Kind::View(name) => functions.filter_by_view(name, &texts),
            }
        };
        Ok(self.app.functions.run(database, &self.design, ask)??)
    }
}

impl fmt::Debug for FunctionFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionFilter").field("function", &self.function).finish_non_exhaustive()
    }
}
