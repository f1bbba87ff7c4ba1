//! Which documents a selector means.

use super::SelectorError;
use super::condition::Condition;
use super::matching::Subject;
use super::parse::{Parser, Sense};
use crate::document::Document;
use crate::value::Value;

/// A Mango selector, parsed: it can be matched against any number of documents.
#[derive(Clone, Debug)]
pub struct Selector(Option<Condition>);

/// Levels of a selector's JSON.
pub(crate) const LEVELS_MAX: usize = 128;

impl Selector {
    /// Parses a selector's JSON text. `{}` matches every document.
    ///
    /// # Errors
    /// What is wrong with it, in CouchDB's words; [`SelectorError::TooLarge`] where CouchDB has no
    /// bound.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        Self::from_value(Value::parse(text, LEVELS_MAX).map_err(|_| SelectorError::Json)?)
    }

    /// The selector that a part of a larger JSON text is.
    pub(super) fn from_value(value: Value<'_>) -> Result<Self, SelectorError> {
        if !value.fits(LEVELS_MAX) {
            return Err(SelectorError::TooLarge);
        }
        match value {
            Value::Object(members) if members.is_empty() => Ok(Self(None)),
            selector @ Value::Object(_) => {
                let condition = Parser::default().condition(selector, "", Sense::Plain)?;
                match &condition {
                    Condition::Field(path, _) if path.is_empty() => {
                        Err(SelectorError::MissingFieldName)
                    }
                    _ => Ok(Self(Some(condition))),
                }
            }
            _ => Err(SelectorError::NotAnObject),
        }
    }

    /// Whether a document is meant.
    #[must_use]
    pub fn matches(&self, document: &Document<'_>) -> bool {
        self.0.as_ref().is_none_or(|condition| condition.holds(Subject::Document(document)))
    }
}

#[cfg(test)]
mod tests;
