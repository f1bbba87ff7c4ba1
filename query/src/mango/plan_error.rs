//! Why a question has no plan, in CouchDB's words.

/// No index may be used.
///
/// Source: CouchDB's `mango_error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No index has the order that was asked for.
    #[error("No index exists for this sort, try indexing by the sort fields.")]
    NoSortIndex,
    /// As above, for one partition.
    #[error("No partitioned index exists for this sort, try indexing by the sort fields.")]
    NoPartitionedSortIndex,
    /// As above, for all partitions of a database.
    #[error("No global index exists for this sort, try indexing by the sort fields.")]
    NoGlobalSortIndex,
    /// No index was named, none fits, and there may be no fallback.
    #[error("You must specify an index with the `use_index` parameter.")]
    NoIndex,
    /// The design document that was named has none that fits, and there may be no fallback.
    #[error("_design/{design} specified by `use_index` could not be found or it is not suitable.")]
    DesignUnsuitable {
        /// Its name, without `_design/`.
        design: String,
    },
    /// The index that was named does not fit, and there may be no fallback.
    #[error(
        "_design/{design}, {name} specified by `use_index` could not be found or it is not suitable."
    )]
    IndexUnsuitable {
        /// Its design document, without `_design/`.
        design: String,
        /// Its name.
        name: String,
    },
}

impl PlanError {
    /// CouchDB's error word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoSortIndex | Self::NoPartitionedSortIndex | Self::NoGlobalSortIndex => {
                "no_usable_index"
            }
            Self::NoIndex | Self::DesignUnsuitable { .. } | Self::IndexUnsuitable { .. } => {
                "invalid_index"
            }
        }
    }
}
