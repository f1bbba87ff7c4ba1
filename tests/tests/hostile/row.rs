//! One hostile request and what it must get.

use serde_json::Value;
use tests::Hub;

use super::raw::{Answer, Framing, Request};

/// A row of the table.
pub(crate) struct Row {
    /// The endpoint as `docs/compat.md` names it.
    pub(crate) endpoint: String,
    request: Request,
    status: u16,
    error: String,
    reason: String,
}

/// A request to an endpoint, by the path as it is sent.
pub(crate) fn row(endpoint: &str, path: &str) -> Row {
    let (method, _) = endpoint.split_once(' ').expect("method and path");
    Row {
        endpoint: endpoint.to_owned(),
        request: Request::new(method, path),
        status: 0,
        error: String::new(),
        reason: String::new(),
    }
}

impl Row {
    /// With another method than the endpoint's.
    pub(crate) fn method(mut self, method: &str) -> Self {
        self.request.method = method.into();
        self
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request.headers.push((name.into(), value.into()));
        self
    }

    /// With a body of JSON text, or what claims to be one.
    pub(crate) fn json(self, text: impl Into<Vec<u8>>) -> Self {
        self.body(text, "application/json")
    }

    /// With a body.
    pub(crate) fn body(mut self, bytes: impl Into<Vec<u8>>, content_type: &str) -> Self {
        self.request.body = bytes.into();
        match content_type {
            "" => self,
            _ => self.header("Content-Type", content_type),
        }
    }

    /// With a body that is sent otherwise than announced.
    pub(crate) fn framed(mut self, framing: Framing) -> Self {
        self.request.framing = framing;
        self
    }

    /// From nobody.
    pub(crate) fn anonymous(mut self) -> Self {
        self.request.anonymous = true;
        self
    }

    /// The answer.
    pub(crate) fn gets(mut self, status: u16, error: &str, reason: &str) -> Self {
        (self.status, self.error, self.reason) = (status, error.into(), reason.into());
        self
    }

    /// 400 `bad_request`.
    pub(crate) fn bad(self, reason: &str) -> Self {
        self.gets(400, "bad_request", reason)
    }

    /// Sends it; what differs from the row.
    pub(crate) fn check(&self, hub: &Hub) -> Result<(), String> {
        let Answer { status, body } = self.request.send(hub);
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let word = |member: &str| answer[member].as_str().unwrap_or_default().to_owned();
        let found = (status, word("error"), word("reason"));
        let expected = (self.status, self.error.clone(), self.reason.clone());
        if found == expected && (body.is_empty() || answer.is_object()) {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        let text = String::from_utf8_lossy(&self.request.body);
        let text: String = text.chars().take(120).collect();
        let Request { method, path, headers, .. } = &self.request;
        let path: String = path.chars().take(160).collect();
        Err(format!(
            "{method} {path} {headers:.200?} {text}\n    expected {expected:?}\n    found    {status} {shown}"
        ))
    }
}

/// What every endpoint that takes JSON refuses as such, whoever reads it.
pub(crate) fn no_json(endpoint: &str, path: &str) -> Vec<Row> {
    let text = |text: &[u8]| row(endpoint, path).json(text).bad("invalid UTF-8 JSON");
    let deep = format!("{}1{}", "{\"a\":".repeat(600), "}".repeat(600));
    vec![
        text(b"{"),
        text(b"{\"a\":1,}"),
        text(b"{\"a\":1} x"),
        text(b"{'a':1}"),
        text(b"{\"a\":01}"),
        text(b"{\"a\":1e999}"),
        text(b"{\"a\":NaN}"),
        text(b"{\"a\":\"\xff\"}"),
        text(b"{\"a\":\"\xed\xa0\x80\"}"),
        text(b"{\"a\":\"\\ud800\"}"),
        text(b"{\"a\":\"\\udc00\\ud800\"}"),
        text(b"{\"a\":\"\t\"}"),
        text(b"\xef\xbb\xbf{}"),
        text(b"\0"),
        text(deep.as_bytes()),
        row(endpoint, path).json("{}").header("Content-Encoding", "deflate").gets(
            415,
            "bad_content_type",
            "Only gzip and identity content-encodings are supported",
        ),
        row(endpoint, path)
            .json("{}")
            .header("Content-Encoding", "gzip")
            .bad("the request body is not valid gzip"),
        row(endpoint, path)
            .json("{\"a\":")
            .framed(Framing::Short(5))
            .bad("the request body could not be read"),
        row(endpoint, path)
            .json("{\"a\":")
            .framed(Framing::BrokenChunk)
            .bad("the request body could not be read"),
    ]
}

/// What endpoints refuse that want their body to be said to be JSON.
pub(crate) fn no_json_type(endpoint: &str, path: &str) -> Vec<Row> {
    let types = ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"];
    let refused = |content_type| {
        row(endpoint, path).body("{}", content_type).gets(
            415,
            "bad_content_type",
            "Content-Type must be application/json",
        )
    };
    types.map(refused).into()
}
