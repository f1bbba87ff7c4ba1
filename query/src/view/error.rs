//! What can go wrong with views.

use crate::index::reduce::UnknownBuiltin;
use crate::index::{IndexError, ReduceError};
use crate::sandbox::SandboxError;

/// Views could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The index could not be read or written.
    #[error(transparent)]
    Index(IndexError),
    /// A map or reduce function failed.
    #[error(transparent)]
    Function(#[from] SandboxError),
    /// A built-in reduce function was given values that it is not made for.
    #[error("{0}")]
    BuiltIn(String),
    /// A reduce function that is not built in.
    #[error(transparent)]
    UnknownReduce(#[from] UnknownBuiltin),
    /// An index definition that is none.
    #[error("{0}")]
    Definition(String),
    /// The functions are written in a language that this hub does not run.
    #[error("{0}")]
    UnknownLanguage(String),
    /// Whoever asked for it wants it no more.
    #[error("stopped")]
    Stopped,
}

impl From<IndexError> for ViewError {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Store(error) => Self::Store(error),
            IndexError::Reduce(error) => error.into(),
            other => Self::Index(other),
        }
    }
}

impl From<ReduceError> for ViewError {
    fn from(error: ReduceError) -> Self {
        match error {
            ReduceError::InvalidValue(reason) => Self::BuiltIn(reason),
            ReduceError::Damaged => Self::Index(IndexError::Damaged("a reduction")),
            ReduceError::Failed(source) => match source.downcast::<SandboxError>() {
                Ok(error) => Self::Function(*error),
                Err(other) => Self::BuiltIn(other.to_string()),
            },
        }
    }
}
