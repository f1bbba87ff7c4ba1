//! `/_hub/…`: the hub's own administration, for the command line and the pages.

pub(crate) mod acl;
mod apps;
pub(crate) mod devices;
mod enrolments;
pub(crate) mod group;
pub(crate) mod invitations;
pub(crate) mod onion;
pub(crate) mod pages;
pub(crate) mod pause;
pub(crate) mod peers;
pub(crate) mod profile;
pub(crate) mod quotas;
pub(crate) mod requests;
pub(crate) mod rules;
pub(crate) mod shares;
mod who;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use http::StatusCode;
use serde_json::json;

use crate::clock;
use crate::conflicts;
use crate::held;
use crate::http::{Call, HttpError, Reply, blocking, reply};
use crate::mesh;
use crate::metrics::Process;
use crate::onion::{describe, moment};

pub(crate) use self::apps::{add as add_app, list as list_apps, remove as remove_app};
pub(crate) use self::enrolments::{answer as answer_enrolment, ask as ask_enrolment};
pub(crate) use self::enrolments::{enrol, invite, list as list_enrolments, show as show_enrolment};
pub(crate) use crate::backup::serve as backup;
pub(crate) use crate::verify::serve as verify;

/// `GET /_hub/status`: how the hub is.
pub(crate) async fn status(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    let status = blocking(move || {
        Ok(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uuid": app.server_uuid,
            "started": app.started.0,
            "uptime_s": clock::now().0.saturating_sub(app.started.0) / 1000,
            "urls": app.urls.get(),
            "reach": mesh::own_reach(&app),
            "data_dir": app.data_dir.path(),
            "bytes_on_disk": bytes_on_disk(app.data_dir.path()),
            "bytes_free": bytes_free(app.data_dir.path()),
            "disk_full": app.store.is_full(),
            "databases": app.store.databases().len(),
            "apps": app.access.apps().all().len(),
            "memory_bytes": Process::look().resident_bytes,
            "onion": describe(&app.onion, moment(clock::now())),
            "paused": app.pause.now(),
            "peers": mesh::describe(&app, clock::now()),
            "on_hold": mesh::describe_hold(&app, clock::now()),
            "alarms": mesh::alarms(&app),
            "backup": app.backups.describe(),
            "active_tasks": app.tasks.list(|_| true),
            "held": held::describe(&app, clock::now()),
            "conflicts": conflicts::describe(&app),
        }))
    });
    Ok(reply::json(StatusCode::OK, &status.await?))
}

/// What the files below a directory take on the disk; what vanishes meanwhile is not counted.
pub(crate) fn bytes_on_disk(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let bytes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_on_disk(&entry.path()),
        // Blocks of 512 bytes, whatever the file system's own are.
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    });
    bytes.sum()
}

/// What may still be written to the disk that a directory lies on, where the system tells.
pub(crate) fn bytes_free(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
