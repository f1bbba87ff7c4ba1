//! Request bodies that are small JSON values: options, keys, lists of revisions.

use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::HttpError;
use super::call::blocking;
use super::incoming::Incoming;
use super::memory::{self, bytes_as_values};
use super::request;

/// Longest body that is parsed into values, which take several times their text's length in memory;
/// room for a few hundred thousand keys.
const BYTES_MAX: usize = 16 << 20;

/// Names and the text of their values.
pub(crate) type Members = BTreeMap<String, Box<RawValue>>;

/// Text that is parsed where it arrives; longer text goes to a thread that may block.
const PARSE_AT_ONCE_BYTES: usize = 64 * 1024;

/// The body as an object; refused unless it is said to be JSON.
pub(crate) async fn object(
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Map<String, Value>, HttpError> {
    match optional_object(headers, body).await? {
        Some(members) => Ok(members),
        None => Err(invalid()),
    }
}

/// [`object`], or `None` where there is no body.
pub(crate) async fn optional_object(
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Option<Map<String, Value>>, HttpError> {
    request::require_json(headers)?;
    let text = request::read(headers, body, BYTES_MAX).await?;
    if text.is_empty() {
        return Ok(None);
    }
    match parse(text).await? {
        Value::Object(members) => Ok(Some(members)),
        _ => Err(HttpError::BadRequest("Request body must be a JSON object".into())),
    }
}

/// The members of a body that is an object, their values as they were written; of members with the
/// same name the last. `None` where there is no body.
pub(crate) async fn optional_members(
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Option<Members>, HttpError> {
    request::require_json(headers)?;
    let text = request::read(headers, body, BYTES_MAX).await?;
    if text.is_empty() {
        return Ok(None);
    }
    let at_once = text.len() <= PARSE_AT_ONCE_BYTES;
    let parse = move || {
        // Text that stays text is checked as the rest is.
        let Value::Object(_) = serde_json::from_slice(&text).map_err(|_| invalid())? else {
            return Err(HttpError::BadRequest("Request body must be a JSON object".into()));
        };
        serde_json::from_slice(&text).map(Some).map_err(|_| invalid())
    };
    if at_once { parse() } else { blocking(parse).await }
}

/// The body as it is and as an object; refused unless it is said to be JSON.
pub(crate) async fn text_and_object(
    headers: &HeaderMap,
    body: Incoming,
) -> Result<(String, Map<String, Value>), HttpError> {
    request::require_json(headers)?;
    let text = request::read(headers, body, BYTES_MAX).await?;
    let text = String::from_utf8(text).map_err(|_| invalid())?;
    match parse(text.clone().into_bytes()).await? {
        Value::Object(members) => Ok((text, members)),
        _ => Err(HttpError::BadRequest("Request body must be a JSON object".into())),
    }
}

/// The body as a value, whatever its content type.
pub(crate) async fn value(headers: &HeaderMap, body: Incoming) -> Result<Value, HttpError> {
    parse(request::read(headers, body, BYTES_MAX).await?).await
}

async fn parse(text: Vec<u8>) -> Result<Value, HttpError> {
    let at_once = text.len() <= PARSE_AT_ONCE_BYTES;
    memory::hold(bytes_as_values(&text)).await?;
    let parse = move || serde_json::from_slice(&text).map_err(|_| invalid());
    if at_once { parse() } else { blocking(parse).await }
}

fn invalid() -> HttpError {
    HttpError::BadRequest("invalid UTF-8 JSON".into())
}
