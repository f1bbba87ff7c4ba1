//! What can go wrong with full-text indexes.

use std::io::ErrorKind;

use tantivy::TantivyError;
use tantivy::directory::error::OpenReadError;

use crate::sandbox::SandboxError;

/// A full-text index could not be brought up to date or asked.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The index function failed.
    #[error(transparent)]
    Function(#[from] SandboxError),
    /// The question makes no sense.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// The index cannot be read; it has to be made again.
    #[error("an index is damaged: {0}")]
    Damaged(String),
    /// Whoever asked for it wants it no more.
    #[error("stopped")]
    Stopped,
}

/// A design document's index that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// No function is given.
    #[error("`index` must be a string.")]
    NoFunction,
    /// No analyzer has this name.
    #[error("no such analyzer: {0}")]
    Analyzer(String),
    /// The function is written in a language that this hub does not run.
    #[error("{0}")]
    Language(String),
}

/// A question that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// The query is longer than any may be.
    #[error("The query is longer than {0} bytes.")]
    TooLong(usize),
    /// The query has more parts than any may have, or parts within parts.
    #[error("The query has too many {0}.")]
    TooMany(&'static str),
    /// The query's text cannot be understood.
    #[error("Cannot parse the query at character {at}: {what}.")]
    Syntax {
        /// Where, counted from 0.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A bookmark that did not come from an answer to such a question.
    #[error("Invalid bookmark parameter supplied.")]
    Bookmark,
    /// An order that is none.
    #[error("Unrecognized sort parameter: {0}")]
    Sort(String),
    /// Hits cannot be grouped as asked.
    #[error("{0}")]
    Group(String),
    /// A field's values cannot be counted as asked.
    #[error("{0}")]
    Facets(String),
}

impl From<TantivyError> for SearchError {
    fn from(error: TantivyError) -> Self {
        let shown = error.to_string();
        let source = match error {
            TantivyError::IoError(source) => source,
            TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. }) => io_error,
            TantivyError::LockFailure(..) => return Self::Store(store::Error::Busy),
            _ => return Self::Damaged(shown),
        };
        match source.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                Self::Damaged(shown)
            }
            ErrorKind::StorageFull => Self::Store(store::Error::DiskFull),
            kind => {
                let source = std::io::Error::new(kind, shown);
                Self::Store(store::Error::Io { action: "use a full-text index", source })
            }
        }
    }
}

impl From<std::io::Error> for SearchError {
    fn from(error: std::io::Error) -> Self {
        TantivyError::from(error).into()
    }
}
