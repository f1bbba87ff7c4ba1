//! The rows that a query means, as places in a tree.

use query::index::{Collation, CollationKey, Cut, GroupLevel, Range};
use serde_json::{Value, json};
use store::{Direction, Partition};

use super::Options;
use crate::http::HttpError;
use crate::http::given::refused;

/// How the keys of a view are kept.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    collation: Collation,
    /// The partition that is asked; every key is kept behind its partition's name.
    partition: Option<Partition>,
}

impl Keys {
    /// The keys of a view, of one partition where there are any.
    pub(super) fn new(raw: bool, partition: Option<Partition>) -> Self {
        let collation = if raw { Collation::Raw } else { Collation::Standard };
        Self { collation, partition }
    }

    /// How keys are compared.
    pub(super) fn collation(&self) -> Collation {
        self.collation
    }

    /// A key as it is kept.
    pub(super) fn kept(&self, key: &Value) -> Result<CollationKey, HttpError> {
        let text = match &self.partition {
            None => key.to_string(),
            Some(partition) => json!([partition.as_str(), key]).to_string(),
        };
        self.of_json(&text)
    }

    /// A key as it stands in a row.
    pub(super) fn of_json(&self, text: &str) -> Result<CollationKey, HttpError> {
        CollationKey::of_json(text, self.collation)
            .map_err(|_| HttpError::BadRequest("invalid UTF-8 JSON".into()))
    }

    /// What stands around a key in a row of a partitioned view.
    pub(super) fn bare<'k>(&self, key: &'k str) -> &'k str {
        let Some(partition) = &self.partition else { return key };
        let front = json!(partition.as_str()).to_string();
        let bare = key.strip_prefix('[').and_then(|key| key.strip_prefix(front.as_str()));
        let bare = bare.and_then(|key| key.strip_prefix(','));
        bare.and_then(|key| key.strip_suffix(']')).unwrap_or(key)
    }

    /// How many elements of keys a group has in common.
    pub(super) fn level(&self, level: usize) -> GroupLevel {
        match self.partition {
            None => GroupLevel::Elements(level),
            Some(_) => GroupLevel::InnerElements(level),
        }
    }

    /// All rows that may be meant.
    pub(super) fn all(&self) -> Result<Range, HttpError> {
        let Some(partition) = &self.partition else { return Ok(Range::all()) };
        let beginning = self.of_json(&json!([partition.as_str()]).to_string())?;
        Ok(Range::of_group(&beginning, GroupLevel::Elements(1)))
    }

    /// The rows that the options name.
    pub(super) fn range(&self, options: &Options) -> Result<Range, HttpError> {
        let start = options.start.as_ref().map(|key| self.kept(key)).transpose()?;
        let end = options.end.as_ref().map(|key| self.kept(key)).transpose()?;
        if let (Some(start), Some(end)) = (&start, &end) {
            let refuse = |word: &str| {
                Err(refused(&format!(
                    "No rows can match your key range, reverse your start_key and end_key or set \
                     descending={word}"
                )))
            };
            match options.direction {
                Direction::Ascending if start.as_bytes() > end.as_bytes() => return refuse("true"),
                Direction::Descending if start.as_bytes() < end.as_bytes() => {
                    return refuse("false");
                }
                _ => {}
            }
        }
        let all = self.all()?;
        let ascending = options.direction == Direction::Ascending;
        // A key's rows are in the order of their documents: the one that begins the range, or ends
        // it, is part of it unless the end is excluded.
        let begin = start.map(|key| match (&options.start_id, ascending) {
            (Some(id), true) => Cut::before_document(&key, id),
            (Some(id), false) => Cut::after_document(&key, id),
            (None, true) => Cut::before_key(&key),
            (None, false) => Cut::after_key(&key),
        });
        let finish = end.map(|key| match (&options.end_id, ascending, options.inclusive_end) {
            (Some(id), true, true) | (Some(id), false, false) => Cut::after_document(&key, id),
            (Some(id), true, false) | (Some(id), false, true) => Cut::before_document(&key, id),
            (None, true, true) | (None, false, false) => Cut::after_key(&key),
            (None, true, false) | (None, false, true) => Cut::before_key(&key),
        });
        let (low, high) = if ascending { (begin, finish) } else { (finish, begin) };
        Ok(Range { low: low.unwrap_or(all.low), high: high.unwrap_or(all.high) })
    }
}
