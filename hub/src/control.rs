//! `/_hub/…`: the hub's own administration, for the command line and the pages.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::access::{self, AppDocument, AppName, Grant, Token, TokenHash};
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};

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
            "data_dir": app.data_dir.path(),
            "bytes_on_disk": bytes_on_disk(app.data_dir.path()),
            "bytes_free": bytes_free(app.data_dir.path()),
            "disk_full": app.store.is_full(),
            "databases": app.store.databases().len(),
            "apps": app.access.apps().all().len(),
            "memory_bytes": memory_bytes(),
            "backup": app.backups.describe(),
            "active_tasks": app.tasks.list(|_| true),
        }))
    });
    Ok(reply::json(StatusCode::OK, &status.await?))
}

/// `GET /_hub/apps`: the apps and what they may do.
pub(crate) async fn list_apps(call: Call) -> Result<Reply, HttpError> {
    let apps = call.app.access.apps().all();
    let apps: Vec<_> = apps
        .values()
        .map(|app| {
            let AppDocument { name, admin, databases, chosen, created, token: _ } = app.document();
            json!({
                "name": name, "admin": admin, "databases": databases, "chosen_token": chosen,
                "created": created.0,
            })
        })
        .collect();
    Ok(reply::json(StatusCode::OK, &json!({"apps": apps})))
}

/// What `POST /_hub/apps` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewApp {
    name: AppName,
    #[serde(default)]
    admin: bool,
    #[serde(default)]
    databases: Vec<Grant>,
    token: Option<String>,
}

/// `POST /_hub/apps`: lets a program in; the one answer that holds its token.
pub(crate) async fn add_app(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let new = json_body::object(&headers, body).await?;
    let new: NewApp = serde_json::from_value(new.into())
        .map_err(|error| HttpError::BadRequest(error.to_string()))?;
    if let Some(grant) = new.databases.iter().find(|grant| grant.name.is_system()) {
        return Err(HttpError::BadRequest(
            access::GrantError::System(grant.name.clone()).to_string(),
        ));
    }
    let chosen = new.token.is_some();
    let token = match new.token {
        Some(text) => {
            Token::choose(&text).map_err(|unfit| HttpError::BadRequest(unfit.to_string()))?
        }
        None => Token::random()?,
    };
    let document = AppDocument {
        name: new.name,
        admin: new.admin,
        databases: new.databases,
        token: TokenHash::of(token.expose())?,
        chosen,
        created: clock::now(),
    };
    let name = document.name.clone();
    blocking(move || {
        access::add(&app.store, &document, clock::now())?;
        Ok(app.access.reload(&app.store)?)
    })
    .await?;
    let added = json!({"ok": true, "name": name, "token": token.expose()});
    Ok(reply::json(StatusCode::CREATED, &added))
}

/// `DELETE /_hub/apps/NAME`: takes a program's rights away, before this is answered.
pub(crate) async fn remove_app(call: Call) -> Result<Reply, HttpError> {
    let name: AppName = call
        .captures
        .doc
        .parse()
        .map_err(|_| HttpError::NotFound("there is no app of that name"))?;
    let app = call.app;
    blocking(move || {
        access::remove(&app.store, &name, clock::now())?;
        Ok(app.access.reload(&app.store)?)
    })
    .await?;
    Ok(reply::ok(StatusCode::OK))
}

/// What the files below a directory take on the disk; what vanishes meanwhile is not counted.
fn bytes_on_disk(dir: &Path) -> u64 {
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
fn bytes_free(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Resident memory, where the system tells.
fn memory_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
