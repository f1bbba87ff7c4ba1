//! Queries into what Tantivy looks for.

use std::sync::Arc;

use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, EmptyQuery, Occur as Match, PhraseQuery, Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

use super::analyzer::{Analyzer, Word};
use super::boosted::Boosted;
use super::definition::{Dialect, SearchIndex};
use super::error::QuestionError;
use super::expand::{Expansion, Test};
use super::syntax::{Bound, Edits, Expression, Node, Occur, Pattern};
use super::term::{self, TermKind};

/// Terms of a query, all of its words together.
const TERMS_MAX: usize = 1024;

/// Parts of a query that stand for all terms that are like something: each reads through a field's.
const EXPANSIONS_MAX: usize = 32;

/// Puts a query together; `None` where nothing is left of it, all its words being stop words.
pub(super) struct Compiler<'a> {
    index: &'a SearchIndex,
    field: Field,
    terms: usize,
    expansions: usize,
}

type Part = Result<Option<Box<dyn Query>>, QuestionError>;

impl<'a> Compiler<'a> {
    pub(super) fn new(index: &'a SearchIndex, field: Field) -> Self {
        Self { index, field, terms: 0, expansions: 0 }
    }

    /// The query of a tree.
    pub(super) fn query(&mut self, node: &Node) -> Result<Box<dyn Query>, QuestionError> {
        Ok(self.node(node)?.unwrap_or_else(|| Box::new(EmptyQuery)))
    }

    fn node(&mut self, node: &Node) -> Part {
        match node {
            Node::All => Ok(Some(Box::new(AllQuery))),
            Node::Exists(name) => self.range(name, None, None),
            Node::Term { field, text } => self.term(field, text),
            Node::Phrase { field, text, slop } => self.phrase(field, text, *slop),
            Node::Wildcard { field, pattern } => self.wildcard(field, pattern),
            Node::Expression { field, expression } => self.expression(field, expression),
            Node::Fuzzy { field, text, edits } => self.fuzzy(field, text, *edits),
            Node::Range { field, low, high } => self.range(field, low.as_ref(), high.as_ref()),
            Node::Boost(node, boost) => {
                let node = self.node(node)?;
                Ok(node.map(|node| Box::new(BoostQuery::new(node, *boost)) as Box<dyn Query>))
            }
            Node::Group(clauses) => {
                let mut parts = Vec::with_capacity(clauses.len());
                for (occur, node) in clauses {
                    let occur = match occur {
                        Occur::Should => Match::Should,
                        Occur::Must => Match::Must,
                        Occur::MustNot => Match::MustNot,
                    };
                    parts.extend(self.node(node)?.map(|part| (occur, part)));
                }
                Ok((!parts.is_empty())
                    .then(|| Box::new(BooleanQuery::new(parts)) as Box<dyn Query>))
            }
        }
    }

    /// A word, which is several where the analyzer says so, and perhaps a number.
    fn term(&mut self, name: &str, text: &str) -> Part {
        let mut parts: Vec<Box<dyn Query>> = Vec::new();
        for Word { text, .. } in self.words(name, text)? {
            parts.push(self.lookup(&term::word(name, &text))?);
        }
        if let Some(number) = term::parse_number(text) {
            parts.push(self.lookup(&term::number(name, number))?);
        }
        self.add_whole(name, text, parts)
    }

    fn phrase(&mut self, name: &str, text: &str, slop: u32) -> Part {
        let words = self.words(name, text)?;
        let mut parts: Vec<Box<dyn Query>> = Vec::new();
        match words.as_slice() {
            [] => {}
            [Word { text, .. }] => parts.push(self.lookup(&term::word(name, text))?),
            several => {
                self.count(several.len())?;
                let terms = several.iter().map(|word| {
                    (word.position, term::of(self.field, &term::word(name, &word.text)))
                });
                parts.push(Box::new(PhraseQuery::new_with_offset_and_slop(terms.collect(), slop)));
            }
        }
        self.add_whole(name, text, parts)
    }

    /// Any of these, or the text as a whole where it can be kept so; otherwise weighted as the documents
    /// want it.
    fn add_whole(&mut self, name: &str, text: &str, mut parts: Vec<Box<dyn Query>>) -> Part {
        if self.is_typed() {
            parts.push(self.lookup(&term::exact(name, text))?);
            return Ok(any_of(parts));
        }
        let boosted = |query| Box::new(Boosted::new(query, name)) as Box<dyn Query>;
        Ok(any_of(parts).map(boosted))
    }

    fn wildcard(&mut self, name: &str, pattern: &Pattern) -> Part {
        let analyzer = self.analyzer(name);
        let words = pattern.map_letters(|letters| analyzer.normalize(letters));
        let start = words.beginning();
        let mut parts = vec![self.like(name, TermKind::Word, &start, Test::Pattern(words))?];
        if self.is_typed() {
            let (start, test) = (pattern.beginning(), Test::Pattern(pattern.clone()));
            parts.push(self.like(name, TermKind::Exact, &start, test)?);
        }
        Ok(any_of(parts))
    }

    fn expression(&mut self, name: &str, expression: &Expression) -> Part {
        let analyzer = self.analyzer(name);
        let normalize = |letters: &str| analyzer.normalize(letters);
        let test = Test::expression(expression, normalize)?;
        let start = expression.beginning(normalize);
        let mut parts = vec![self.like(name, TermKind::Word, &start, test)?];
        if self.is_typed() {
            let test = Test::expression(expression, str::to_owned)?;
            let start = expression.beginning(str::to_owned);
            parts.push(self.like(name, TermKind::Exact, &start, test)?);
        }
        Ok(any_of(parts))
    }

    /// Terms that begin so and pass a test.
    fn like(
        &mut self,
        name: &str,
        kind: TermKind,
        start: &str,
        test: Test,
    ) -> Result<Box<dyn Query>, QuestionError> {
        let beginning = term::beginning(name, kind);
        let low = beginning.clone() + start;
        let high = term::end_of(&low);
        self.expansion(low.into_bytes(), high, beginning.len(), test)
    }

    fn fuzzy(&mut self, name: &str, text: &str, edits: Edits) -> Part {
        let word = self.analyzer(name).normalize(text);
        let mut parts = vec![self.like(name, TermKind::Word, "", Test::near(&word, edits))?];
        if self.is_typed() {
            parts.push(self.like(name, TermKind::Exact, "", Test::near(text, edits))?);
        }
        Ok(any_of(parts))
    }

    /// Numbers where both ends are, else words; everything where there are no ends.
    fn range(&mut self, name: &str, low: Option<&Bound>, high: Option<&Bound>) -> Part {
        let number = |bound: Option<&Bound>| match bound {
            None => Some(None),
            Some(bound) => {
                term::parse_number(&bound.text).map(|number| Some((number, bound.inclusive)))
            }
        };
        let mut parts = Vec::new();
        if let (Some(low), Some(high)) = (number(low), number(high)) {
            parts.push(self.numbers(name, low, high)?);
        }
        if (low.is_none() && high.is_none()) || parts.is_empty() {
            parts.push(self.texts(name, TermKind::Word, low, high)?);
            parts.push(self.texts(name, TermKind::Exact, low, high)?);
        }
        Ok(any_of(parts))
    }

    /// Numbers between two, each with whether it counts itself.
    pub(super) fn numbers(
        &mut self,
        name: &str,
        low: Option<(f64, bool)>,
        high: Option<(f64, bool)>,
    ) -> Result<Box<dyn Query>, QuestionError> {
        let beginning = term::beginning(name, TermKind::Number);
        let bytes = |(number, skipped): (f64, bool)| {
            let mut bytes = term::number(name, number).into_bytes();
            // Behind the term, and before the next.
            bytes.extend(skipped.then_some(0));
            bytes
        };
        let first = low.map_or_else(
            || beginning.clone().into_bytes(),
            |(n, inclusive)| bytes((n, !inclusive)),
        );
        let end = high.map_or_else(|| term::end_of(&beginning), bytes);
        self.expansion(first, end, beginning.len(), Test::Any)
    }

    fn texts(
        &mut self,
        name: &str,
        kind: TermKind,
        low: Option<&Bound>,
        high: Option<&Bound>,
    ) -> Result<Box<dyn Query>, QuestionError> {
        let beginning = term::beginning(name, kind);
        let analyzer = self.index.analyzers.of_field(name);
        let bytes = |text: &str, skipped: bool| {
            let text = if kind == TermKind::Word { analyzer.normalize(text) } else { text.into() };
            let mut bytes = (beginning.clone() + &text).into_bytes();
            bytes.extend(skipped.then_some(0));
            bytes
        };
        let first = low.map_or_else(
            || beginning.clone().into_bytes(),
            |bound| bytes(&bound.text, !bound.inclusive),
        );
        let end = high
            .map_or_else(|| term::end_of(&beginning), |bound| bytes(&bound.text, bound.inclusive));
        self.expansion(first, end, beginning.len(), Test::Any)
    }

    fn expansion(
        &mut self,
        low: Vec<u8>,
        high: Vec<u8>,
        untested_bytes: usize,
        test: Test,
    ) -> Result<Box<dyn Query>, QuestionError> {
        self.expansions += 1;
        if self.expansions > EXPANSIONS_MAX {
            return Err(QuestionError::TooMany("wildcards, ranges and fuzzy words"));
        }
        Ok(Box::new(Expansion {
            field: self.field,
            low,
            high,
            untested_bytes,
            test: Arc::new(test),
        }))
    }

    /// Documents with exactly this term.
    pub(super) fn lookup(&mut self, term: &str) -> Result<Box<dyn Query>, QuestionError> {
        self.count(1)?;
        Ok(Box::new(TermQuery::new(term::of(self.field, term), IndexRecordOption::WithFreqs)))
    }

    fn words(&self, name: &str, text: &str) -> Result<Vec<Word>, QuestionError> {
        let words = self.analyzer(name).analyze(text);
        match words.len() > TERMS_MAX {
            true => Err(QuestionError::TooMany("words")),
            false => Ok(words),
        }
    }

    fn count(&mut self, terms: usize) -> Result<(), QuestionError> {
        self.terms += terms;
        match self.terms > 3 * TERMS_MAX {
            true => Err(QuestionError::TooMany("words")),
            false => Ok(()),
        }
    }

    fn analyzer(&self, name: &str) -> &'a Analyzer {
        self.index.analyzers.of_field(name)
    }

    /// Whether text can be kept as a whole.
    fn is_typed(&self) -> bool {
        self.index.dialect == Dialect::Nouveau
    }
}

/// Documents that match any of these.
pub(super) fn any_of(mut parts: Vec<Box<dyn Query>>) -> Option<Box<dyn Query>> {
    match parts.len() {
        0 | 1 => parts.pop(),
        _ => Some(Box::new(BooleanQuery::union(parts))),
    }
}
