//! What becomes of errors of questions: selectors, views, functions, search.

use http::StatusCode;
use query::design::DesignError;
#[cfg(feature = "search")]
use query::search::{DefinitionError, SearchError};
use query::view::ViewError;
use query::{SandboxError, SelectorError, mango};
use store::Error;

use super::HttpError;

impl From<SelectorError> for HttpError {
    fn from(error: SelectorError) -> Self {
        Self::BadRequest(error.to_string())
    }
}

impl From<DesignError> for HttpError {
    fn from(error: DesignError) -> Self {
        Self::InvalidDesign(error.to_string())
    }
}

impl From<SandboxError> for HttpError {
    fn from(error: SandboxError) -> Self {
        use StatusCode as S;
        let status = match &error {
            SandboxError::NotFound(_) => S::NOT_FOUND,
            SandboxError::Compilation(_) => S::BAD_REQUEST,
            SandboxError::Busy => S::SERVICE_UNAVAILABLE,
            SandboxError::Raised { word, .. } => match word.as_str() {
                "bad_request" | "query_parse_error" => S::BAD_REQUEST,
                "unauthorized" => S::UNAUTHORIZED,
                "forbidden" => S::FORBIDDEN,
                "conflict" => S::CONFLICT,
                "not_acceptable" => S::NOT_ACCEPTABLE,
                "unsupported_media_type" | "bad_content_type" => S::UNSUPPORTED_MEDIA_TYPE,
                "too_many_requests" => S::TOO_MANY_REQUESTS,
                _ => S::INTERNAL_SERVER_ERROR,
            },
            SandboxError::Timeout
            | SandboxError::Memory
            | SandboxError::Output
            | SandboxError::ReduceOverflow { .. }
            | SandboxError::Engine(_) => S::INTERNAL_SERVER_ERROR,
        };
        Self::Function { status, word: error.word().to_owned(), reason: error.to_string() }
    }
}

impl From<ViewError> for HttpError {
    fn from(error: ViewError) -> Self {
        let failed = |word: &str, reason: String| Self::Function {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            word: word.into(),
            reason,
        };
        match error {
            ViewError::Store(error) => error.into(),
            ViewError::Function(error) => error.into(),
            ViewError::BuiltIn(reason) => failed("builtin_reduce_error", reason),
            ViewError::UnknownLanguage(name) => failed("unknown_query_language", name),
            ViewError::UnknownReduce(error) => Self::InvalidDesign(error.to_string()),
            ViewError::Definition(reason) => Self::InvalidDesign(reason),
            ViewError::Stopped => Self::Store(Error::Closing),
            ViewError::Index(_) => Self::Index(error),
        }
    }
}

#[cfg(feature = "search")]
impl From<SearchError> for HttpError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Store(error) => error.into(),
            SearchError::Function(error) => error.into(),
            SearchError::Question(error) => Self::BadRequest(error.to_string()),
            SearchError::Damaged(cause) => Self::Internal { action: "read an index", cause },
            SearchError::Stopped => Self::Store(Error::Closing),
        }
    }
}

#[cfg(feature = "search")]
impl From<DefinitionError> for HttpError {
    fn from(error: DefinitionError) -> Self {
        let reason = error.to_string();
        match error {
            DefinitionError::NoFunction => Self::InvalidDesign(reason),
            DefinitionError::Analyzer(_) => Self::BadRequest(reason),
            DefinitionError::Language(_) => Self::Function {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                word: "unknown_query_language".into(),
                reason,
            },
        }
    }
}

/// What Mango refuses is the client's fault.
fn mango(word: &str, reason: String) -> HttpError {
    HttpError::Function { status: StatusCode::BAD_REQUEST, word: word.to_owned(), reason }
}

impl From<mango::RequestError> for HttpError {
    fn from(error: mango::RequestError) -> Self {
        mango(error.word(), error.to_string())
    }
}

impl From<mango::PlanError> for HttpError {
    fn from(error: mango::PlanError) -> Self {
        mango(error.word(), error.to_string())
    }
}

impl From<mango::IndexError> for HttpError {
    fn from(error: mango::IndexError) -> Self {
        let status = match error {
            mango::IndexError::NotFound(_) => StatusCode::NOT_FOUND,
            mango::IndexError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            // CouchDB's status, whoever is at fault.
            mango::IndexError::ListPart => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::Function { status, word: error.word().to_owned(), reason: error.to_string() }
    }
}
