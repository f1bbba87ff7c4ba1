//! Words of a query, marked in stored text.
//!
//! Source: Lucene's `Highlighter` with a `QueryScorer` and a `SimpleFragmenter`, as Clouseau uses them:
//! words of all fields are marked in each.

mod fragment;
mod marks;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use self::fragment::Fragments;
use self::marks::Marks;
use super::definition::SearchIndex;
use super::error::QuestionError;
use super::question::Highlighting;
use super::syntax::Node;

/// Letters of a text in which words are marked.
///
/// Source: Lucene's `DEFAULT_MAX_CHARS_TO_ANALYZE`.
const TEXT_LETTERS_MAX: usize = 50 << 10;

/// Bytes of texts of one document in which words are marked.
const DOCUMENT_BYTES_MAX: usize = 256 << 10;

/// Letters of a fragment where none are given.
///
/// Source: Lucene's `DEFAULT_FRAGMENT_SIZE`.
const FRAGMENT_LETTERS: usize = 100;

/// Bytes of what stands before or behind a word.
const TAG_BYTES_MAX: usize = 100;

/// Fragments of a text.
const FRAGMENTS_MAX: usize = 100;

/// Marks what a query looks for.
pub(super) struct Highlighter {
    index: SearchIndex,
    marks: Marks,
    options: Highlighting,
}

impl Highlighter {
    pub(super) fn new(
        options: &Highlighting,
        query: &Node,
        index: &SearchIndex,
    ) -> Result<Self, QuestionError> {
        let mut options = options.clone();
        if options.pre_tag.len().max(options.post_tag.len()) > TAG_BYTES_MAX {
            return Err(QuestionError::TooMany("letters in a highlight tag"));
        }
        options.number = options.number.min(FRAGMENTS_MAX);
        if options.size == 0 {
            options.size = FRAGMENT_LETTERS;
        }
        let marks = Marks::of(query, index)?;
        Ok(Self { index: index.clone(), marks, options })
    }

    /// Fragments of what was stored, a JSON object, of each field that was asked for.
    pub(super) fn highlight(&self, stored: &str) -> BTreeMap<String, Vec<String>> {
        let stored: Map<String, Value> = serde_json::from_str(stored).unwrap_or_default();
        let mut bytes_left = DOCUMENT_BYTES_MAX;
        let mut highlights = BTreeMap::new();
        for field in &self.options.fields {
            if highlights.contains_key(field) {
                continue;
            }
            let texts = match stored.get(field) {
                Some(Value::Array(several)) => several.as_slice(),
                Some(one) => std::slice::from_ref(one),
                None => &[],
            };
            let mut fragments = Vec::new();
            for text in texts.iter().filter_map(Value::as_str) {
                let text = beginning(&text[..text.floor_char_boundary(bytes_left)]);
                bytes_left -= text.len();
                fragments.extend(self.fragments(field, text));
            }
            highlights.insert(field.clone(), fragments);
        }
        highlights
    }

    fn fragments(&self, field: &str, text: &str) -> Vec<String> {
        let words = self.index.analyzers.of_field(field).analyze(text);
        let marked = self.marks.find(&words);
        let Highlighting { pre_tag, post_tag, number, size, .. } = &self.options;
        Fragments { text, words: &words, marked: &marked }.best(*number, *size, pre_tag, post_tag)
    }
}

/// As much of a text as words are marked in.
fn beginning(text: &str) -> &str {
    let end = text.char_indices().nth(TEXT_LETTERS_MAX).map_or(text.len(), |(at, _)| at);
    &text[..end]
}
