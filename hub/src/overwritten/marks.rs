//! How far databases were looked through, kept in a local document of `_overwritten`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use store::{Database, Error, LocalId};

/// The local document.
const MARKS: &str = "_local/published";

/// Most documents that are remembered as worth looking at.
const ATTENTION_MAX: usize = 1000;

/// How far databases were looked through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Marks {
    /// Up to which update sequence `_overwritten` itself was.
    pub(super) dismissed: String,
    /// By uuid.
    pub(super) databases: BTreeMap<String, Mark>,
    /// Ids of documents of `_overwritten` that somebody should look at.
    pub(super) attention: BTreeSet<String>,
}

/// How far one database was looked through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Its update sequence then.
    pub(super) seq: String,
    /// The last row.
    pub(super) row: u64,
}

impl Marks {
    /// As they were written last; one that cannot be read is none, and everything is looked through
    /// again.
    pub(super) fn read(published: &Database) -> Result<Self, Error> {
        let id = id()?;
        let local = published.read(|snapshot| snapshot.local(&id))?;
        let text = local.map(|local| local.json).unwrap_or_default();
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Writes them down.
    pub(super) fn write(&self, published: &Database) -> Result<(), Error> {
        let text = serde_json::to_string(self).unwrap_or_default();
        published.write_local(id()?, 0, Some(text)).map(|_rev| ())
    }

    /// Remembers that somebody should look at a document.
    pub(super) fn call_attention(&mut self, id: String) {
        if self.attention.len() < ATTENTION_MAX {
            self.attention.insert(id);
        }
    }
}

fn id() -> Result<LocalId, Error> {
    MARKS.parse().map_err(|_| Error::NoDatabase)
}
