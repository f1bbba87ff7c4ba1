//! Are the two hubs, and the follower, of one mind?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde::Serialize;
use serde_json::{Value, json};

use super::follower::Seen;
use super::report::{count, say};
use super::{DATABASE, attachment_path};
use crate::{Hub, encode};

/// Documents compared at a time.
const PAGE: usize = 2_000;

/// Named differences of one kind; the rest is only counted.
const NAMED_MAX: usize = 5;

/// Every difference found, in words.
pub(crate) fn compare(a: &Hub, b: &Hub, seen: &Seen) -> Vec<String> {
    let mut differences = Vec::new();
    counts(a, b, &mut differences);
    let documents = winners(a, b, &mut differences);
    leaves(a, b, &mut differences);
    attachments(a, b, &documents, &mut differences);
    follower(b, &documents, seen, &mut differences);
    differences
}

/// What the walk over all documents collected on the way.
#[derive(Default)]
struct Documents {
    /// Hub B's winning revisions by id.
    revs: BTreeMap<String, String>,
    /// (document, attachment) of every winner.
    attachments: Vec<(String, String)>,
    conflicted: usize,
}

fn counts(a: &Hub, b: &Hub, differences: &mut Vec<String>) {
    let [ours, theirs] = [a, b].map(|hub| hub.get(&format!("/{DATABASE}")).expect(200).json());
    for member in ["doc_count", "doc_del_count"] {
        say("compare", format!("{member}: A {}, B {}", ours[member], theirs[member]));
        if ours[member] != theirs[member] {
            differences.push(format!("{member}: A {}, B {}", ours[member], theirs[member]));
        }
    }
}

/// Walks all documents of both hubs side by side: ids, revisions, conflicts, bodies, attachment stubs.
fn winners(a: &Hub, b: &Hub, differences: &mut Vec<String>) -> Documents {
    let mut documents = Documents::default();
    let mut differing = Vec::new();
    let mut from = String::new();
    loop {
        let path = format!(
            "/{DATABASE}/_all_docs?include_docs=true&conflicts=true&limit={}&startkey={}",
            PAGE + 1,
            encode(&json!(from).to_string())
        );
        let mut pages = [a, b].map(|hub| rows(hub, &path));
        let next = pages[1].get(PAGE).map(|row| id(row).to_owned());
        pages.iter_mut().for_each(|page| page.truncate(PAGE));

        let [ours, theirs] = pages;
        if ours != theirs {
            let ours: BTreeMap<_, _> = ours.iter().map(|row| (id(row), row)).collect();
            let theirs: BTreeMap<_, _> = theirs.iter().map(|row| (id(row), row)).collect();
            differing.extend(unequal(&ours, &theirs));
        }
        for row in &theirs {
            documents.note(row);
        }
        match next {
            Some(next) => from = next,
            None => break,
        }
    }
    say(
        "compare",
        format!(
            "winners, bodies and conflicts of {} documents ({} in conflict)",
            count(documents.revs.len()),
            count(documents.conflicted)
        ),
    );
    name("winner or body", &differing, differences);
    documents
}

impl Documents {
    fn note(&mut self, row: &Value) {
        let id = id(row).to_owned();
        let doc = &row["doc"];
        let names = doc["_attachments"].as_object().into_iter().flat_map(|stubs| stubs.keys());
        self.attachments.extend(names.map(|name| (id.clone(), name.clone())));
        self.conflicted += usize::from(doc.get("_conflicts").is_some());
        self.revs.insert(id, row["value"]["rev"].as_str().unwrap_or_default().to_owned());
    }
}

/// Every leaf of every document, deleted ones included.
fn leaves(a: &Hub, b: &Hub, differences: &mut Vec<String>) {
    let path = format!("/{DATABASE}/_changes?style=all_docs");
    let [ours, theirs] = [a, b].map(|hub| {
        let found = hub.get(&path).expect(200).json();
        let rows = found["results"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| (id(row).to_owned(), leaf_set(row))).collect::<BTreeMap<_, _>>()
    });
    let total: usize = theirs.values().map(|(_, revs)| revs.len()).sum();
    say("compare", format!("{} leaves of {} documents", count(total), count(theirs.len())));
    name("leaves", &unequal(&ours, &theirs), differences);
}

fn leaf_set(row: &Value) -> (bool, Vec<String>) {
    let changes = row["changes"].as_array().into_iter().flatten();
    let mut revs: Vec<_> =
        changes.map(|change| change["rev"].as_str().unwrap_or_default().to_owned()).collect();
    revs.sort();
    (row["deleted"] == json!(true), revs)
}

/// The digests were compared with the bodies; here the bytes.
fn attachments(a: &Hub, b: &Hub, documents: &Documents, differences: &mut Vec<String>) {
    let mut differing = Vec::new();
    let mut bytes = 0;
    for (id, name) in &documents.attachments {
        let path = attachment_path(id, name);
        let [ours, theirs] = [a, b].map(|hub| hub.get(&path).expect(200).body);
        bytes += theirs.len();
        if ours != theirs {
            differing.push(format!("{id}/{name}"));
        }
    }
    let number = count(documents.attachments.len());
    say("compare", format!("{number} attachments, {} bytes, byte for byte", count(bytes)));
    name("attachment", &differing, differences);
}

/// The follower's map against hub B.
fn follower(b: &Hub, documents: &Documents, seen: &Seen, differences: &mut Vec<String>) {
    let found = b.get(&format!("/{DATABASE}/_changes")).expect(200).json();
    let rows = found["results"].as_array().cloned().unwrap_or_default();
    let deleted: BTreeMap<_, _> = rows
        .iter()
        .filter(|row| row["deleted"] == json!(true))
        .map(|row| (id(row).to_owned(), leaf_set(row).1.concat()))
        .collect();
    say(
        "compare",
        format!(
            "the follower's {} winners and {} deletions",
            count(seen.winners.len()),
            count(seen.deleted.len())
        ),
    );
    name("follower's winner", &unequal(&seen.winners, &documents.revs), differences);
    name("follower's deletion", &unequal(&seen.deleted, &deleted), differences);
}

/// The ids that one side lacks or the two sides see differently, with what differs.
fn unequal<K: Ord + Display, V: Serialize>(
    ours: &BTreeMap<K, V>,
    theirs: &BTreeMap<K, V>,
) -> Vec<String> {
    let ids: BTreeSet<&K> = ours.keys().chain(theirs.keys()).collect();
    let value = |map: &BTreeMap<K, V>, id| map.get(id).map_or(Value::Null, |value| json!(value));
    let seen = ids.into_iter().map(|id| (id, value(ours, id), value(theirs, id)));
    seen.filter(|(_, ours, theirs)| ours != theirs)
        .map(|(id, ours, theirs)| format!("{id}: {}", difference("", &ours, &theirs)))
        .collect()
}

/// The innermost members that differ: `/doc/size: 1 and 2`.
fn difference(path: &str, ours: &Value, theirs: &Value) -> String {
    let (Value::Object(our_members), Value::Object(their_members)) = (ours, theirs) else {
        return format!("{path} {ours} and {theirs}");
    };
    let names: BTreeSet<&String> = our_members.keys().chain(their_members.keys()).collect();
    let found: Vec<_> = names
        .into_iter()
        .filter(|name| our_members.get(*name) != their_members.get(*name))
        .map(|name| difference(&format!("{path}/{name}"), &ours[name], &theirs[name]))
        .collect();
    found.join(", ")
}

fn name(what: &str, found: &[String], differences: &mut Vec<String>) {
    differences.extend(found.iter().take(NAMED_MAX).map(|one| format!("{what} of {one}")));
    if found.len() > NAMED_MAX {
        differences.push(format!("{what} of {} more", found.len() - NAMED_MAX));
    }
}

fn rows(hub: &Hub, path: &str) -> Vec<Value> {
    let mut found = hub.get(path).expect(200).json();
    found["rows"].as_array_mut().map(std::mem::take).unwrap_or_default()
}

fn id(row: &Value) -> &str {
    row["id"].as_str().unwrap_or_default()
}
