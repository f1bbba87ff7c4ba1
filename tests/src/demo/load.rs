//! Hub A takes the index in.

use std::time::Instant;

use serde_json::json;

use super::index::Package;
use super::report::{count, rate, say};
use super::{DATABASE, attachment_path, document_path};
use crate::{Body, Hub, hub};

const BATCH: usize = 1_000;

/// About how many packages get an attachment.
const ATTACHMENTS: usize = 400;

/// The document that holds the hub's own binary as its attachment.
const BINARY_ID: &str = "larder-binary";

/// Puts every package into the hub, a thousand at a time.
pub(crate) fn documents(hub: &Hub, packages: &[Package]) {
    // Written out beforehand: what is timed is the hub, not this program's JSON.
    let bodies: Vec<String> = packages
        .chunks(BATCH)
        .map(|batch| batch.iter().map(|package| &package.doc).collect::<Vec<_>>())
        .map(|docs| json!({ "docs": docs }).to_string())
        .collect();
    let start = Instant::now();
    for body in &bodies {
        write_all(hub, body.as_str());
    }
    let took = start.elapsed();
    let written = hub.get(&format!("/{DATABASE}")).expect(200).json()["doc_count"].as_u64();
    let written = written.unwrap_or_default();
    say("load", format!("{} documents into A, {}", count(written), rate(written, took)));
}

/// Attaches apt's own text to some hundred packages, and one large binary; returns those packages' ids.
///
/// They are at positions that [`super::edit`] leaves alone.
pub(crate) fn attachments(hub: &Hub, packages: &[Package]) -> Vec<String> {
    let start = Instant::now();
    let free: Vec<_> = packages.iter().skip(10).step_by(20).collect();
    let step = free.len().div_ceil(ATTACHMENTS).max(1);
    let chosen: Vec<_> = free.into_iter().step_by(step).collect();
    let mut bytes = 0;
    for package in &chosen {
        let rev = hub.get(&document_path(&package.id)).expect(200).text("_rev");
        let path = format!("{}?rev={rev}", attachment_path(&package.id, "stanza.txt"));
        bytes += package.stanza.len();
        hub.put(&path, Body::bytes(package.stanza.as_str(), "text/plain")).expect(201);
    }

    let binary = match std::fs::read(hub::binary()) {
        Ok(binary) => binary,
        Err(error) => panic!("{}: {error}", hub::binary().display()),
    };
    bytes += binary.len();
    let path = attachment_path(BINARY_ID, "larder");
    hub.put(&path, Body::bytes(binary, "application/octet-stream")).expect(201);

    let number = chosen.len() as u64 + 1;
    let took = start.elapsed();
    say("attach", format!("{number} attachments, {} bytes, {}", count(bytes), rate(number, took)));
    chosen.into_iter().map(|package| package.id.clone()).collect()
}

/// One `_bulk_docs` in which every document is accepted.
pub(crate) fn write_all(hub: &Hub, body: impl Into<Body>) {
    let reply = hub.post(&format!("/{DATABASE}/_bulk_docs"), body).expect(201);
    let rows = reply.json();
    let refused = rows.as_array().and_then(|rows| rows.iter().find(|row| row["ok"] != json!(true)));
    assert!(refused.is_none(), "{} refused {refused:?}", reply.request);
}
