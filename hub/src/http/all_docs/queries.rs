//! Several listings in one request.

use std::vec::IntoIter;

use store::{Database, Output};

use super::listing::Listing;
use crate::http::HttpError;
use crate::http::pages::{PAGE_BYTES, Pages, Progress};

/// Listings that one request may ask for; each may read the whole database.
pub(super) const QUERIES_MAX: usize = 1000;

/// Listings in one page, however short they are: each has its own snapshot, and counts what comes
/// before it.
const LISTINGS_AT_ONCE: usize = 10;

/// Listings, one after the other.
pub(super) struct Queries {
    rest: IntoIter<Listing>,
    begun: bool,
}

impl Queries {
    /// Listings that begin.
    pub(super) fn new(listings: Vec<Listing>) -> Self {
        Self { rest: listings.into_iter(), begun: false }
    }
}

impl Pages for Queries {
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
