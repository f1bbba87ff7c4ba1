//! Edits as people and apps make them: from what is there, in one place or in several at once.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tests::{Body, Chance, Client, Reply};

use crate::ledger::{Acknowledged, Ledger};
use crate::needs_node::DATABASES;

/// Documents that are edited, of each database.
const DOCUMENTS: u64 = 12;

/// Tells every edit from every other: none is lost because it says what another one does.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A document that is edited.
pub(crate) fn document(chance: &mut Chance) -> String {
    format!("d{}", chance.below(DOCUMENTS))
}

/// Edits one document at one peer or, seeing nothing of each other, at some.
pub(crate) fn burst(peers: &[(&'static str, &Client)], chance: &mut Chance, ledger: &mut Ledger) {
    let database = DATABASES[chance.below(2) as usize];
    let id = document(chance);
    let path = format!("/{database}/{id}");
    let places = [1, 1, 1, 2, 3][chance.below(5) as usize];
    let first = chance.below(peers.len() as u64) as usize;
    // Neighbours in the list are further apart than they look: 1 and 2 have never met.
    let chosen = (0..places).map(|step| peers[(first + step) % peers.len()]);
    let seen: Vec<_> = chosen
        .map(|(name, peer)| (name, peer, peer.get(&format!("{path}?conflicts=true"))))
        .collect();
    for (peer, client, seen) in seen {
        let reply = edit(client, &path, &seen, chance);
        // Somebody else may have been faster; nobody minds. PouchDB says it so of what was deleted meanwhile.
        let was_deleted = reply.status == 404 && matches!(peer, "server" | "app");
        assert!(matches!(reply.status, 200..=202 | 409) || was_deleted, "{peer}: {reply}");
        if let Some(rev) = acknowledged(&reply) {
            ledger.note(Acknowledged { peer, database, id: id.clone(), rev });
        }
    }
}

fn edit(peer: &Client, path: &str, seen: &Reply, chance: &mut Chance) -> Reply {
    let there = if seen.status == 200 { seen.json() } else { Value::Null };
    let conflicts = there["_conflicts"].as_array().cloned().unwrap_or_default();
    let loser = conflicts.first().and_then(Value::as_str).filter(|_| chance.once_in(3));
    let winner = there["_rev"].as_str();
    match (loser, winner, chance.below(10)) {
        // An app decides a conflict.
        (Some(rev), _, 0..5) => peer.delete(&format!("{path}?rev={rev}")),
        (Some(rev), ..) => peer.put(path, body(Some(rev))),
        (None, Some(rev), 0) => peer.delete(&format!("{path}?rev={rev}")),
        (None, rev, 1 | 2) => {
            let query = rev.map(|rev| format!("?rev={rev}")).unwrap_or_default();
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let mut bytes = vec![count as u8; chance.below(100_000) as usize];
            bytes.extend(count.to_be_bytes());
            let bytes = Body::bytes(bytes, "application/octet-stream");
            peer.put(&format!("{path}/file{query}"), bytes)
        }
        (None, rev, _) => peer.put(path, body(rev)),
    }
}

fn body(rev: Option<&str>) -> Value {
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut body = json!({"text": format!("edit {count}")});
    if let Some(rev) = rev {
        body["_rev"] = rev.into();
    }
    body
}

/// Writes on top of what wins at a peer; the revision, when nobody was faster.
pub(crate) fn write(
    peer: &Client,
    name: &'static str,
    database: &'static str,
    id: &str,
    ledger: &mut Ledger,
) -> Option<String> {
    let edit = try_write(peer, name, database, id)?;
    let rev = edit.rev.clone();
    ledger.note(edit);
    Some(rev)
}

/// The same where the peer may be killed at any moment.
pub(crate) fn try_write(
    peer: &Client,
    name: &'static str,
    database: &'static str,
    id: &str,
) -> Option<Acknowledged> {
    let path = format!("/{database}/{id}");
    let there = peer.request("GET", &path).try_send("").ok()?;
    let rev = (there.status == 200).then(|| there.text("_rev"));
    let reply = peer.request("PUT", &path).try_send(body(rev.as_deref())).ok()?;
    let rev = acknowledged(&reply)?;
    Some(Acknowledged { peer: name, database, id: id.to_owned(), rev })
}

fn acknowledged(reply: &Reply) -> Option<String> {
    let told = matches!(reply.status, 200..=202).then(|| reply.json())?;
    Some(told["rev"].as_str().expect("a revision").to_owned())
}
