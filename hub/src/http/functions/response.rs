//! What functions answer: the response object, made into an answer.
//!
//! All apps share one origin, so a function sets only headers that speak of its own answer, and a
//! browser runs nothing of it with the rights of whoever looks at it.
//!
//! Source: CouchDB's `chttpd_external:parse_external_response`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use crate::http::body::{self, Body};
use crate::http::json_body::Members;
use crate::http::{HttpError, Reply};

/// Headers that one answer may have, and their bytes.
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Headers that a function may set, beside those that begin with `X-`: others are left out.
const ALLOWED: [HeaderName; 17] = [
    header::ACCEPT_RANGES,
    header::AGE,
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::CONTENT_TYPE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::LOCATION,
    header::PRAGMA,
    header::RETRY_AFTER,
    header::VARY,
    header::WARNING,
];

/// The response object of a function.
#[derive(Debug, Default)]
pub(super) struct Response {
    status: Option<StatusCode>,
    headers: HeaderMap,
    content_type: Option<&'static str>,
    data: Vec<u8>,
}

impl Response {
    /// Reads a response object, which is JSON text.
    pub(super) fn parse(text: &str) -> Result<Self, HttpError> {
        let members: Members =
            serde_json::from_str(text).map_err(|_| failed("the response is no object"))?;
        let mut response = Self::default();
        let mut json = None;
        for (name, raw) in &members {
            let raw = raw.get();
            match name.as_str() {
                "" => {}
                "code" => response.status = Some(status(raw).ok_or_else(|| invalid(name, raw))?),
                "stop" if raw == "true" => {}
                "headers" => response.headers = headers(raw).ok_or_else(|| invalid(name, raw))?,
                "json" => json = Some(raw),
                "body" => {
                    let body = serde_json::from_str::<String>(raw);
                    response.data = body.map_err(|_| invalid(name, raw))?.into_bytes();
                    response.content_type = Some("text/html; charset=utf-8");
                }
                "base64" => {
                    response.data = decoded(raw).ok_or_else(|| invalid(name, raw))?;
                    response.content_type = Some("application/binary");
                }
                _ => return Err(invalid(name, raw)),
            }
        }
        if let Some(json) = json {
            response.data = format!("{json}\n").into_bytes();
            response.content_type = None;
        }
        Ok(response)
    }

    /// The answer; of this status, unless the function names another one.
    pub(super) fn into_reply(mut self, status: StatusCode) -> Reply {
        let data = std::mem::take(&mut self.data);
        self.with_body(status, body::whole(data))
    }

    /// The answer with another body.
    pub(super) fn with_body(self, status: StatusCode, body: Body) -> Reply {
        let mut reply = Reply::new(body);
        *reply.status_mut() = self.status.unwrap_or(status);
        let content_type =
            HeaderValue::from_static(self.content_type.unwrap_or("application/json"));
        let headers = reply.headers_mut();
        *headers = self.headers;
        headers.entry(header::CONTENT_TYPE).or_insert(content_type);
        headers
            .insert(header::CONTENT_SECURITY_POLICY, const { HeaderValue::from_static("sandbox") });
        reply
    }
}

/// CouchDB's answer to a function that does not answer as functions do.
pub(super) fn failed(reason: &str) -> HttpError {
    HttpError::Function {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        word: "external_response_error".into(),
        reason: reason.into(),
    }
}

fn invalid(name: &str, raw: &str) -> HttpError {
    const SHOWN_BYTES: usize = 200;
    let shown = &raw[..raw.floor_char_boundary(SHOWN_BYTES)];
    failed(&format!("Invalid data from external server: {}: {shown}", Value::from(name)))
}

/// A status of a whole answer.
fn status(raw: &str) -> Option<StatusCode> {
    let code = raw.parse::<u16>().ok().filter(|code| (200..600).contains(code))?;
    StatusCode::from_u16(code).ok()
}

fn decoded(raw: &str) -> Option<Vec<u8>> {
    let text = serde_json::from_str::<String>(raw).ok()?;
    STANDARD.decode(text.split_ascii_whitespace().collect::<String>()).ok()
}

/// The headers that a function may set.
fn headers(raw: &str) -> Option<HeaderMap> {
    let given: Map<String, Value> = serde_json::from_str(raw).ok()?;
    let mut headers = HeaderMap::new();
    let mut bytes = 0;
    for (name, value) in &given {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        bytes += name.as_str().len() + value.len();
        if ALLOWED.contains(&name) || name.as_str().starts_with("x-") {
            headers.insert(name, value);
        }
    }
    (headers.len() <= HEADERS_MAX && bytes <= HEADER_BYTES_MAX).then_some(headers)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn reply(text: &str) -> (u16, HeaderMap, String) {
        let reply = Response::parse(text).unwrap().into_reply(StatusCode::CREATED);
        let (head, body) = reply.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), head.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn every_kind_of_answer() {
        for (text, status, content_type, body) in [
            ("{}", 201, "application/json", ""),
            (r#"{"body":"a"}"#, 201, "text/html; charset=utf-8", "a"),
            (r#"{"code":404,"json":{"b": [1.0]}}"#, 404, "application/json", "{\"b\": [1.0]}\n"),
            (r#"{"base64":"aGVs\nbG8=","stop":true}"#, 201, "application/binary", "hello"),
            (r#"{"body":"a","headers":{"content-type":"text/plain"}}"#, 201, "text/plain", "a"),
            (r#"{"body":"a","json":null}"#, 201, "application/json", "null\n"),
        ] {
            let (found, headers, said) = reply(text).await;
            assert_eq!((found, said.as_str()), (status, body), "{text}");
            assert_eq!(headers[header::CONTENT_TYPE], content_type, "{text}");
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], "sandbox");
        }
    }

    #[tokio::test]
    async fn headers_speak_of_the_answer_alone() {
        let given = r#"{"headers":{"X-A":1,"Vary":"Accept","Set-Cookie":"a=b","location":"/x",
            "Access-Control-Allow-Origin":"*","Transfer-Encoding":"chunked","Connection":"close",
            "Content-Length":"5","Content-Security-Policy":"none","Clear-Site-Data":"*",
            "Service-Worker-Allowed":"/","WWW-Authenticate":"Basic","Server":"x","Link":"x"}}"#;
        let (_, headers, _) = reply(given).await;
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected = ["content-security-policy", "content-type", "location", "vary", "x-a"];
        assert_eq!(names, expected);
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], "sandbox");
    }

    #[test]
    fn what_is_no_response_is_refused() {
        let many: Map<String, Value> = (0..65).map(|n| (format!("x-{n}"), "a".into())).collect();
        let many = serde_json::json!({ "headers": many }).to_string();
        let long = serde_json::json!({"headers": {"x-a": "a".repeat(20_000)}}).to_string();
        for bad in [
            "[]",
            "5",
            "",
            r#"{"other":1}"#,
            r#"{"stop":false}"#,
            r#"{"code":"200"}"#,
            r#"{"code":99}"#,
            r#"{"code":101}"#,
            r#"{"code":600}"#,
            r#"{"code":-1}"#,
            r#"{"code":200.5}"#,
            r#"{"body":5}"#,
            r#"{"base64":"*"}"#,
            r#"{"headers":[]}"#,
            r#"{"headers":{"a b":"c"}}"#,
            r#"{"headers":{"":"c"}}"#,
            r#"{"headers":{"X-A":"b\r\nSet-Cookie: c"}}"#,
            r#"{"headers":{"X-A":"b\u0000"}}"#,
            r#"{"headers":{"X-A":null}}"#,
            r#"{"headers":{"Set-Cookie":"a\nb"}}"#,
            &many,
            &long,
        ] {
            let (status, word, _) = Response::parse(bad)
                .err()
                .map(|error| {
                    let (status, word, reason) = error.parts();
                    (status, word.to_owned(), reason)
                })
                .unwrap_or_else(|| panic!("{bad:.80}"));
            assert_eq!(
                (status.as_u16(), word.as_str()),
                (500, "external_response_error"),
                "{bad:.80}"
            );
        }
    }
}
