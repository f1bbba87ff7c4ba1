//! What peers have of a database, and that it comes to be the same.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::{Client, eventually};

/// Everything that has to be the same everywhere.
#[derive(Debug, PartialEq)]
pub(crate) struct Contents {
    /// The winner of every document, deleted ones included, and all its leaves in order.
    pub(crate) winners: BTreeMap<String, (String, Vec<String>)>,
    /// Every leaf with its history and the bytes of its attachments, by document and revision.
    pub(crate) leaves: BTreeMap<(String, String), Value>,
}

impl Contents {
    /// The leaves of a document that are not deleted.
    pub(crate) fn live_leaves(&self, id: &str) -> impl Iterator<Item = &str> {
        let of = self.leaves.iter().filter(move |((document, _), _)| document == id);
        of.filter(|(_, doc)| doc["_deleted"] != true).map(|((_, rev), _)| rev.as_str())
    }
}

/// Waits until all peers have the same, markers included; what that is.
#[track_caller]
pub(crate) fn await_same(
    peers: &[(&'static str, &Client)],
    database: &str,
    markers: &[String],
    seed: u64,
) -> Contents {
    let winners = eventually("the same", || {
        let (first, others) = peers.split_first().unwrap();
        let ours = winners_of(first.1, database);
        if let Some(missing) = markers.iter().find(|id| !ours.contains_key(*id)) {
            return Err(format!("MESH_SEED={seed}: {database}: {} lacks {missing}", first.0));
        }
        for (name, other) in others {
            let theirs = winners_of(other, database);
            if let Some(id) = first_difference(&ours, &theirs) {
                return Err(format!(
                    "MESH_SEED={seed}: {database}/{id}: {} has {:?}, {name} has {:?}",
                    first.0,
                    ours.get(id),
                    theirs.get(id)
                ));
            }
        }
        Ok(ours)
    });
    let mut same: Option<Contents> = None;
    for (name, peer) in peers {
        let found = Contents { leaves: leaves(peer, database, &winners), winners: winners.clone() };
        let Some(same) = &same else {
            same = Some(found);
            continue;
        };
        // What an app of PouchDB's has fetched may have the attachments of another revision.
        let compared = |doc: &Value| if *name == "app" { without_bytes(doc) } else { doc.clone() };
        for (leaf, doc) in &found.leaves {
            let expected = compared(&same.leaves[leaf]);
            assert!(compared(doc) == expected, "MESH_SEED={seed}: {database}: {leaf:?} at {name}");
        }
    }
    same.unwrap()
}

type Winners = BTreeMap<String, (String, Vec<String>)>;

fn first_difference<'a>(ours: &'a Winners, theirs: &'a Winners) -> Option<&'a String> {
    let mut all = ours.keys().chain(theirs.keys());
    all.find(|id| ours.get(*id) != theirs.get(*id))
}

fn winners_of(peer: &Client, database: &str) -> Winners {
    let path = format!("/{database}/_changes?style=all_docs&include_docs=true");
    let changes = peer.get(&path).expect(200).json();
    let row = |row: &Value| {
        let revs = row["changes"].as_array().unwrap().iter();
        let mut leaves: Vec<String> = revs.map(|change| text(&change["rev"])).collect();
        leaves.sort();
        (text(&row["id"]), (text(&row["doc"]["_rev"]), leaves))
    };
    changes["results"].as_array().unwrap().iter().map(row).collect()
}

fn leaves(peer: &Client, database: &str, winners: &Winners) -> BTreeMap<(String, String), Value> {
    let of = |(id, (_, leaves)): (&String, &(String, Vec<String>))| {
        let id = id.clone();
        leaves.clone().into_iter().map(move |rev| (id.clone(), rev))
    };
    let wanted = winners.iter().flat_map(of);
    wanted
        .map(|(id, rev)| {
            let path = format!("/{database}/{id}?rev={rev}&revs=true&attachments=true");
            let accept = ("accept", "application/json");
            let mut doc =
                peer.request("GET", &path).header(accept.0, accept.1).send("").expect(200).json();
            for (_, attachment) in doc["_attachments"].as_object_mut().into_iter().flatten() {
                // Of the bytes as they are stored, which hubs and PouchDB do differently.
                attachment["digest"] = json!(null);
            }
            ((id, rev), doc)
        })
        .collect()
}

/// The same, of each attachment no more than that it is there.
fn without_bytes(doc: &Value) -> Value {
    let mut doc = doc.clone();
    for (_, attachment) in doc["_attachments"].as_object_mut().into_iter().flatten() {
        *attachment = Value::Null;
    }
    doc
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
