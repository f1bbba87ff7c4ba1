//! Words that an analyzer makes of a text.

use ::query::search::{Analyzer, Dialect};
use http::StatusCode;
use serde_json::{Value, json};

use crate::http::given::bad;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};

/// Bytes of a text whose words are shown.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// `POST /_search_analyze`
pub(crate) async fn analyze(call: Call) -> Result<Reply, HttpError> {
    answer(call, Dialect::Search).await
}

/// `POST /_nouveau_analyze`
pub(crate) async fn analyze_nouveau(call: Call) -> Result<Reply, HttpError> {
    answer(call, Dialect::Nouveau).await
}

async fn answer(call: Call, dialect: Dialect) -> Result<Reply, HttpError> {
    let mut body = json_body::object(&call.headers, call.body).await?;
    let analyzer = match body.get("analyzer") {
        None => return Err(bad("analyzer parameter is mandatory")),
        Some(given @ (Value::String(_) | Value::Object(_))) => {
            Analyzer::parse(Some(given), dialect)?
        }
        Some(_) => return Err(bad("analyzer parameter must be a string or an object")),
    };
    let text = match body.remove("text") {
        None => return Err(bad("text parameter is mandatory")),
        Some(Value::String(text)) if text.len() <= TEXT_BYTES_MAX => text,
        Some(Value::String(_)) => return Err(HttpError::RequestTooLarge),
        Some(_) => return Err(bad("text parameter must be a string")),
    };
    blocking(move || Ok(reply::json(StatusCode::OK, &json!({"tokens": analyzer.words(&text)}))))
        .await
}
