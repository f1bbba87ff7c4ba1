//! What `_find` and `_explain` are asked.

use store::Partition;

use super::fields::Fields;
use super::members::Members;
use super::normal::Normal;
use super::sort::Sort;
use super::use_index::UseIndex;
use super::{RequestError, Selector};
use crate::value::Value;

/// The body of `_find` or `_explain`.
///
/// Source: CouchDB's `mango_opts:validate_find/1`.
#[derive(Clone, Debug)]
pub struct FindRequest {
    /// Which documents.
    pub selector: Selector,
    /// The index to use if it can be used.
    pub use_index: UseIndex,
    /// Where an earlier answer ended.
    pub bookmark: Option<String>,
    /// Documents at most.
    pub limit: u64,
    /// Matching documents to leave out first.
    pub skip: u64,
    /// In which order.
    pub sort: Sort,
    /// What of each document.
    pub fields: Fields,
    /// Only documents of this partition. Clients name it in the path.
    pub partition: Option<Partition>,
    /// Copies to read. There is one.
    pub r: u64,
    /// Whether documents show their conflicts.
    pub conflicts: bool,
    /// `stale=ok`: neither update the index nor care which copy is read.
    pub stale: bool,
    /// Whether the index is brought up to date first.
    pub update: bool,
    /// Whether always the same copies are read. There is one.
    pub stable: bool,
    /// Whether statistics are answered.
    pub execution_stats: bool,
    /// Whether another index than the wanted one may be used, or none.
    pub allow_fallback: bool,
    /// The selector as it is planned and shown.
    pub(super) normal: Normal,
}

/// Documents that are answered unless `limit` says otherwise.
const LIMIT: u64 = 25;

impl FindRequest {
    /// Parses a body.
    ///
    /// # Errors
    /// What is wrong with it, in CouchDB's words.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let mut members = Members::parse(text)?;
        let selector = members.required("selector")?;
        if !matches!(selector, Value::Object(_)) {
            return Err(RequestError::of(RequestError::SelectorNotAnObject, &selector));
        }
        let request = Self {
            selector: Selector::from_value(selector.clone())?,
            normal: Normal::new(selector),
            use_index: match members.take("use_index") {
                Some(value) => UseIndex::from_value(&value)?,
                None => UseIndex::Any,
            },
            bookmark: bookmark(members.take("bookmark"))?,
            limit: members.count("limit", LIMIT)?,
            skip: members.count("skip", 0)?,
            sort: match members.take("sort") {
                Some(value) => Sort::from_value(&value)?,
                None => Sort::default(),
            },
            fields: match members.take("fields") {
                Some(value) => Fields::from_value(&value)?,
                None => Fields::default(),
            },
            partition: match members.string("partition")? {
                Some(name) if !name.is_empty() => Some(name.parse()?),
                _ => None,
            },
            r: members.positive("r", 1)?,
            conflicts: members.flag("conflicts", false)?,
            stale: stale(members.take("stale"))?,
            update: members.flag("update", true)?,
            stable: members.flag("stable", false)?,
            execution_stats: members.flag("execution_stats", false)?,
            allow_fallback: members.flag("allow_fallback", true)?,
        };
        members.finish()?;
        Ok(request)
    }
}

fn bookmark(value: Option<Value<'_>>) -> Result<Option<String>, RequestError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        // What CouchDB answers when nothing was found.
        Some(Value::String(text)) if text.is_empty() || text == "nil" => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.into_owned())),
        Some(value) => Err(RequestError::of(RequestError::InvalidBookmark, &value)),
    }
}

fn stale(value: Option<Value<'_>>) -> Result<bool, RequestError> {
    match value {
        None | Some(Value::Bool(false)) => Ok(false),
        Some(Value::String(text)) if text == "ok" => Ok(true),
        Some(Value::String(text)) if text == "false" => Ok(false),
        Some(value) => {
            let value = value.shown();
            Err(RequestError::InvalidValue { name: "stale", value })
        }
    }
}

#[cfg(test)]
mod tests;
