//! Mango: questions, their indexes, and what is said of both.

#![allow(clippy::unwrap_used, reason = "suites may panic")]

mod choice;
mod following;
mod indexes;
mod operators;
mod paging;
mod partitions;
mod refused;
mod shape;

use serde_json::{Value, json};
use tests::{Client, Hub};

/// A hub whose database `db` has these documents.
#[track_caller]
fn with(documents: &Value) -> Hub {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    write(&hub, documents);
    hub
}

#[track_caller]
fn write(hub: &Client, documents: &Value) {
    let rows = hub.post("/db/_bulk_docs", json!({"docs": documents})).expect(201).json();
    let is_written = |row: &Value| row["ok"] == true;
    assert!(rows.as_array().unwrap().iter().all(is_written), "{rows}");
}

/// Makes an index of these fields in the design document `DESIGN`, named as it.
#[track_caller]
fn index(hub: &Client, design: &str, fields: &Value) {
    let body = json!({"index": {"fields": fields}, "ddoc": design, "name": design});
    let reply = hub.post("/db/_index", body).expect(200).json();
    assert_eq!(reply["result"], "created", "{reply}");
}

#[track_caller]
fn find(hub: &Client, body: &Value) -> Value {
    hub.post("/db/_find", body).expect(200).json()
}

/// The ids of an answer's documents, with spaces between them.
fn ids(answer: &Value) -> String {
    let documents = answer["docs"].as_array().unwrap();
    let ids: Vec<_> = documents.iter().map(|document| document["_id"].as_str().unwrap()).collect();
    ids.join(" ")
}

#[track_caller]
fn check_ids(hub: &Client, body: &Value, expected: &str) {
    assert_eq!(ids(&find(hub, body)), expected, "{body}");
}

#[track_caller]
fn explain(hub: &Client, body: &Value) -> Value {
    hub.post("/db/_explain", body).expect(200).json()
}

/// A member of a document that is there.
#[track_caller]
fn rev(hub: &Client, id: &str) -> String {
    hub.get(&format!("/db/{id}")).expect(200).json()["_rev"].as_str().unwrap().to_owned()
}
