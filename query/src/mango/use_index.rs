//! The index that a request names.

use std::borrow::Cow;

use super::RequestError;
use crate::value::Value;

/// The index to use, as it was written: with `_design/` or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UseIndex {
    /// Any.
    Any,
    /// Any of a design document.
    Design(String),
    /// One of a design document.
    Named {
        /// The design document.
        design: String,
        /// The index's name.
        name: String,
    },
}

impl UseIndex {
    /// Reads a name, or an array of a design document's name and an index's.
    ///
    /// Source: CouchDB's `mango_opts:validate_use_index/1`.
    pub(super) fn from_value(value: &Value<'_>) -> Result<Self, RequestError> {
        let refused = || RequestError::of(RequestError::InvalidIndexName, value);
        match value {
            Value::Null => Ok(Self::Any),
            Value::String(text) => Ok(match text.split_once('/') {
                None => Self::Design(text.to_string()),
                Some(("_design", name)) => Self::Design(name.to_owned()),
                Some((design, name)) => Self::named(design, name),
            }),
            Value::Array(parts) => match parts.as_slice() {
                [] => Ok(Self::Any),
                [Value::String(design)] => Ok(Self::Design(design.to_string())),
                [Value::String(design), Value::String(name)] => Ok(Self::named(design, name)),
                _ => Err(refused()),
            },
            _ => Err(refused()),
        }
    }

    /// Whether it means an index of a design document's id.
    pub(super) fn means(&self, design: &str, name: &str) -> bool {
        match self {
            Self::Any => false,
            Self::Design(wanted) => design == with_prefix(wanted),
            Self::Named { design: wanted, name: wanted_name } => {
                design == with_prefix(wanted) && name == wanted_name
            }
        }
    }

    /// As an array of its parts.
    pub(super) fn to_array(&self) -> Value<'static> {
        let text = |text: &String| Value::String(Cow::Owned(text.clone()));
        Value::Array(match self {
            Self::Any => vec![],
            Self::Design(design) => vec![text(design)],
            Self::Named { design, name } => vec![text(design), text(name)],
        })
    }

    fn named(design: &str, name: &str) -> Self {
        Self::Named { design: design.to_owned(), name: name.to_owned() }
    }
}

/// What begins the id of a design document.
const PREFIX: &str = "_design/";

/// A design document's id, from its name with or without `_design/`.
pub(super) fn with_prefix(name: &str) -> Cow<'_, str> {
    if name.starts_with(PREFIX) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("{PREFIX}{name}"))
    }
}

/// A design document's name, from its id or its name.
pub(super) fn without_prefix(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, expected) in [
            ("null", "[]"),
            ("[]", "[]"),
            (r#""a""#, r#"["a"]"#),
            (r#""_design/a""#, r#"["a"]"#),
            (r#""a/b""#, r#"["a","b"]"#),
            (r#"["_design/a"]"#, r#"["_design/a"]"#),
            (r#"["a","b"]"#, r#"["a","b"]"#),
        ] {
            let used = UseIndex::from_value(&Value::parse(text, 3).unwrap()).unwrap();
            assert_eq!(used.to_array().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn meaning() {
        let used = UseIndex::Design("_design/a".into());
        assert!(used.means("_design/a", "x") && !used.means("_design/b", "x"));
        let used = UseIndex::named("a", "x");
        assert!(used.means("_design/a", "x") && !used.means("_design/a", "y"));
        assert!(!UseIndex::Any.means("_design/a", "x"));
    }
}
