//! What an index holds of which documents, and where that is written down.

mod design;
mod request;

use std::cmp::Ordering;
use std::ops::Range;

use super::json::{object, text};
use super::path::Path;
use super::sort::Sort;
use super::{IndexError, RequestError, Selector};
use crate::document::Document;
use crate::value::Value;

pub use self::design::{Addition, Removal, remove_index};
pub use self::request::BulkDelete;

/// An index of documents by the values of some fields: a view of a design document whose language is
/// `query`.
#[derive(Clone, Debug)]
pub struct IndexDefinition {
    design: String,
    name: String,
    sort: Sort,
    paths: Vec<Path>,
    partial: Option<Partial>,
    partitioned: Option<bool>,
    /// The definition as its author wrote it.
    written: Value<'static>,
}

/// Which documents are in an index at all.
#[derive(Clone, Debug)]
struct Partial {
    selector: Selector,
    normal: Value<'static>,
}

/// The list of indexes names this one first: that of all documents by their ids.
pub(super) const ALL_DOCUMENTS: &str = "_all_docs";

impl IndexDefinition {
    /// The id of the design document.
    #[must_use]
    pub fn design(&self) -> &str {
        &self.design
    }

    /// Its name, which is that of a view.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the fields whose values make its keys.
    #[must_use]
    pub fn fields(&self) -> &[String] {
        self.sort.fields()
    }

    /// Whether only documents that match a selector are in it.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.partial.is_some()
    }

    /// Whether its design document is for questions to one partition, in a database that is
    /// partitioned or not.
    #[must_use]
    pub fn is_partitioned(&self, partitioned_database: bool) -> bool {
        self.partitioned.unwrap_or(partitioned_database)
    }

    /// A document's key, a JSON array, its values as they are written in the document; none if the
    /// document is not in the index.
    ///
    /// Source: CouchDB's `mango_native_proc:get_index_entries/2`.
    #[must_use]
    pub fn key(&self, document: &Document<'_>) -> Option<String> {
        let mut key = String::from("[");
        for (position, path) in self.paths.iter().enumerate() {
            key.push_str(if position == 0 { "" } else { "," });
            key.push_str(document.find_text(path)?);
        }
        key.push(']');
        let is_in = |partial: &Partial| partial.selector.matches(document);
        (!document.is_design() && self.partial.as_ref().is_none_or(is_in)).then_some(key)
    }

    /// As `_index` lists it, as JSON text.
    #[must_use]
    pub fn to_json(&self, partitioned_database: bool) -> String {
        self.to_value(partitioned_database).to_string()
    }

    pub(super) fn to_value(&self, partitioned_database: bool) -> Value<'static> {
        let mut definition = object([("fields", self.sort.to_array())]);
        if let (Value::Object(members), Some(partial)) = (&mut definition, &self.partial) {
            members.push(("partial_filter_selector".into(), partial.normal.clone()));
        }
        object([
            ("ddoc", text(&self.design)),
            ("name", text(&self.name)),
            ("type", text("json")),
            ("partitioned", Value::Bool(self.is_partitioned(partitioned_database))),
            ("def", definition),
        ])
    }

    /// The order in which indexes are listed and, at last, chosen.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        (&self.design, &self.name).cmp(&(&other.design, &other.name))
    }

    pub(super) fn paths(&self) -> &[Path] {
        &self.paths
    }

    fn new(
        design: String,
        name: String,
        sort: Sort,
        written: Value<'static>,
    ) -> Result<Self, RequestError> {
        let paths = sort.fields().iter().map(|name| Path::parse(name));
        let paths = paths.collect::<Result<_, _>>()?;
        Ok(Self { design, name, sort, paths, partial: None, partitioned: None, written })
    }
}

/// The index of all documents by their ids, as `_index` lists it.
pub(super) fn all_documents() -> Value<'static> {
    object([
        ("ddoc", Value::Null),
        ("name", text(ALL_DOCUMENTS)),
        ("type", text("special")),
        ("def", object([("fields", Value::Array(vec![object([("_id", text("asc"))])]))])),
    ])
}

/// Which part of the list of indexes is asked for, by `limit` and `skip` as they were written.
///
/// # Errors
/// [`IndexError::ListPart`]: they are no such numbers.
pub fn list_part(limit: Option<&str>, skip: Option<&str>) -> Result<Range<usize>, IndexError> {
    let number = |text: &str, least| match text.parse::<i128>() {
        Ok(number) if number >= least => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
        _ => Err(IndexError::ListPart),
    };
    let limit = limit.map_or(Ok(usize::MAX), |limit| number(limit, 1))?;
    let skip = skip.map_or(Ok(0), |skip| number(skip, 0))?;
    Ok(skip..skip.saturating_add(limit))
}

/// The answer to `GET _index`: a part of all indexes of a database in order, that of all documents
/// first.
#[must_use]
pub fn list_indexes<'i>(
    indexes: impl IntoIterator<Item = &'i IndexDefinition>,
    partitioned_database: bool,
    part: Range<usize>,
) -> String {
    let mut indexes: Vec<_> = indexes.into_iter().collect();
    indexes.sort_by(|one, other| one.compare(other));
    let total = indexes.len() + 1;
    let listed = std::iter::once(all_documents())
        .chain(indexes.into_iter().map(|index| index.to_value(partitioned_database)))
        .skip(part.start)
        .take(part.len());
    let listed = Value::Array(listed.collect());
    object([("total_rows", super::json::number(total as u64)), ("indexes", listed)]).to_string()
}

#[cfg(test)]
mod tests;
