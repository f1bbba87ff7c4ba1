//! Streams to and from onion services: by Arti in a child process, by a system Tor, or not at all.
//!
//! Whoever uses it sees [`OnionTransport`] and cannot tell which of them it is.

#[cfg(feature = "arti")]
mod arti;
mod backoff;
mod hall;
mod network;
mod nudge;
mod off;
mod self_dial;
mod service_key;
mod settings;
mod status;
mod stream;
mod supervise;
mod supervised;
mod system_tor;
mod transport;
mod way;

#[cfg(feature = "arti")]
pub use arti::{arti, echo_child, onion_child};
pub use identity::{OnionAddress, OnionAddressError};
pub use network::Network;
pub use off::Off;
pub use service_key::{DiscoveryKey, DiscoveryKeyError, DiscoverySecret, ServiceKey};
pub use settings::{
    ArtiSettings, ControlAddress, PluggableTransport, Settings, SystemTorSettings, Vanguards,
};
pub use status::{Blocked, Check, Effective, Noted, Stage, Status};
pub use stream::OnionStream;
pub use system_tor::{Finding, inspect_system_tor, system_tor};
pub use transport::{
    CheckError, DIAL_MAX, Dial, DialError, Discovery, Incoming, OnionTransport, Pending, Service,
};
