//! Sharing with other people's hubs, as real processes over TLS on this machine.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod invitations;
mod pause;
mod reads;
mod shares;
mod support;
mod views;

use serde_json::{Value, json};
use tests::{Hub, eventually};

/// Two people's hubs that know each other; the first has recipes and a diary.
#[track_caller]
fn friends() -> (Hub, Hub) {
    let (anna, bert) = tests::friends();
    anna.put("/recipes", "").expect(201);
    anna.put("/recipes/soup", json!({"text": "water", "title": "Soup"})).expect(201);
    anna.put("/recipes/bread", json!({"text": "flour", "title": "Bread"})).expect(201);
    anna.put("/diary", "").expect(201);
    anna.put("/diary/monday", json!({"text": "secret"})).expect(201);
    (anna, bert)
}

#[track_caller]
fn share(hub: &Hub, place: &str, with: &str, right: &str) -> Value {
    let asked = json!({"place": place, "with": with, "right": right});
    hub.post("/_hub/shares", asked).expect(201).json()
}

#[track_caller]
fn unshare(hub: &Hub, place: &str, with: &str) {
    let place = place.replace('/', "%2F");
    hub.delete(&format!("/_hub/shares?place={place}&with={with}")).expect(200);
}

#[track_caller]
fn shares(hub: &Hub) -> Vec<Value> {
    let answer = hub.get("/_hub/shares").expect(200).json();
    answer["shares"].as_array().unwrap().clone()
}

#[track_caller]
fn invitations(hub: &Hub) -> Vec<Value> {
    let answer = hub.get("/_hub/invitations").expect(200).json();
    answer["invitations"].as_array().unwrap().clone()
}

/// Waits for an invitation that is so, and hands it back.
#[track_caller]
fn await_invitation(hub: &Hub, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || {
        let all = invitations(hub);
        all.iter().find(|invitation| is_so(invitation)).cloned().ok_or_else(|| format!("{all:?}"))
    })
}

/// Waits until the friend offers a database of this name, and takes it; what it is called here.
#[track_caller]
fn accept(hub: &Hub, name: &str) -> String {
    let invitation = await_invitation(hub, "an invitation", |one| one["name"] == name);
    let path = format!("/_hub/invitations/{}", invitation["id"].as_str().unwrap());
    let taken = hub.post(&path, json!({"accept": true})).expect(201).json();
    taken["database"].as_str().unwrap().to_owned()
}

/// A database's path in URLs.
fn path(name: &str) -> String {
    format!("/{}", name.replace('/', "%2F"))
}

/// The live documents of a database, without `_id` and `_rev`, in the order of their text.
#[track_caller]
fn bodies(hub: &Hub, name: &str) -> Vec<Value> {
    let reply = hub.get(&format!("{}/_all_docs?include_docs=true", path(name)));
    if reply.status != 200 {
        return Vec::new();
    }
    let answer = reply.json();
    let rows = answer["rows"].as_array().unwrap().iter();
    let mut bodies: Vec<Value> = rows
        .map(|row| {
            let mut document = row["doc"].as_object().unwrap().clone();
            document.retain(|name, _| !name.starts_with('_'));
            document.into()
        })
        .collect();
    bodies.sort_by_key(Value::to_string);
    bodies
}

/// Waits until a database has just these documents.
#[track_caller]
fn await_bodies(hub: &Hub, name: &str, expected: &[Value]) {
    let mut expected = expected.to_vec();
    expected.sort_by_key(Value::to_string);
    eventually(name, || {
        let bodies = bodies(hub, name);
        match bodies == expected {
            true => Ok(()),
            false => Err(format!("{} documents, {:?}", bodies.len(), bodies.iter().take(9))),
        }
    });
}
