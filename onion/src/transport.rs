//! What a hub asks of whatever brings it into the Tor network.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;

use crate::{DiscoveryKey, DiscoverySecret, OnionAddress, OnionStream, Status};

/// What is still going on.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The way into the Tor network and out of it.
///
/// It begins by itself, mends itself, and never lets anybody wait who has not asked for a stream.
pub trait OnionTransport: fmt::Debug + Send + Sync {
    /// The next stream that somebody has opened to this hub, from whom nothing is known; `None` once
    /// it has shut down.
    ///
    /// Streams wait here in a short queue; past its end they are refused.
    fn accept(&self) -> Pending<'_, Option<Incoming>>;

    /// Opens a stream to an onion service. One attempt, which takes at most [`DIAL_MAX`]; the next one to
    /// the same service by the same group goes over fresh circuits when this one fails.
    fn dial(&self, dial: Dial) -> Pending<'static, Result<OnionStream, DialError>>;

    /// How far it is, and every change of that.
    fn status(&self) -> watch::Receiver<Status>;

    /// Dials this hub's own onion service through the network and waits until it answers.
    fn check(&self) -> Pending<'static, Result<Duration, CheckError>>;

    /// Who can find the service from now on: effective with the next descriptor, at most a minute later.
    fn set_discovery(&self, discovery: Discovery);

    /// Accepts nothing more, gives open streams so long to end, then leaves.
    fn shut_down(&self, grace: Duration) -> Pending<'_, ()>;
}

/// How long an attempt to open a stream may take.
pub const DIAL_MAX: Duration = Duration::from_secs(30);

/// A stream that somebody has opened to this hub.
#[derive(Debug)]
pub struct Incoming {
    /// The stream.
    pub stream: OnionStream,
    /// By which of the hub's addresses.
    pub service: Service,
}

/// One of a hub's onion services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// The one that friends know.
    Main,
    /// The one for those whom the hub does not know.
    Strangers,
}

/// A stream that is wanted.
#[derive(Clone, Debug)]
pub struct Dial {
    /// The service.
    pub address: OnionAddress,
    /// Its port.
    pub port: u16,
    /// Streams of different groups never share a circuit.
    pub group: String,
    /// What finds the service where its discovery is restricted.
    pub secret: Option<DiscoverySecret>,
}

/// Who can find the main service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Discovery {
    /// Everybody who has the address.
    #[default]
    Open,
    /// Whoever has one of these keys, and the hub itself.
    Restricted(BTreeSet<DiscoveryKey>),
}

/// A stream could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialError {
    /// Onion services are switched off.
    #[error("onion services are switched off (`--onion off`)")]
    Off,
    /// Tor has not got that far yet, or is being started anew.
    #[error("Tor is not ready: {0}")]
    NotReady(String),
    /// Nobody publishes that address, or not for us.
    #[error("the onion service was not found: its hub is offline, or its address has changed")]
    NotFound,
    /// Its descriptor is encrypted, and not for us.
    #[error("the onion service lets only those find it whom it knows")]
    Restricted,
    /// It is published and does not answer.
    #[error("the onion service does not answer")]
    Unanswered,
    /// It answers, and not at that port.
    #[error("the onion service refused the stream")]
    Refused,
    /// Nothing in time.
    #[error("the onion service was not reached within {} s", DIAL_MAX.as_secs())]
    TimedOut,
    /// Too many at once.
    #[error("too many streams are being opened")]
    Busy,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// A hub did not reach itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// No stream to the own address.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// A stream that ended before it said anything.
    #[error("the stream to this hub's own address broke off")]
    Broken,
    /// Another hub answered.
    #[error("another hub answers under this hub's address")]
    Twin,
}
