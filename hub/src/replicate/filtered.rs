//! Which documents of a database here are replicated: what selectors and functions mean.

use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use replication::{FunctionFilter, PeerError, Select};
use store::{Database, DbName};

use crate::access::Principal;
use crate::app::App;
use crate::http::changes::Choice;
use crate::http::functions::Asked;
use crate::http::{HttpError, Query};

/// A selector for documents of a database here.
pub(crate) struct Selected(query::Selector);

impl Selected {
    /// Reads a selector, a JSON object.
    pub(crate) fn parse(selector: &str) -> Result<Self, HttpError> {
        let bad = |error| HttpError::BadRequest(format!("parameter `selector`: {error}"));
        query::Selector::parse(selector).map(Self).map_err(bad)
    }
}

impl Select for Selected {
    fn select(&self, documents: Vec<String>) -> Result<Vec<bool>, PeerError> {
        let matches = |text: &String| {
            query::Document::parse(text).is_ok_and(|document| self.0.matches(&document))
        };
        Ok(documents.iter().map(matches).collect())
    }
}

/// A function of a design document of a database here.
pub(super) struct Filtered {
    app: Arc<App>,
    principal: Principal,
    name: DbName,
    query: Query,
    /// The function, as it was when the replication began.
    found: Mutex<Option<Arc<Choice>>>,
}

impl Filtered {
    /// The function that a replication names, run for this principal.
    pub(super) fn new(
        app: &Arc<App>,
        principal: &Principal,
        name: &DbName,
        filter: &FunctionFilter,
    ) -> Self {
        Self {
            app: Arc::clone(app),
            principal: principal.clone(),
            name: name.clone(),
            query: query(filter),
            found: Mutex::default(),
        }
    }

    fn choice(&self, database: &Arc<Database>) -> Result<Arc<Choice>, HttpError> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(choice) = &*found {
            return Ok(Arc::clone(choice));
        }
        let asked = Asked::of_replication(&self.app, &self.principal, database, self.query.clone());
        let choice = Choice::find(&self.app, database, &self.query, &asked)?;
        Ok(Arc::clone(found.insert(Arc::new(choice))))
    }
}

impl Select for Filtered {
    fn select(&self, documents: Vec<String>) -> Result<Vec<bool>, PeerError> {
        let database = self.app.store.database(&self.name).ok_or(PeerError::NoDatabase)?;
        let chosen = self.choice(&database).and_then(|choice| choice.choose(&database, documents));
        chosen.map_err(refused)
    }
}

/// Refuses what no database here could filter by.
pub(super) fn check(filter: &FunctionFilter) -> Result<(), HttpError> {
    Choice::check(&query(filter))
}

/// The options of a changes feed that is filtered so.
fn query(filter: &FunctionFilter) -> Query {
    let own = |name: &str| name.eq_ignore_ascii_case("filter");
    let given = filter.options.iter().filter(|(name, _)| !own(name)).cloned();
    Query::of(given.chain([("filter".to_owned(), filter.name.clone())]).collect())
}

fn refused(error: HttpError) -> PeerError {
    if let HttpError::Store(error) = error {
        return PeerError::Store(error);
    }
    let (status, word, reason) = error.parts();
    let reason = format!("{word}: {reason}");
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            PeerError::Unavailable { status: status.as_u16(), reason }
        }
        _ => PeerError::Refused { status: status.as_u16(), reason },
    }
}
