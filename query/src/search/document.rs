//! What Tantivy is given of a document.

use std::collections::BTreeMap;

use serde_json::Value;
use store::json::write_string;
use tantivy::TantivyDocument;
use tantivy::schema::OwnedValue;
use tantivy::tokenizer::{PreTokenizedString, Token};

use super::definition::{Dialect, SearchIndex};
use super::files::Fields;
use super::term;
use crate::sandbox::{FieldType, FieldValue, IndexedField};

/// Bytes of text that count of one document, all its fields together.
pub(super) const TEXT_BYTES_MAX: usize = 2 << 20;

/// Bytes of the terms that are made of it, each of which begins with its field's name.
const TERM_BYTES_MAX: usize = 8 * TEXT_BYTES_MAX;

/// Bytes of text that documents are sorted by; what follows does not count.
const SORT_BYTES_MAX: usize = 256;

/// Puts together what is found, counted and shown of a document.
pub(super) struct DocumentBuilder<'a> {
    index: &'a SearchIndex,
    fields: Fields,
    document: TantivyDocument,
    columns: BTreeMap<String, Vec<OwnedValue>>,
    boosts: BTreeMap<String, f64>,
    stored: BTreeMap<String, Vec<String>>,
    text_bytes_left: usize,
    term_bytes_left: usize,
}

impl<'a> DocumentBuilder<'a> {
    pub(super) fn new(index: &'a SearchIndex, fields: Fields, id: &str) -> Self {
        let mut builder = Self {
            index,
            fields,
            document: TantivyDocument::default(),
            columns: BTreeMap::new(),
            boosts: BTreeMap::new(),
            stored: BTreeMap::new(),
            text_bytes_left: TEXT_BYTES_MAX,
            term_bytes_left: TERM_BYTES_MAX,
        };
        builder.document.add_text(fields.id, id);
        if let (true, Some((partition, _))) = (index.partitioned, id.split_once(':')) {
            builder.add_term(term::partition(partition));
        }
        builder
    }

    /// Adds a field. Text beyond what counts of a document is cut.
    pub(super) fn add(&mut self, field: IndexedField) {
        let IndexedField { kind, name, value, store, facet, index, boost } = field;
        let value = match value {
            FieldValue::Number(number) => FieldValue::Number(number),
            FieldValue::Text(text) => FieldValue::Text(self.counted(text)),
        };
        if store {
            self.stored.entry(name.clone()).or_default().push(json(&value));
        }
        if kind == FieldType::Stored || !(index || facet) {
            return;
        }
        let column = match (kind, &value) {
            (_, FieldValue::Number(number)) => {
                self.add_term(term::number(&name, *number));
                Some(OwnedValue::F64(*number))
            }
            (FieldType::Text, FieldValue::Text(text)) => {
                if index {
                    if boost != 1.0 {
                        *self.boosts.entry(name.clone()).or_insert(1.0) *= boost;
                    }
                    self.add_words(&name, text);
                }
                if facet {
                    self.add_term(term::exact(&name, text));
                }
                let sorts = self.index.dialect == Dialect::Search;
                sorts.then(|| OwnedValue::Str(beginning(text, facet).into()))
            }
            (_, FieldValue::Text(text)) => {
                self.add_term(term::exact(&name, text));
                Some(OwnedValue::Str(beginning(text, facet).into()))
            }
        };
        self.columns.entry(name).or_default().extend(column);
    }

    pub(super) fn finish(mut self) -> TantivyDocument {
        let columns = self.columns.into_iter();
        let columns = columns.map(|(name, values)| (name, OwnedValue::Array(values)));
        self.document.add_object(self.fields.sort, columns.collect());
        let boosts = self.boosts.into_iter().map(|(name, boost)| (name, OwnedValue::F64(boost)));
        self.document.add_object(self.fields.boost, boosts.collect());
        self.document.add_text(self.fields.stored, object(&self.stored));
        self.document
    }

    /// As much of a text as still counts.
    fn counted(&mut self, mut text: String) -> String {
        text.truncate(text.floor_char_boundary(self.text_bytes_left));
        self.text_bytes_left -= text.len();
        text
    }

    fn add_term(&mut self, text: String) {
        let token = Token { position: 0, text, ..Token::default() };
        self.add_tokens(vec![token]);
    }

    fn add_words(&mut self, name: &str, text: &str) {
        let words = self.index.analyzers.of_field(name).analyze(text);
        let tokens = words.into_iter().map_while(|word| {
            let text = term::word(name, &word.text);
            self.term_bytes_left = self.term_bytes_left.checked_sub(text.len())?;
            Some(Token { position: word.position, text, ..Token::default() })
        });
        let tokens = tokens.collect();
        self.add_tokens(tokens);
    }

    fn add_tokens(&mut self, tokens: Vec<Token>) {
        let tokens = PreTokenizedString { text: String::new(), tokens };
        self.document.add_pre_tokenized_text(self.fields.terms, tokens);
    }
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
