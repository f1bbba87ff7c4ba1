//! What the hub has done since it started, counted: requests by method and status, and how long they
//! took. Everything else that metrics tell is read where it is known.

mod histogram;
mod process;
mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};

use self::histogram::Histogram;
pub(crate) use self::histogram::{PERCENTILES, Summary};
pub(crate) use self::process::{Process, open_files};
pub(crate) use self::report::{Kind, Metric, Value, report};

/// Methods that are told apart; others count as requests only.
const METHODS: [&str; 7] = ["COPY", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];

/// Statuses that are told apart: CouchDB's, and those that only a hub answers with.
const STATUSES: [u16; 30] = [
    200, 201, 202, 204, 206, 301, 302, 304, 400, 401, 403, 404, 405, 406, 409, 412, 413, 414, 415,
    416, 417, 421, 429, 431, 500, 501, 502, 503, 504, 507,
];

/// Counters of requests. Each stands for itself, so nothing is ordered.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    methods: [AtomicU64; METHODS.len()],
    other_methods: AtomicU64,
    statuses: [AtomicU64; STATUSES.len()],
    bulk: AtomicU64,
    purges: AtomicU64,
    following: Arc<AtomicU64>,
    time: Histogram,
}

/// A client that follows a feed, counted while this lives.
#[derive(Debug)]
pub(crate) struct Follower(Arc<AtomicU64>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// A request was answered; `route` is the pattern of its path, where it has one.
    pub(crate) fn answered(
        &self,
        method: &Method,
        route: Option<&str>,
        status: StatusCode,
        took: Duration,
    ) {
        let counter = position(&METHODS, &method.as_str());
        add(counter.map_or(&self.other_methods, |at| &self.methods[at]));
        if let Some(at) = position(&STATUSES, &status.as_u16()) {
            add(&self.statuses[at]);
        }
        match route {
            Some("/{db}/_bulk_docs") => add(&self.bulk),
            Some("/{db}/_purge") => add(&self.purges),
            _ => {}
        }
        self.time.record(took);
    }

    /// A client follows a feed.
    pub(crate) fn follower(&self) -> Follower {
        add(&self.following);
        Follower(Arc::clone(&self.following))
    }
}

fn position<T: PartialEq>(list: &[T], wanted: &T) -> Option<usize> {
    list.iter().position(|item| item == wanted)
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_method_and_status() {
        let metrics = Metrics::default();
        let answered = |method: &str, route, status: u16| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let status = StatusCode::from_u16(status).unwrap();
            metrics.answered(&method, route, status, Duration::from_millis(3));
        };
        answered("GET", Some("/"), 200);
        answered("POST", Some("/{db}/_bulk_docs"), 201);
        answered("BREW", None, 418);
        assert_eq!(load(&metrics.methods[2]), 1);
        assert_eq!(load(&metrics.other_methods), 1);
        assert_eq!(metrics.statuses.iter().map(load).sum::<u64>(), 2);
        assert_eq!((load(&metrics.bulk), load(&metrics.purges)), (1, 0));
        assert_eq!(metrics.time.summary().count, 3);
        let follower = metrics.follower();
        assert_eq!(load(&metrics.following), 1);
        drop(follower);
        assert_eq!(load(&metrics.following), 0);
    }
}
