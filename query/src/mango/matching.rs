//! Whether a document fulfils a condition.

use std::borrow::Cow;

use super::condition::{Condition, Test};
use super::path::{Found, Path};
use crate::collation;
use crate::document::Document;
use crate::value::{Number, Value};

/// What conditions are asked of.
#[derive(Clone, Copy)]
pub(super) enum Subject<'s> {
    /// A document that is not read yet.
    Document(&'s Document<'s>),
    /// A value within one.
    Value(&'s Value<'s>),
}

impl<'s> Subject<'s> {
    fn find(self, path: &Path) -> Found<'s> {
        match self {
            Self::Document(document) => document.find(path),
            Self::Value(value) => path.follow(value),
        }
    }
}

impl Condition {
    pub(super) fn holds(&self, subject: Subject<'_>) -> bool {
        match self {
            Self::And(conditions) => conditions.iter().all(|condition| condition.holds(subject)),
            Self::Or(conditions) => {
                conditions.is_empty() || conditions.iter().any(|condition| condition.holds(subject))
            }
            Self::Field(path, test) => match subject.find(path) {
                Found::Value(value) => test.passes(&value),
                Found::Missing => matches!(test, Test::Exists(false)),
                Found::Astray => false,
            },
        }
    }
}

impl Test {
    fn passes(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Compare(comparison, order, other), value) => {
                comparison.holds(order.compare(value, other))
            }
            (Self::In(set), Value::Array(elements)) => {
                elements.iter().any(|element| set.contains(element))
            }
            (Self::In(set), value) => set.contains(value),
            (Self::NotIn(set), Value::Array(elements)) => {
                !elements.iter().any(|element| set.contains(element))
            }
            (Self::NotIn(set), value) => !set.contains(value),
            (Self::Exists(expected), _) => *expected,
            (Self::Type(name), value) => name == type_name(value),
            (Self::Mod { divisor, remainder }, Value::Number(Number::Whole(number))) => {
                number.checked_rem(*divisor) == Some(*remainder)
            }
            (Self::Regex(regex), Value::String(text)) => regex.is_match(text),
            (Self::BeginsWith(prefix), Value::String(text)) => text.starts_with(prefix.as_str()),
            (Self::All(wanted), Value::Array(elements)) => has_all(elements, wanted),
            (Self::Size(size), Value::Array(elements)) => elements.len() as u64 == *size,
            (Self::ElemMatch(condition), Value::Array(elements)) => {
                elements.iter().any(|element| condition.holds(Subject::Value(element)))
            }
            (Self::AllMatch(condition), Value::Array(elements)) => {
                !elements.is_empty()
                    && elements.iter().all(|element| condition.holds(Subject::Value(element)))
            }
            (Self::KeyMapMatch(condition), Value::Object(members)) => {
                members.iter().any(|(name, _)| {
                    let name = Value::String(Cow::Borrowed(name));
                    condition.holds(Subject::Value(&name))
                })
            }
            (Self::Not(test), value) => !test.passes(value),
            (
                Self::Mod { .. }
                | Self::Regex(_)
                | Self::BeginsWith(_)
                | Self::All(_)
                | Self::Size(_)
                | Self::ElemMatch(_)
                | Self::AllMatch(_)
                | Self::KeyMapMatch(_),
                _,
            ) => false,
        }
    }
}

/// Whether an array has every wanted value, in whatever order, or is the one wanted array.
fn has_all(elements: &[Value<'_>], wanted: &[Value<'_>]) -> bool {
    match wanted {
        [] => false,
        [Value::Array(whole)] if is_equal(whole, elements) => true,
        wanted => wanted.iter().all(|value| elements.contains(value)),
    }
}

fn is_equal(one: &[Value<'_>], other: &[Value<'_>]) -> bool {
    let mut pairs = one.iter().zip(other);
    one.len() == other.len() && pairs.all(|(one, other)| collation::compare(one, other).is_eq())
}

fn type_name(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
