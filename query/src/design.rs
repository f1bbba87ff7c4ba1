//! Design documents: what they define, and what they may not.

mod check;
mod error;
mod signature;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use store::IndexName;

pub use self::error::DesignError;
pub(crate) use self::signature::canonical;
use crate::mango::IndexDefinition;

/// The views of a design document, those that map alike together.
#[derive(Clone, Debug)]
pub struct Views {
    /// Which index they are kept in: the same for all design documents that define the same.
    pub signature: IndexName,
    /// What their functions are written in.
    pub language: Language,
    /// What they are shown of documents.
    pub options: ViewOptions,
    /// Whether rows are kept by the partition of their document, the first part of its id.
    pub partitioned: bool,
    /// Modules that map functions may require: `views.lib`, as JSON text.
    pub library: Option<String>,
    /// What is kept, one tree of rows each.
    pub trees: Vec<Tree>,
    /// What each tree is of, where the language is `query`; none where a definition is none.
    pub(crate) indexes: Vec<Option<Arc<IndexDefinition>>>,
}

/// What functions are written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Language {
    /// `javascript`, which is also meant where none is named.
    JavaScript,
    /// `query`: indexes of Mango.
    Query,
    /// One that no hub runs; its design documents are kept, its views refused.
    Unknown(String),
}

/// `options` of a design document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewOptions {
    /// `local_seq`: documents have `_local_seq`.
    pub local_seq: bool,
    /// `include_design`: design documents are mapped like any other.
    pub include_design: bool,
}

/// Rows that one map function makes, and what is kept of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The map function's source; in a design document of language `query` an index definition's
    /// JSON text.
    pub map: String,
    /// Options of the view, beside the design document's.
    pub options: Map<String, Value>,
    /// `"collation": "raw"`: keys are compared byte by byte.
    pub raw: bool,
    /// Views without a reduce function.
    pub names: Vec<String>,
    /// Views with one, and its source.
    pub reduces: Vec<(String, String)>,
}

/// A view of a design document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewPlace {
    /// Which of the trees it reads.
    pub tree: usize,
    /// Which of the tree's reduce functions is its own, where it has one.
    pub reduce: Option<usize>,
}

impl Views {
    /// Reads a design document's text, in a database that is partitioned or not: its views, whatever
    /// else it has. What is no object, or nested deeper than any design document is, has none.
    ///
    /// # Errors
    /// [`DesignError`] where a member is not what it must be.
    pub fn parse(text: &str, partitioned_database: bool) -> Result<Self, DesignError> {
        let design: &Map<String, Value> = &serde_json::from_str(text).unwrap_or_default();
        check::check(design)?;
        let partitioned = design.get("options").and_then(|options| options.get("partitioned"));
        let partitioned = match partitioned.and_then(Value::as_bool) {
            Some(true) if !partitioned_database => return Err(DesignError::NotPartitioned),
            said => partitioned_database && said.unwrap_or(true),
        };
        let language = match design.get("language").and_then(Value::as_str) {
            None | Some("javascript") => Language::JavaScript,
            Some("query") => Language::Query,
            Some(other) => Language::Unknown(other.into()),
        };
        let options = view_options(design);
        let empty = Map::new();
        let views = design.get("views").and_then(Value::as_object).unwrap_or(&empty);
        let library = views.get("lib").map(canonical);
        let trees = trees(views);
        let signature =
            signature::of(&language, (options, partitioned), library.as_deref(), &trees);
        let indexes = match language {
            Language::Query => indexes(text, &trees),
            Language::JavaScript | Language::Unknown(_) => Vec::new(),
        };
        Ok(Self { signature, language, options, partitioned, library, trees, indexes })
    }

    /// Finds a view by its name.
    #[must_use]
    pub fn find(&self, view: &str) -> Option<ViewPlace> {
        self.trees.iter().enumerate().find_map(|(tree, definition)| {
            let reduce = definition.reduces.iter().position(|(name, _)| name == view);
            let found = reduce.is_some() || definition.names.iter().any(|name| name == view);
            found.then_some(ViewPlace { tree, reduce })
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trees.is_empty()
    }
}

/// The definitions of Mango's indexes, tree by tree.
fn indexes(text: &str, trees: &[Tree]) -> Vec<Option<Arc<IndexDefinition>>> {
    let read: Vec<_> = IndexDefinition::read_design(text).into_iter().map(Arc::new).collect();
    let of_tree = |tree: &Tree| {
        let reduces = tree.reduces.iter().map(|(name, _)| name);
        let mut names = tree.names.iter().chain(reduces);
        names.find_map(|name| read.iter().find(|index| index.name() == name).cloned())
    };
    trees.iter().map(of_tree).collect()
}

fn view_options(design: &Map<String, Value>) -> ViewOptions {
    let options = design.get("options").and_then(Value::as_object);
    let option = |name| options?.get(name)?.as_bool();
    ViewOptions {
        local_seq: option("local_seq").unwrap_or(false),
        include_design: option("include_design").unwrap_or(false),
    }
}

/// The trees of all views, in an order that follows from what they are.
fn trees(views: &Map<String, Value>) -> Vec<Tree> {
    let mut trees: BTreeMap<(String, String), Tree> = BTreeMap::new();
    for (name, view) in views {
        let Some(map) = view.get("map") else { continue };
        let map = match map {
            Value::String(source) => source.clone(),
            definition => canonical(definition),
        };
        let options = view.get("options").and_then(Value::as_object).cloned().unwrap_or_default();
        let raw = options.get("collation").and_then(Value::as_str) == Some("raw");
        let key = (map.clone(), canonical(&Value::Object(options.clone())));
        let tree = trees.entry(key).or_insert_with(|| Tree {
            map,
            options,
            raw,
            names: Vec::new(),
            reduces: Vec::new(),
        });
        match view.get("reduce").and_then(Value::as_str) {
            Some(reduce) => tree.reduces.push((name.clone(), reduce.to_owned())),
            None => tree.names.push(name.clone()),
        }
    }
    let mut trees: Vec<Tree> = trees.into_values().collect();
    for tree in &mut trees {
        tree.names.sort_unstable();
        tree.reduces.sort_unstable();
    }
    trees
}

#[cfg(test)]
mod tests;
