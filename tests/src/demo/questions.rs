//! A view, a Mango query and a full-text query about the packages, asked of both hubs.

mod find;
mod search;
mod view;

use std::time::{Duration, Instant};

use serde_json::Value;

use super::DATABASE;
use super::report::{count, millis, rate, say};
use crate::{Hub, Reply};

/// What a hub answers.
#[derive(Debug, PartialEq)]
pub(crate) struct Answers {
    grouped: Value,
    found: Value,
    searched: Value,
}

/// Makes the view and the index in a hub, one after the other, and asks it; replication takes them to
/// the others.
pub(crate) fn begin(name: &str, hub: &Hub) -> Answers {
    view::define(hub);
    update(name, hub, &[view::INDEX]);
    find::define(hub);
    update(name, hub, &[find::INDEX]);
    search::define(hub);
    answers(name, hub)
}

/// Asks a hub, which brings its indexes up to date first, all at once.
pub(crate) fn ask(name: &str, hub: &Hub) -> Answers {
    update(name, hub, &[view::INDEX, find::INDEX]);
    answers(name, hub)
}

impl Answers {
    /// Prints what the view and the queries have found.
    pub(crate) fn show(&self) {
        view::show(&self.grouped);
        find::show(&self.found);
        search::show(&self.searched);
    }

    /// Where another hub answers otherwise.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let pairs = [
            ("the view", &self.grouped, &other.grouped),
            ("the Mango query", &self.found, &other.found),
            ("the full-text query", &self.searched, &other.searched),
        ];
        let unequal = pairs.into_iter().filter(|(_, ours, theirs)| ours != theirs);
        unequal.map(|(what, ..)| format!("{what} is answered differently")).collect()
    }
}

/// A design document, and a question that its index answers with hardly a row.
struct Index {
    design: &'static str,
    question: fn(&Hub) -> Reply,
}

fn answers(name: &str, hub: &Hub) -> Answers {
    let grouped = view::ask(name, hub);
    let section = view::largest_section(&grouped);
    let found = find::ask(name, hub, &section);
    let searched = search::ask(name, hub);
    Answers { grouped, found, searched }
}

/// Brings indexes up to date, and tells what that took.
fn update(name: &str, hub: &Hub, indexes: &[Index]) {
    let start = Instant::now();
    // Whoever looks at one has it updated in the background, so the time runs already.
    let before: u64 = indexes.iter().map(|index| pending(&info(hub, index.design))).sum();
    for index in indexes {
        (index.question)(hub).expect(200);
    }
    let took = start.elapsed();
    let mut sizes = Vec::new();
    for Index { design, .. } in indexes {
        let info = info(hub, design);
        assert_eq!(pending(&info), 0, "{design} is not up to date: {info}");
        let bytes = count(info["sizes"]["file"].as_u64().unwrap_or_default());
        sizes.push(format!("{} {bytes} bytes", info["language"].as_str().unwrap_or_default()));
    }
    let (changes, rate, sizes) = (count(before), rate(before, took), sizes.join(", "));
    say(&format!("hub {name}"), format!("indexed {changes} changes: {rate}; files: {sizes}"));
}

/// Asks twice; both answers are the same.
fn twice(name: &str, hub: &Hub, what: &str, question: impl Fn(&Hub) -> Reply) -> Value {
    let about = format!("hub {name}");
    let (first, took_first) = timed(|| question(hub));
    let (next, took_next) = timed(|| question(hub));
    assert!(first.body == next.body, "asked again: {first} became {next}");
    let (took_first, took_next) = (millis(took_first), millis(took_next));
    say(&about, format!("{what}: first answer {took_first}, next {took_next}"));
    first.json()
}

fn timed(question: impl FnOnce() -> Reply) -> (Reply, Duration) {
    let start = Instant::now();
    let reply = question().expect(200);
    (reply, start.elapsed())
}

/// How many changes an index does not have yet.
fn pending(info: &Value) -> u64 {
    info["updates_pending"]["total"].as_u64().unwrap_or_default()
}

fn info(hub: &Hub, design: &str) -> Value {
    let info = hub.get(&format!("/{DATABASE}/_design/{design}/_info")).expect(200).json();
    info["view_index"].clone()
}
