//! What came back, with enough context to read a failure.

use std::fmt;

use http::HeaderMap;
use serde_json::Value;

/// How much of a body a failure shows.
const SHOWN_BYTES_MAX: usize = 2_000;

/// A whole response, and which request it answers.
#[derive(Clone)]
pub struct Reply {
    /// For instance `PUT /notes/first`.
    pub request: String,
    /// The status code.
    pub status: u16,
    /// The response's headers.
    pub headers: HeaderMap,
    /// The body, read to its end.
    pub body: Vec<u8>,
}

impl Reply {
    /// The reply itself when it has this status.
    ///
    /// # Panics
    /// When it has another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert!(self.status == status, "expected {status}, got {self}");
        self
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is something else.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("not JSON ({error}): {self}"),
        }
    }

    /// The text of a top-level member: `id`, `rev`, `error`, …
    ///
    /// # Panics
    /// When the body has no such text.
    #[track_caller]
    pub fn text(&self, member: &str) -> String {
        match self.json().get(member).and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => panic!("no text {member:?} in {self}"),
        }
    }

    /// The new revision that a write answers with.
    #[track_caller]
    pub fn rev(&self) -> String {
        self.text("rev")
    }

    /// A header as text, or "" when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.body[..self.body.len().min(SHOWN_BYTES_MAX)];
        write!(f, "{} → {} {}", self.request, self.status, String::from_utf8_lossy(shown))?;
        if shown.len() < self.body.len() {
            write!(f, "… ({} bytes)", self.body.len())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
