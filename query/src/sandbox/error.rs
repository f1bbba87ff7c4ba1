//! What functions fail with, in CouchDB's words.

/// A function could not be compiled, called or believed.
///
/// Its text is what CouchDB gives as the reason.
///
/// Source: CouchDB's view server and `couch_os_process`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The source text is no function, or a module that it requires is none.
    #[error("{0}")]
    Compilation(String),
    /// The design document has no such function.
    #[error("{0}")]
    NotFound(String),
    /// The function threw something, or names an error of its own.
    #[error("{reason}")]
    Raised {
        /// What kind of error it says it is.
        word: String,
        /// What it says about it.
        reason: String,
    },
    /// A call took longer than it may.
    #[error("OS process timed out.")]
    Timeout,
    /// All memory of the sandbox was used.
    #[error("out of memory")]
    Memory,
    /// A call gave back more, or emitted more rows, than it may.
    #[error("A function's output is too large.")]
    Output,
    /// What a reduce function returned does not get shorter.
    #[error(
        "Reduce output must shrink more rapidly: input size: {input_bytes} output size: {output_bytes}"
    )]
    ReduceOverflow {
        /// Length of what it was given.
        input_bytes: usize,
        /// Length of what it returned.
        output_bytes: usize,
    },
    /// All workers are busy, and as many calls wait as may.
    #[error("Too many functions wait to be called.")]
    Busy,
    /// The engine itself failed.
    #[error("{0}")]
    Engine(String),
}

impl Error {
    /// CouchDB's error word.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Compilation(_) => "compilation_error",
            Self::NotFound(_) => "not_found",
            Self::Raised { word, .. } => word,
            Self::Timeout => "os_process_error",
            Self::Memory => "InternalError",
            Self::Output => "too_large",
            Self::ReduceOverflow { .. } => "reduce_overflow_error",
            Self::Busy => "service_unavailable",
            Self::Engine(_) => "internal_error",
        }
    }

    /// An error that a function names, or that was named for it.
    pub(super) fn raised(word: String, reason: String) -> Self {
        match word.as_str() {
            "compilation_error" => Self::Compilation(reason),
            "not_found" => Self::NotFound(reason),
            _ => Self::Raised { word, reason },
        }
    }
}

/// A document was not let into its database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The function threw `{forbidden: reason}`.
    #[error("{0}")]
    Forbidden(String),
    /// The function threw `{unauthorized: reason}`.
    #[error("{0}")]
    Unauthorized(String),
    /// The function failed, which lets nothing in either.
    #[error(transparent)]
    Failed(#[from] Error),
}
