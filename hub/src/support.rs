//! `GET /_hub/support`: a bundle for whoever helps, without keys, names, addresses, paths or contents.
//!
//! It is made of what is known to tell nothing, piece by piece, and never of text that is cleaned afterwards:
//! numbers, states, codes, and sentences that are this program's own. Databases and hubs are `db-1` and `peer-2`, the
//! same ones throughout a bundle. Of the log there is nothing in it.

mod pseudonym;

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};
use store::Millis;

pub(crate) use self::pseudonym::Pseudonyms;
use crate::app::App;
use crate::clock;
use crate::config::Config;
use crate::control::{bytes_free, bytes_on_disk};
use crate::http::{Call, HttpError, Reply, blocking, reply};
use crate::mesh::{self, Kind};
use crate::metrics::Process;
use crate::onion::is_reachable;
use crate::registry::is_of_mesh;

/// Databases and hubs that are listed, and reasons.
const LISTED_MAX: usize = 500;

/// The settings that are numbers or one of a few words.
pub(crate) fn settings(config: &Config) -> Value {
    let (limits, databases) = (&config.limits, &config.databases);
    json!({
        "http": {
            "is_default": config.http == crate::config::HttpConfig::default(),
            "origins": config.http.origins.len(), "hosts": config.http.hosts.len(),
        },
        "tls": {
            "on": config.tls.address.first().is_some(),
            "open_to_others": config.tls.address.first().is_some_and(|at| !at.ip().is_loopback()),
        },
        "limits": {
            "document_bytes_max": limits.document_bytes_max,
            "attachment_bytes_max": limits.attachment_bytes_max,
            "request_bytes_max": limits.request_bytes_max,
            "request_memory_bytes_max": limits.request_memory_bytes_max,
            "connections_max": limits.connections_max,
        },
        "databases": {
            "open_max": databases.open_max,
            "writer_threads": databases.writer_threads,
            "index_idle_s": databases.index_idle_s,
            "trash_days": databases.trash_days,
            "overwritten_days": databases.overwritten_days,
            "overwritten_bytes_max": databases.overwritten_bytes_max,
        },
        "compaction": {"automatic": config.compaction.automatic},
        "backup": {
            "on": config.backup.folder.is_some(),
            "interval_h": config.backup.interval_h, "keep": config.backup.keep,
        },
        "mesh": {"bytes_per_hour_max": config.mesh.bytes_per_hour_max, "lan": config.mesh.lan},
        "onion": {
            "mode": config.onion.mode.to_string(),
            "bridges": config.onion.bridges.len(),
            "pluggable_transports": config.onion.pluggable_transports.len(),
            "restricted_discovery": config.onion.restricted_discovery,
            "strangers_door": config.onion.strangers_door,
            "streams_max": config.onion.streams_max,
        },
        "log": {"requests": config.log.requests, "to_file": config.log.file.is_some()},
    })
}

/// `GET /_hub/support`
pub(crate) async fn serve(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    let bundle = blocking(move || bundle(&app, clock::now()));
    Ok(reply::json(StatusCode::OK, &bundle.await?))
}

fn bundle(app: &App, now: Millis) -> Result<Value, HttpError> {
    let mut pseudonyms = Pseudonyms::default();
    let databases = databases(app, &mut pseudonyms);
    let peers = mesh::describe(app, now);
    let peers = peers.as_array().into_iter().flatten().take(LISTED_MAX);
    let peers: Vec<_> = peers.map(|peer| self::peer(peer, &mut pseudonyms)).collect();
    let reasons = mesh::outline(app, &mut pseudonyms, LISTED_MAX)?;
    let known = app.mesh.peers().now();
    let of_kind = |kind| known.values().filter(|peer| peer.kind == kind && peer.is_noted()).count();
    let policies = app.access.policies().now();
    let onion = app.onion.status();
    let mut tasks: BTreeMap<String, usize> = BTreeMap::new();
    for task in app.tasks.list(|_| true) {
        if let Some(kind) = task["type"].as_str() {
            *tasks.entry(kind.to_owned()).or_default() += 1;
        }
    }
    Ok(json!({
        "bundle": 1,
        "made": now.0,
        "version": env!("CARGO_PKG_VERSION"),
        "platform": {
            "os": std::env::consts::OS, "arch": std::env::consts::ARCH,
            "features": {"arti": cfg!(feature = "arti"), "search": cfg!(feature = "search")},
        },
        "uptime_s": now.0.saturating_sub(app.started.0) / 1000,
        "memory_bytes": Process::look().resident_bytes,
        "storage": {
            "bytes_on_disk": bytes_on_disk(app.data_dir.path()),
            "bytes_free": bytes_free(app.data_dir.path()),
            "disk_full": app.store.is_full(),
            "trash": app.store.trash()?.len(),
        },
        "settings": app.settings,
        "counts": {
            "databases": app.store.databases().len(),
            "apps": app.access.apps().all().len(),
            "devices": of_kind(Kind::Device),
            "friends": of_kind(Kind::Friend),
            "groups": policies.groups().len(),
            "principals": policies.principals().len(),
            "rights_not_understood": policies.problems().len(),
            "invitations": mesh::invitations(app).len(),
        },
        "paused": app.pause.now(),
        "onion": {
            "mode": app.onion.mode().to_string(),
            "stage": onion.stage.word(),
            "reachable": is_reachable(&onion),
            "restarts": onion.restarts,
            "has_failed": onion.last_error.is_some(),
            "streams": app.onion.traffic().open(),
        },
        "mesh": mesh_counts(app),
        "databases": databases,
        "peers": peers,
        "why": reasons,
        "tasks": tasks,
    }))
}

fn mesh_counts(app: &App) -> Value {
    use std::sync::atomic::Ordering::Relaxed;
    let counts = app.mesh.counts();
    json!({
        "pulls": counts.pulls.load(Relaxed), "dials": counts.dials.load(Relaxed),
        "questions": counts.questions.load(Relaxed), "answers": counts.answers.load(Relaxed),
        "documents_in": counts.documents_in.load(Relaxed),
        "bytes_in": counts.bytes_in.load(Relaxed), "bytes_out": counts.bytes_out.load(Relaxed),
    })
}

fn databases(app: &App, pseudonyms: &mut Pseudonyms) -> Vec<Value> {
    let all = app.store.databases().into_iter().take(LISTED_MAX);
    let shown = all.map(|database| {
        let name = database.name();
        let record = app.registry.record(database.uuid());
        let rule = app.registry.rule(&database).policy.to_string();
        // What follows a colon is the name of a member of documents.
        let rule = rule.split(':').next().unwrap_or_default();
        let info = database.info().ok();
        json!({
            "id": pseudonyms.database(name.as_str()),
            // What hubs have of their own is called the same everywhere.
            "system": name.is_system().then(|| name.as_str()),
            "mesh": is_of_mesh(name.as_str()),
            "scope": record.as_ref().map(|record| record.scope),
            "conflicts": rule,
            "made_of_a_view": record.is_some_and(|record| record.view.is_some()),
            "view_trouble": app.sharing.standing(database.uuid())
                .and_then(|standing| standing.trouble).map(|(code, _)| code),
            "readable": info.is_some(),
            "documents": info.as_ref().map(|info| info.doc_count),
            "deleted": info.as_ref().map(|info| info.doc_del_count),
            "edits": database.update_seq().seq.0,
            "bytes": info.as_ref().map(|info| info.sizes.file),
            "held": database.held_count(),
        })
    });
    shown.collect()
}

/// A peer as `/_hub/status` shows it, without what tells who it is.
fn peer(peer: &Value, pseudonyms: &mut Pseudonyms) -> Value {
    let mut shown = json!({"id": pseudonyms.peer(peer["name"].as_str().unwrap_or_default())});
    for member in ["kind", "state", "way", "connected_since", "last_seen", "next_try", "ahead_ms"] {
        shown[member] = peer[member].clone();
    }
    shown["trouble"] = peer["trouble"]["code"].clone();
    shown["databases"] = peer["databases"].clone();
    let behind = peer["behind"].as_array().into_iter().flatten().map(|behind| {
        let name = behind["db"].as_str().unwrap_or_default();
        json!({"db": pseudonyms.database(name), "code": behind["code"]})
    });
    shown["behind"] = behind.collect();
    shown["pulls"] = peer["pulls"].as_array().map_or(0, Vec::len).into();
    shown
}
