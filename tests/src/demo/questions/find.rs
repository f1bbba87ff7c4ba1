//! What are the packages of one section that take the most room?

use serde_json::{Value, json};

use super::super::DATABASE;
use super::super::report::{count, say};
use super::{Index, twice};
use crate::{Hub, Reply};

const DESIGN: &str = "sizes";
const NAME: &str = "by-section-and-size";

pub(super) const INDEX: Index = Index { design: DESIGN, question: |hub| find(hub, &any()) };

/// Packages that are found, and how many of them are named.
const FOUND_MAX: usize = 25;
const NAMED_MAX: usize = 3;

pub(super) fn define(hub: &Hub) {
    let index = json!({
        "index": { "fields": ["section", "installed_size"] }, "ddoc": DESIGN, "name": NAME,
    });
    hub.post(&format!("/{DATABASE}/_index"), index).expect(200);
}

/// The packages, the largest first, with the members that say so.
pub(super) fn ask(name: &str, hub: &Hub, section: &str) -> Value {
    let question = question(section);
    let explained = hub.post(&format!("/{DATABASE}/_explain"), &question).expect(200).json();
    let index = &explained["index"]["name"];
    assert_eq!(*index, NAME, "{explained}");
    let what = format!("packages of {section} by size, by the index {index}");
    twice(name, hub, &what, |hub| find(hub, &question))["docs"].take()
}

/// Prints the largest packages.
pub(super) fn show(found: &Value) {
    for package in found.as_array().into_iter().flatten().take(NAMED_MAX) {
        let text = |name: &str| package[name].as_str().unwrap_or_default();
        let kilobytes = count(package["installed_size"].as_u64().unwrap_or_default());
        say("find", format!("{} of {}: {kilobytes} kB", text("_id"), text("section")));
    }
}

fn find(hub: &Hub, question: &Value) -> Reply {
    hub.post(&format!("/{DATABASE}/_find"), question)
}

/// Any package, which takes the index.
fn any() -> Value {
    let selector = json!({ "section": { "$gt": null }, "installed_size": { "$gt": null } });
    json!({ "selector": selector, "use_index": [DESIGN, NAME], "limit": 1 })
}

fn question(section: &str) -> Value {
    json!({
        "selector": { "section": section, "installed_size": { "$gt": 0 } },
        "fields": ["_id", "section", "installed_size"],
        "sort": [{ "section": "desc" }, { "installed_size": "desc" }],
        "limit": FOUND_MAX,
    })
}
