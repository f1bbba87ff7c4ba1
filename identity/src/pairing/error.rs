//! Why a pairing does not go on, sorted by whose fault it is.

use super::{CardError, MESSAGE_BYTES_MAX, VERSION};

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The other side, or somebody who passes for it.
    Peer,
    /// One of the two people: a wrong code, another link, the other kind.
    Person,
    /// Nobody: time has passed, or somebody else came first.
    Nobody,
}

/// A message was not taken, or a pairing is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairingError {
    /// Longer than any message.
    #[error("the message is longer than {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
    /// It is no message of this protocol.
    #[error("the message is not one of this protocol, or has members that it does not know")]
    Malformed,
    /// It is of another version.
    #[error("the other side speaks another version of the protocol than {VERSION}")]
    Version,
    /// A message that does not come at this point: too early, too late, or a second time.
    #[error("the message does not come at this point")]
    OutOfTurn,
    /// A sealed message that came before, or one that is older than the last.
    #[error("the message has been there before")]
    Replayed,
    /// A sealed message that was changed, or that is not for this session.
    #[error("the message was not made for this session")]
    Seal,
    /// Somebody else has come to this window, or the same one over another connection.
    #[error("somebody has come here already; each link, code or window is good once")]
    Taken,
    /// This window is not for this kind of proof.
    #[error("this is not the way to prove oneself here")]
    ProofNotOffered,
    /// One person wants a device, the other a friend.
    #[error("one side wants to pair devices of one person, the other one friends")]
    KindDiffers,
    /// The secret of the link is another one.
    #[error("the link is not the one that was made here")]
    WrongSecret,
    /// The code is another one, or somebody stands between.
    #[error("the code is wrong")]
    WrongCode,
    /// What is revealed is not what was committed to.
    #[error("what was revealed is not what was committed to")]
    Commitment,
    /// Both sides see another session: somebody stands between, or is mistaken.
    #[error("the two sides do not see the same session")]
    Transcript,
    /// What it says of itself cannot be.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The window's time is over.
    #[error("the time for this pairing is over")]
    Expired,
    /// It has come to its end.
    #[error("this pairing is over")]
    Over,
}

impl PairingError {
    /// Whose fault it is.
    pub fn blame(self) -> Blame {
        match self {
            Self::TooLong
            | Self::Malformed
            | Self::Version
            | Self::OutOfTurn
            | Self::Replayed
            | Self::Seal
            | Self::Commitment
            | Self::Transcript
            | Self::Card(_) => Blame::Peer,
            Self::ProofNotOffered | Self::KindDiffers | Self::WrongSecret | Self::WrongCode => {
                Blame::Person
            }
            Self::Taken | Self::Expired | Self::Over => Blame::Nobody,
        }
    }

    /// What programs tell it by.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::OutOfTurn => "out_of_turn",
            Self::Replayed => "replayed",
            Self::Seal => "seal",
            Self::Taken => "taken",
            Self::ProofNotOffered => "proof_not_offered",
            Self::KindDiffers => "kind_differs",
            Self::WrongSecret => "wrong_secret",
            Self::WrongCode => "wrong_code",
            Self::Commitment => "commitment",
            Self::Transcript => "transcript",
            Self::Card(_) => "card",
            Self::Expired => "expired",
            Self::Over => "over",
        }
    }
}
