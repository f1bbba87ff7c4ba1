//! One database: what it is, its making and its end, its settings.

mod compaction;
mod security;
mod shards;

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use store::{Database, Epoch, Error, Seq, UpdateSeq};

pub(crate) use self::compaction::{clean_up_views, compact, compact_views};
pub(crate) use self::security::{security, set_security};
pub(crate) use self::shards::{shard_of, shards, sync_shards};
use super::call::blocking;
use super::location::location;
use super::{Call, HttpError, Reply, json_body, reply, request};
use crate::clock;

/// What a database says of itself, in CouchDB's words.
#[derive(Serialize)]
pub(super) struct Info {
    instance_start_time: String,
    db_name: String,
    purge_seq: String,
    update_seq: String,
    sizes: Sizes,
    props: Props,
    doc_del_count: u64,
    doc_count: u64,
    disk_format_version: u8,
    compact_running: bool,
    cluster: Cluster,
}

#[derive(Serialize)]
struct Sizes {
    file: u64,
    external: u64,
    active: u64,
}

#[derive(Serialize)]
struct Props {}

#[derive(Serialize)]
struct Cluster {
    q: u8,
    n: u8,
    w: u8,
    r: u8,
}

/// One shard, kept once.
const CLUSTER: Cluster = Cluster { q: 1, n: 1, w: 1, r: 1 };

/// What CouchDB 3.5 calls its files' format; clients only show it.
const DISK_FORMAT_VERSION: u8 = 8;

impl Info {
    /// Asks the database. May block.
    pub(super) fn of(database: &Database) -> Result<Self, Error> {
        let info = database.info()?;
        let epoch: Epoch = info.update_seq.epoch;
        Ok(Self {
            instance_start_time: instance_start_time(database),
            db_name: database.name().to_string(),
            purge_seq: UpdateSeq { seq: Seq(0), epoch }.to_string(),
            update_seq: info.update_seq.to_string(),
            sizes: Sizes {
                file: info.sizes.file,
                external: info.sizes.external,
                active: info.sizes.active,
            },
            props: Props {},
            doc_del_count: info.doc_del_count,
            doc_count: info.doc_count,
            disk_format_version: DISK_FORMAT_VERSION,
            compact_running: info.compact_running,
            cluster: CLUSTER,
        })
    }
}

/// `GET /{db}`
pub(crate) async fn info(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    blocking(move || Ok(reply::json(StatusCode::OK, &Info::of(&database)?))).await
}

/// When the database was created, in seconds, as text: replicators take another value for another
/// database.
fn instance_start_time(database: &Database) -> String {
    (database.created().0 / 1000).to_string()
}

/// `PUT /{db}`
pub(crate) async fn create(call: Call) -> Result<Reply, HttpError> {
    for option in ["q", "n"] {
        // Accepted and without effect: a hub is one node, and a database one shard.
        if call.query.text(option).is_some_and(|text| !text.parse().is_ok_and(|n: u32| n > 0)) {
            let reason = format!("The `{option}` value should be a positive integer.");
            return Err(HttpError::BadRequest(reason));
        }
    }
    match call.query.text("partitioned") {
        None | Some("false") => {}
        Some("true") => {
            return Err(HttpError::BadRequest("Partitioned feature is not enabled.".into()));
        }
        Some(_) => return Err(HttpError::BadRequest("Invalid `partitioned` parameter".into())),
    }
    let name = call.db_name()?;
    let store = call.app.store.clone();
    blocking(move || Ok(store.create(&name, clock::now())?)).await?;
    let mut reply = reply::ok(StatusCode::CREATED);
    location(&mut reply, &call.headers, &[&call.captures.db]);
    Ok(reply)
}

/// `DELETE /{db}`
pub(crate) async fn delete(call: Call) -> Result<Reply, HttpError> {
    if call.query.text("rev").is_some() {
        // A script whose document id is empty by accident.
        return Err(HttpError::BadRequest(
            "You tried to DELETE a database with a ?=rev parameter. Did you mean to DELETE a \
             document instead?"
                .into(),
        ));
    }
    let name = call.database()?.name().clone();
    let store = call.app.store.clone();
    blocking(move || Ok(store.delete(&name)?)).await?;
    Ok(reply::ok(StatusCode::OK))
}

/// `GET /{db}/_revs_limit`
pub(crate) async fn revs_limit(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let limit = blocking(move || Ok(database.revs_limit()?)).await?;
    Ok(reply::json(StatusCode::OK, &limit))
}

/// `PUT /{db}/_revs_limit`
pub(crate) async fn set_revs_limit(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let limit = json_body::value(&call.headers, call.body).await?;
    let Some(limit) = limit.as_u64().filter(|&limit| limit > 0) else {
        return Err(HttpError::BadRequest("`revs_limit` must be a positive integer".into()));
    };
    blocking(move || Ok(database.set_revs_limit(limit)?)).await?;
    Ok(reply::ok(StatusCode::OK))
}

/// `POST /{db}/_ensure_full_commit`: nothing is left to do, every write is durable when it is
/// answered.
pub(crate) async fn ensure_full_commit(call: Call) -> Result<Reply, HttpError> {
    request::require_json(&call.headers)?;
    let database = call.database()?;
    let answer: Value = json!({"ok": true, "instance_start_time": instance_start_time(&database)});
    Ok(reply::json(StatusCode::CREATED, &answer))
}
