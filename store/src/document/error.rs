//! Why a text is no document.

use crate::json::JsonError;
use crate::{DocIdError, ParseRevError};

/// The text cannot be written as a document; the words are CouchDB's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocError {
    /// It is not JSON.
    #[error(transparent)]
    Json(JsonError),
    /// It is JSON, but not an object.
    #[error("Document must be a JSON object")]
    NotAnObject,
    /// `_id` is not a string.
    #[error("Document id must be a string")]
    IdNotText,
    /// `_id` cannot be an id.
    #[error(transparent)]
    Id(#[from] DocIdError),
    /// `_rev` cannot be a revision id.
    #[error(transparent)]
    Rev(#[from] ParseRevError),
    /// A member begins with an underscore that no document has, or has the wrong type.
    #[error("Bad special document member: {0}")]
    Member(String),
    /// `_revisions` is no path of revisions.
    #[error("{0}")]
    Revisions(&'static str),
    /// An attachment's name begins with an underscore.
    #[error("Attachment name '{0}' starts with prohibited character '_'")]
    AttachmentName(String),
    /// An attachment is neither a stub nor base64.
    #[error("Invalid attachment data for {0}")]
    AttachmentData(String),
    /// An attachment is said to follow, but the request has one part only.
    #[error("Attachment {0} follows, but the request is not multipart/related")]
    AttachmentFollows(String),
    /// The body without attachments is longer than it may be; the document's id.
    #[error("{0}")]
    TooLarge(String),
    /// An attachment is longer than it may be; its name.
    #[error("{0}")]
    AttachmentTooLarge(String),
}

impl From<JsonError> for DocError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::NotAnObject => Self::NotAnObject,
            other => Self::Json(other),
        }
    }
}
