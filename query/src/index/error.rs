//! What can go wrong with an index.

use super::{KeyError, ReduceError};

/// An index could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A row's key is not JSON.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A reduce function failed.
    #[error(transparent)]
    Reduce(ReduceError),
    /// What the pages hold cannot be right: the index has to be made again, for which there is
    /// [`store::IndexFile::distrust`].
    #[error("an index is damaged: {0}")]
    Damaged(&'static str),
    /// There is no reduce function of that number.
    #[error("there is no reduce function {0}")]
    NoFunction(usize),
    /// A row was emitted for a view that is not there.
    #[error("there is no view {0}")]
    NoView(usize),
    /// The first build of an index was given a document twice, or an index that is not empty.
    #[error("an index is built from nothing, and from each document once")]
    NotANewBuild,
}

impl From<ReduceError> for IndexError {
    fn from(error: ReduceError) -> Self {
        match error {
            ReduceError::Damaged => Self::Damaged("a reduction"),
            ReduceError::InvalidValue(_) | ReduceError::Failed(_) => Self::Reduce(error),
        }
    }
}
