//! The map functions of a design document's views.

use std::sync::Arc;

use crate::Document;
use crate::design::{Language, Views};
use crate::index::{Collation, CollationKey, DocRows, Emitted};
use crate::mango::IndexDefinition;
use crate::sandbox::{Limits, Mapper, Sandbox};

use super::ViewError;

/// Map functions, compiled; they stay on the thread that made them.
pub(super) struct Maps {
    partitioned: bool,
    functions: Functions,
}

enum Functions {
    JavaScript(Mapper),
    Query(Vec<Option<Arc<IndexDefinition>>>),
}

impl Maps {
    pub(super) fn new(views: &Views, limits: &Limits, log: fn(&str)) -> Result<Self, ViewError> {
        let functions = match &views.language {
            Language::JavaScript => {
                let sandbox = Sandbox::new(limits.clone(), log);
                let sources: Vec<&str> = views.trees.iter().map(|tree| tree.map.as_str()).collect();
                let mapper = Mapper::new(&sandbox, &sources, views.library.as_deref())?;
                Functions::JavaScript(mapper)
            }
            Language::Query => Functions::Query(views.indexes.clone()),
            Language::Unknown(name) => return Err(ViewError::UnknownLanguage(name.clone())),
        };
        Ok(Self { partitioned: views.partitioned, functions })
    }

    /// The rows of a document; none where it has no text.
    pub(super) fn rows(&mut self, id: String, text: Option<&str>) -> Result<DocRows, ViewError> {
        let mut rows = Vec::new();
        if let Some(text) = text {
            match &mut self.functions {
                Functions::JavaScript(mapper) => mapper.map(text, &mut |emitted| {
                    rows.push(Emitted {
                        view: emitted.function,
                        key: emitted.key.to_owned(),
                        value: emitted.value.to_owned(),
                    });
                })?,
                Functions::Query(indexes) => {
                    let damaged = |_| store::Error::Damaged(format!("document {id} is no object"));
                    let document = Document::parse(text).map_err(damaged)?;
                    for (view, index) in indexes.iter().enumerate() {
                        let key = index.as_ref().and_then(|index| index.key(&document));
                        rows.extend(key.map(|key| Emitted { view, key, value: "null".into() }));
                    }
                }
            }
        }
        rows.retain(|row| is_key(&row.key));
        if self.partitioned {
            let partition = partition_json(&id);
            for row in &mut rows {
                row.key = format!("[{partition},{}]", row.key);
            }
        }
        Ok(DocRows { id, rows })
    }
}

/// Keys shorter than this cannot be nested too deep.
const DEEP_BYTES_MIN: usize = 2 * store::json::DEPTH_MAX;

/// Whether rows can be ordered by a key: one nested too deep would keep its whole batch out.
fn is_key(key: &str) -> bool {
    key.len() < DEEP_BYTES_MIN || {
        let kept = CollationKey::of_json(key, Collation::Standard);
        kept.inspect_err(|error| tracing::info!(%error, "a row without an order is left out"))
            .is_ok()
    }
}

/// The partition that a document's id begins with, as JSON; for design documents, which have none,
/// whatever stands before a colon.
fn partition_json(id: &str) -> String {
    let partition = id.split_once(':').map_or(id, |(partition, _)| partition);
    let mut text = Vec::new();
    store::json::write_string(&mut text, partition);
    String::from_utf8_lossy(&text).into_owned()
}
