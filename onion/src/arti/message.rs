//! What parent and child say to each other.

use std::collections::BTreeSet;
use std::fmt;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::control::Message;
use crate::{Blocked, DialError, Discovery, DiscoveryKey, Effective, OnionAddress, Service};

/// What the child is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToChild {
    /// First of all.
    Start(Box<Start>),
    /// Open a stream.
    Dial {
        /// Names it in the answer.
        id: u64,
        address: OnionAddress,
        port: u16,
        /// Streams with the same word may share circuits.
        circuits: String,
        /// What finds the service where its discovery is restricted.
        secret: Option<Secret>,
    },
    /// Who can find the main service; everybody where there are no keys.
    Discovery(Option<BTreeSet<DiscoveryKey>>),
    /// Accept nothing more; end once what is open has ended.
    Drain {
        /// At the latest after so long.
        grace_ms: u64,
    },
}

/// What the child begins with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Start {
    /// Arti's settings, as TOML.
    pub(super) settings: String,
    /// Where Arti keeps what it learns.
    pub(super) state_dir: std::path::PathBuf,
    /// The services.
    pub(super) main: Secret,
    pub(super) strangers: Option<Secret>,
    /// Ports at which the main service answers, the hub's own check among them.
    pub(super) ports: Vec<u16>,
    /// The port of the service for strangers.
    pub(super) strangers_port: u16,
    pub(super) discovery: Option<BTreeSet<DiscoveryKey>>,
    /// What finds the main service for the hub itself.
    pub(super) own_secret: Secret,
    /// Incoming streams open at a time.
    pub(super) streams_max: usize,
}

/// What the child tells.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToParent {
    Bootstrapping {
        percent: u8,
        blocked: Option<Blocked>,
    },
    Bootstrapped,
    Published,
    Effective(Effective),
    /// Somebody has opened a stream, which comes with this.
    Incoming {
        service: Service,
        port: u16,
    },
    /// The stream that was asked for comes with this.
    Dialled {
        id: u64,
    },
    /// There is none.
    NotDialled {
        id: u64,
        error: DialError,
    },
    /// Something went wrong, and it goes on.
    Trouble(String),
    /// It cannot go on.
    Failed(String),
}

impl Message for ToChild {
    fn carries_stream(&self) -> bool {
        false
    }
}

impl Message for ToParent {
    fn carries_stream(&self) -> bool {
        matches!(self, Self::Incoming { .. } | Self::Dialled { .. })
    }
}

/// A secret on its way, in base64.
#[derive(Clone)]
pub(super) struct Secret(pub(super) Zeroizing<[u8; 32]>);

impl Secret {
    pub(super) fn of(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(BASE64.encode(self.0.as_slice()));
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = BASE64.decode(text.as_bytes()).map(Zeroizing::new);
        let bytes = bytes.ok().and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        let malformed = || serde::de::Error::custom("not 32 bytes in base64");
        bytes.map(|bytes| Self(Zeroizing::new(bytes))).ok_or_else(malformed)
    }
}

/// The keys that a descriptor is encrypted for, where it is.
pub(super) fn keys_of(discovery: &Discovery) -> Option<BTreeSet<DiscoveryKey>> {
    match discovery {
        Discovery::Open => None,
        Discovery::Restricted(keys) => Some(keys.clone()),
    }
}
