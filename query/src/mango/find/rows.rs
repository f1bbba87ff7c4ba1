//! Documents from an index alone.

use std::sync::LazyLock;

use serde_json::value::RawValue;

use crate::document::id_text;
use crate::mango::IndexDefinition;
use crate::mango::projection::Projection;
use crate::mango::source::Row;

/// What a row of an index tells of its document: the id and the fields of the index.
///
/// Source: CouchDB's `mango_cursor_view:derive_doc_from_index/2`.
pub(super) fn document(index: &IndexDefinition, row: &Row) -> Option<String> {
    static ID: LazyLock<[String; 1]> = LazyLock::new(|| ["_id".to_owned()]);
    let id = id_text(&row.id);
    let values: Vec<&RawValue> = serde_json::from_str(&row.key).ok()?;
    if values.len() != index.paths().len() {
        return None;
    }
    let mut document = Projection::default();
    document.set(&*ID, &id);
    for (path, value) in index.paths().iter().zip(&values).rev() {
        document.set(path.names(), value.get());
    }
    Some(document.to_string())
}
