//! The server itself: greeting, lists of databases and tasks, fresh ids.

mod cluster;
mod infos;
pub(crate) mod metrics;
pub(crate) mod node;
pub(crate) mod ui;
mod updates;
pub(crate) mod utils;

use std::cmp::Ordering;
use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, json};
use store::{Database, DbName, Direction, IdRange};

pub(crate) use self::cluster::{membership, set_up, state};
pub(crate) use self::infos::{infos_of_keys, infos_of_range};
pub(crate) use self::updates::updates;
use super::all_docs::{Options, Span};
use super::given::Options as _;
use super::reply;
use super::routes::ROUTES;
use super::{Call, HttpError, Reply};
use crate::access::{Action, Target};
use crate::couch_config::Maintenance;

/// The release of CouchDB whose API this is; clients look at it to know what they may ask for.
const COUCHDB_VERSION: &str = "3.5.0";

#[derive(Serialize)]
struct Welcome<'a> {
    couchdb: &'static str,
    version: &'static str,
    git_sha: &'static str,
    uuid: &'a str,
    features: Vec<&'static str>,
    vendor: Vendor,
}

#[derive(Serialize)]
struct Vendor {
    name: &'static str,
    version: &'static str,
    /// What hubs speak among each other.
    sync: [&'static str; 1],
}

/// `GET /`
pub(crate) async fn welcome(call: Call) -> Result<Reply, HttpError> {
    let welcome = Welcome {
        couchdb: "Welcome",
        version: COUCHDB_VERSION,
        git_sha: option_env!("LARDER_GIT_SHA").unwrap_or("unknown"),
        uuid: &call.app.server_uuid,
        features: features(),
        vendor: Vendor {
            name: "Larder",
            version: env!("CARGO_PKG_VERSION"),
            sync: [replication::sync::PROTOCOL],
        },
    };
    Ok(reply::json(StatusCode::OK, &welcome))
}

/// CouchDB's names for parts of its API that not every server has, those of them that are here.
fn features() -> Vec<&'static str> {
    let parts =
        [("partitioned", "/{db}/_partition/{partition}"), ("scheduler", "/_scheduler/jobs")];
    let here = |path| ROUTES.iter().any(|route| route.path == path);
    parts.into_iter().filter(|(_, path)| here(*path)).map(|(name, _)| name).collect()
}

/// `GET /_up`: what load balancers ask; the setting `maintenance_mode` keeps them away.
pub(crate) async fn up(call: Call) -> Result<Reply, HttpError> {
    let maintenance = call.app.couch_config.obeyed().maintenance;
    let (status, text) = match maintenance {
        None => (StatusCode::OK, r#"{"status":"ok","seeds":{}}"#),
        Some(Maintenance::On) => (StatusCode::NOT_FOUND, r#"{"status":"maintenance_mode"}"#),
        Some(Maintenance::NoLoadBalancer) => (StatusCode::NOT_FOUND, r#"{"status":"nolb"}"#),
    };
    Ok(reply::json_text(status, text.into()))
}

/// `GET /_all_dbs`: the databases that whoever asks may read.
pub(crate) async fn all_dbs(call: Call) -> Result<Reply, HttpError> {
    let databases = listed(&call)?;
    let names: Vec<DbName> = databases.iter().map(|database| database.name()).collect();
    let names = names.iter().map(DbName::as_str);
    Ok(reply::json(StatusCode::OK, &names.collect::<Vec<_>>()))
}

/// The databases that the query asks for and that whoever asks may read.
fn listed(call: &Call) -> Result<Vec<Arc<Database>>, HttpError> {
    let options = Options::parse(&call.query, Map::new())?;
    let Span::Range(range) = options.span(None) else { return Ok(vec![]) };
    let mut databases = call.app.store.databases();
    databases.retain(|database| {
        let name = database.name();
        contains(&range, name.as_str()) && call.app.reads(&call.principal, name.as_str())
    });
    if options.direction == Direction::Descending {
        databases.reverse();
    }
    let bound = |count| usize::try_from(count).unwrap_or(usize::MAX);
    Ok(databases.into_iter().skip(bound(options.skip)).take(bound(options.limit)).collect())
}

fn contains(range: &IdRange, name: &str) -> bool {
    let (low, high) = match range.direction {
        Direction::Ascending => (&range.start, &range.end),
        Direction::Descending => (&range.end, &range.start),
    };
    let above = |(low, inclusive): &(String, bool)| match name.cmp(low.as_str()) {
        Ordering::Less => false,
        Ordering::Equal => *inclusive,
        Ordering::Greater => true,
    };
    let below = |(high, inclusive): &(String, bool)| match name.cmp(high.as_str()) {
        Ordering::Less => true,
        Ordering::Equal => *inclusive,
        Ordering::Greater => false,
    };
    low.as_ref().is_none_or(above) && high.as_ref().is_none_or(below)
}

/// `GET /_uuids`
pub(crate) async fn uuids(call: Call) -> Result<Reply, HttpError> {
    let bad = |reason: &str| HttpError::BadRequest(reason.into());
    let count = match call.query.text("count").map(str::parse::<u64>) {
        None => 1,
        Some(Ok(count)) if count <= call.app.couch_config.obeyed().uuids.count_max => count,
        Some(Ok(_)) => return Err(bad("count parameter too large")),
        Some(Err(_)) => return Err(bad("count must be a positive integer")),
    };
    let uuids = (0..count).map(|_| call.app.new_id());
    let uuids: Vec<String> = uuids.collect::<Result<_, _>>().map_err(|error| {
        HttpError::Internal { action: "draw random bytes", cause: error.to_string() }
    })?;
    let hash = blake3::hash(uuids.concat().as_bytes()).to_hex();
    let mut reply = reply::json(StatusCode::OK, &json!({"uuids": uuids}));
    // As CouchDB has it: whoever keeps this answer gives an id away twice.
    let headers = reply.headers_mut();
    let past = HeaderValue::from_static("Mon, 01 Jan 1990 00:00:00 GMT");
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::EXPIRES, past);
    let digits = hash.get(..32).unwrap_or_default();
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{digits}\"")) {
        headers.insert(header::ETAG, etag);
    }
    Ok(reply)
}

/// `GET /_active_tasks`: what runs on databases that whoever asks may read.
pub(crate) async fn active_tasks(call: Call) -> Result<Reply, HttpError> {
    let Call { app, principal, .. } = call;
    let everything = app.decide(&principal, Action::AdministerServer, Target::Server).is_allowed();
    let readable = |name: &String| app.reads(&principal, name);
    let tasks = app
        .tasks
        .list(|databases| everything || (!databases.is_empty() && databases.iter().all(readable)));
    Ok(reply::json(StatusCode::OK, &tasks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_names() {
        let range = |start: Option<(&str, bool)>, end: Option<(&str, bool)>, direction| {
            let own = |end: Option<(&str, bool)>| end.map(|(name, with)| (name.to_owned(), with));
            let range = IdRange { start: own(start), end: own(end), direction };
            ["a", "b", "c"].into_iter().filter(|name| contains(&range, name)).collect::<String>()
        };
        let (up, down) = (Direction::Ascending, Direction::Descending);
        assert_eq!(range(None, None, up), "abc");
        assert_eq!(range(Some(("b", true)), None, up), "bc");
        assert_eq!(range(Some(("a", true)), Some(("c", false)), up), "ab");
        assert_eq!(range(Some(("b", true)), None, down), "ab");
        assert_eq!(range(Some(("c", true)), Some(("a", false)), down), "bc");
    }
}
