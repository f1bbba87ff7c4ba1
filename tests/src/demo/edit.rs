//! Both sides edit and delete, unaware of each other.

use std::time::Instant;

use serde_json::{Value, json};

use super::load::write_all;
use super::report::{count, rate, say};
use super::{DATABASE, attachment_path, document_path};
use crate::{Body, Hub};

const BATCH: usize = 1_000;

/// Each kind of change is made to at most so many documents.
const GROUP_MAX: usize = 1_500;

/// Of every twenty documents, the first ones are changed, each in its own way.
const STRIDE: usize = 20;

/// What happens to a document on one side.
#[derive(Clone, Copy)]
enum Change {
    Nothing,
    Edit,
    EditTwice,
    Delete,
}
use Change::{Delete, Edit, EditTwice, Nothing};

/// (position among twenty, on A, on B)
const PLAN: [(usize, Change, Change); 8] = [
    (0, Edit, Nothing),
    (1, Nothing, Edit),
    (2, Edit, Edit),
    (3, Delete, Nothing),
    (4, Nothing, Delete),
    (5, Edit, Delete),
    (6, Edit, EditTwice),
    (7, Delete, Delete),
];

/// Carries out the plan on both hubs, then changes attachments on both.
pub(crate) fn both_sides(a: &Hub, b: &Hub, ids: &[String], attached: &[String]) {
    let start = Instant::now();
    let mut changes = 0;
    for (position, on_a, on_b) in PLAN {
        let group: Vec<_> = ids.iter().skip(position).step_by(STRIDE).take(GROUP_MAX).collect();
        changes += apply(a, "A", &group, on_a) + apply(b, "B", &group, on_b);
    }
    let took = start.elapsed();
    say("edit", format!("{} edits and deletions on both, {}", count(changes), rate(changes, took)));

    let start = Instant::now();
    let changes = attached.iter().enumerate().map(|(n, id)| attachments(a, b, n, id)).sum();
    let took = start.elapsed();
    say("edit", format!("{} attachments on both, {}", count(changes), rate(changes, took)));
}

fn apply(hub: &Hub, side: &str, ids: &[&String], change: Change) -> u64 {
    match change {
        Nothing => 0,
        Edit => rewrite(hub, ids, |doc| edited(doc, side)),
        EditTwice => {
            rewrite(hub, ids, |doc| edited(doc, side)) + rewrite(hub, ids, |doc| edited(doc, side))
        }
        Delete => rewrite(
            hub,
            ids,
            |doc| json!({ "_id": doc["_id"], "_rev": doc["_rev"], "_deleted": true }),
        ),
    }
}

fn edited(mut doc: Value, side: &str) -> Value {
    let edits = doc["edits"].as_u64().unwrap_or_default() + 1;
    doc["edited_on"] = side.into();
    doc["edits"] = edits.into();
    doc
}

/// Reads the documents, changes each and writes them back.
fn rewrite(hub: &Hub, ids: &[&String], change: impl Fn(Value) -> Value) -> u64 {
    for batch in ids.chunks(BATCH) {
        let path = format!("/{DATABASE}/_all_docs?include_docs=true");
        let mut found = hub.post(&path, json!({ "keys": batch })).expect(200).json();
        let rows = found["rows"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let docs: Vec<_> = rows.into_iter().map(|mut row| change(row["doc"].take())).collect();
        assert_eq!(docs.len(), batch.len(), "{path} left some keys out");
        write_all(hub, json!({ "docs": docs }));
    }
    ids.len() as u64
}

/// Changes the `n`th document's attachments: on A, on B, on both, or removes one on B.
fn attachments(a: &Hub, b: &Hub, n: usize, id: &str) -> u64 {
    let rev = |hub: &Hub| hub.get(&document_path(id)).expect(200).text("_rev");
    let put = |hub: &Hub, name: &str, text: String| {
        let path = format!("{}?rev={}", attachment_path(id, name), rev(hub));
        hub.put(&path, Body::bytes(text, "text/plain")).expect(201);
    };
    match n % 4 {
        0 => put(a, "stanza.txt", format!("A writes about {id}\n")),
        1 => put(b, "second.txt", format!("B writes about {id}\n").repeat(100)),
        2 => {
            put(a, "stanza.txt", format!("A's view of {id}\n"));
            put(b, "stanza.txt", format!("B's view of {id}\n"));
            return 2;
        }
        _ => {
            let path = format!("{}?rev={}", attachment_path(id, "stanza.txt"), rev(b));
            b.delete(&path).expect(200);
        }
    }
    1
}
