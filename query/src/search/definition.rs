//! Full-text indexes as design documents define them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use store::IndexName;

use super::analyzer::Analyzers;
use super::error::DefinitionError;
use crate::design::canonical;

/// Changes whenever what the same function makes would be kept otherwise than before.
const GENERATION: &str = "larder-search-2";

/// Which of CouchDB's two ways an index is defined and asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// `indexes` of a design document, asked by `_search`.
    Search,
    /// `nouveau`, asked by `_nouveau`.
    Nouveau,
}

/// A full-text index.
#[derive(Clone, Debug)]
pub struct SearchIndex {
    /// Where it is kept: the same for all that are defined alike.
    pub signature: IndexName,
    /// How it is defined and asked.
    pub dialect: Dialect,
    /// Whether questions name the partition that they are about.
    pub partitioned: bool,
    pub(super) function: String,
    pub(super) analyzers: Analyzers,
}

impl SearchIndex {
    /// All indexes of a design document, in a database that is partitioned or not.
    #[must_use]
    pub fn all_of_design(design: &Map<String, Value>, partitioned_database: bool) -> SearchIndexes {
        let both = [Dialect::Search, Dialect::Nouveau].into_iter();
        let each = both.flat_map(|dialect| {
            let indexes = design.get(dialect.member()).and_then(Value::as_object);
            indexes.into_iter().flatten().map(move |(name, index)| {
                let parsed = Self::parse(design, dialect, index, partitioned_database);
                ((dialect, name.clone()), parsed.map(Arc::new))
            })
        });
        SearchIndexes(each.collect())
    }

    fn parse(
        design: &Map<String, Value>,
        dialect: Dialect,
        index: &Value,
        partitioned_database: bool,
    ) -> Result<Self, DefinitionError> {
        let language = design.get("language").and_then(Value::as_str);
        if let Some(language) = language.filter(|language| *language != "javascript") {
            return Err(DefinitionError::Language(language.into()));
        }
        let members = index.as_object().ok_or(DefinitionError::NoFunction)?;
        let function = members.get("index").and_then(Value::as_str);
        let function = function.ok_or(DefinitionError::NoFunction)?.to_owned();
        let analyzers = match dialect {
            Dialect::Search => Analyzers::of_search(members.get("analyzer"))?,
            Dialect::Nouveau => Analyzers::of_nouveau(members)?,
        };
        let option = design.get("options").and_then(|options| options.get("partitioned"));
        let partitioned = partitioned_database && option.and_then(Value::as_bool).unwrap_or(true);
        let signature = signature(dialect, index);
        Ok(Self { signature, dialect, partitioned, function, analyzers })
    }
}

/// The full-text indexes of a design document.
#[derive(Clone, Debug, Default)]
pub struct SearchIndexes(BTreeMap<(Dialect, String), Result<Arc<SearchIndex>, DefinitionError>>);

impl SearchIndexes {
    /// The index of this name; `None` where there is none.
    #[must_use]
    pub fn find(
        &self,
        dialect: Dialect,
        name: &str,
    ) -> Option<&Result<Arc<SearchIndex>, DefinitionError>> {
        self.0.get(&(dialect, name.to_owned()))
    }

    /// Those that can be made.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<SearchIndex>> {
        self.0.values().flatten()
    }
}

impl Dialect {
    fn member(self) -> &'static str {
        match self {
            Self::Search => "indexes",
            Self::Nouveau => "nouveau",
        }
    }
}

fn signature(dialect: Dialect, index: &Value) -> IndexName {
    let mut hasher = blake3::Hasher::new_derive_key(GENERATION);
    hasher.update(dialect.member().as_bytes());
    hasher.update(canonical(index).as_bytes());
    let mut name = [0; 16];
    hasher.finalize_xof().fill(&mut name);
    IndexName::of_hash(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn index(
        design: &Value,
        dialect: Dialect,
    ) -> Option<Result<Arc<SearchIndex>, DefinitionError>> {
        let indexes = SearchIndex::all_of_design(design.as_object().unwrap(), false);
        indexes.find(dialect, "a").cloned()
    }

    #[test]
    fn indexes_are_found_by_name() {
        let design = json!({
            "indexes": {"a": {"index": "doc => 1"}, "b": {"index": 5}},
            "nouveau": {"a": {"index": "doc => 1", "default_analyzer": "klingon"}},
        });
        assert!(index(&design, Dialect::Search).unwrap().is_ok());
        let klingon = index(&design, Dialect::Nouveau).unwrap().err();
        assert_eq!(klingon, Some(DefinitionError::Analyzer("klingon".into())));
        let indexes = SearchIndex::all_of_design(design.as_object().unwrap(), false);
        assert_eq!(indexes.iter().count(), 1);
        assert!(index(&json!({}), Dialect::Search).is_none());
        assert!(index(&json!({"indexes": 5}), Dialect::Search).is_none());
        let none = index(&json!({"indexes": {"a": {}}}), Dialect::Search).unwrap().err();
        assert_eq!(none, Some(DefinitionError::NoFunction));
    }

    #[test]
    fn what_is_defined_alike_is_kept_once() {
        let of = |index: Value| {
            let design = json!({"indexes": {"a": index}});
            self::index(&design, Dialect::Search).unwrap().unwrap().signature.clone()
        };
        let plain = of(json!({"index": "doc => 1", "analyzer": "english"}));
        assert_eq!(plain, of(json!({"analyzer": "english", "index": "doc => 1"})));
        assert_ne!(plain, of(json!({"index": "doc => 1", "analyzer": "german"})));
        assert_ne!(plain, of(json!({"index": "doc => 2", "analyzer": "english"})));
    }
}
