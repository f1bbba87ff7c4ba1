//! A full-text index brought up to date with its database.

use std::collections::BTreeMap;

use serde_json::Value;
use store::{Database, IndexFolder, Seq, json::write_string};
use tantivy::indexer::IndexWriterOptions;
use tantivy::schema::OwnedValue;
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{IndexWriter, TantivyDocument};

use super::definition::{Dialect, SearchIndex};
use super::error::SearchError;
use super::files::{Fields, Files, guarded, payload};
use super::term;
use crate::design::ViewOptions;
use crate::index::Progress;
use crate::sandbox::{FieldType, FieldValue, IndexedField, Indexer, Limits, Sandbox};
use crate::view::source::{self, Changed};

/// Memory of the writer, which lives as long as an update.
const WRITER_BYTES: usize = 20_000_000;

/// Changes after which what was indexed is kept, whatever follows.
const CHANGES_PER_COMMIT: u64 = 20_000;

/// Purges looked at from one snapshot.
const PURGES_MAX: usize = 1000;

/// Bytes of text that documents are sorted by; what follows does not count.
const SORT_BYTES_MAX: usize = 256;

/// What an update needs.
pub struct SearchUpdate<'a> {
    /// Whose documents are indexed.
    pub database: &'a Database,
    /// Where the index is.
    pub folder: &'a IndexFolder,
    /// What makes it.
    pub index: &'a SearchIndex,
    /// What its function may use.
    pub limits: &'a Limits,
    /// Told what the function logs.
    pub log: fn(&str),
    /// Asked from time to time whether to go on.
    pub wanted: &'a (dyn Fn() -> bool + Sync),
    /// Told how many changes were looked at, and how many there are.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// How much an index has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchCounts {
    /// Up to where it goes.
    pub reached: Progress,
    /// Documents that can be found.
    pub documents: u64,
    /// Documents that were taken out, and still take room.
    pub deleted: u64,
}

impl SearchUpdate<'_> {
    /// Reads up to where an index goes; one that cannot be right starts anew.
    ///
    /// # Errors
    /// Any of [`SearchError`].
    pub fn reached(folder: &IndexFolder) -> Result<Progress, SearchError> {
        again_if_damaged(|| folder.read(|path| guarded(folder, || Files::open(path)?.progress())))
    }

    /// How much an index has.
    ///
    /// # Errors
    /// Any of [`SearchError`].
    pub fn counts(folder: &IndexFolder) -> Result<SearchCounts, SearchError> {
        let count = |files: Files| {
            let searcher = files.searcher()?;
            let deleted =
                searcher.segment_readers().iter().map(|s| u64::from(s.num_deleted_docs()));
            Ok(SearchCounts {
                reached: files.progress()?,
                documents: searcher.num_docs(),
                deleted: deleted.sum(),
            })
        };
        again_if_damaged(|| folder.read(|path| guarded(folder, || count(Files::open(path)?))))
    }

    /// Brings the index up to date with everything that was written before this was called.
    ///
    /// # Errors
    /// Any of [`SearchError`]; what was kept until then stays, and is right.
    pub fn run(&self) -> Result<(), SearchError> {
        let until = self.database.read::<_, store::Error>(|snapshot| snapshot.update_seq())?;
        let mut reached = Self::reached(self.folder)?;
        if reached.update_seq > until.0 {
            // It tells of what is not there: an older file was put back in the database's place.
            self.folder.distrust();
            reached = Progress::default();
        }
        let purged = self.purged(reached.purge_seq)?;
        if reached.update_seq >= until.0 && purged.last == reached.purge_seq {
            return Ok(());
        }
        again_if_damaged(|| {
            self.folder
                .write(|path| guarded(self.folder, || self.write(&Files::open(path)?, until)))
        })
    }

    fn write(&self, files: &Files, until: Seq) -> Result<(), SearchError> {
        let mut reached = files.progress()?;
        let sandbox = Sandbox::new(self.limits.clone(), self.log);
        let typed = self.index.dialect == Dialect::Nouveau;
        let mut indexer = Indexer::new(&sandbox, &self.index.function, typed)?;
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(WRITER_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let mut writer: IndexWriter = files.index.writer_with_options(options)?;
        loop {
            let purged = self.purged(reached.purge_seq)?;
            for id in &purged.gone {
                writer.delete_term(term::of(files.fields.id, id));
            }
            if purged.last == reached.purge_seq {
                break;
            }
            reached.purge_seq = purged.last;
        }
        let (began, mut kept) = (reached.update_seq, reached.update_seq);
        let options = ViewOptions::default();
        while reached.update_seq < until.0 {
            if !(self.wanted)() {
                // What is there is right as far as it goes.
                commit(&mut writer, reached)?;
                return Err(SearchError::Stopped);
            }
            let Changed { documents, position, last } =
                source::read(self.database, Seq(reached.update_seq), until, options)?;
            for (id, text) in documents {
                writer.delete_term(term::of(files.fields.id, &id));
                let indexed = text.map(|text| indexer.index(&text)).transpose()?;
                if let Some(indexed) = indexed.filter(|indexed| !indexed.is_empty()) {
                    writer.add_document(self.document(files.fields, &id, indexed))?;
                }
            }
            reached.update_seq = if last { until.0 } else { position.0 };
            if reached.update_seq - kept >= CHANGES_PER_COMMIT {
                commit(&mut writer, reached)?;
                kept = reached.update_seq;
            }
            (self.progress)(reached.update_seq.saturating_sub(began), until.0 - began);
        }
        commit(&mut writer, reached)?;
        Ok(writer.wait_merging_threads()?)
    }

    /// What Tantivy is given of a document.
    fn document(&self, fields: Fields, id: &str, indexed: Vec<IndexedField>) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_text(fields.id, id);
        if let (true, Some((partition, _))) = (self.index.partitioned, id.split_once(':')) {
            document.add_pre_tokenized_text(fields.terms, whole(term::partition(partition)));
        }
        let mut columns: BTreeMap<String, Vec<OwnedValue>> = BTreeMap::new();
        let mut stored: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for field in indexed {
            let IndexedField { kind, name, value, store, facet, index } = field;
            if store {
                stored.entry(name.clone()).or_default().push(json(&value));
            }
            if !index && !facet {
                continue;
            }
            let column = match (kind, &value) {
                (FieldType::Stored, _) => continue,
                (_, FieldValue::Number(number)) => {
                    document
                        .add_pre_tokenized_text(fields.terms, whole(term::number(&name, *number)));
                    Some(OwnedValue::F64(*number))
                }
                (FieldType::Text, FieldValue::Text(text)) => {
                    if index {
                        let words = self.words(&name, text);
                        document.add_pre_tokenized_text(fields.terms, words);
                    }
                    if facet {
                        document
                            .add_pre_tokenized_text(fields.terms, whole(term::exact(&name, text)));
                    }
                    let sorts = self.index.dialect == Dialect::Search;
                    sorts.then(|| OwnedValue::Str(beginning(text, facet).into()))
                }
                (_, FieldValue::Text(text)) => {
                    document.add_pre_tokenized_text(fields.terms, whole(term::exact(&name, text)));
                    Some(OwnedValue::Str(beginning(text, facet).into()))
                }
            };
            columns.entry(name).or_default().extend(column);
        }
        let columns = columns.into_iter().map(|(name, values)| (name, OwnedValue::Array(values)));
        document.add_object(fields.sort, columns.collect());
        document.add_text(fields.stored, object(&stored));
        document
    }

    fn words(&self, name: &str, text: &str) -> PreTokenizedString {
        let words = self.index.analyzers.of_field(name).analyze(text);
        let tokens = words.into_iter().map(|word| Token {
            position: word.position,
            text: term::word(name, &word.text),
            ..Token::default()
        });
        PreTokenizedString { text: String::new(), tokens: tokens.collect() }
    }

    /// Documents that were purged as a whole: no change tells of them.
    fn purged(&self, after: u64) -> Result<Purged, SearchError> {
        self.database.read(|snapshot| {
            let mut purged = Purged { gone: Vec::new(), last: after };
            for (seq, purge) in snapshot.purges(after, PURGES_MAX)? {
                purged.last = seq;
                if snapshot.head(&purge.id)?.is_none() {
                    purged.gone.push(purge.id.as_str().to_owned());
                }
            }
            Ok(purged)
        })
    }
}

/// Purges that were looked at.
struct Purged {
    gone: Vec<String>,
    /// The last of them.
    last: u64,
}

fn commit(writer: &mut IndexWriter, reached: Progress) -> Result<(), SearchError> {
    let mut commit = writer.prepare_commit()?;
    commit.set_payload(&payload(reached));
    commit.commit()?;
    Ok(())
}

/// A damaged index starts anew when it is used next, which is now.
fn again_if_damaged<T>(mut work: impl FnMut() -> Result<T, SearchError>) -> Result<T, SearchError> {
    match work() {
        Err(SearchError::Damaged(what)) => {
            tracing::warn!(what, "a full-text index is damaged and starts anew");
            work()
        }
        outcome => outcome,
    }
}

/// A term that is its text's only one.
fn whole(text: String) -> PreTokenizedString {
    let token = Token { position: 0, text, ..Token::default() };
    PreTokenizedString { text: String::new(), tokens: vec![token] }
}

/// As much of a text as documents are sorted by; what is counted is counted as a whole.
fn beginning(text: &str, facet: bool) -> &str {
    let max = if facet { 4 * SORT_BYTES_MAX } else { SORT_BYTES_MAX };
    &text[..text.floor_char_boundary(max)]
}

fn json(value: &FieldValue) -> String {
    match value {
        FieldValue::Number(number) => Value::from(*number).to_string(),
        FieldValue::Text(text) => {
            let mut json = Vec::new();
            write_string(&mut json, text);
            String::from_utf8_lossy(&json).into_owned()
        }
    }
}

/// A JSON object; a field that was given several times has an array.
fn object(stored: &BTreeMap<String, Vec<String>>) -> String {
    let mut text = Vec::new();
    for (name, values) in stored {
        text.push(if text.is_empty() { b'{' } else { b',' });
        write_string(&mut text, name);
        text.push(b':');
        match values.as_slice() {
            [one] => text.extend_from_slice(one.as_bytes()),
            several => text.extend_from_slice(format!("[{}]", several.join(",")).as_bytes()),
        }
    }
    if text.is_empty() {
        text.push(b'{');
    }
    text.push(b'}');
    String::from_utf8_lossy(&text).into_owned()
}
