//! Queries for all terms of a kind: those between two, like a pattern, or like a word.

use std::sync::Arc;

use regex::Regex;
use tantivy::query::{
    BitSetDocSet, ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, DocSet as _, Score, SegmentReader, TantivyError};

use super::error::QuestionError;
use super::syntax::{Edits, Expression, Pattern};

/// Documents with any of the terms that lie in a range and pass a test. All count alike.
#[derive(Clone, Debug)]
pub(super) struct Expansion {
    pub(super) field: Field,
    /// The first term that may be meant, and the first behind it that is not.
    pub(super) low: Vec<u8>,
    pub(super) high: Vec<u8>,
    /// What of a term is not tested, being its field's name and its kind.
    pub(super) untested_bytes: usize,
    pub(super) test: Arc<Test>,
}

/// What terms have to be like.
#[derive(Debug)]
pub(super) enum Test {
    /// As they like.
    Any,
    /// A pattern.
    Pattern(Pattern),
    /// A regular expression.
    Expression(Regex),
    /// A word, but for so many letters.
    Near(Vec<char>, usize),
}

impl Query for Expansion {
    fn weight(&self, _scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Expansion {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut found = BitSet::with_max_value(reader.max_doc());
        let inverted = reader.inverted_index(self.field)?;
        let mut terms = inverted.terms().range().ge(&self.low).lt(&self.high).into_stream()?;
        while terms.advance() {
            let tested = terms.key().get(self.untested_bytes..).unwrap_or_default();
            if !self.test.passes(tested) {
                continue;
            }
            let mut postings = inverted
                .read_block_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
            while !postings.docs().is_empty() {
                for document in postings.docs() {
                    found.insert(*document);
                }
                postings.advance();
            }
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(found), boost)))
    }

    fn explain(&self, reader: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        match self.scorer(reader, 1.0)?.seek(document) == document {
            true => Ok(Explanation::new("Expansion", 1.0)),
            false => Err(TantivyError::InvalidArgument("no such document".into())),
        }
    }
}

impl Test {
    /// A word, but for as many letters as a query says.
    pub(super) fn near(word: &str, edits: Edits) -> Self {
        let letters: Vec<char> = word.chars().collect();
        let edits = match edits {
            Edits::Count(edits) => edits,
            Edits::Similarity(share) => (((1.0 - share) * letters.len() as f32) as usize).min(2),
        };
        Self::Near(letters, edits)
    }

    /// An expression, its letters changed as those of words are.
    pub(super) fn expression(
        expression: &Expression,
        change: impl Fn(&str) -> String,
    ) -> Result<Self, QuestionError> {
        // It was tried when it was parsed; other letters may make it larger.
        let too_large = |_| QuestionError::TooMany("parts of a regular expression");
        expression.matcher(change).map(Self::Expression).map_err(too_large)
    }

    pub(super) fn passes(&self, term: &[u8]) -> bool {
        match (self, std::str::from_utf8(term)) {
            (Self::Any, _) => true,
            (Self::Pattern(pattern), Ok(text)) => pattern.matches(text),
            (Self::Expression(matcher), Ok(text)) => matcher.is_match(text),
            (Self::Near(word, edits), Ok(text)) => is_near(word, text, *edits),
            (_, Err(_)) => false,
        }
    }
}

/// Whether one text becomes the other by so many letters put in, left out or changed.
fn is_near(word: &[char], text: &str, edits: usize) -> bool {
    // Too long whatever its letters are, as is seen without counting them.
    if text.len() > 4 * (word.len() + edits) {
        return false;
    }
    let text: Vec<char> = text.chars().collect();
    if word.len().abs_diff(text.len()) > edits {
        return false;
    }
    let mut above: Vec<usize> = (0..=text.len()).collect();
    for (row, letter) in word.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut above[0], row + 1);
        let mut least = row + 1;
        for (column, other) in text.iter().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = above[column + 1];
            above[column + 1] = changed.min(diagonal + 1).min(above[column] + 1);
            least = least.min(above[column + 1]);
        }
        if least > edits {
            return false;
        }
    }
    above[text.len()] <= edits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, which takes exponential time.
    fn distance(a: &[char], b: &[char]) -> usize {
        match (a, b) {
            ([], rest) | (rest, []) => rest.len(),
            ([x, xs @ ..], [y, ys @ ..]) if x == y => distance(xs, ys),
            ([_, xs @ ..], [_, ys @ ..]) => {
                1 + distance(xs, ys).min(distance(a, ys)).min(distance(xs, b))
            }
        }
    }

    proptest! {
        #[test]
        fn near_words_are_found(a in "[abé]{0,5}", b in "[abé]{0,5}", edits in 0_usize..3) {
            let [a, letters]: [Vec<char>; 2] = [a.chars().collect(), b.chars().collect()];
            prop_assert_eq!(is_near(&a, &b, edits), distance(&a, &letters) <= edits);
        }
    }
}
