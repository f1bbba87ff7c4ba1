//! What a request carries.

use serde_json::Value;

/// The body of a request, with the content type it is sent under.
#[derive(Debug, Clone)]
pub struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_type: Option<String>,
}

impl Body {
    /// No body and no content type.
    pub fn none() -> Self {
        Self { bytes: Vec::new(), content_type: None }
    }

    /// JSON text that is already written.
    pub fn json_text(text: impl Into<Vec<u8>>) -> Self {
        Self { bytes: text.into(), content_type: Some("application/json".into()) }
    }

    /// Bytes under a content type of the caller's choice, as for an attachment.
    pub fn bytes(bytes: impl Into<Vec<u8>>, content_type: &str) -> Self {
        Self { bytes: bytes.into(), content_type: Some(content_type.into()) }
    }
}

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self::json_text(value.to_string())
    }
}

impl From<&Value> for Body {
    fn from(value: &Value) -> Self {
        Self::json_text(value.to_string())
    }
}

/// Text is JSON as written; the empty text is no body.
impl From<&str> for Body {
    fn from(text: &str) -> Self {
        if text.is_empty() { Self::none() } else { Self::json_text(text) }
    }
}
