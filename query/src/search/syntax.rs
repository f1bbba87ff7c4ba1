//! Lucene's query syntax, as CouchDB documents it, into a tree.
//!
//! As in Lucene's classic parser, `AND` and `OR` have no precedence: `AND` makes the clauses on both
//! sides required, and a clause that nothing is said of may match.

mod cursor;
mod expression;
mod pattern;

use self::cursor::Cursor;
pub(super) use self::expression::Expression;
pub(super) use self::pattern::{Pattern, Piece};
use super::error::QuestionError;

/// Bytes of a query.
const QUERY_BYTES_MAX: usize = 32 << 10;

/// Clauses of a query, as many as Lucene takes.
const CLAUSES_MAX: usize = 1024;

/// Parentheses within parentheses.
const DEPTH_MAX: usize = 32;

/// Letters of a word or a pattern.
const WORD_LETTERS_MAX: usize = 255;

/// Words that count between those of a phrase.
const SLOP_MAX: u32 = 255;

/// The field that is meant where none is named.
const DEFAULT_FIELD: &str = "default";

/// A query or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// `*:*`
    All,
    /// `field:*`
    Exists(String),
    /// `field:word`
    Term { field: String, text: String },
    /// `field:"several words"~slop`
    Phrase { field: String, text: String, slop: u32 },
    /// `field:wor*`
    Wildcard { field: String, pattern: Pattern },
    /// `field:/wor[dk]s?/`
    Expression { field: String, expression: Expression },
    /// `field:word~`
    Fuzzy { field: String, text: String, edits: Edits },
    /// `field:[low TO high]`; `None` is `*`.
    Range { field: String, low: Option<Bound>, high: Option<Bound> },
    /// `node^boost`
    Boost(Box<Self>, f32),
    /// Clauses.
    Group(Vec<(Occur, Self)>),
}

/// Whether a clause has to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occur {
    Should,
    Must,
    MustNot,
}

/// An end of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) text: String,
    pub(super) inclusive: bool,
}

/// How much a word may differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Edits {
    /// By so many letters.
    Count(usize),
    /// By this share of it.
    Similarity(f32),
}

/// Parses a query.
pub(super) fn parse(query: &str) -> Result<Node, QuestionError> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(QuestionError::TooLong(QUERY_BYTES_MAX));
    }
    let mut parser = Parser { cursor: Cursor::new(query), clauses: 0, depth: 0 };
    let node = parser.clauses(DEFAULT_FIELD)?;
    match parser.cursor.peek() {
        None => Ok(node),
        Some(_) => Err(parser.cursor.error("a closing parenthesis closes nothing")),
    }
}

struct Parser {
    cursor: Cursor,
    clauses: usize,
    depth: usize,
}

/// What stands between clauses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conjunction {
    Nothing,
    And,
    Or,
}

impl Parser {
    /// Clauses up to the end, or a closing parenthesis.
    fn clauses(&mut self, field: &str) -> Result<Node, QuestionError> {
        let mut clauses: Vec<(Occur, Node)> = Vec::new();
        loop {
            self.cursor.skip_spaces();
            if matches!(self.cursor.peek(), None | Some(')')) && !clauses.is_empty() {
                break;
            }
            let conjunction = match clauses.is_empty() {
                true => Conjunction::Nothing,
                false => self.conjunction(),
            };
            let mut occur = self.modifier();
            if conjunction == Conjunction::And {
                if let Some((last @ Occur::Should, _)) = clauses.last_mut() {
                    *last = Occur::Must;
                }
                if occur == Occur::Should {
                    occur = Occur::Must;
                }
            }
            self.count_clause()?;
            let node = self.clause(field)?;
            clauses.push((occur, node));
        }
        match clauses.pop() {
            Some((Occur::Should | Occur::Must, only)) if clauses.is_empty() => Ok(only),
            last => {
                clauses.extend(last);
                Ok(Node::Group(clauses))
            }
        }
    }

    fn conjunction(&mut self) -> Conjunction {
        if self.cursor.take_word("AND") || self.cursor.take("&&") {
            Conjunction::And
        } else if self.cursor.take_word("OR") || self.cursor.take("||") {
            Conjunction::Or
        } else {
            Conjunction::Nothing
        }
    }

    fn modifier(&mut self) -> Occur {
        self.cursor.skip_spaces();
        if self.cursor.take("+") {
            Occur::Must
        } else if self.cursor.take("-") || self.cursor.take("!") || self.cursor.take_word("NOT") {
            Occur::MustNot
        } else {
            Occur::Should
        }
    }

    fn clause(&mut self, field: &str) -> Result<Node, QuestionError> {
        self.cursor.skip_spaces();
        let named = self.cursor.take_field()?;
        let field = named.as_deref().unwrap_or(field);
        self.cursor.skip_spaces();
        let node = match self.cursor.peek() {
            Some('(') => {
                self.cursor.advance();
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(QuestionError::TooMany("parentheses within parentheses"));
                }
                let inner = self.clauses(field)?;
                self.depth -= 1;
                if !self.cursor.take(")") {
                    return Err(self.cursor.error("a parenthesis is not closed"));
                }
                inner
            }
            Some('"') => {
                let text = self.cursor.quoted()?;
                let slop = match self.cursor.take("~") {
                    true => self.cursor.number()?.map_or(0, |slop| (slop as u32).min(SLOP_MAX)),
                    false => 0,
                };
                Node::Phrase { field: field.into(), text, slop }
            }
            Some('[' | '{') => self.range(field)?,
            Some('/') => {
                Node::Expression { field: field.into(), expression: self.cursor.expression()? }
            }
            _ => self.term(field, named.is_some())?,
        };
        self.boosted(node)
    }

    fn boosted(&mut self, node: Node) -> Result<Node, QuestionError> {
        if !self.cursor.take("^") {
            return Ok(node);
        }
        match self.cursor.number()? {
            Some(boost) if (0.0..=1e6).contains(&boost) => Ok(Node::Boost(Box::new(node), boost)),
            _ => Err(self.cursor.error("a boost is a number")),
        }
    }

    fn term(&mut self, field: &str, named: bool) -> Result<Node, QuestionError> {
        if !named && ["AND", "OR", "NOT"].iter().any(|word| self.cursor.take_word(word)) {
            return Err(self.cursor.error("an operator stands where a clause is expected"));
        }
        let pattern = self.cursor.pattern()?;
        if pattern.pieces().len() > WORD_LETTERS_MAX {
            return Err(QuestionError::TooMany("letters in a word"));
        }
        let field = field.to_owned();
        if pattern.is_any() {
            return Ok(if field == "*" { Node::All } else { Node::Exists(field) });
        }
        let Some(text) = pattern.text() else {
            if !matches!(pattern.pieces().first(), Some(Piece::Letter(_))) {
                let what = "`*` or `?` is not allowed as the first character of a word";
                return Err(self.cursor.error(what));
            }
            return Ok(Node::Wildcard { field, pattern });
        };
        if !self.cursor.take("~") {
            return Ok(Node::Term { field, text });
        }
        let edits = match self.cursor.number()? {
            None => Edits::Count(2),
            Some(similarity) if (0.0..1.0).contains(&similarity) => Edits::Similarity(similarity),
            Some(edits) if edits.fract() == 0.0 && edits > 0.0 => {
                Edits::Count(edits.min(2.0) as usize)
            }
            Some(_) => return Err(self.cursor.error("a number of edits is whole")),
        };
        Ok(Node::Fuzzy { field, text, edits })
    }

    fn range(&mut self, field: &str) -> Result<Node, QuestionError> {
        let low_inclusive = self.cursor.take("[") || !self.cursor.take("{");
        self.cursor.skip_spaces();
        let low = self.cursor.range_end()?;
        self.cursor.skip_spaces();
        if !self.cursor.take_word("TO") {
            return Err(self.cursor.error("a range has a TO between its ends"));
        }
        self.cursor.skip_spaces();
        let high = self.cursor.range_end()?;
        self.cursor.skip_spaces();
        let high_inclusive = self.cursor.take("]");
        if !high_inclusive && !self.cursor.take("}") {
            return Err(self.cursor.error("a range is not closed"));
        }
        let bound = |text: Option<String>, inclusive| text.map(|text| Bound { text, inclusive });
        Ok(Node::Range {
            field: field.into(),
            low: bound(low, low_inclusive),
            high: bound(high, high_inclusive),
        })
    }

    fn count_clause(&mut self) -> Result<(), QuestionError> {
        self.clauses += 1;
        match self.clauses > CLAUSES_MAX {
            true => Err(QuestionError::TooMany("clauses")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
