//! Which packages' descriptions speak of something?

use serde_json::{Value, json};

use super::super::DATABASE;
use super::super::report::{count, say};
use super::twice;
use crate::Hub;

const DESIGN: &str = "words";
const NAME: &str = "descriptions";

const INDEX: &str = "function (doc) {
    if (doc.description) index('default', doc.description);
    if (doc.package) index('package', doc.package);
}";

/// What is looked for.
const QUESTION: &str = "librar* AND NOT python";

/// Packages that are found, and how many of them are named.
const FOUND_MAX: usize = 25;
const NAMED_MAX: usize = 3;

pub(super) fn define(hub: &Hub) {
    let indexes = json!({ NAME: { "index": INDEX, "analyzer": "english" } });
    hub.put(&format!("/{DATABASE}/_design/{DESIGN}"), json!({ "indexes": indexes })).expect(201);
}

/// The first packages by name, and how many there are. The first question makes the index.
pub(super) fn ask(name: &str, hub: &Hub) -> Value {
    let question = json!({ "q": QUESTION, "sort": "package<string>", "limit": FOUND_MAX });
    let what = format!("descriptions with \"{QUESTION}\"");
    let path = format!("/{DATABASE}/_design/{DESIGN}/_search/{NAME}");
    let found = twice(name, hub, &what, |hub| hub.post(&path, &question));
    let info = format!("/{DATABASE}/_design/{DESIGN}/_search_info/{NAME}");
    let info = hub.get(&info).expect(200).json();
    let bytes = |name: &str| count(info["search_index"][name].as_u64().unwrap_or_default());
    let (documents, size) = (bytes("doc_count"), bytes("disk_size"));
    say(&format!("hub {name}"), format!("{documents} documents by their words in {size} bytes"));
    json!({ "total": found["total_rows"], "rows": found["rows"] })
}

/// Prints how many were found, and the first of them.
pub(super) fn show(found: &Value) {
    let rows = found["rows"].as_array().into_iter().flatten();
    let ids: Vec<_> = rows.take(NAMED_MAX).filter_map(|row| row["id"].as_str()).collect();
    let total = count(found["total"].as_u64().unwrap_or_default());
    say("search", format!("{total} packages, of which the first are {}", ids.join(", ")));
}
