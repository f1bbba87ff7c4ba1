//! Why an index was not made or removed, in CouchDB's words.

use super::RequestError;

/// An index was refused.
///
/// Source: CouchDB's `mango_error`; where it prints an argument as an Erlang term, this is JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The request was refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// `index` is no object.
    #[error("JSON indexes must be an object, not: {0}")]
    NotAnObject(String),
    /// There is no such type of index.
    #[error("Invalid type for index: {0}")]
    InvalidType(String),
    /// A type of index that this database does not have: CouchDB needs another program for it, too.
    #[error("{0}")]
    Unavailable(String),
    /// A partitioned index in a database that is not.
    #[error("partitioned option cannot be true in a non-partitioned database.")]
    NotPartitioned,
    /// The design document is there and says otherwise.
    #[error(
        "Requested partitioned option does not match existing value on design document {design}"
    )]
    PartitionedMismatch {
        /// The design document's id.
        design: String,
    },
    /// The design document is there, and not Mango's.
    #[error("Existing design doc has an invalid language: {0}")]
    InvalidLanguage(String),
    /// A part of the list of indexes that there cannot be.
    #[error("Index parameter ranges: limit > 1, skip > 0")]
    ListPart,
    /// The design document has no such index.
    #[error("JSON index {0} not found in this design doc.")]
    NotFound(String),
}

impl IndexError {
    /// CouchDB's error word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Request(error) => error.word(),
            Self::NotAnObject(_) | Self::InvalidType(_) | Self::NotFound(_) => "invalid_index",
            Self::Unavailable(_) => "required index service unavailable",
            Self::NotPartitioned => "bad_request",
            Self::PartitionedMismatch { .. } => "invalid_partitioned_option",
            Self::InvalidLanguage(_) => "invalid_ddoc_lang",
            Self::ListPart => "invalid_list_index_params",
        }
    }
}
