//! Hubs that pair, as real processes over TLS on this machine.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod agree;
mod at_once;
mod command_line;
mod hostile;
mod links;
mod returning;

use serde_json::{Value, json};
use tests::{Hub, eventually};

/// Opens a window; the session.
#[track_caller]
fn open(hub: &Hub, asked: Value) -> Value {
    hub.post("/_hub/pairing", asked).expect(201).json()
}

/// Goes to a window; the session.
#[track_caller]
fn join(hub: &Hub, asked: Value) -> Value {
    hub.post("/_hub/pairing/join", asked).expect(201).json()
}

fn path(session: &Value) -> String {
    format!("/_hub/pairing/{}", session["id"].as_str().unwrap())
}

/// Waits until a session is in this state, and hands it over.
#[track_caller]
fn await_state(hub: &Hub, session: &Value, state: &str) -> Value {
    eventually(state, || {
        let found = hub.get(&path(session)).expect(200).json();
        if found["state"] == state { Ok(found) } else { Err(found.to_string()) }
    })
}

#[track_caller]
fn confirm(hub: &Hub, session: &Value, said: Value) -> Value {
    hub.post(&format!("{}/confirm", path(session)), said).expect(200).json()
}

#[track_caller]
fn refuse(hub: &Hub, session: &Value) {
    hub.post(&format!("{}/refuse", path(session)), json!({})).expect(200);
}

/// Both sides say yes.
#[track_caller]
fn agree((host, waiting): (&Hub, &Value), (guest, coming): (&Hub, &Value)) {
    confirm(host, waiting, json!({}));
    confirm(guest, coming, json!({}));
    await_state(host, waiting, "done");
    await_state(guest, coming, "done");
}

/// Where a hub is reached, without its key.
#[track_caller]
fn address(hub: &Hub) -> String {
    hub.tls_url().trim_start_matches("https://").trim_end_matches('/').to_owned()
}

/// Whom a hub knows: devices and friends, by their names.
#[track_caller]
fn known(hub: &Hub) -> Vec<(String, Value)> {
    let of = |path: &str, member: &str| hub.get(path).expect(200).json()[member].clone();
    let lists = [of("/_hub/devices", "devices"), of("/_hub/friends", "friends")];
    let records = lists.iter().flat_map(|list| list.as_array().cloned().unwrap_or_default());
    let others = records.filter(|record| record["key"] != hub.key() && record["this"] != true);
    others.map(|record| (record["name"].as_str().unwrap().to_owned(), record)).collect()
}

/// Two hubs that are shown to each other, by a link of the first one's.
#[track_caller]
fn met(host: &Hub, guest: &Hub, kind: &str) -> (Value, Value) {
    let waiting = open(host, json!({"kind": kind, "me": "Anna"}));
    let coming = join(guest, json!({"link": waiting["link"], "me": "Bert"}));
    (await_state(host, &waiting, "confirm"), await_state(guest, &coming, "confirm"))
}
