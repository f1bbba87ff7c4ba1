//! What a writer was told, and what it was waiting for when the hub died.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::random::Random;

/// Something a writer writes again and again.
#[derive(Debug)]
pub(crate) struct Known<T> {
    /// What the hub acknowledged last.
    pub(crate) acknowledged: Option<T>,
    /// A write without an answer: it may have happened or not.
    pub(crate) in_flight: Option<T>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { acknowledged: None, in_flight: None }
    }
}

impl<T: PartialEq> Known<T> {
    /// The hub has answered.
    pub(crate) fn acknowledge(&mut self) {
        self.acknowledged = self.in_flight.take();
    }

    /// Takes what was found after a kill as the new truth; `false` when it cannot be.
    pub(crate) fn settle(&mut self, found: Option<T>) -> bool {
        let as_acknowledged = found == self.acknowledged;
        let as_in_flight = self.in_flight.is_some() && found == self.in_flight;
        self.in_flight = None;
        self.acknowledged = found;
        as_acknowledged || as_in_flight
    }
}

/// All that one writer knows.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) documents: BTreeMap<String, Document>,
    /// Local documents by the number they hold.
    pub(crate) locals: BTreeMap<String, Known<u64>>,
    /// Databases by whether they exist.
    pub(crate) databases: BTreeMap<String, Known<bool>>,
}

/// One document, whose every revision has one parent.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// The acknowledged revision.
    pub(crate) rev: Option<String>,
    pub(crate) state: Known<State>,
}

/// What a revision says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) deleted: bool,
    /// Counts the document's edits; 0 in a deletion.
    pub(crate) number: u64,
    pub(crate) attachments: BTreeMap<String, Blob>,
}

impl State {
    /// The body that says so, without `_rev`.
    pub(crate) fn body(&self, id: &str) -> Value {
        json!({ "_id": id, "number": self.number, "text": text(self.number) })
    }

    /// Whether a body read back is this state's.
    pub(crate) fn is_said_by(&self, doc: &Value) -> bool {
        self.deleted || (doc["number"] == self.number && doc["text"] == text(self.number))
    }
}

fn text(number: u64) -> String {
    "All work and no play. ".repeat(usize::try_from(number % 40).unwrap_or_default())
}

/// An attachment's bytes, by what they are made from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Blob {
    pub(crate) seed: u64,
    pub(crate) length: usize,
}

impl Blob {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut random = Random::new(self.seed);
        std::iter::repeat_with(|| random.next().to_le_bytes()).flatten().take(self.length).collect()
    }
}
