//! Why a request was refused, in CouchDB's words.

use store::PartitionError;

use super::SelectorError;
use crate::value::Value;

/// The body of `_find`, `_explain` or `_index` was refused.
///
/// Source: CouchDB's `mango_error`; where it prints an argument as an Erlang term, this is JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The text is no JSON, or nested too deep.
    #[error("invalid UTF-8 JSON")]
    Json,
    /// The body is no object.
    #[error("Request body must be a JSON object")]
    NotAnObject,
    /// A member that the request does not have.
    #[error("Invalid key {0} for this request.")]
    InvalidKey(String),
    /// A member is missing.
    #[error("Missing required key: {0}")]
    MissingKey(&'static str),
    /// A string was expected.
    #[error("Invalid string: {0}")]
    InvalidString(String),
    /// `true` or `false` was expected.
    #[error("Invalid boolean value: {0}")]
    InvalidBoolean(String),
    /// A whole number above zero was expected.
    #[error("{0} is not an integer greater than zero")]
    InvalidPositive(String),
    /// A whole number from zero on was expected.
    #[error("{0} is not an integer greater than or equal to zero")]
    InvalidCount(String),
    /// A member may have only certain values. CouchDB has no words for it and answers 500.
    #[error("Invalid value for {name}: {value}")]
    InvalidValue {
        /// The member.
        name: &'static str,
        /// What it was given.
        value: String,
    },
    /// `use_index` or `docids` names no index.
    #[error("Invalid index name: {0}")]
    InvalidIndexName(String),
    /// `docids` is no array.
    #[error("Bulk Delete requires an array of non-null docids. Docids: {0}")]
    InvalidBulkDelete(String),
    /// `bookmark` is none that was handed out.
    #[error("Invalid bookmark value: {0}")]
    InvalidBookmark(String),
    /// `sort` or an index's `fields` is no array.
    #[error("Sort must be an array of sort specs, not: {0}")]
    InvalidSort(String),
    /// An element of it names no field and direction.
    #[error("Invalid sort field: {0}")]
    InvalidSortField(String),
    /// Both directions in one.
    #[error("Sorts currently only support a single direction for all fields.")]
    MixedSort,
    /// `fields` is no array.
    #[error("Fields must be an array of strings, not: {0}")]
    InvalidFields(String),
    /// An element of it names no field.
    #[error("Invalid JSON for field spec: {0}")]
    InvalidField(String),
    /// More fields than a request or an index may name. CouchDB has no bound.
    #[error("Fields must be at most 1000.")]
    TooManyFields,
    /// A selector is no object.
    #[error("Selector must be a JSON object, not: {0}")]
    SelectorNotAnObject(String),
    /// The selector was refused.
    #[error(transparent)]
    Selector(#[from] SelectorError),
    /// `partition` cannot name one.
    #[error(transparent)]
    Partition(#[from] PartitionError),
}

impl RequestError {
    /// CouchDB's error word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Json | Self::NotAnObject => "bad_request",
            Self::InvalidKey(_) => "invalid_key",
            Self::MissingKey(_) => "missing_required_key",
            Self::InvalidString(_) => "invalid_string",
            Self::InvalidBoolean(_) => "invalid_boolean",
            Self::InvalidPositive(_) => "invalid_pos_integer",
            Self::InvalidCount(_) => "invalid_non_neg_integer",
            Self::InvalidValue { .. } => "invalid_value",
            Self::InvalidIndexName(_) => "invalid_index_name",
            Self::InvalidBulkDelete(_) => "invalid_bulk_docs",
            Self::InvalidBookmark(_) => "invalid_bookmark",
            Self::InvalidSort(_) => "invalid_sort_json",
            Self::InvalidSortField(_) => "invalid_sort_field",
            Self::MixedSort => "unsupported_mixed_sort",
            Self::InvalidFields(_) | Self::TooManyFields => "invalid_fields",
            Self::InvalidField(_) => "invalid_field",
            Self::SelectorNotAnObject(_) => "invalid_selector_json",
            Self::Selector(error) => error.word(),
            Self::Partition(_) => "illegal_partition",
        }
    }

    /// The refusal of a value, which it shows.
    pub(super) fn of(refusal: fn(String) -> Self, value: &Value<'_>) -> Self {
        refusal(value.shown())
    }
}
