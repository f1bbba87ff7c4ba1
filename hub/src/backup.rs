//! Backups: all databases in one stream that is consistent, verifiable and can be cut short by
//! nobody unnoticed.
//!
//! A backup is a tar stream compressed with zstd. Its entries, in this order:
//!
//! - `manifest.json`: the format's version, the databases that were there;
//! - per database `databases/UUID/main.sqlite`, then its larger attachments as
//!   `databases/UUID/att-HASH`, each consistent with the main file;
//! - `end.json`: what was written, with the BLAKE3 hash of each main file. An attachment's name is
//!   its hash. Without this entry a backup is not whole.
//!
//! No token and no key of the hub is in it; apps are, as hashes, and keep their tokens when it is
//! restored.

mod restore;
mod write;

use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::http::{Call, HttpError, Reply, sink};

pub(crate) use restore::restore;
pub(crate) use write::write;

/// Version of the format above.
const FORMAT: u64 = 1;

const MANIFEST: &str = "manifest.json";
const END: &str = "end.json";
const FOLDER: &str = "databases/";

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
        write(&app.store, &app.data_dir.scratch(), clock::now(), sink).map(|_summary| ())
    });
    let mut reply = Reply::new(body);
    let zstd = HeaderValue::from_static("application/zstd");
    reply.headers_mut().insert(header::CONTENT_TYPE, zstd);
    Ok(reply)
}

#[cfg(test)]
mod tests;
