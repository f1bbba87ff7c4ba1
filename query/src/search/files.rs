//! The files of an index, and what is in its documents.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use store::IndexFolder;
use tantivy::directory::MmapDirectory;
use tantivy::schema::{
    Field, IndexRecordOption, JsonObjectOptions, STORED, STRING, Schema, TextFieldIndexing,
    TextOptions,
};
use tantivy::{Index, IndexSettings, Searcher};

use super::error::SearchError;
use crate::index::Progress;

/// The column of ids.
pub(super) const ID: &str = "id";

/// The column under which those of all fields are.
pub(super) const SORT: &str = "sort";

/// Tantivy's file that names those of the last commit.
const META: &str = "meta.json";
/// The column under which the weights of all fields are.
pub(super) const BOOST: &str = "boost";

/// An open index.
pub(super) struct Files {
    pub(super) index: Index,
    pub(super) fields: Fields,
}

/// What Tantivy is given of each document.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    /// Its id.
    pub(super) id: Field,
    /// The terms of all its fields.
    pub(super) terms: Field,
    /// Columns: what it is sorted and counted by.
    pub(super) sort: Field,
    /// Columns: how much its words count, where that is not as much as those of others.
    pub(super) boost: Field,
    /// What hits show of it: a JSON object.
    pub(super) stored: Field,
}

/// What is kept beside each commit.
#[derive(Serialize, Deserialize)]
struct Payload {
    update_seq: u64,
    purge_seq: u64,
}

impl Files {
    /// Opens the index in a folder, or begins one where there is none.
    pub(super) fn open(folder: &Path) -> Result<Self, SearchError> {
        let directory = MmapDirectory::open(folder).map_err(tantivy::TantivyError::from)?;
        let (schema, fields) = schema();
        let settings =
            IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        let builder = Index::builder().schema(schema).settings(settings);
        Ok(Self { index: builder.open_or_create(directory)?, fields })
    }

    /// Up to where the index goes.
    pub(super) fn progress(&self) -> Result<Progress, SearchError> {
        let Some(payload) = self.index.load_metas()?.payload else {
            return Ok(Progress::default());
        };
        let damaged = |_| SearchError::Damaged("the payload of a commit".into());
        let Payload { update_seq, purge_seq } = serde_json::from_str(&payload).map_err(damaged)?;
        Ok(Progress { update_seq, purge_seq })
    }

    pub(super) fn searcher(&self) -> Result<Searcher, SearchError> {
        let reader = self.index.reader_builder();
        let reader: tantivy::IndexReader = reader
            .reload_policy(tantivy::ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(4)
            .try_into()?;
        Ok(reader.searcher())
    }
}

/// Looks for damage in an index's folder, which is left as it is: files of the last commit whose bytes
/// are not what was written. What is wrong, in plain words; empty is sound.
#[must_use]
pub fn check(folder: &Path) -> Vec<String> {
    // Nothing was written into it yet.
    if !folder.join(META).exists() {
        return Vec::new();
    }
    let look = || {
        let index = Index::open_in_dir(folder)?;
        let mut damaged: Vec<_> = index.validate_checksum()?.into_iter().collect();
        damaged.sort_unstable();
        Ok::<_, tantivy::TantivyError>(damaged)
    };
    match catch_unwind(AssertUnwindSafe(look)) {
        Ok(Ok(damaged)) => {
            let told = |file: &PathBuf| format!("{} is not what was written", file.display());
            damaged.iter().map(told).collect()
        }
        Ok(Err(error)) => vec![error.to_string()],
        Err(_) => vec!["reading it broke off".into()],
    }
}

/// What is written beside a commit.
pub(super) fn payload(reached: Progress) -> String {
    let Progress { update_seq, purge_seq } = reached;
    serde_json::json!({"update_seq": update_seq, "purge_seq": purge_seq}).to_string()
}

/// Does something with an index; one that turns out to be damaged starts empty when it is used next.
/// Tantivy does not expect files to be damaged everywhere.
pub(super) fn guarded<T>(
    folder: &IndexFolder,
    work: impl FnOnce() -> Result<T, SearchError>,
) -> Result<T, SearchError> {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    let outcome =
        outcome.unwrap_or_else(|_| Err(SearchError::Damaged("reading it broke off".into())));
    if matches!(outcome, Err(SearchError::Damaged(_))) {
        folder.distrust();
    }
    outcome
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let id = schema.add_text_field(ID, (STRING | STORED).set_fast("raw"));
    let terms = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let terms = schema.add_text_field("terms", TextOptions::default().set_indexing_options(terms));
    let sort = schema.add_json_field(SORT, JsonObjectOptions::default().set_fast("raw"));
    let boost = schema.add_json_field(BOOST, JsonObjectOptions::default().set_fast("raw"));
    let stored = schema.add_text_field("stored", STORED);
    (schema.build(), Fields { id, terms, sort, boost, stored })
}
