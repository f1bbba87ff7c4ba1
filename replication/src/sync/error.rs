//! Why a sync ended before its end.

use crate::PeerError;

/// A sync that did not bring the target up to date; whatever it has brought stays.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Somebody asked it to stop.
    #[error("cancelled")]
    Cancelled,
    /// The source said that it does not go on.
    #[error("the source refuses: {0}")]
    Refused(SyncRefusal),
    /// The source could not be asked, or the connection broke.
    #[error(transparent)]
    Ask(PeerError),
    /// The answer ended before its end frame.
    #[error("the answer was cut off")]
    Cut,
    /// The source sent what no source should.
    #[error("the source misbehaves: {0}")]
    Misbehaved(#[from] Misbehaviour),
    /// The store of this hub refused, or whoever judges for it could not.
    #[error("this hub: {0}")]
    Here(PeerError),
}

impl SyncError {
    /// Whether asking again later may help, with nothing changed on either side.
    ///
    /// What a misbehaving source sends may have been damaged on its way or on its disk.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.code == RefusalCode::Unavailable,
            Self::Ask(error) | Self::Here(error) => error.is_passing(),
            Self::Cut | Self::Misbehaved(_) => true,
            Self::Cancelled => false,
        }
    }
}

/// Why a source does not go on: what its last frame says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct SyncRefusal {
    /// What kind of reason.
    pub code: RefusalCode,
    /// The reason in words.
    pub reason: String,
}

impl SyncRefusal {
    /// A refusal with its reason in words.
    pub fn new(code: RefusalCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// The kinds of reasons for which a source does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    /// The two hubs know different versions of the database's conflict rule.
    PolicyVersion,
    /// The database does not exist here, or no longer.
    Gone,
    /// Whoever asks may not read it, or not any more.
    Forbidden,
    /// The source cannot answer now.
    Unavailable,
    /// The source does not understand the question.
    Malformed,
}

impl RefusalCode {
    const ALL: [Self; 5] =
        [Self::PolicyVersion, Self::Gone, Self::Forbidden, Self::Unavailable, Self::Malformed];

    /// The byte that stands for it.
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::PolicyVersion => 1,
            Self::Gone => 2,
            Self::Forbidden => 3,
            Self::Unavailable => 4,
            Self::Malformed => 5,
        }
    }

    /// What a byte stands for; what is not known yet is taken for a passing reason.
    pub(super) fn from_byte(byte: u8) -> Self {
        let known = Self::ALL.into_iter().find(|code| code.byte() == byte);
        known.unwrap_or(Self::Unavailable)
    }
}

/// The protocol's word for it.
impl std::fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PolicyVersion => "policy-version",
            Self::Gone => "gone",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
            Self::Malformed => "malformed",
        })
    }
}

/// What a source sent that no source should; nothing of it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// A frame of a type that may not be passed over and is not known.
    #[error("frame of unknown type {0:#04x}")]
    UnknownFrame(u8),
    /// A frame of known type where it may not stand.
    #[error("unexpected {0} frame")]
    Unexpected(&'static str),
    /// Something is larger than the protocol, or what was asked, allows.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// Bytes that do not say what they should.
    #[error("{0} makes no sense")]
    Malformed(&'static str),
    /// The bytes are not those of the digest beside them.
    #[error("the digest of {0} is wrong")]
    Digest(&'static str),
    /// A batch does not go on where the one before ended, or not forward.
    #[error("sequences out of order")]
    Order,
    /// The answer goes on behind its own end, or longer than this hub bears.
    #[error("the answer does not end")]
    Endless,
}
