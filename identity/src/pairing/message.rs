//! Messages as they travel: JSON of known members, each read strictly.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Card, Kind, PairingError, Proof, VERSION, text};

/// Longest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024;

/// Fixed bytes, in base32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Bytes<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> TryFrom<String> for Bytes<N> {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text::decode(&text).map(Self).ok_or("not so many bytes in base32")
    }
}

impl<const N: usize> From<Bytes<N>> for String {
    fn from(bytes: Bytes<N>) -> Self {
        text::encode(&bytes.0)
    }
}

/// The side of a spoken code's exchange: which side it is, and a point.
pub(super) type Exchanged = Bytes<33>;

/// What the guest says before anybody has proven anything but a key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum FromGuest {
    Hello(GuestHello),
    Reveal(Reveal),
    Sealed(Sealed),
}

/// What the host answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum FromHost {
    Hello(HostHello),
    Proof(ProofOfHost),
    Sealed(Sealed),
}

/// The guest's first message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GuestHello {
    pub(super) version: u32,
    pub(super) proof: Proof,
    /// What its person wants, where that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<Kind>,
    /// To the nonce that it reveals when the host's is known.
    pub(super) commitment: Bytes<32>,
    /// That it has the link's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ticket: Option<Bytes<32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exchange: Option<Exchanged>,
}

/// The host's answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostHello {
    pub(super) version: u32,
    pub(super) kind: Kind,
    pub(super) nonce: Bytes<32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exchange: Option<Exchanged>,
}

/// The guest's nonce, and that it sees the same session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reveal {
    pub(super) nonce: Bytes<32>,
    pub(super) confirmation: Bytes<32>,
}

/// That the host sees the same session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofOfHost {
    pub(super) confirmation: Bytes<32>,
}

/// A message of a session whose sides have proven themselves, or whose people compare digits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    /// Greater than of any message before of the same side; an answer has that of what it answers.
    pub(super) number: u64,
    /// What is said, as JSON text.
    pub(super) content: String,
    pub(super) seal: Bytes<32>,
}

/// What a guest says once both have shown that they see the same session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "lowercase", deny_unknown_fields)]
pub enum GuestSays {
    /// Who it is.
    Card {
        /// What it says of itself.
        card: Card,
    },
    /// How do things stand?
    Ask {},
    /// Its person has said yes to this.
    Confirm {
        /// What it says of itself for good.
        card: Card,
    },
    /// Both people have said yes: write it down.
    Commit {},
    /// Its person has said no.
    Refuse {},
}

/// What a host answers to that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "lowercase", deny_unknown_fields)]
pub enum HostSays {
    /// Who it is.
    Card {
        /// What it says of itself.
        card: Card,
    },
    /// How things stand.
    Status {
        /// That.
        standing: Standing,
        /// What it says of itself for good, from its person's yes on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        card: Option<Card>,
    },
}

/// How things stand at the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Its person has said nothing yet.
    Open,
    /// Its person has said yes.
    Confirmed,
    /// Its person has said no, or it could not be written down.
    Refused,
    /// It is written down there.
    Committed,
}

/// Reads a message.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PairingError> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(PairingError::TooLong);
    }
    serde_json::from_slice(bytes).map_err(|_| PairingError::Malformed)
}

/// Reads one of the two first messages, whose version is looked at before all else.
pub(super) fn read_hello<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PairingError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: Option<u32>,
    }
    let versioned: Versioned = read(bytes)?;
    match versioned.version {
        Some(version) if version != VERSION => Err(PairingError::Version),
        _ => read(bytes),
    }
}

/// The text of a message. Serialising these types cannot fail.
pub(super) fn write(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}
