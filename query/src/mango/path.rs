//! Where a field lies within a document.

use std::borrow::Cow;

use super::SelectorError;
use crate::value::Value;

/// The way to a field: names of members, or positions in arrays. Empty for the value itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(Vec<String>);

/// What a path led to.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// A value.
    Value(Cow<'a, Value<'a>>),
    /// An object without that member.
    Missing,
    /// A value that has no members, or an array without that position.
    Astray,
}

impl Path {
    /// Parses names with dots between them; `\.` is a dot within a name. The empty text is the empty
    /// path.
    pub(crate) fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.is_empty() {
            return Ok(Self(vec![]));
        }
        let mut names = vec![String::new()];
        let mut escaped = false;
        for letter in text.chars() {
            match letter {
                '.' if !escaped => names.push(String::new()),
                '\\' => {}
                letter => {
                    if let Some(name) = names.last_mut() {
                        name.push(letter);
                    }
                }
            }
            escaped = letter == '\\';
        }
        if names.iter().any(String::is_empty) {
            return Err(SelectorError::MissingFieldName);
        }
        Ok(Self(names))
    }

    /// The names on the way.
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether it leads to the value itself.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it leads to a document's id, whose order is that of its bytes.
    pub(crate) fn is_id(&self) -> bool {
        matches!(self.0.as_slice(), [name] if name == "_id")
    }

    /// Follows the way from a value.
    pub(crate) fn follow<'v>(&self, from: &'v Value<'_>) -> Found<'v> {
        let mut value = from;
        for name in &self.0 {
            value = match value {
                Value::Object(members) => match members.iter().find(|(given, _)| given == name) {
                    Some((_, value)) => value,
                    None => return Found::Missing,
                },
                Value::Array(elements) => {
                    let position = name.parse::<usize>().ok();
                    match position.and_then(|position| elements.get(position)) {
                        Some(value) => value,
                        None => return Found::Astray,
                    }
                }
                _ => return Found::Astray,
            };
        }
        Found::Value(Cow::Borrowed(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(Path::parse(text).unwrap().names(), expected, "{text}");
    }

    #[test]
    fn parses() {
        check("", &[]);
        check("ab", &["ab"]);
        check("a.b.c", &["a", "b", "c"]);
        check("a\\.b", &["a.b"]);
        check("a.b\\.c", &["a", "b.c"]);
        check("a\\b", &["ab"]);
        check("é.0", &["é", "0"]);
        for text in [".", "a.", ".a", "a..b", "\\"] {
            assert_eq!(Path::parse(text), Err(SelectorError::MissingFieldName), "{text}");
        }
    }

    #[test]
    fn only_the_documents_own_id_is_one() {
        assert!(Path::parse("_id").unwrap().is_id());
        assert!(!Path::parse("a._id").unwrap().is_id());
    }
}
