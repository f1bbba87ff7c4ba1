//! A place in a query's text.

use super::WORD_LETTERS_MAX;
use super::expression::Expression;
use super::pattern::{Pattern, Piece};
use crate::search::error::QuestionError;

/// Characters that end a word unless they are escaped.
const SPECIAL: &str = "(){}[]^\"~:";

/// The characters of a query, and which is next.
pub(super) struct Cursor {
    letters: Vec<char>,
    at: usize,
}

impl Cursor {
    pub(super) fn new(query: &str) -> Self {
        Self { letters: query.chars().collect(), at: 0 }
    }

    pub(super) fn error(&self, what: &'static str) -> QuestionError {
        QuestionError::Syntax { at: self.at, what }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn skip_spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.advance();
        }
    }

    /// Takes this text, if it is next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let found = self.starts_with(text);
        if found {
            self.at += text.chars().count();
        }
        found
    }

    /// Takes this word, if it is next and ends where it ends.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let behind = self.letters.get(self.at + word.chars().count());
        let ends = behind.is_none_or(|letter| letter.is_whitespace() || SPECIAL.contains(*letter));
        ends && behind != Some(&':') && self.take(word)
    }

    /// Takes a field's name and its colon, if they are next.
    pub(super) fn take_field(&mut self) -> Result<Option<String>, QuestionError> {
        let start = self.at;
        if self.take("*:") {
            return Ok(Some("*".into()));
        }
        let mut name = String::new();
        while let Some(letter) = self.peek() {
            match letter {
                ':' if !name.is_empty() => {
                    self.advance();
                    return Ok(Some(name));
                }
                '\\' => {
                    self.advance();
                    name.push(self.escaped()?);
                    continue;
                }
                '*' | '?' => break,
                _ if letter.is_whitespace() || SPECIAL.contains(letter) => break,
                _ => name.push(letter),
            }
            self.advance();
        }
        self.at = start;
        Ok(None)
    }

    /// Text in quotation marks.
    pub(super) fn quoted(&mut self) -> Result<String, QuestionError> {
        self.advance();
        let mut text = String::new();
        loop {
            let Some(letter) = self.peek() else {
                return Err(self.error("a quotation mark is not closed"));
            };
            self.advance();
            match letter {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                _ => text.push(letter),
            }
        }
    }

    /// A word, perhaps with wildcards.
    pub(super) fn pattern(&mut self) -> Result<Pattern, QuestionError> {
        let mut pieces = Vec::new();
        while let Some(letter) = self.peek() {
            if letter.is_whitespace() || SPECIAL.contains(letter) {
                break;
            }
            self.advance();
            pieces.push(match letter {
                '\\' => Piece::Letter(self.escaped()?),
                '*' => Piece::Letters,
                '?' => Piece::AnyLetter,
                _ => Piece::Letter(letter),
            });
        }
        match (pieces.is_empty(), self.peek()) {
            (false, Some(':')) => Err(self.error("`:` is escaped as `\\:` within words")),
            (false, _) => Ok(Pattern::new(pieces)),
            (true, None) => Err(self.error("a clause is missing")),
            (true, Some(_)) => Err(self.error("a special character is escaped by a backslash")),
        }
    }

    /// A regular expression between slashes.
    pub(super) fn expression(&mut self) -> Result<Expression, QuestionError> {
        self.advance();
        let mut text = String::new();
        loop {
            let Some(letter) = self.peek() else {
                return Err(self.error("a slash begins a regular expression that does not end"));
            };
            self.advance();
            match letter {
                '/' => break,
                '\\' => {
                    text.push('\\');
                    text.push(self.escaped()?);
                }
                _ => text.push(letter),
            }
        }
        if text.chars().count() > WORD_LETTERS_MAX {
            return Err(QuestionError::TooMany("letters in a regular expression"));
        }
        Expression::parse(text).map_err(|what| self.error(what))
    }

    /// An end of a range; `None` is `*`.
    pub(super) fn range_end(&mut self) -> Result<Option<String>, QuestionError> {
        if self.peek() == Some('"') {
            return self.quoted().map(Some);
        }
        let mut text = String::new();
        while let Some(letter) = self.peek() {
            if letter.is_whitespace() || matches!(letter, ']' | '}') {
                break;
            }
            self.advance();
            text.push(if letter == '\\' { self.escaped()? } else { letter });
        }
        match text.as_str() {
            "" => Err(self.error("a range has two ends")),
            "*" => Ok(None),
            _ => Ok(Some(text)),
        }
    }

    /// A number, if one is next.
    pub(super) fn number(&mut self) -> Result<Option<f32>, QuestionError> {
        let start = self.at;
        while self.peek().is_some_and(|letter| letter.is_ascii_digit() || letter == '.') {
            self.advance();
        }
        let text: String = self.letters[start..self.at].iter().collect();
        match text.is_empty() {
            true => Ok(None),
            false => text.parse().map(Some).map_err(|_| self.error("this is no number")),
        }
    }

    fn escaped(&mut self) -> Result<char, QuestionError> {
        let letter = self.peek().ok_or_else(|| self.error("a backslash escapes nothing"))?;
        self.advance();
        Ok(letter)
    }

    fn starts_with(&self, text: &str) -> bool {
        let rest = self.letters.get(self.at..).unwrap_or_default();
        let mut letters = rest.iter().copied();
        text.chars().all(|wanted| letters.next() == Some(wanted))
    }
}
