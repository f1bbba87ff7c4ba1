//! A document's text, of which only what is asked for is read.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::mango::{Found, Path};
use crate::value::{Text, Value};

/// A document as JSON text, cut into its members; their values are not read yet.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// The text is no JSON object.
#[derive(Debug, thiserror::Error)]
#[error("a document is not a JSON object")]
pub struct NotADocument(#[source] serde_json::Error);

impl<'a> Document<'a> {
    /// Takes a document's text, underscored members such as `_id` included.
    ///
    /// # Errors
    /// [`NotADocument`] when the text is no JSON object.
    pub fn parse(text: &'a str) -> Result<Self, NotADocument> {
        Ok(Self { text, members: members(text).map_err(NotADocument)? })
    }

    /// The value that a path leads to.
    pub(crate) fn find(&self, path: &Path) -> Found<'a> {
        let Some((name, rest)) = path.names().split_first() else { return read(self.text) };
        match member(&self.members, name) {
            Some(raw) => find(raw.get(), rest),
            None => Found::Missing,
        }
    }
}

/// The value that a path leads to within a text, level by level: what lies beside the path is
/// passed over, not read.
fn find<'a>(text: &'a str, names: &[String]) -> Found<'a> {
    let Some((name, rest)) = names.split_first() else { return read(text) };
    match text.as_bytes().first() {
        Some(b'{') => match members(text) {
            Ok(members) => match member(&members, name) {
                Some(raw) => find(raw.get(), rest),
                None => Found::Missing,
            },
            Err(_) => Found::Astray,
        },
        Some(b'[') => {
            let elements: Result<Vec<&'a RawValue>, _> = serde_json::from_str(text);
            let position = name.parse::<usize>().ok();
            match (elements, position) {
                (Ok(elements), Some(position)) if position < elements.len() => {
                    find(elements[position].get(), rest)
                }
                _ => Found::Astray,
            }
        }
        _ => Found::Astray,
    }
}

fn read(text: &str) -> Found<'_> {
    match Value::parse(text, usize::MAX) {
        Ok(value) => Found::Value(Cow::Owned(value)),
        Err(_) => Found::Astray,
    }
}

fn member<'a>(members: &[(Cow<'a, str>, &'a RawValue)], name: &str) -> Option<&'a RawValue> {
    members.iter().find(|(given, _)| given == name).map(|(_, value)| *value)
}

type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

fn members(text: &str) -> Result<Members<'_>, serde_json::Error> {
    struct Object;

    impl<'de> Visitor<'de> for Object {
        type Value = Members<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some(name) = members.next_key_seed(Text)? {
                found.push((name, members.next_value()?));
            }
            Ok(found)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(text);
    let members = (&mut deserializer).deserialize_map(Object)?;
    deserializer.end()?;
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &str) {
        let text = r#"{"_id":"x","a":{"b":[1,{"c":"d"}],"e.f":2,"0":3},"n":null,"\u0061b":true}"#;
        let document = Document::parse(text).unwrap();
        let found = match document.find(&Path::parse(path).unwrap()) {
            Found::Value(value) => value.to_string(),
            Found::Missing => "missing".into(),
            Found::Astray => "astray".into(),
        };
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn paths_lead_to_values() {
        check("_id", r#""x""#);
        check("a.b", r#"[1,{"c":"d"}]"#);
        check("a.b.0", "1");
        check("a.b.1.c", r#""d""#);
        check("a.e\\.f", "2");
        check("a.0", "3");
        check("ab", "true");
        check("n", "null");
        check("x", "missing");
        check("a.x", "missing");
        check("a.x.y", "missing");
        check("a.b.2", "astray");
        check("a.b.x", "astray");
        check("a.b.-1", "astray");
        check("n.x", "astray");
        check("_id.x", "astray");
    }

    #[test]
    fn deep_documents_are_read() {
        let levels = store::json::DEPTH_MAX - 1;
        let text = format!(r#"{{"a":{}1{}}}"#, "[".repeat(levels), "]".repeat(levels));
        let document = Document::parse(&text).unwrap();
        assert!(matches!(document.find(&Path::parse("a").unwrap()), Found::Value(_)));
        let deepest = format!("a{}", ".0".repeat(levels));
        assert!(matches!(document.find(&Path::parse(&deepest).unwrap()), Found::Value(_)));
    }

    #[test]
    fn what_is_no_object_is_no_document() {
        for text in ["", "[]", "1", r#"{"a":1"#, "{}x"] {
            assert!(Document::parse(text).is_err(), "{text}");
        }
    }
}
