//! Why a selector was refused, in CouchDB's words.

use crate::value::Value;

/// A selector was refused.
///
/// Source: CouchDB's `mango_error`; where it prints an argument as an Erlang term, this is JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The text is no JSON.
    #[error("invalid UTF-8 JSON")]
    Json,
    /// A selector is no object.
    #[error("Selector error: expected a JSON object")]
    NotAnObject,
    /// An operator's argument is of the wrong type, or cannot be understood.
    #[error("Bad argument for operator {operator}: {argument}")]
    BadArgument {
        /// The operator, dollar sign included.
        operator: &'static str,
        /// The argument as JSON, or its beginning.
        argument: String,
    },
    /// There is no such operator.
    #[error("Invalid operator: {0}")]
    InvalidOperator(String),
    /// An operator that CouchDB knows and refuses, or that needs an index which is not there.
    #[error("Unsupported operator: {0}")]
    NotSupported(String),
    /// A condition stands where no field was named, or a field's name is empty.
    #[error("One or more conditions is missing a field name.")]
    MissingFieldName,
    /// More conditions or patterns, or more levels of them, than a selector may have.
    #[error("The selector has too many conditions.")]
    TooLarge,
}

impl SelectorError {
    /// CouchDB's error word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Json => "bad_request",
            Self::NotAnObject => "invalid_selector_json",
            Self::BadArgument { .. } => "bad_arg",
            Self::InvalidOperator(_) => "invalid_operator",
            Self::NotSupported(_) => "not_supported",
            Self::MissingFieldName | Self::TooLarge => "invalid_selector",
        }
    }

    pub(super) fn bad_argument(operator: &'static str, argument: &Value<'_>) -> Self {
        Self::BadArgument { operator, argument: argument.shown() }
    }
}
