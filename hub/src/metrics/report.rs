//! Every figure by CouchDB's name for it. Figures of CouchDB that a hub has no like of are left out.
//!
//! Source: `stats_descriptions.cfg` of CouchDB's applications.

use super::{METHODS, Metrics, STATUSES, Summary, load, open_files};
use crate::app::App;
use crate::mesh::Mesh;
use crate::observe;
use crate::onion::{Onion, child_memory_bytes, is_reachable};

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metric {
    /// Its path in `_stats`.
    pub(crate) path: Vec<String>,
    /// What it is.
    pub(crate) description: &'static str,
    /// What kind it is.
    pub(crate) kind: Kind,
    /// What it says.
    pub(crate) value: Value,
    /// How Prometheus is told, where that does not follow from the path: the series, and its label.
    pub(crate) series: Option<(&'static str, &'static str, String)>,
}

/// What kind a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only rises.
    Counter,
    /// It rises and falls. `_stats` calls it what CouchDB calls it: a counter too.
    Level,
}

/// What a figure says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A number.
    Number(u64),
    /// How long things took.
    Durations(Box<Summary>),
}

/// Every figure, by its path. May block for a moment.
pub(crate) fn report(app: &App) -> Vec<Metric> {
    let mut metrics = requests(&app.metrics);
    let activity = app.store.activity();
    let (hits, misses) = app.access.lookups();
    let replications = app.tasks.count("replication");
    let counters = [
        ("couchdb/auth_cache_hits", "number of authentication cache hits", hits),
        ("couchdb/auth_cache_misses", "number of authentication cache misses", misses),
        ("couchdb/commits", "number of commits performed", activity.commits),
        ("couchdb/couch_server/open", "number of database files opened", activity.databases_opened),
        (
            "couchdb/database_reads",
            "number of times a document was read from a database",
            activity.documents_read,
        ),
        ("couchdb/database_writes", "number of times a database was changed", activity.commits),
        (
            "couchdb/document_writes",
            "number of document write operations",
            activity.documents_written,
        ),
        (
            "couchdb/local_document_writes",
            "number of _local document write operations",
            activity.locals_written,
        ),
        (
            "larder/attachment_bytes_written",
            "bytes of attachments written",
            activity.attachment_bytes_written,
        ),
    ];
    metrics.extend(of_onion(&app.onion));
    metrics.extend(of_mesh(&app.mesh));
    metrics.extend(
        counters.map(|(path, description, value)| {
            Metric::number(path, description, Kind::Counter, value)
        }),
    );
    let levels = [
        ("couchdb/open_databases", "number of open databases", Some(activity.databases_open)),
        ("couchdb/open_os_files", "number of file descriptors the hub has open", open_files()),
        (
            "couch_replicator/jobs/running",
            "number of replications that run",
            Some(replications as u64),
        ),
    ];
    metrics.extend(levels.into_iter().filter_map(|(path, description, value)| {
        Some(Metric::number(path, description, Kind::Level, value?))
    }));
    metrics.extend(observe::logged().map(|(level, count)| Metric {
        series: Some(("couch_log_requests_total", "level", level.into())),
        ..Metric::number(
            &format!("couch_log/level/{level}"),
            "number of logged messages",
            Kind::Counter,
            count,
        )
    }));
    metrics.sort_by(|a, b| a.path.cmp(&b.path));
    metrics
}

fn of_onion(onion: &Onion) -> Vec<Metric> {
    let status = onion.status();
    let (bytes_in, bytes_out) = onion.traffic().bytes();
    let figures = [
        (
            "larder/onion_reachable",
            "whether the hub has reached itself through Tor",
            Kind::Level,
            Some(u64::from(is_reachable(&status))),
        ),
        (
            "larder/onion_restarts",
            "how often the way into Tor was begun anew",
            Kind::Counter,
            Some(status.restarts.into()),
        ),
        (
            "larder/onion_child_memory_bytes",
            "memory that the process that speaks Tor occupies",
            Kind::Level,
            child_memory_bytes(&status),
        ),
        (
            "larder/onion_streams",
            "number of open streams through Tor",
            Kind::Level,
            Some(onion.traffic().open()),
        ),
        ("larder/onion_bytes_in", "bytes that came through Tor", Kind::Counter, Some(bytes_in)),
        ("larder/onion_bytes_out", "bytes that went through Tor", Kind::Counter, Some(bytes_out)),
    ];
    let figures = figures.into_iter().filter_map(|(path, description, kind, value)| {
        Some(Metric::number(path, description, kind, value?))
    });
    figures.collect()
}

fn of_mesh(mesh: &Mesh) -> Vec<Metric> {
    let counts = mesh.counts();
    let (connected, running, waiting) = mesh.levels();
    let level = |number: usize| (Kind::Level, number as u64);
    let counter = |count| (Kind::Counter, load(count));
    let figures = [
        (
            "peers",
            "number of hubs that the owner has named or friends vouch for",
            level(mesh.peers().now().len()),
        ),
        ("peers_connected", "number of them that are connected", level(connected)),
        ("pulls_running", "number of databases that are being fetched", level(running)),
        ("pulls_waiting", "number of databases that wait to be fetched", level(waiting)),
        ("pulls", "number of times a database was fetched", counter(&counts.pulls)),
        ("questions", "number of requests for changes sent to peers", counter(&counts.questions)),
        ("documents_in", "number of documents that came from peers", counter(&counts.documents_in)),
        ("bytes_in", "bytes that came from peers", counter(&counts.bytes_in)),
        ("answers", "number of requests for changes answered", counter(&counts.answers)),
        ("bytes_out", "bytes sent to peers", counter(&counts.bytes_out)),
        ("lines", "number of lines that came over feeds of peers", counter(&counts.lines)),
        ("dials", "number of times a peer was dialled", counter(&counts.dials)),
        (
            "looks",
            "number of times the plan of what to fetch was looked at",
            counter(&counts.looks),
        ),
    ];
    let figures = figures.into_iter().map(|(name, description, (kind, value))| {
        Metric::number(&format!("larder/mesh_{name}"), description, kind, value)
    });
    figures.collect()
}

fn requests(metrics: &Metrics) -> Vec<Metric> {
    let methods = METHODS.iter().zip(&metrics.methods);
    let mut report: Vec<Metric> = methods
        .map(|(method, count)| Metric {
            series: Some(("httpd_request_methods", "method", (*method).into())),
            ..Metric::number(
                &format!("couchdb/httpd_request_methods/{method}"),
                "number of HTTP requests by method",
                Kind::Counter,
                load(count),
            )
        })
        .collect();
    report.extend(STATUSES.iter().zip(&metrics.statuses).map(|(status, count)| Metric {
        series: Some(("httpd_status_codes", "code", status.to_string())),
        ..Metric::number(
            &format!("couchdb/httpd_status_codes/{status}"),
            "number of HTTP responses by status code",
            Kind::Counter,
            load(count),
        )
    }));
    let all = metrics.methods.iter().map(load).sum::<u64>() + load(&metrics.other_methods);
    for (name, description, kind, value) in [
        ("requests", "number of HTTP requests", Kind::Counter, all),
        ("bulk_requests", "number of bulk requests", Kind::Counter, load(&metrics.bulk)),
        ("purge_requests", "number of purge requests", Kind::Counter, load(&metrics.purges)),
        (
            "clients_requesting_changes",
            "number of clients for continuous _changes",
            Kind::Level,
            load(&metrics.following),
        ),
    ] {
        report.push(Metric::number(&format!("couchdb/httpd/{name}"), description, kind, value));
    }
    report.push(Metric {
        value: Value::Durations(Box::new(metrics.time.summary())),
        ..Metric::number("couchdb/request_time", "time until an answer began", Kind::Counter, 0)
    });
    report
}

impl Metric {
    fn number(path: &str, description: &'static str, kind: Kind, value: u64) -> Self {
        Self {
            path: path.split('/').map(str::to_owned).collect(),
            description,
            kind,
            value: Value::Number(value),
            series: None,
        }
    }
}
