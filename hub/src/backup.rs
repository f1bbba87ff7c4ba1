//! Backups: all databases in one stream that is consistent, verifiable and can be cut short by
//! nobody unnoticed.
//!
//! A backup is a tar stream compressed with zstd. Its entries, in this order:
//!
//! - `manifest.json`: the format's version, the databases that were there;
//! - `couch-config.json`: CouchDB's settings as clients wrote them, where there are any;
//! - per database `databases/UUID/main.sqlite`, then its larger attachments as
//!   `databases/UUID/att-HASH`, each consistent with the main file;
//! - `end.json`: what was written, with the BLAKE3 hash of each main file and of the settings. An
//!   attachment's name is its hash. Without this entry a backup is not whole.
//!
//! No token and no key of the hub is in it; apps are, as hashes, and keep their tokens when it is
//! restored.

mod files;
mod restore;
mod schedule;
mod write;

use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::http::{Call, HttpError, Reply, sink};

pub(crate) use files::Partial;
pub(crate) use restore::{check, restore};
pub(crate) use schedule::{Schedule, keep};
pub(crate) use write::write;

/// Version of the format above.
const FORMAT: u64 = 1;

const MANIFEST: &str = "manifest.json";
const END: &str = "end.json";
const SETTINGS: &str = "couch-config.json";
const FOLDER: &str = "databases/";

/// Longest entry that is held in memory, in bytes: room for a hundred thousand databases.
const JSON_BYTES_MAX: u64 = 64 << 20;

/// What a backup begins with.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// [`FORMAT`].
    format: u64,
    /// The release that wrote it.
    hub: String,
    /// When it was begun, in Unix milliseconds.
    created: u64,
    /// The databases that were there.
    databases: Vec<ManifestDatabase>,
}

/// A database that was there when a backup was begun.
#[derive(Debug, Serialize, Deserialize)]
struct ManifestDatabase {
    uuid: String,
    name: String,
    /// When it was created, in Unix milliseconds.
    created: u64,
}

/// What a backup ends with.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    /// The databases that were written; one that was deleted meanwhile is not.
    databases: Vec<EndDatabase>,
    /// BLAKE3 of the settings, in hexadecimal, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<String>,
}

/// A database that a backup holds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct EndDatabase {
    uuid: String,
    /// BLAKE3 of its main file, in hexadecimal.
    main: String,
    /// How many attachments follow it.
    attachments: u64,
}

/// What a backup holds, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Databases.
    pub(crate) databases: u64,
    /// Bytes before compression.
    pub(crate) bytes: u64,
}

/// `POST /_hub/backup`: a backup, while it is made.
pub(crate) async fn serve(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    let body = sink::stream(move |sink| {
        let data_dir = &app.data_dir;
        let (settings, scratch) = (data_dir.couch_config(), data_dir.scratch());
        write(&app.store, &settings, &scratch, clock::now(), sink).map(|_summary| ())
    });
    let mut reply = Reply::new(body);
    let zstd = HeaderValue::from_static("application/zstd");
    reply.headers_mut().insert(header::CONTENT_TYPE, zstd);
    Ok(reply)
}

#[cfg(test)]
mod tests;
