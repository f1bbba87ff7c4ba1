//! `/_scheduler`: what jobs and replication documents are doing.
//!
//! Source: `couch_replicator_httpd`, `couch_replicator:info_from_doc/2`.

use std::str::FromStr;
use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value, json};
use store::{Database, DbName, Direction, DocId, IdRange};

use super::document::{End, is_replicator};
use super::documents::body_of;
use super::endpoint::Endpoint;
use super::jobs::pid;
use super::outcome::info;
use super::settings::Settings;
use super::table::{Entry, Followed, Place, State, Table};
use crate::app::App;
use crate::clock::iso8601;
use crate::http::{Call, HttpError, Query, Reply, blocking, reply};

const NODE: &str = "nonode@nohost";

/// Jobs that are listed where nobody says how many.
const JOBS_LIMIT: u64 = 100;

/// Documents that one answer lists at most; it is put together in memory.
const DOCS_MAX: usize = 10_000;

/// Heads of documents read at a time.
const HEADS_MAX: usize = 500;

/// CouchDB's states, in its order.
const STATES: [&str; 7] =
    ["initializing", "error", "running", "pending", "crashing", "completed", "failed"];

/// `GET /_scheduler/jobs`
pub(crate) async fn jobs(call: Call) -> Result<Reply, HttpError> {
    let limit = number(&call.query, "limit", JOBS_LIMIT)?;
    let skip = number(&call.query, "skip", 0)?;
    let table = call.app.replications.table();
    let total = table.jobs.len();
    let offset = usize::try_from(skip).unwrap_or(usize::MAX).min(total);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let jobs = table.jobs.iter().skip(offset).take(limit);
    let jobs: Vec<Value> = jobs.map(|(id, entry)| job_json(id, entry)).collect();
    drop(table);
    let answer = json!({"total_rows": total, "offset": offset, "jobs": jobs});
    Ok(reply::json(StatusCode::OK, &answer))
}

/// `GET /_scheduler/jobs/{job}`
pub(crate) async fn job(call: Call) -> Result<Reply, HttpError> {
    let id = call.captures.doc;
    let table = call.app.replications.table();
    let entry = table.jobs.get(&id).ok_or(HttpError::NotFound("missing"))?;
    let job = job_json(&id, entry);
    drop(table);
    Ok(reply::json(StatusCode::OK, &job))
}

/// `GET /_scheduler/docs`
pub(crate) async fn docs(call: Call) -> Result<Reply, HttpError> {
    list(&call, "_replicator").await
}

/// `GET /_scheduler/docs/{replicator}`
pub(crate) async fn docs_of(call: Call) -> Result<Reply, HttpError> {
    list(&call, &call.captures.doc).await
}

/// `GET /_scheduler/docs/{replicator}/{rest}`: slashes in a replicator's name need no encoding.
pub(crate) async fn doc(call: Call) -> Result<Reply, HttpError> {
    let (db, doc) = named(&call.captures.doc, &call.captures.att)?;
    let Some(doc) = doc else { return list(&call, &db).await };
    let database = replicator(&call.app, &db)?;
    let id = doc.parse::<DocId>().map_err(|_| HttpError::NotFound("missing"))?;
    let app = call.app;
    let row = blocking(move || row(&app, &database, id));
    let row = row.await?.ok_or(HttpError::NotFound("missing"))?;
    Ok(reply::json(StatusCode::OK, &row))
}

/// Takes apart what stands behind `/_scheduler/docs/`: a replicator's name, and perhaps a document.
fn named(first: &str, rest: &str) -> Result<(String, Option<String>), HttpError> {
    if is_replicator(first) {
        return Ok((first.into(), Some(rest.into())));
    }
    let whole = format!("{first}/{rest}");
    if is_replicator(&whole) {
        return Ok((whole, None));
    }
    match whole.split_once("/_replicator/") {
        Some((before, doc)) => Ok((format!("{before}/_replicator"), Some(doc.into()))),
        None => Err(HttpError::BadRequest("not a replicator database".into())),
    }
}

fn replicator(app: &App, name: &str) -> Result<Arc<Database>, HttpError> {
    if !is_replicator(name) {
        return Err(HttpError::BadRequest("not a replicator database".into()));
    }
    let name = DbName::from_str(name).map_err(|_| HttpError::NoDatabase)?;
    app.store.database(&name).ok_or(HttpError::NoDatabase)
}

/// The documents of a replicator database, by their ids.
async fn list(call: &Call, db: &str) -> Result<Reply, HttpError> {
    let database = replicator(&call.app, db)?;
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let skip = call.query.unsigned("skip")?.map_or(0, size);
    let limit = call.query.unsigned("limit")?.map_or(DOCS_MAX, size).min(DOCS_MAX);
    let states = call.query.text("states").map(states).transpose()?.unwrap_or_default();
    let direction = match call.query.is_true("descending") {
        true => Direction::Descending,
        false => Direction::Ascending,
    };
    let app = Arc::clone(&call.app);
    let answer = blocking(move || {
        let mut ids = ids(&database)?;
        if direction == Direction::Descending {
            ids.reverse();
        }
        let total = ids.len();
        let mut rows: Vec<Map<String, Value>> = Vec::new();
        let mut passed = 0;
        for id in ids {
            if rows.len() >= limit {
                break;
            }
            if states.is_empty() && passed < skip {
                passed += 1;
                continue;
            }
            // One that was deleted since is left out.
            let Some(row) = row(&app, &database, id)? else { continue };
            let wanted = states.is_empty() || states.iter().any(|state| row["state"] == **state);
            match wanted {
                true if passed < skip => passed += 1,
                true => rows.push(row),
                false => {}
            }
        }
        Ok(json!({"total_rows": total, "offset": passed, "docs": rows}))
    });
    Ok(reply::json(StatusCode::OK, &answer.await?))
}

fn ids(database: &Database) -> Result<Vec<DocId>, HttpError> {
    let mut ids: Vec<DocId> = Vec::new();
    let mut range = IdRange { start: None, end: None, direction: Direction::Ascending };
    loop {
        let heads = database.read(|snapshot| snapshot.heads(&range, 0, HEADS_MAX))?;
        let Some(last) = heads.last() else { return Ok(ids) };
        range.start = Some((last.id.to_string(), false));
        let done = heads.len() < HEADS_MAX;
        ids.extend(heads.into_iter().map(|head| head.id).filter(|id| !id.is_design()));
        if done {
            return Ok(ids);
        }
    }
}

/// What became of a document: as its job is, or as is written in it. May block.
fn row(app: &App, database: &Database, id: DocId) -> Result<Option<Map<String, Value>>, HttpError> {
    let place = Place { db: database.name(), doc: id };
    let settings = Settings::of(&app.couch_config);
    if let Some(row) = followed_json(&app.replications.table(), &place, &settings) {
        return Ok(Some(row));
    }
    let Some(body) = body_of(database, &place.doc)? else { return Ok(None) };
    let body: Map<String, Value> = serde_json::from_str(&body).unwrap_or_default();
    Ok(Some(written_json(&place, &body)))
}

fn job_json(id: &str, entry: &Entry) -> Value {
    let Entry { request, runs_as, place, added, history, .. } = entry;
    json!({
        "id": id,
        "pid": entry.run.as_ref().map(|run| pid(run.number)),
        "source": request.source.shown(),
        "target": request.target.shown(),
        "database": place.as_ref().map(|place| place.db.as_str()),
        "user": runs_as.name(),
        "doc_id": place.as_ref().map(|place| place.doc.as_str()),
        "info": stats(entry),
        "history": history.to_json(),
        "node": NODE,
        "start_time": iso8601(*added),
    })
}

fn stats(entry: &Entry) -> Value {
    match &entry.run {
        Some(run) => info(&run.progress.borrow()).into(),
        None => entry.progress.as_ref().map_or(Value::Null, |progress| info(progress).into()),
    }
}

/// A document whose replication is not at its end.
fn followed_json(table: &Table, place: &Place, settings: &Settings) -> Option<Map<String, Value>> {
    let Followed { request, added, state, .. } = table.documents.get(place)?;
    let error = |reason: &str| json!({"error": reason});
    let (id, state, info, errors, updated) = match state {
        State::Scheduled(id) => {
            let entry = table.jobs.get(id)?;
            let errors = entry.history.crashes(settings.health_threshold_ms);
            let (state, info) = match (&entry.run, entry.history.crash()) {
                (Some(_), _) => ("running", stats(entry)),
                (None, Some(reason)) => ("crashing", error(reason)),
                (None, None) => ("pending", stats(entry)),
            };
            (Some(id), state, info, errors, entry.history.last())
        }
        State::Error { reason, errors, at, .. } => (None, "error", error(reason), *errors, *at),
        State::Ended(End::Completed { stats, .. }, at) => {
            (None, "completed", without_start(stats), 0, *at)
        }
        State::Ended(End::Failed { reason }, at) => (None, "failed", error(reason), 1, *at),
    };
    let row = json!({
        "database": place.db.as_str(), "doc_id": place.doc.as_str(), "id": id, "node": NODE,
        "source": request.source.shown(), "target": request.target.shown(),
        "source_proxy": null, "target_proxy": null, "state": state, "info": info,
        "error_count": errors, "last_updated": iso8601(updated), "start_time": iso8601(*added),
    });
    members(row)
}

/// A document at its end, or one that the replicator has not read yet.
fn written_json(place: &Place, body: &Map<String, Value>) -> Map<String, Value> {
    let time = body.get("_replication_state_time").cloned().unwrap_or_default();
    let (state, info, errors, started) = match body.get("_replication_state") {
        Some(Value::String(state)) if state == "completed" => {
            let stats = body.get("_replication_stats").cloned().unwrap_or_default();
            let started = stats.get("start_time").cloned().unwrap_or_default();
            ("completed", without_start(&stats), 0, started)
        }
        Some(Value::String(state)) if state == "failed" => {
            let reason = body.get("_replication_state_reason").cloned().unwrap_or_default();
            ("failed", json!({"error": reason}), 1, time.clone())
        }
        _ => ("initializing", Value::Null, 0, Value::Null),
    };
    let side = |side: &str| match Endpoint::parse(body, side) {
        Ok(endpoint) => Value::from(endpoint.shown()),
        // What cannot be read may hold anything, a password too.
        Err(_) => Value::Null,
    };
    let row = json!({
        "database": place.db.as_str(), "doc_id": place.doc.as_str(), "id": null, "node": NODE,
        "source": side("source"), "target": side("target"),
        "source_proxy": null, "target_proxy": null, "state": state, "info": info,
        "error_count": errors, "last_updated": time, "start_time": started,
    });
    members(row).unwrap_or_default()
}

fn without_start(stats: &Value) -> Value {
    let mut stats = stats.clone();
    if let Value::Object(members) = &mut stats {
        members.remove("start_time");
    }
    stats
}

fn members(row: Value) -> Option<Map<String, Value>> {
    match row {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// The states to show.
fn states(text: &str) -> Result<Vec<String>, HttpError> {
    let names = text.split(',').filter(|name| !name.is_empty()).map(str::to_lowercase);
    let names: Vec<String> = names.collect();
    let unknown = |name: &&String| !STATES.contains(&name.as_str());
    let unknown: Vec<&str> = names.iter().filter(unknown).map(String::as_str).collect();
    if unknown.is_empty() {
        return Ok(names);
    }
    Err(HttpError::Query(format!(
        "Unknown states [{}]. Choose from: [{}]",
        unknown.join(","),
        STATES.join(",")
    )))
}

/// A number as `/_scheduler/jobs` takes it.
fn number(query: &Query, name: &str, default: u64) -> Result<u64, HttpError> {
    let Some(text) = query.text(name) else { return Ok(default) };
    let Ok(number) = text.parse::<i128>() else {
        return Err(HttpError::Query(format!("{name} must be an integer")));
    };
    if number < 0 {
        return Err(HttpError::Query(format!("{name} not in range of [0,infinity]")));
    }
    Ok(u64::try_from(number).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(first: &str, rest: &str, expected: &str) {
        let found = match named(first, rest) {
            Ok((db, None)) => db,
            Ok((db, Some(doc))) => format!("{db} {doc}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{first} {rest}");
    }

    #[test]
    fn slashes_need_no_encoding() {
        check("_replicator", "x", "_replicator x");
        check("_replicator", "x/y", "_replicator x/y");
        check("a/_replicator", "x", "a/_replicator x");
        check("a", "_replicator", "a/_replicator");
        check("a", "b/_replicator", "a/b/_replicator");
        check("a", "_replicator/x", "a/_replicator x");
        check("a", "b/_replicator/x/y", "a/b/_replicator x/y");
        check("a", "b", "not a replicator database");
    }

    #[test]
    fn states_are_couchdbs() {
        assert_eq!(states("Running,failed").unwrap(), ["running", "failed"]);
        let error = states("running,odd").unwrap_err().to_string();
        assert!(error.starts_with("Unknown states [odd]. Choose from: [initializing,"), "{error}");
    }

    #[test]
    fn numbers() {
        let parsed = |text: &str| {
            let query = Query::parse(Some(text)).unwrap();
            number(&query, "limit", 100).map_err(|error| error.to_string())
        };
        assert_eq!(parsed(""), Ok(100));
        assert_eq!(parsed("limit=0"), Ok(0));
        assert_eq!(parsed("limit=x"), Err("limit must be an integer".into()));
        assert_eq!(parsed("limit=-1"), Err("limit not in range of [0,infinity]".into()));
    }

    #[test]
    fn documents_at_their_end_show_no_credentials() {
        let place = Place { db: "_replicator".parse().unwrap(), doc: "a".parse().unwrap() };
        let body = json!({
            "source": "http://u:secret@h/a", "target": {"url": "http://h/b", "auth": {
                "basic": {"username": "u", "password": "secret"}}},
            "_replication_state": "completed", "_replication_state_time": "2026-01-01T00:00:01Z",
            "_replication_stats": {"docs_read": 1, "start_time": "2026-01-01T00:00:00Z"},
        });
        let Value::Object(body) = body else { panic!("no object") };
        let row = written_json(&place, &body);
        assert_eq!(row["source"], "http://h/a/");
        assert_eq!(row["info"], json!({"docs_read": 1}));
        assert_eq!(row["start_time"], "2026-01-01T00:00:00Z");
        assert!(!json!(row).to_string().contains("secret"));
    }
}
