//! Pairing: two hubs whose people are beside each other, on the telephone, or have a message of one
//! another's, learn each other's keys. To the byte in `docs/pairing.md`.
//!
//! Nothing here does I/O or reads a clock; chance is an argument too. A [`Host`] waits behind a window that its
//! owner has opened, a guest ([`Greeting`], [`Revealed`], [`GuestSession`], one becoming the next) comes over one TLS
//! connection. Both have proven their keys by that. What is left is to show that each is who the other's
//! person means, by one of three [`Proof`]s, and then to agree: nothing is final before both people have
//! said yes.

mod card;
mod chance;
mod code;
mod error;
mod finding;
mod guest;
mod host;
mod link;
mod message;
mod sealed;
mod secret;
#[cfg(test)]
mod tests;
mod text;
mod transcript;

pub use card::{
    Card, CardError, DATABASE_BYTES_MAX, NAME_BYTES_MAX, REACH_MAX, Right, SHARES_MAX, Share,
};
pub use chance::Chance;
pub use code::{CODE_SPACE, CodeError, DIGITS_SPACE, Digits, SpokenCode, reduce};
pub use error::{Blame, PairingError};
pub use finding::{FindKey, FindSecret};
pub use guest::{Greeting, GuestSession, Revealed};
pub use host::{Effect, Host, Reception};
pub use link::{LINK_BYTES_MAX, LinkError, LinkSecret, PairingLink, WindowName};
pub use message::{GuestSays, HostSays, MESSAGE_BYTES_MAX, Standing};
pub use transcript::Channel;

use serde::{Deserialize, Serialize};

/// The version of the protocol. There is no other yet.
pub const VERSION: u32 = 1;

/// What two hubs become by pairing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Devices of one person, which may do whatever the other may.
    Device,
    /// Hubs of two people, which get what each shares.
    Friend,
}

impl Kind {
    /// As links and messages write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Friend => "friend",
        }
    }
}

/// By what each shows that it is who the other's person means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// Both have the secret of a link.
    Link,
    /// Two people see the same digits.
    Compare,
    /// One person has told the other a short code.
    Spoken,
}

impl Proof {
    /// As messages write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Compare => "compare",
            Self::Spoken => "spoken",
        }
    }
}
