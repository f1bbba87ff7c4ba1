//! How far databases were looked through, kept in a local document of `_overwritten`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use store::{Database, Error, LocalId, Millis};

/// The local document.
const MARKS: &str = "_local/published";

/// Most documents that are remembered as worth looking at.
const ATTENTION_MAX: usize = 1000;

/// How often it is written down how far databases were looked through that had lost nothing: after a crash
/// they are looked through again.
const WRITE_EVERY_MS: u64 = 60_000;

/// How far databases were looked through, held in memory.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(super) marks: Option<Marks>,
    written: Option<Millis>,
}

impl Published {
    /// The marks, read where they are not yet known.
    pub(super) fn marks(&mut self, published: &Database) -> Result<&mut Marks, Error> {
        match &mut self.marks {
            Some(marks) => Ok(marks),
            unknown => Ok(unknown.insert(Marks::read(published)?)),
        }
    }

    /// Writes the marks down, at once where they are `urgent`.
    pub(super) fn keep(
        &mut self,
        published: &Database,
        urgent: bool,
        now: Millis,
    ) -> Result<(), Error> {
        let Some(marks) = &self.marks else { return Ok(()) };
        let is_due = self.written.is_none_or(|at| now.0.abs_diff(at.0) >= WRITE_EVERY_MS);
        if urgent || is_due {
            marks.write(published)?;
            self.written = Some(now);
        }
        Ok(())
    }
}

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
    fn read(published: &Database) -> Result<Self, Error> {
        let id = id()?;
        let local = published.read(|snapshot| snapshot.local(&id))?;
        let text = local.map(|local| local.json).unwrap_or_default();
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Writes them down.
    fn write(&self, published: &Database) -> Result<(), Error> {
        let text = serde_json::to_string(self).unwrap_or_default();
        published.write_local(id()?, 0, Some(text)).map(|_rev| ())
    }

    /// Whether they differ in more than how far databases were looked through that lost nothing.
    pub(super) fn are_news(&self, before: &Self) -> bool {
        let rows = |marks: &Self| {
            let rows = marks.databases.iter().filter(|(_, mark)| mark.row > 0);
            rows.map(|(uuid, mark)| (uuid.clone(), mark.row)).collect::<Vec<_>>()
        };
        self.dismissed != before.dismissed
            || self.attention != before.attention
            || rows(self) != rows(before)
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
