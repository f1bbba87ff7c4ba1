//! What an onion service is told when it begins.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Discovery, DiscoverySecret, ServiceKey};

/// What all transports have to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The key of the main service.
    pub main: ServiceKey,
    /// The key of the service for strangers, where there is one.
    pub strangers: Option<ServiceKey>,
    /// What finds the main service for the hub's own checks.
    pub own_secret: DiscoverySecret,
    /// Who else can find the main service, to begin with.
    pub discovery: Discovery,
    /// The port of both services.
    pub port: u16,
    /// Between two self-dials while all is well.
    pub check_every: Duration,
    /// Incoming streams open at a time.
    pub streams_max: usize,
}

/// What Arti has to know beside [`Settings`].
#[derive(Clone, Debug, Default)]
pub struct ArtiSettings {
    /// The program that becomes the child, and what makes it one: `larder onion-child`.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where Arti keeps guards, descriptors' times and the directory: nothing secret, nothing that
    /// could not be lost.
    pub state_dir: PathBuf,
    /// Bridges, a line each as Tor writes them; with one, nothing else is used.
    pub bridges: Vec<String>,
    /// Programs that carry the traffic to bridges.
    pub pluggable_transports: Vec<PluggableTransport>,
    /// How the inner hops of circuits are kept from being found out.
    pub vanguards: Vanguards,
    /// Arti's own settings, which go before what is set here.
    pub arti: toml::Table,
}

/// A program that makes Tor's traffic look like another's.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluggableTransport {
    /// The names by which bridge lines ask for it.
    pub protocols: Vec<String>,
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Vec<String>,
}

/// How the inner hops of circuits are chosen.
///
/// Source: Tor's proposal 333.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vanguards {
    /// As Arti and the network decide: a service's are full.
    #[default]
    Auto,
    /// The second hop is one of a few that stay for days.
    Lite,
    /// The second and third are: what a service that is always on should have.
    Full,
}

/// What a system Tor has to be asked with, beside [`Settings`].
#[derive(Clone, Debug, Default)]
pub struct SystemTorSettings {
    /// Where it is controlled; the usual places are tried where this is not set.
    pub control: Option<ControlAddress>,
}

/// Where a Tor is controlled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlAddress {
    /// A port of this machine.
    Tcp(std::net::SocketAddr),
    /// A socket.
    Unix(PathBuf),
}
