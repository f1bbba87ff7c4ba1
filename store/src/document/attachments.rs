//! The member `_attachments`, as clients send it.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::DocError;

/// An attachment as the text of a document has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedAttachment {
    /// Its name within the document.
    pub name: String,
    /// Its media type, where the text says.
    pub content_type: Option<String>,
    /// Generation that it came with, where the text says.
    pub revpos: Option<u64>,
    /// What it holds.
    pub content: ParsedContent,
}

/// What an attachment of a document's text holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParsedContent {
    /// The bytes the document has already under that name.
    Stub,
    /// These bytes.
    Inline(Vec<u8>),
    /// Bytes in a later part of the same request.
    Follows(Following),
}

/// What a document's text says of bytes in a later part of the same request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Following {
    /// Their length in bytes, decoded.
    pub length: Option<u64>,
    /// Their length in bytes as they come, where they come encoded.
    pub encoded_length: Option<u64>,
    /// CouchDB's digest of the bytes as they come.
    pub digest: Option<String>,
    /// Whether they come compressed: `"encoding": "gzip"`.
    pub gzip: bool,
}

/// As Erlang's `base64:decode`: padding required, bits behind the last byte passed over.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Reads the member's raw JSON; `None` when it is not an object. What is not an object inside it
/// is passed over, as in CouchDB.
pub(super) fn parse(raw: &str) -> Option<Result<Vec<ParsedAttachment>, DocError>> {
    let members: Members<'_> = serde_json::from_str(raw).ok()?;
    let objects = members.0.into_iter().filter(|(_, raw)| raw.get().starts_with('{'));
    Some(objects.map(|(name, raw)| attachment(name, raw.get())).collect())
}

fn attachment(name: String, raw: &str) -> Result<ParsedAttachment, DocError> {
    if name.starts_with('_') {
        return Err(DocError::AttachmentName(name));
    }
    let read = serde_json::from_str::<Members<'_>>(raw).ok().and_then(|members| {
        Some((content(&members)?, members.typed("content_type")?, members.typed("revpos")?))
    });
    match read {
        None => Err(DocError::AttachmentData(name)),
        Some((content, content_type, revpos)) => {
            Ok(ParsedAttachment { name, content_type, revpos, content })
        }
    }
}

/// What an attachment holds; `None` when that cannot be said.
fn content(members: &Members<'_>) -> Option<ParsedContent> {
    if members.raw("stub") == Some("true") {
        return Some(ParsedContent::Stub);
    }
    if members.raw("follows") == Some("true") {
        let encoding: Option<String> = members.typed("encoding")?;
        return Some(ParsedContent::Follows(Following {
            length: members.typed("length")?,
            encoded_length: members.typed("encoded_length")?,
            digest: members.typed("digest")?,
            gzip: encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case("gzip")),
        }));
    }
    members.raw("data").and_then(decode).map(ParsedContent::Inline)
}

/// Decodes a JSON string of base64; white space inside it is passed over, as Erlang does.
fn decode(raw: &str) -> Option<Vec<u8>> {
    let text: Text<'_> = serde_json::from_str(raw).ok()?;
    if let Ok(bytes) = BASE64.decode(text.0.as_bytes()) {
        return Some(bytes);
    }
    let mut text = text.0.into_owned();
    text.retain(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'));
    BASE64.decode(text).ok()
}

/// A string, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of an object in order, their values unparsed.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl Members<'_> {
    /// A member's text.
    fn raw(&self, wanted: &str) -> Option<&str> {
        self.0.iter().find(|(member, _)| member == wanted).map(|(_, raw)| raw.get())
    }

    /// A member, where it is there and not null; `None` when it is of another type.
    fn typed<T: DeserializeOwned>(&self, wanted: &str) -> Option<Option<T>> {
        self.raw(wanted).map_or(Some(None), |raw| serde_json::from_str(raw).ok())
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &str) {
        let shown = match parse(raw) {
            None => "not an object".to_owned(),
            Some(Err(error)) => error.to_string(),
            Some(Ok(attachments)) => {
                let shown = attachments.iter().map(|attachment| {
                    let content = match &attachment.content {
                        ParsedContent::Stub => "stub".to_owned(),
                        ParsedContent::Inline(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                        ParsedContent::Follows(following) => format!("{following:?}"),
                    };
                    let ParsedAttachment { name, content_type, revpos, .. } = attachment;
                    format!("{name} {content_type:?} {revpos:?} {content}")
                });
                shown.collect::<Vec<_>>().join("; ")
            }
        };
        assert_eq!(shown, expected, "{raw}");
    }

    #[test]
    fn reads_stubs_and_data() {
        check("{}", "");
        check(
            r#"{"b":{"content_type":"text/plain","data":"aGVsbG8="},"a/x":{"stub":true,"revpos":3}}"#,
            r#"b Some("text/plain") None hello; a/x None Some(3) stub"#,
        );
        check(r#"{"a":{"data":""}}"#, "a None None ");
        check(r#"{"a":{"data":"aGVs\nbG8=\r\n"}}"#, "a None None hello");
        check(r#"{"a":{"data":"\u0061GVsbG8="}}"#, "a None None hello");
        check(r#"{"a":{"data":"aGVsbG9="}}"#, "a None None hello");
        check(r#"{"a":{"stub":false,"data":"aGk="}}"#, "a None None hi");
        check(r#"{"a":5,"b":{"stub":true,"content_type":null}}"#, "b None None stub");
    }

    #[test]
    fn refuses_what_it_cannot_store() {
        for none in ["5", "null", "[]", "\"x\""] {
            check(none, "not an object");
        }
        check(
            r#"{"_a":{"stub":true}}"#,
            "Attachment name '_a' starts with prohibited character '_'",
        );
        for bad in [
            r#"{}"#,
            r#"{"data":5}"#,
            r#"{"data":"aGVsbG8"}"#,
            r#"{"data":"a*"}"#,
            r#"{"data":"","revpos":"1"}"#,
            r#"{"stub":true,"revpos":-1}"#,
            r#"{"data":"","content_type":5}"#,
            r#"{"follows":true,"length":"5"}"#,
            r#"{"follows":true,"length":1.5}"#,
            r#"{"follows":true,"digest":5}"#,
        ] {
            check(&format!(r#"{{"a":{bad}}}"#), "Invalid attachment data for a");
        }
    }

    #[test]
    fn reads_what_is_said_of_later_parts() {
        let following = |raw: &str| match parse(raw).unwrap().unwrap().remove(0).content {
            ParsedContent::Follows(following) => following,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            following(
                r#"{"a":{"follows":true,"length":3,"encoded_length":20,"encoding":"gzip","digest":"md5-x"}}"#
            ),
            Following {
                length: Some(3),
                encoded_length: Some(20),
                digest: Some("md5-x".into()),
                gzip: true
            }
        );
        assert_eq!(following(r#"{"a":{"follows":true}}"#), Following::default());
    }
}
