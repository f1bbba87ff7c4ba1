//! What hits show of documents, read when it is shown: it may be much.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use store::IndexFolder;
use tantivy::schema::{Field, Value as _};
use tantivy::{Searcher, TantivyDocument};

use super::error::SearchError;
use super::files::guarded;
use super::highlight::Highlighter;
use super::hits::Hit;

/// What a hit shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// What its index function stored of it: a JSON object.
    pub fields: String,
    /// For each field that was asked for, fragments in which the query's words are marked.
    pub highlights: Option<BTreeMap<String, Vec<String>>>,
}

/// The index as it was when it was asked.
pub(super) struct Shelf {
    pub(super) folder: Arc<IndexFolder>,
    pub(super) searcher: Searcher,
    pub(super) stored: Field,
    pub(super) highlighter: Option<Highlighter>,
}

impl Shelf {
    pub(super) fn show(&self, hit: &Hit) -> Result<Shown, SearchError> {
        let read = || {
            let document: TantivyDocument = self.searcher.doc(hit.address)?;
            let fields = document.get_first(self.stored).and_then(|fields| fields.as_str());
            Ok(fields.unwrap_or("{}").to_owned())
        };
        let fields = guarded(&self.folder, read)?;
        let highlights = self.highlighter.as_ref().map(|by| by.highlight(&fields));
        Ok(Shown { fields, highlights })
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}
