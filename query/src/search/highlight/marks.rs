//! Which words of a text a query looks for.

use std::collections::BTreeSet;

use crate::search::analyzer::Word;
use crate::search::definition::SearchIndex;
use crate::search::error::QuestionError;
use crate::search::expand::Test;
use crate::search::syntax::{Node, Occur};

/// Words of a phrase that are marked only where the phrase stands; those of longer ones are marked
/// wherever they are.
const PHRASE_WORDS_MAX: usize = 32;

/// What a query looks for, but for ranges.
#[derive(Default)]
pub(super) struct Marks {
    words: BTreeSet<String>,
    phrases: Vec<Vec<Word>>,
    tests: Vec<Test>,
}

impl Marks {
    pub(super) fn of(query: &Node, index: &SearchIndex) -> Result<Self, QuestionError> {
        let mut marks = Self::default();
        marks.add(query, index)?;
        Ok(marks)
    }

    fn add(&mut self, node: &Node, index: &SearchIndex) -> Result<(), QuestionError> {
        match node {
            Node::All | Node::Exists(_) | Node::Range { .. } => {}
            Node::Term { field, text } => {
                let words = index.analyzers.of_field(field).analyze(text);
                self.words.extend(words.into_iter().map(|word| word.text));
            }
            Node::Phrase { field, text, slop } => {
                let words = index.analyzers.of_field(field).analyze(text);
                if *slop == 0 && (2..=PHRASE_WORDS_MAX).contains(&words.len()) {
                    self.phrases.push(words);
                } else {
                    self.words.extend(words.into_iter().map(|word| word.text));
                }
            }
            Node::Wildcard { field, pattern } => {
                let analyzer = index.analyzers.of_field(field);
                let pattern = pattern.map_letters(|letters| analyzer.normalize(letters));
                self.tests.push(Test::Pattern(pattern));
            }
            Node::Expression { field, expression } => {
                let analyzer = index.analyzers.of_field(field);
                let test = Test::expression(expression, |letters| analyzer.normalize(letters))?;
                self.tests.push(test);
            }
            Node::Fuzzy { field, text, edits } => {
                let word = index.analyzers.of_field(field).normalize(text);
                self.tests.push(Test::near(&word, *edits));
            }
            Node::Boost(inner, _) => self.add(inner, index)?,
            Node::Group(clauses) => {
                let wanted = clauses.iter().filter(|(occur, _)| *occur != Occur::MustNot);
                for (_, inner) in wanted {
                    self.add(inner, index)?;
                }
            }
        }
        Ok(())
    }

    /// For each word whether it is looked for.
    pub(super) fn find(&self, words: &[Word]) -> Vec<bool> {
        let is_wanted = |word: &Word| {
            self.words.contains(&word.text)
                || self.tests.iter().any(|test| test.passes(word.text.as_bytes()))
        };
        let mut marked: Vec<bool> = words.iter().map(is_wanted).collect();
        for phrase in &self.phrases {
            for start in 0..words.len() {
                if let Some(places) = places(phrase, words, start) {
                    places.into_iter().for_each(|place| marked[place] = true);
                }
            }
        }
        marked
    }
}

/// Where the words of a phrase are that begins here.
fn places(phrase: &[Word], words: &[Word], start: usize) -> Option<Vec<usize>> {
    let (first, begin) = (phrase.first()?, words.get(start)?);
    let mut places = Vec::new();
    for wanted in phrase {
        let position = begin.position + (wanted.position - first.position);
        // At most as far behind as the phrase has words: stop words have no place of their own.
        let place = start + places.len();
        let word = words.get(place).filter(|word| word.position == position)?;
        if word.text != wanted.text {
            return None;
        }
        places.push(place);
    }
    Some(places)
}
