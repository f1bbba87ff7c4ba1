//! Which fields of a document are answered.

use std::borrow::Cow;

use super::RequestError;
use super::path::Path;
use super::projection::Projection;
use crate::document::Document;
use crate::value::Value;

/// The fields that a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Option<Vec<(String, Path)>>);

/// Fields that may be asked for: each is looked for among all members of each document.
pub(super) const FIELDS_MAX: usize = 1000;

impl Fields {
    /// Reads an array of names; of none, all fields are meant.
    ///
    /// Source: CouchDB's `mango_fields:new/1`; a name that is no path is refused here, not later.
    pub(super) fn from_value(value: &Value<'_>) -> Result<Self, RequestError> {
        let Value::Array(elements) = value else {
            return Err(RequestError::of(RequestError::InvalidFields, value));
        };
        if elements.is_empty() {
            return Ok(Self(None));
        }
        if elements.len() > FIELDS_MAX {
            return Err(RequestError::TooManyFields);
        }
        elements.iter().map(field).collect::<Result<_, _>>().map(|fields| Self(Some(fields)))
    }

    /// The fields' names; none if all are meant.
    #[must_use]
    pub fn names(&self) -> Option<Vec<&str>> {
        Some(self.0.as_ref()?.iter().map(|(name, _)| name.as_str()).collect())
    }

    /// The part of a document that is asked for, as JSON text.
    ///
    /// Source: `mango_fields:extract/2`. Values stay as they were written.
    pub(super) fn extract(&self, document: &Document<'_>) -> String {
        let Some(fields) = &self.0 else { return document.text().to_owned() };
        let mut projection = Projection::default();
        for (_, path) in fields {
            if let Some(text) = document.find_text(path) {
                projection.set(path.names(), text);
            }
        }
        projection.to_string()
    }

    /// As an array of names, empty for all.
    pub(super) fn to_array(&self) -> Value<'static> {
        let name = |(name, _): &(String, _)| Value::String(Cow::Owned(name.clone()));
        Value::Array(self.0.iter().flatten().map(name).collect())
    }
}

fn field(element: &Value<'_>) -> Result<(String, Path), RequestError> {
    let path = match element {
        Value::String(name) if !name.is_empty() => Path::parse(name).ok(),
        _ => None,
    };
    match (element, path) {
        (Value::String(name), Some(path)) => Ok((name.to_string(), path)),
        _ => Err(RequestError::of(RequestError::InvalidField, element)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &str, expected: &str) {
        let text = r#"{"_id":"x","a":{"b":[1,{"c":1E2}],"d":{"e":2,"f":3}},"n":null}"#;
        let fields = Fields::from_value(&Value::parse(fields, 9).unwrap()).unwrap();
        assert_eq!(fields.extract(&Document::parse(text).unwrap()), expected);
    }

    #[test]
    fn extracts() {
        check("[]", r#"{"_id":"x","a":{"b":[1,{"c":1E2}],"d":{"e":2,"f":3}},"n":null}"#);
        check(r#"["n","_id"]"#, r#"{"n":null,"_id":"x"}"#);
        check(r#"["a.d.e"]"#, r#"{"a":{"d":{"e":2}}}"#);
        check(r#"["a.d.e","n","a.d.f"]"#, r#"{"a":{"d":{"e":2,"f":3}},"n":null}"#);
        check(r#"["a.d","a.d.e"]"#, r#"{"a":{"d":{"e":2,"f":3}}}"#);
        check(r#"["a.d.f","a.d"]"#, r#"{"a":{"d":{"e":2,"f":3}}}"#);
        check(r#"["a.b.1.c"]"#, r#"{"a":{"b":{"1":{"c":1E2}}}}"#);
        check(r#"["x","n.x","a.b.7"]"#, "{}");
    }

    #[test]
    fn refuses() {
        for (text, word) in [
            ("1", "invalid_fields"),
            ("{}", "invalid_fields"),
            ("[1]", "invalid_field"),
            (r#"[""]"#, "invalid_field"),
            (r#"["a..b"]"#, "invalid_field"),
            (r#"[{"a":1}]"#, "invalid_field"),
        ] {
            let refused = Fields::from_value(&Value::parse(text, 9).unwrap());
            assert_eq!(refused.unwrap_err().word(), word, "{text}");
        }
    }
}
