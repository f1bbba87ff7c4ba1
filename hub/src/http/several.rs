//! Several listings, or queries of a view, in one request.

use std::vec::IntoIter;

use serde_json::{Map, Value};
use store::{Database, Output};

use super::HttpError;
use super::given::bad;
use super::pages::{PAGE_BYTES, Pages, Progress};

/// Listings that one request may ask for; each may read the whole database.
const QUERIES_MAX: usize = 1000;

/// Listings in one page, however short they are: each has its own snapshot, and counts what comes
/// before it.
const LISTINGS_AT_ONCE: usize = 10;

/// Listings, one after the other.
pub(crate) struct Several<P> {
    rest: IntoIter<P>,
    begun: bool,
}

/// The array `queries` of a request's body.
pub(crate) fn queries(body: &mut Map<String, Value>) -> Result<Vec<Value>, HttpError> {
    match body.remove("queries") {
        Some(Value::Array(queries)) if queries.len() > QUERIES_MAX => {
            Err(bad(&format!("`queries` must not have more than {QUERIES_MAX} elements.")))
        }
        Some(Value::Array(queries)) => Ok(queries),
        Some(_) => Err(bad("`queries` member must be an array.")),
        None => Err(bad("POST body must include `queries` parameter.")),
    }
}

impl<P: Pages> Several<P> {
    /// Listings that begin.
    pub(crate) fn new(listings: Vec<P>) -> Self {
        Self { rest: listings.into_iter(), begun: false }
    }
}

impl<P: Pages> Pages for Several<P> {
    fn read(&mut self, database: &Database, out: &mut Output) -> Result<Progress, HttpError> {
        if !std::mem::replace(&mut self.begun, true) {
            out.text().extend_from_slice(b"{\"results\":[\r\n");
        }
        for _ in 0..LISTINGS_AT_ONCE {
            let Some(listing) = self.rest.as_mut_slice().first_mut() else { break };
            if listing.read(database, out)? == Progress::More {
                return Ok(Progress::More);
            }
            self.rest.next();
            if self.rest.as_slice().is_empty() {
                break;
            }
            out.text().extend_from_slice(b",");
            if out.len() >= PAGE_BYTES {
                return Ok(Progress::More);
            }
        }
        if !self.rest.as_slice().is_empty() {
            return Ok(Progress::More);
        }
        out.text().extend_from_slice(b"]}\n");
        Ok(Progress::Done)
    }
}
