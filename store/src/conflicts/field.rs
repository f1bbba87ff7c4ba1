//! A field of documents that says when each was written.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::ParsePolicyError;
use super::time::millis_of_rfc_3339;
use crate::Millis;
use crate::stamp::Stamp;

/// Longest path accepted, in bytes.
const BYTES_MAX: usize = 256;

/// Where in a document a field is: names of members, from the outermost on.
///
/// Source: JSON pointer, RFC 6901, of members only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(Vec<String>);

impl FieldPath {
    /// The time that the field says; `None` where it is not there or says none.
    pub(crate) fn time_in(&self, json: &str) -> Option<Stamp> {
        let mut raw = json;
        for name in &self.0 {
            raw = member(raw, name)?;
        }
        millis(raw).map(Stamp::at)
    }
}

impl FromStr for FieldPath {
    type Err = ParsePolicyError;

    fn from_str(text: &str) -> Result<Self, ParsePolicyError> {
        let names = text.strip_prefix('/').filter(|_| text.len() <= BYTES_MAX);
        let names = names.ok_or(ParsePolicyError)?.split('/');
        Ok(Self(names.map(unescaped).collect::<Option<_>>().ok_or(ParsePolicyError)?))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|name| write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")))
    }
}

fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('~');
    let mut whole = parts.next()?.to_owned();
    for part in parts {
        let (escape, rest) = part.split_at_checked(1)?;
        whole.push(match escape {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        whole.push_str(rest);
    }
    Some(whole)
}

/// Whole milliseconds or a time of RFC 3339; what was before 1970 counts as 1970.
fn millis(raw: &str) -> Option<Millis> {
    let millis = match raw.starts_with('"') {
        true => millis_of_rfc_3339(&serde_json::from_str::<String>(raw).ok()?)?,
        // What has a fraction or an exponent is no whole number, and what is longer is no time.
        false => raw.parse::<i64>().ok()?,
    };
    Some(Millis(u64::try_from(millis).unwrap_or(0)))
}

/// A member's text, of an object as it is stored: without duplicates.
fn member<'j>(object: &'j str, name: &str) -> Option<&'j str> {
    struct Named<'n>(&'n str);

    impl<'de> Visitor<'de> for Named<'_> {
        type Value = Option<&'de str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(Name(member)) = map.next_key()? {
                if member == self.0 {
                    found = Some(map.next_value::<&RawValue>()?.get());
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }

    serde_json::Deserializer::from_str(object).deserialize_map(Named(name)).ok().flatten()
}

/// A member's name, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_times() {
        let check = |path: &str, json: &str, expected: Option<u64>| {
            let found = path.parse::<FieldPath>().unwrap().time_in(json);
            assert_eq!(found, expected.map(|millis| Stamp::at(Millis(millis))), "{path} {json}");
        };
        check("/t", r#"{"t":1700000000000}"#, Some(1_700_000_000_000));
        check("/t", r#"{"x":{"t":1},"t":2}"#, Some(2));
        check("/a/t", r#"{"t":1,"a":{"b":[{"t":9}],"t":3}}"#, Some(3));
        check("/t", r#"{"t":"1970-01-01T00:00:01Z"}"#, Some(1000));
        check("/é", r#"{"\u00e9":4}"#, Some(4));
        check("/a~1b/~0", r#"{"a/b":{"~":5}}"#, Some(5));
        check("/", r#"{"":6}"#, Some(6));
        check("/t", r#"{"t":-1}"#, Some(0));
        for none in [
            r#"{}"#,
            r#"{"t":null}"#,
            r#"{"t":1.5}"#,
            r#"{"t":1e3}"#,
            r#"{"t":"yesterday"}"#,
            r#"{"t":[1]}"#,
            r#"{"t":99999999999999999999}"#,
        ] {
            check("/t", none, None);
            check("/t/u", none, None);
        }
        let deep = format!("{{\"x\":{}1{},\"t\":7}}", "[".repeat(500), "]".repeat(500));
        check("/t", &deep, Some(7));
    }
}
