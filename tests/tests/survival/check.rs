//! After a kill: is what was acknowledged there, and do the indices agree with it?

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::Hub;

use super::DATABASE;
use super::ledger::{Document, State};
use super::writer::Writer;

const BATCH: usize = 200;

/// Documents as the changes feed has them: id → (revision, deleted).
type Feed = BTreeMap<String, (String, bool)>;

/// Everything that is wrong, in words; the ledgers take what was found as their new truth.
pub(crate) fn check(hub: &Hub, writers: &mut [Writer]) -> Vec<String> {
    let mut wrong = Vec::new();
    let feed = feed(hub);
    indices_agree(hub, &feed, &mut wrong);

    let written: BTreeSet<_> =
        writers.iter().flat_map(|writer| writer.ledger.documents.keys()).cloned().collect();
    let unknown = feed.keys().filter(|id| !written.contains(*id));
    wrong.extend(unknown.map(|id| format!("{id} is there, and nobody wrote it")));

    let databases = hub.get("/_all_dbs").expect(200).json();
    let databases: Vec<_> = databases.as_array().cloned().unwrap_or_default();
    for ledger in writers.iter_mut().map(|writer| &mut writer.ledger) {
        documents(hub, &feed, &mut ledger.documents, &mut wrong);
        for (id, local) in &mut ledger.locals {
            let reply = hub.get(&format!("/{DATABASE}/_local/{id}"));
            let found = (reply.status == 200).then(|| reply.json()["number"].as_u64()).flatten();
            let expected = format!("{local:?}");
            if !local.settle(found) {
                wrong.push(format!("_local/{id}: found {found:?}, expected {expected}: {reply}"));
            }
        }
        for (name, database) in &mut ledger.databases {
            let found = databases.contains(&json!(name));
            let expected = format!("{database:?}");
            let never = database.acknowledged.is_none() && !found;
            if !database.settle(Some(found)) && !never {
                wrong.push(format!("database {name}: exists {found}, expected {expected}"));
            }
        }
    }
    wrong
}

fn feed(hub: &Hub) -> Feed {
    let found = hub.get(&format!("/{DATABASE}/_changes?style=all_docs")).expect(200).json();
    let rows = found["results"].as_array().cloned().unwrap_or_default();
    let mut feed = Feed::new();
    for row in rows {
        let id = row["id"].as_str().unwrap_or_default().to_owned();
        let leaves = row["changes"].as_array().map_or(0, Vec::len);
        assert_eq!(leaves, 1, "every edit has one parent, yet there are branches: {row}");
        let rev = row["changes"][0]["rev"].as_str().unwrap_or_default().to_owned();
        let before = feed.insert(id, (rev, row["deleted"] == json!(true)));
        assert!(before.is_none(), "twice in _changes: {row}");
    }
    feed
}

/// `_changes`, `_all_docs` and the counts tell of the same documents.
fn indices_agree(hub: &Hub, feed: &Feed, wrong: &mut Vec<String>) {
    let listed = hub.get(&format!("/{DATABASE}/_all_docs")).expect(200).json();
    let rows = listed["rows"].as_array().cloned().unwrap_or_default();
    let listed_revs: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (row["id"].as_str().unwrap_or_default(), row["value"]["rev"].as_str()))
        .collect();
    let alive = feed.iter().filter(|(_, (_, deleted))| !deleted);
    let fed_revs: BTreeMap<_, _> =
        alive.map(|(id, (rev, _))| (id.as_str(), Some(rev.as_str()))).collect();
    for id in listed_revs.keys().chain(fed_revs.keys()).collect::<BTreeSet<_>>() {
        let (listed, fed) = (listed_revs.get(id), fed_revs.get(id));
        if listed != fed {
            wrong.push(format!("{id}: _all_docs has {listed:?}, _changes has {fed:?}"));
        }
    }

    let info = hub.get(&format!("/{DATABASE}")).expect(200).json();
    let counts = [
        ("doc_count", &info["doc_count"], fed_revs.len()),
        ("doc_del_count", &info["doc_del_count"], feed.len() - fed_revs.len()),
        ("total_rows", &listed["total_rows"], fed_revs.len()),
    ];
    for (name, told, counted) in counts {
        if told != &json!(counted) {
            wrong.push(format!("{name} is {told}, _changes has {counted}"));
        }
    }
}

fn documents(
    hub: &Hub,
    feed: &Feed,
    documents: &mut BTreeMap<String, Document>,
    wrong: &mut Vec<String>,
) {
    let bodies = bodies(hub, feed, documents.keys());
    for (id, document) in documents {
        let expected = format!("{document:?}");
        match bodies.get(id) {
            Some(body) => {
                if let Err(reason) = found(hub, id, body, document) {
                    wrong.push(format!("{id}: {reason}; expected {expected}, found {body}"));
                }
            }
            None if document.rev.is_some() => {
                wrong.push(format!("{id} is gone; expected {expected}"));
            }
            None => *document = Document::default(),
        }
    }
}

/// The documents' current revisions with their histories.
fn bodies<'a>(
    hub: &Hub,
    feed: &Feed,
    ids: impl Iterator<Item = &'a String>,
) -> BTreeMap<String, Value> {
    let asked: Vec<_> =
        ids.filter_map(|id| Some(json!({ "id": id, "rev": feed.get(id)?.0 }))).collect();
    let mut bodies = BTreeMap::new();
    for batch in asked.chunks(BATCH) {
        let path = format!("/{DATABASE}/_bulk_get?revs=true");
        let reply = hub.post(&path, json!({ "docs": batch })).expect(200);
        for result in reply.json()["results"].as_array().into_iter().flatten() {
            let body = &result["docs"][0]["ok"];
            assert!(body.is_object(), "listed in _changes, not to be had: {result}");
            bodies.insert(result["id"].as_str().unwrap_or_default().to_owned(), body.clone());
        }
    }
    bodies
}

/// Compares a document that is there with what its writer knows, and settles.
fn found(hub: &Hub, id: &str, body: &Value, document: &mut Document) -> Result<(), String> {
    let rev = body["_rev"].as_str().unwrap_or_default().to_owned();
    let known = document.rev.replace(rev.clone());
    let acknowledged = document.state.acknowledged.take();
    let in_flight = document.state.in_flight.take();
    let is_acknowledged = known.as_ref() == Some(&rev);
    let expected = if is_acknowledged { acknowledged } else { in_flight };
    document.state.acknowledged.clone_from(&expected);

    let Some(expected) = expected else {
        return Err("a revision that was neither acknowledged nor in flight".into());
    };
    if let Some(known) = known.filter(|known| !ancestry(body).contains(known)) {
        return Err(format!("acknowledged {known} is not in its history"));
    }
    let deleted = body["_deleted"] == json!(true);
    if deleted != expected.deleted || !expected.is_said_by(body) {
        return Err("another body".into());
    }
    attachments(hub, id, body, &expected)
}

/// The revision and its ancestors.
fn ancestry(body: &Value) -> Vec<String> {
    let start = body["_revisions"]["start"].as_u64().unwrap_or_default();
    let ids = body["_revisions"]["ids"].as_array().into_iter().flatten();
    let ids = ids.filter_map(Value::as_str);
    (0..start).rev().zip(ids).map(|(below, id)| format!("{}-{id}", below + 1)).collect()
}

fn attachments(hub: &Hub, id: &str, body: &Value, expected: &State) -> Result<(), String> {
    let stubs = body["_attachments"].as_object();
    let names: BTreeSet<_> = stubs.into_iter().flat_map(|stubs| stubs.keys()).collect();
    if names != expected.attachments.keys().collect() {
        return Err("other attachments".into());
    }
    for (name, blob) in &expected.attachments {
        let reply = hub.get(&format!("/{DATABASE}/{id}/{name}")).expect(200);
        if reply.body != blob.bytes() {
            return Err(format!("attachment {name}: other bytes ({})", reply.body.len()));
        }
    }
    Ok(())
}
