//! What is wrong with a design document.

/// A design document that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DesignError {
    /// A member is of the wrong type.
    #[error("`{path}` field must have {expected} type")]
    Type {
        /// The member, and what it lies in.
        path: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A view without a map function.
    #[error("View `{0}` must contain map function")]
    NoMap(String),
    /// A reduce function that begins as those that are built in do.
    #[error("`{0}` is not a supported reduce function.")]
    UnknownReduce(String),
    /// Partitioned views of a database that is not.
    #[error("partitioned option cannot be true in a non-partitioned database.")]
    NotPartitioned,
}
