//! That nothing is lost: every edit that was acknowledged is current, or what somebody wrote next follows it,
//! or it is among those that were overwritten.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::contents::Contents;
use crate::device::Device;
use crate::ledger::Ledger;

/// The revisions that hubs list as overwritten.
pub(crate) fn overwritten(hubs: &[Device], database: &str) -> BTreeSet<String> {
    let of = |device: &Device| {
        let listed = device.hub().get("/_hub/overwritten").expect(200).json();
        assert_eq!(listed["more"], false);
        let rows = listed["overwritten"].as_array().unwrap().clone();
        let rows = rows.into_iter().filter(|row| row["database"] == database);
        rows.map(|row| row["revision"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    hubs.iter().flat_map(of).collect()
}

/// Nothing that anybody acknowledged is gone.
#[track_caller]
pub(crate) fn assert_nothing_is(
    same: &Contents,
    overwritten: &BTreeSet<String>,
    ledger: &Ledger,
    database: &str,
) {
    for edit in ledger.of(database).filter(|edit| !ledger.is_forgotten(edit)) {
        let of = same.leaves.iter().filter(|((id, _), _)| *id == edit.id);
        let mut lines = of.map(|((id, rev), leaf)| {
            let line = line(leaf);
            // A tombstone that nobody wrote is a hub's decision, and follows nothing.
            let decided = leaf["_deleted"] == true && !ledger.has(database, id, rev);
            if decided { line[1..].to_vec() } else { line }
        });
        let is_kept = match overwritten.contains(&edit.rev) {
            true => true,
            false => lines.any(|line| {
                let at = line.iter().position(|rev| *rev == edit.rev);
                let is_leaf =
                    |rev: &String| same.leaves.contains_key(&(edit.id.clone(), rev.clone()));
                at.is_some_and(|at| at > 0 || is_leaf(&line[0]))
            }),
        };
        assert!(is_kept, "{edit:?} is nowhere: {:?}", same.winners.get(&edit.id));
    }
}

/// A leaf and all that it follows, newest first.
fn line(leaf: &Value) -> Vec<String> {
    let revisions = &leaf["_revisions"];
    let start = revisions["start"].as_u64().unwrap();
    let ids = revisions["ids"].as_array().unwrap().iter().zip(0..);
    ids.map(|(id, back)| format!("{}-{}", start - back, id.as_str().unwrap())).collect()
}
