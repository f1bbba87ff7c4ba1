//! Rewrites that are a function: what it says of a request.
//!
//! Source: CouchDB's `couch_query_servers:validate_rewrite_response`.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::response::Response;
use super::path::Target;
use super::{failed, uri};
use crate::http::incoming::Incoming;
use crate::http::routes::Next;
use crate::http::{HttpError, Query};

/// Headers that a function does not choose: those that say who asks from where, and those that say
/// how the request came.
const KEPT: [HeaderName; 13] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::COOKIE,
    header::EXPECT,
    header::HOST,
    header::ORIGIN,
    header::PROXY_AUTHORIZATION,
    header::REFERER,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a function says of a request.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    code: Option<Value>,
    path: Option<String>,
    method: Option<String>,
    query: Option<Map<String, Value>>,
    headers: Option<Map<String, Value>>,
    body: Option<String>,
}

impl Said {
    /// Reads what a function returned; `None` where it said nothing.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, HttpError> {
        let bad = |what: &str| failed("rewrite_error", &format!("bad {what}"));
        let said: Value = serde_json::from_str(text).map_err(|_| bad("rewrite"))?;
        let members = match said {
            Value::Null | Value::Bool(false) => return Ok(None),
            Value::Number(number) if number.as_f64() == Some(0.0) => return Ok(None),
            Value::String(path) if path.is_empty() => return Ok(None),
            Value::String(path) => Map::from_iter([("path".to_owned(), path.into())]),
            Value::Object(members) => members,
            Value::Bool(true) | Value::Number(_) | Value::Array(_) => return Err(bad("rewrite")),
        };
        for (name, value) in &members {
            let right = match name.as_str() {
                "method" | "path" | "body" => value.is_string(),
                "headers" | "query" => value.is_object(),
                "code" => value.as_u64().is_some_and(|code| (200..600).contains(&code)),
                _ => true,
            };
            if !right {
                return Err(bad(name));
            }
            if let ("headers" | "query", Some(inner)) = (name.as_str(), value.as_object())
                && let Some((key, value)) = inner.iter().find(|(_, value)| !value.is_string())
            {
                let reason = format!("object key/value must be strings {}={value}", json!(key));
                return Err(failed("rewrite_error", &reason));
            }
        }
        serde_json::from_value(Value::Object(members)).map(Some).map_err(|_| bad("rewrite"))
    }

    /// Makes of a request what the function says: an answer, or another request.
    pub(super) fn apply(
        self,
        base: &str,
        (method, query, headers, body): (Method, Query, HeaderMap, Option<String>),
    ) -> Result<Next, HttpError> {
        if let Some(code) = self.code {
            let body = self.body.or(body).unwrap_or_default();
            let headers = self.headers.unwrap_or_default();
            let said = json!({"code": code, "headers": headers, "body": body}).to_string();
            let reply = Response::parse(&said)?.into_reply(http::StatusCode::OK);
            return Ok(Next::Reply(reply));
        }
        let path = self
            .path
            .ok_or_else(|| failed("rewrite_error", "Rewrite result must produce a new path."))?;
        let target = Target::of_text(&path);
        let target = match &self.query {
            None => target.asking(query.pairs()),
            Some(given) => {
                let text = |(name, value): (&'_ String, &'_ Value)| {
                    (name.clone(), value.as_str().unwrap_or_default().to_owned())
                };
                let given: Vec<(String, String)> = given.iter().map(text).collect();
                target.asking(given.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            }
        };
        let mut request = Request::new(Incoming::given(self.body.or(body).unwrap_or_default()));
        *request.uri_mut() = uri(&target.under(base))?;
        *request.method_mut() = match self.method {
            None => method,
            Some(name) => {
                let bad = |_| failed("rewrite_error", "bad method");
                Method::from_bytes(name.as_bytes()).map_err(bad)?
            }
        };
        *request.headers_mut() = merged(headers, self.headers.unwrap_or_default())?;
        Ok(Next::Request(Box::new(request)))
    }
}

/// The headers of the request, with those that a function gives it.
fn merged(mut headers: HeaderMap, given: Map<String, Value>) -> Result<HeaderMap, HttpError> {
    // The body was decoded, and is all there.
    for name in [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let bad = || failed("rewrite_error", "bad headers");
    for (name, value) in given {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        let value = value.ok_or_else(bad)?;
        if !KEPT.contains(&name) {
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: &str, expected: &str) {
        let query = Query::parse(Some("a=b")).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("here"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("old"));
        let request = (Method::POST, query, headers, Some("sent".to_owned()));
        let next = Said::parse(said).and_then(|said| match said {
            None => Ok(None),
            Some(said) => said.apply("/db/_design/d", request).map(Some),
        });
        let found = match next {
            Ok(None) => "nothing".into(),
            Ok(Some(Next::Reply(reply))) => format!("answers {}", reply.status().as_u16()),
            Ok(Some(Next::Request(request))) => {
                let header =
                    |name| request.headers().get(name).and_then(|value| value.to_str().ok());
                let shown = (header(header::HOST), header(header::ACCEPT));
                format!("{} {} {:?}", request.method(), request.uri(), shown)
            }
            Err(error) => {
                let (status, word, reason) = error.parts();
                format!("{} {word}: {reason}", status.as_u16())
            }
        };
        assert_eq!(found, expected, "{said}");
    }

    #[test]
    fn requests_and_answers() {
        let old = r#"(Some("here"), Some("old"))"#;
        check(r#"{"path":"../../x"}"#, &format!("POST /db/x?a=b {old}"));
        check(r#""x""#, &format!("POST /db/_design/d/x?a=b {old}"));
        check(r#"{"path":"x","query":{}}"#, &format!("POST /db/_design/d/x {old}"));
        let query = r#"{"path":"x","query":{"k":"\"v\""},"method":"GET","other":1}"#;
        check(query, &format!("GET /db/_design/d/x?k=%22v%22 {old}"));
        let headers = r#"{"path":"x","headers":{"accept":"new","Host":"evil","Cookie":"a"}}"#;
        check(headers, r#"POST /db/_design/d/x?a=b (Some("here"), Some("new"))"#);
        check(r#"{"code":403,"body":"no"}"#, "answers 403");
        for nothing in ["null", "false", "0", "\"\""] {
            check(nothing, "nothing");
        }
    }

    #[test]
    fn what_makes_no_sense() {
        for (said, what) in [
            ("5", "bad rewrite"),
            ("[]", "bad rewrite"),
            ("{", "bad rewrite"),
            (r#"{"path":5}"#, "bad path"),
            (r#"{"path":"x","method":5}"#, "bad method"),
            (r#"{"path":"x","method":"A B"}"#, "bad method"),
            (r#"{"path":"x","body":{}}"#, "bad body"),
            (r#"{"path":"x","headers":[]}"#, "bad headers"),
            (r#"{"path":"x","headers":{"a":"b\r\nc: d"}}"#, "bad headers"),
            (r#"{"path":"x","query":"a"}"#, "bad query"),
            (r#"{"path":"x","query":{"a":1}}"#, r#"object key/value must be strings "a"=1"#),
            (r#"{"code":700}"#, "bad code"),
            ("{}", "Rewrite result must produce a new path."),
        ] {
            check(said, &format!("500 rewrite_error: {what}"));
        }
    }
}
