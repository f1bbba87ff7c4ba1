//! Why a published view stays as it is.

use query::view::ViewError;
use store::Error;

/// Most rows of a view that is published.
pub(super) const ROWS_MAX: u64 = 100_000;

/// Why rows do not become documents; those that there are stay.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The database of the view is not here.
    #[error("the database that it is a view of is not on this device")]
    NoSource,
    /// The view cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Its design document cannot be.
    #[error("{0}")]
    Design(String),
    /// It has more rows than may be published.
    #[error("the view has more than {ROWS_MAX} rows")]
    TooManyRows,
    /// Somebody else wrote there.
    #[error("somebody else has written to the database of the rows")]
    Conflict,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
    /// The hub stops.
    #[error("stopped")]
    Stopped,
}

impl Failure {
    /// What programs tell it by.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NoSource => "source_missing",
            Self::View(_) | Self::Design(_) => "view_failed",
            Self::TooManyRows => "too_many_rows",
            Self::Conflict | Self::Store(_) | Self::Stopped => "here",
        }
    }
}
