//! Entity tags: what a client has already is not sent again.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use store::RevId;

use super::{HttpError, Reply, body};

/// The tag of an answer: while it stays the same, so does the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ETag(HeaderValue);

impl ETag {
    /// The tag of this text, which gets its quotes here.
    pub(crate) fn new(text: &str) -> Result<Self, HttpError> {
        let quoted = HeaderValue::from_str(&format!("\"{text}\""));
        quoted.map(Self).map_err(|error| HttpError::Internal {
            action: "write an entity tag",
            cause: error.to_string(),
        })
    }

    /// The tag of a document: its revision.
    pub(crate) fn of(rev: &RevId) -> Result<Self, HttpError> {
        Self::new(&rev.to_string())
    }

    /// The tag of what is made of this, and of something else.
    pub(crate) fn with(&self, other: &[u8]) -> Result<Self, HttpError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.0.as_bytes());
        hasher.update(other);
        Self::new(&hasher.finalize().to_hex()[..32])
    }

    /// Whether the client says in `If-None-Match` that it has what this tag stands for.
    pub(crate) fn is_known(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
            .any(|given| {
                given == b"*" || given.strip_prefix(b"W/").unwrap_or(given) == self.0.as_bytes()
            })
    }

    /// Whether a part may be sent: the client has the rest of this very state (`If-Range`), or does
    /// not say.
    pub(crate) fn allows_range(&self, headers: &HeaderMap) -> bool {
        headers.get(header::IF_RANGE).is_none_or(|given| *given == self.0)
    }

    /// The answer to a client that has it already.
    pub(crate) fn not_modified(&self) -> Reply {
        let mut reply = Reply::new(body::whole(""));
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        self.put(&mut reply);
        reply
    }

    /// Adds the tag to an answer.
    pub(crate) fn put(&self, reply: &mut Reply) {
        reply.headers_mut().insert(header::ETAG, self.0.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &'static str, expected: bool) {
        let value = HeaderValue::from_static(header);
        let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, value)]);
        assert_eq!(ETag::new("1-a").unwrap().is_known(&headers), expected, "{header:?}");
    }

    #[test]
    fn tags() {
        check("\"1-a\"", true);
        check("W/\"1-a\"", true);
        check("\"2-b\", \"1-a\"", true);
        check("*", true);
        check("1-a", false);
        check("\"1-ab\"", false);
        check("", false);
        assert!(!ETag::new("1-a").unwrap().is_known(&HeaderMap::new()));
        let if_range =
            |value| HeaderMap::from_iter([(header::IF_RANGE, HeaderValue::from_static(value))]);
        let tag = ETag::new("1-a").unwrap();
        assert!(tag.allows_range(&HeaderMap::new()) && tag.allows_range(&if_range("\"1-a\"")));
        assert!(!tag.allows_range(&if_range("\"1-b\"")));
        assert_eq!(ETag::of(&"1-é".parse().unwrap()).unwrap(), ETag::new("1-é").unwrap());
    }
}
