//! A document's text, of which only what is asked for is read.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
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

    /// Whether it is a design document.
    pub(crate) fn is_design(&self) -> bool {
        let id = member(&self.members, "_id").and_then(|id| Value::parse(id.get(), 0).ok());
        matches!(id, Some(Value::String(id)) if id.starts_with("_design/"))
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The value that a path leads to.
    pub(crate) fn find(&self, path: &Path) -> Found<'a> {
        match self.locate(path) {
            Located::Text(text) => read(text),
            Located::Missing => Found::Missing,
            Located::Astray => Found::Astray,
        }
    }

    /// The text of the value that a path leads to.
    pub(crate) fn find_text(&self, path: &Path) -> Option<&'a str> {
        match self.locate(path) {
            Located::Text(text) => Some(text),
            Located::Missing | Located::Astray => None,
        }
    }

    fn locate(&self, path: &Path) -> Located<'a> {
        let Some((name, rest)) = path.names().split_first() else {
            return Located::Text(self.text);
        };
        match member(&self.members, name) {
            Some(raw) => locate(raw.get(), rest),
            None => Located::Missing,
        }
    }
}

/// An id, or any text, as JSON.
pub(crate) fn id_text(id: &str) -> String {
    let mut quoted = Vec::with_capacity(id.len() + 2);
    store::json::write_string(&mut quoted, id);
    String::from_utf8_lossy(&quoted).into_owned()
}

/// What a path led to, not read yet.
enum Located<'a> {
    Text(&'a str),
    Missing,
    Astray,
}

/// Follows a path within a text, level by level: what lies beside the path is passed over, not read.
fn locate<'a>(mut text: &'a str, names: &[String]) -> Located<'a> {
    for name in names {
        text = match text.as_bytes().first() {
            Some(b'{') => match only(text, Wanted::Member(name)) {
                Ok(Some(raw)) => raw.get(),
                Ok(None) => return Located::Missing,
                Err(_) => return Located::Astray,
            },
            Some(b'[') => {
                match name.parse().map(|position| only(text, Wanted::Element(position))) {
                    Ok(Ok(Some(raw))) => raw.get(),
                    Ok(_) | Err(_) => return Located::Astray,
                }
            }
            _ => return Located::Astray,
        };
    }
    Located::Text(text)
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

/// Members of most objects: so many are found without asking for memory again.
const MEMBERS_EXPECTED: usize = 16;

type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

fn members(text: &str) -> Result<Members<'_>, serde_json::Error> {
    struct Object;

    impl<'de> Visitor<'de> for Object {
        type Value = Members<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::with_capacity(MEMBERS_EXPECTED);
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

/// What is looked for in an object or array.
#[derive(Clone, Copy)]
enum Wanted<'n> {
    Member(&'n str),
    Element(usize),
}

/// The one value that is wanted of a text; the others are passed over.
fn only<'a>(text: &'a str, wanted: Wanted<'_>) -> Result<Option<&'a RawValue>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    (&mut deserializer).deserialize_any(wanted)
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object or array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key_seed(Text)? {
            match self {
                Self::Member(wanted) if found.is_none() && name == wanted => {
                    found = Some(members.next_value()?);
                }
                Self::Member(_) | Self::Element(_) => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        if let Self::Element(position) = self {
            for _ in 0..position {
                if elements.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(None);
                }
            }
            found = elements.next_element()?;
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
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
