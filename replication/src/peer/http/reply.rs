//! Answers of other servers, read within bounds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::{Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use store::Encoding;

use crate::PeerError;

/// Bytes read of an answer that says no.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// How servers call themselves that understand parts with a `Content-Encoding`.
const PART_TAKERS: [&str; 2] = ["CouchDB/", "Larder/"];

/// Characters kept of another server's words.
const REASON_CHARS_MAX: usize = 300;

/// An answer whose head has come.
#[derive(Debug)]
pub(super) struct Reply {
    what: &'static str,
    status: StatusCode,
    length: Option<u64>,
    encoding: Option<Result<Encoding, ()>>,
    takes_parts: bool,
    body: Incoming,
    idle: Duration,
}

impl Reply {
    pub(super) fn new(what: &'static str, response: Response<Incoming>, idle: Duration) -> Self {
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
        let encoding = response.headers().get(header::CONTENT_ENCODING);
        let encoding = encoding.filter(|encoding| *encoding != "identity");
        let encoding =
            encoding.map(|encoding| (encoding == "gzip").then_some(Encoding::Gzip).ok_or(()));
        let server = response.headers().get(header::SERVER).map(header::HeaderValue::as_bytes);
        let takes_parts = server.is_some_and(|server| {
            PART_TAKERS.iter().any(|name| server.starts_with(name.as_bytes()))
        });
        let status = response.status();
        let body = response.into_body();
        Self { what, status, length, encoding, takes_parts, body, idle }
    }

    /// The length of the body, where the head says it.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// How the body is encoded.
    ///
    /// # Errors
    /// [`PeerError::Answer`] when it is in a way that no hub reads.
    pub(super) fn encoding(&self) -> Result<Option<Encoding>, PeerError> {
        let unread = |()| PeerError::Answer(format!("{} in an unknown encoding", self.what));
        self.encoding.transpose().map_err(unread)
    }

    /// Whether the server says that it is one that takes attachments encoded, in parts of their
    /// own. Others may keep what is encoded as if it were not.
    pub(super) fn takes_parts(&self) -> bool {
        self.takes_parts
    }

    /// The next part of the body.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, PeerError> {
        loop {
            let seconds = self.idle.as_secs();
            let frame = tokio::time::timeout(self.idle, self.body.frame()).await;
            let frame = frame.map_err(|_| PeerError::TimedOut { what: self.what, seconds })?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| PeerError::Unreachable(Box::new(error)))?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
    }

    /// The whole body.
    pub(super) async fn read(mut self, bytes_max: usize) -> Result<Bytes, PeerError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > bytes_max {
                let problem = format!("{} of more than {bytes_max} bytes", self.what);
                return Err(PeerError::Answer(problem));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// The body as a stream.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, PeerError>> + Send {
        futures_util::stream::try_unfold(self, |mut reply| async move {
            Ok(reply.chunk().await?.map(|chunk| (chunk, reply)))
        })
    }
}

/// Turns an answer that says no into an error.
pub(super) async fn check(reply: Reply) -> Result<Reply, PeerError> {
    let status = reply.status;
    if status.is_success() {
        return Ok(reply);
    }
    let body = reply.read(REFUSAL_BYTES_MAX).await.unwrap_or_default();
    Err(refusal(status, &body))
}

/// What a server's refusal means, in CouchDB's words if it knows them.
fn refusal(status: StatusCode, body: &[u8]) -> PeerError {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Words {
        error: String,
        reason: String,
    }
    let words: Words = serde_json::from_slice(body).unwrap_or_default();
    let reason = if words.reason.is_empty() {
        status.canonical_reason().unwrap_or("no reason given").to_owned()
    } else {
        printable(&words.reason)
    };
    let no_database = ["no_db_file", "Database does not exist."].contains(&words.reason.as_str());
    let unknown_seq = words.reason.to_ascii_lowercase().contains("sequence")
        || words.error.contains("malformed_seq")
        || words.reason.contains("malformed_seq");
    match status.as_u16() {
        401 => PeerError::Unauthorized(reason),
        403 => PeerError::Forbidden(reason),
        404 if no_database => PeerError::NoDatabase,
        400 if unknown_seq => PeerError::UnknownSeq(reason),
        409 => PeerError::Conflict,
        413 => PeerError::TooLarge(reason),
        status @ (408 | 425 | 429 | 500..=599) => PeerError::Unavailable { status, reason },
        // Not followed: a redirect could lead credentials astray.
        status => PeerError::Refused { status, reason },
    }
}

/// Another server's words, fit for a log.
pub(super) fn printable(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, expected: &str) {
        let error = refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        let found = format!("{error} / {}", if error.is_passing() { "passing" } else { "final" });
        assert_eq!(found, expected, "{status} {body}");
    }

    #[test]
    fn understands_refusals() {
        let words =
            |error: &str, reason: &str| format!(r#"{{"error":"{error}","reason":"{reason}"}}"#);
        check(401, &words("unauthorized", "who?"), "unauthorized: who? / final");
        check(403, &words("forbidden", "no"), "forbidden: no / final");
        let gone = words("not_found", "Database does not exist.");
        check(404, &gone, "database does not exist / final");
        check(404, &words("not_found", "no_db_file"), "database does not exist / final");
        check(404, &words("not_found", "missing"), "answered 404: missing / final");
        check(
            400,
            &words("bad_request", "Malformed sequence supplied in 'since' parameter."),
            "the sequence is unknown: Malformed sequence supplied in 'since' parameter. / final",
        );
        check(400, &words("bad_request", "x"), "answered 400: x / final");
        check(409, "", "document update conflict / final");
        check(413, "", "request too large: Payload Too Large / final");
        check(429, "", "answered 429: Too Many Requests / passing");
        check(503, "<html>", "answered 503: Service Unavailable / passing");
        check(302, "", "answered 302: Found / final");
        check(500, r#"{"error":5}"#, "answered 500: Internal Server Error / passing");
        check(500, &words("x", "a\\u0000b"), "answered 500: a b / passing");
    }
}
