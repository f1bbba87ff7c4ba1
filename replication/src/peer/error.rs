//! Why a peer did not answer.

use std::error::Error as StdError;

/// A peer did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The database does not exist, or no longer.
    #[error("database does not exist")]
    NoDatabase,
    /// The peer does not know who is asking.
    #[error("unauthorized: {0}")]
    Unauthorized(String),
    /// The peer knows, and refuses.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// A local document was written by somebody else meanwhile.
    #[error("document update conflict")]
    Conflict,
    /// The position is none of this database's.
    #[error("the sequence is unknown: {0}")]
    UnknownSeq(String),
    /// The peer does not accept so much at once.
    #[error("request too large: {0}")]
    TooLarge(String),
    /// The peer refuses the request as it is, with this status.
    #[error("answered {status}: {reason}")]
    Refused {
        /// HTTP's status code.
        status: u16,
        /// The peer's words.
        reason: String,
    },
    /// The peer cannot answer now, with this status.
    #[error("answered {status}: {reason}")]
    Unavailable {
        /// HTTP's status code.
        status: u16,
        /// The peer's words.
        reason: String,
    },
    /// The connection could not be made, or broke.
    #[error("could not reach the peer")]
    Unreachable(#[source] Box<dyn StdError + Send + Sync>),
    /// Nothing came for too long.
    #[error("no answer within {seconds} s, waiting for {what}")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// How long.
        seconds: u64,
    },
    /// The answer makes no sense.
    #[error("the peer's answer makes no sense: {0}")]
    Answer(String),
    /// This hub cannot do that yet.
    #[error("{0} is not supported yet")]
    Unsupported(&'static str),
    /// The store of this hub refused.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl PeerError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::Unreachable(_)
            | Self::TimedOut { .. }
            | Self::Answer(_) => true,
            Self::Store(error) => match error {
                store::Error::Busy
                | store::Error::OutOfHandles
                | store::Error::DiskFull
                | store::Error::Io { .. }
                | store::Error::Sqlite { .. } => true,
                store::Error::DatabaseExists(_)
                | store::Error::NoDatabase
                | store::Error::CompactionRunning
                | store::Error::AttachmentTooLarge(_)
                | store::Error::NotGzip
                | store::Error::Damaged(_)
                | store::Error::NewerFormat { .. }
                | store::Error::Closing => false,
            },
            Self::NoDatabase
            | Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::Conflict
            | Self::UnknownSeq(_)
            | Self::TooLarge(_)
            | Self::Refused { .. }
            | Self::Unsupported(_) => false,
        }
    }

    /// The error and what caused it, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
