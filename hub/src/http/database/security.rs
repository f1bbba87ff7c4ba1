//! The security object: kept as it was written. In this release apps' grants decide, not this.

use http::StatusCode;
use serde_json::Value;

use crate::http::call::blocking;
use crate::http::{Call, HttpError, Reply, reply, request};

/// CouchDB's default: administrators only.
const DEFAULT: &str = r#"{"members":{"roles":["_admin"]},"admins":{"roles":["_admin"]}}"#;

/// Longest security object; names of people and groups take far less.
const BYTES_MAX: usize = 1 << 20;

/// `GET /{db}/_security`
pub(crate) async fn security(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let text = blocking(move || Ok(database.security()?)).await?;
    let text = text.unwrap_or_else(|| DEFAULT.into());
    Ok(reply::json_text(StatusCode::OK, text.into_bytes()))
}

/// `PUT /{db}/_security`
pub(crate) async fn set_security(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    if database.name().as_str() == "_users" {
        return Err(HttpError::ForbiddenBecause(
            "You can't edit the security object of the user database.",
        ));
    }
    let text = request::read(&call.headers, call.body, BYTES_MAX).await?;
    let text = store::json::compact(&text)?;
    check(&text).map_err(|reason| HttpError::BadRequest(reason.into()))?;
    blocking(move || Ok(database.set_security(text)?)).await?;
    Ok(reply::ok(StatusCode::OK))
}

/// Source: `couch_db:validate_security_doc/1`.
fn check(text: &str) -> Result<(), &'static str> {
    let Ok(Value::Object(object)) = serde_json::from_str(text) else {
        return Err("Request body must be a JSON object");
    };
    let members = object.get("members").or_else(|| object.get("readers"));
    for part in [object.get("admins"), members].into_iter().flatten() {
        let Value::Object(part) = part else {
            return Err("admins or members must be a JSON list of strings");
        };
        let strings = |member| match part.get(member) {
            None => true,
            Some(Value::Array(list)) => list.iter().all(Value::is_string),
            Some(_) => false,
        };
        if !strings("names") {
            return Err("names must be a JSON list of strings");
        }
        if !strings("roles") {
            return Err("roles must be a JSON list of strings");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        for good in [
            "{}",
            DEFAULT,
            r#"{"admins":{"names":["a"],"roles":[]},"members":{},"other":[1.0]}"#,
            r#"{"readers":{"names":["a"]}}"#,
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, reason) in [
            ("[]", "Request body must be a JSON object"),
            ("\"a\"", "Request body must be a JSON object"),
            (r#"{"admins":[]}"#, "admins or members must be a JSON list of strings"),
            (r#"{"members":"a"}"#, "admins or members must be a JSON list of strings"),
            (r#"{"members":{"names":"a"}}"#, "names must be a JSON list of strings"),
            (r#"{"admins":{"roles":[1]}}"#, "roles must be a JSON list of strings"),
        ] {
            assert_eq!(check(bad), Err(reason), "{bad}");
        }
    }
}
