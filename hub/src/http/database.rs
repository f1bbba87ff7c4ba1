//! One database: what it is, its making and its end, its settings.

mod compaction;
mod purge;
mod security;
mod shards;

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use store::{Database, DbName, Error};

pub(crate) use self::compaction::{clean_up_views, compact, compact_views};
pub(crate) use self::purge::{purge, purged_infos, purged_infos_limit, set_purged_infos_limit};
pub(crate) use self::security::{security, set_security};
pub(crate) use self::shards::{shard_of, shards, sync_shards};
use super::call::blocking;
use super::location::location;
use super::{Call, HttpError, Reply, json_body, reply, request};
use crate::clock;
use crate::registry::{self, NewDatabase};

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
struct Props {
    #[serde(skip_serializing_if = "Option::is_none")]
    partitioned: Option<bool>,
}

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
        Ok(Self {
            instance_start_time: instance_start_time(database),
            db_name: database.name().to_string(),
            purge_seq: info.purge_seq.to_string(),
            update_seq: info.update_seq.to_string(),
            sizes: Sizes {
                file: info.sizes.file,
                external: info.sizes.external,
                active: info.sizes.active,
            },
            props: Props { partitioned: info.partitioned.then_some(true) },
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
    let bad = |reason: &str| Err(HttpError::BadRequest(reason.into()));
    if call.query.text("placement").is_some_and(|rules| !places(rules)) {
        return bad("The `placement` value should be in a format `zone:n`.");
    }
    if call.query.text("engine").is_some_and(|engine| engine != "couch") {
        return bad("invalid_engine_extension");
    }
    let partitioned = match call.query.text("partitioned") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return bad("Invalid `partitioned` parameter"),
    };
    let name = call.db_name()?;
    if partitioned && !may_be_partitioned(&name) {
        return bad("Cannot partition a system database");
    }
    let app = call.app;
    let conflicts = app.databases.app_conflicts.0.clone();
    let wanted = NewDatabase { partitioned, ..NewDatabase::named(name, conflicts) };
    blocking(move || Ok(app.registry.create(&wanted, clock::now())?)).await?;
    let mut reply = reply::ok(StatusCode::CREATED);
    location(&mut reply, &call.headers, &[&call.captures.db]);
    Ok(reply)
}

/// Whether this is a list of zones with numbers of copies in each, `zone:n,…`.
fn places(rules: &str) -> bool {
    let rule = |rule: &str| {
        let copies = rule.split_once(':').and_then(|(_, copies)| copies.parse::<u32>().ok());
        copies.is_some_and(|copies| copies > 0)
    };
    !rules.is_empty() && rules.split(',').all(rule)
}

/// System databases, and those that are like them in a folder, have ids of their own form.
pub(crate) fn may_be_partitioned(name: &DbName) -> bool {
    let last = name.as_str().rsplit('/').next();
    !name.is_system() && !last.is_some_and(|last| ["_replicator", "_users"].contains(&last))
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
    let database = call.database()?;
    let app = call.app;
    blocking(move || {
        app.registry.delete(&database, clock::now())?;
        // With whom it is shared holds again where it is brought back from the trash.
        registry::forget_policy(&app, database.uuid(), clock::now());
        Ok(())
    })
    .await?;
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
