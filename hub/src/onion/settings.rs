//! What a person can set of onion services.

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::str::FromStr;

use onion::{ControlAddress, PluggableTransport, Vanguards};
use serde::Deserialize;

/// Least time between two self-dials, in seconds.
const CHECK_EVERY_S_MIN: u64 = 10;

/// How this hub is reached through Tor, and reaches others.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OnionConfig {
    /// By which Tor, if by any.
    pub(crate) mode: OnionMode,
    /// Bridges, a line each as Tor writes them; with one, nothing else is used.
    pub(crate) bridges: Vec<String>,
    /// Programs that carry the traffic to bridges.
    pub(crate) pluggable_transports: Vec<PluggableTransport>,
    /// How the inner hops of circuits are chosen.
    pub(crate) vanguards: Vanguards,
    /// Whether only those whom the hub knows can find its service, and talk to it.
    pub(crate) restricted_discovery: bool,
    /// Whether there is a second service, for those whom the hub does not know.
    pub(crate) strangers_door: bool,
    /// Seconds between two self-dials while all is well.
    pub(crate) check_every_s: CheckEvery,
    /// Streams from others that are open at a time.
    pub(crate) streams_max: NonZeroU32,
    /// Bytes that all streams carry in a second, in both directions together.
    pub(crate) bytes_per_second_max: Option<NonZeroU64>,
    /// Where a system Tor is controlled; the usual places are tried where this is not set.
    pub(crate) control: Option<Control>,
    /// Arti's own settings, which go before what is set here.
    pub(crate) arti: toml::Table,
}

impl Default for OnionConfig {
    fn default() -> Self {
        Self {
            mode: OnionMode::default(),
            bridges: Vec::new(),
            pluggable_transports: Vec::new(),
            vanguards: Vanguards::default(),
            restricted_discovery: false,
            strangers_door: false,
            check_every_s: CheckEvery(300),
            streams_max: NonZeroU32::new(256).unwrap_or(NonZeroU32::MIN),
            bytes_per_second_max: None,
            control: None,
            arti: toml::Table::new(),
        }
    }
}

/// By which Tor a hub is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum OnionMode {
    /// By Arti, in a child process of the hub's own.
    Arti,
    /// By a Tor that runs on this machine anyway.
    System,
    /// By none: nothing is dialled, nothing is published.
    Off,
}

/// Arti, where it is built in.
impl Default for OnionMode {
    fn default() -> Self {
        if cfg!(feature = "arti") { Self::Arti } else { Self::Off }
    }
}

/// The text names no mode, or one that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OnionModeError {
    /// There is no such mode.
    #[error("`{0}` is no way into Tor; write arti, system or off")]
    Unknown(String),
    /// This program was built without it.
    #[error("Arti is not built into this program; write system or off")]
    NotBuilt,
}

impl fmt::Display for OnionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arti => "arti",
            Self::System => "system",
            Self::Off => "off",
        })
    }
}

impl FromStr for OnionMode {
    type Err = OnionModeError;

    fn from_str(text: &str) -> Result<Self, OnionModeError> {
        match text {
            "arti" if cfg!(feature = "arti") => Ok(Self::Arti),
            "arti" => Err(OnionModeError::NotBuilt),
            "system" => Ok(Self::System),
            "off" => Ok(Self::Off),
            _ => Err(OnionModeError::Unknown(text.into())),
        }
    }
}

impl TryFrom<String> for OnionMode {
    type Error = OnionModeError;

    fn try_from(text: String) -> Result<Self, OnionModeError> {
        text.parse()
    }
}

/// Seconds between two self-dials: each builds circuits of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct CheckEvery(u64);

/// Too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is too often: self-dials are at least {CHECK_EVERY_S_MIN} s apart")]
pub(crate) struct CheckTooOften(u64);

impl CheckEvery {
    /// In seconds.
    pub(crate) fn seconds(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for CheckEvery {
    type Error = CheckTooOften;

    fn try_from(seconds: u64) -> Result<Self, CheckTooOften> {
        if seconds < CHECK_EVERY_S_MIN { Err(CheckTooOften(seconds)) } else { Ok(Self(seconds)) }
    }
}

/// Where a system Tor is controlled: on this machine, since it is told the service's secret key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Control(pub(crate) ControlAddress);

/// The text is no place where a Tor is controlled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ControlError {
    /// Neither of the two forms.
    #[error("`{0}` is no control port; write 127.0.0.1:9051 or unix:/run/tor/control")]
    Malformed(String),
    /// An address that other machines have.
    #[error("`{0}` is not a loopback address: a Tor is controlled on this machine only")]
    NotLoopback(SocketAddr),
}

impl FromStr for Control {
    type Err = ControlError;

    fn from_str(text: &str) -> Result<Self, ControlError> {
        let malformed = || ControlError::Malformed(text.into());
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            let path = path.is_absolute().then_some(path).ok_or_else(malformed)?;
            return Ok(Self(ControlAddress::Unix(path)));
        }
        let address: SocketAddr = text.parse().map_err(|_| malformed())?;
        if !address.ip().is_loopback() {
            return Err(ControlError::NotLoopback(address));
        }
        Ok(Self(ControlAddress::Tcp(address)))
    }
}

impl TryFrom<String> for Control {
    type Error = ControlError;

    fn try_from(text: String) -> Result<Self, ControlError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!("off".parse(), Ok(OnionMode::Off));
        assert_eq!("system".parse(), Ok(OnionMode::System));
        assert_eq!("arti".parse::<OnionMode>().is_ok(), cfg!(feature = "arti"));
        for bad in ["", "on", "Arti", "tor"] {
            let error = OnionModeError::Unknown(bad.into());
            assert_eq!(bad.parse::<OnionMode>(), Err(error));
        }
    }

    #[test]
    fn control_ports_are_on_this_machine() {
        let tcp = ControlAddress::Tcp("127.0.0.1:9051".parse().unwrap());
        assert_eq!("127.0.0.1:9051".parse(), Ok(Control(tcp)));
        let unix = ControlAddress::Unix("/run/tor/control".into());
        assert_eq!("unix:/run/tor/control".parse(), Ok(Control(unix)));
        assert!("[::1]:9051".parse::<Control>().is_ok());
        for bad in ["", "9051", "localhost:9051", "unix:", "unix:run/tor", "/run/tor/control"] {
            let error = ControlError::Malformed(bad.into());
            assert_eq!(bad.parse::<Control>(), Err(error));
        }
        let open = "192.168.1.7:9051".parse::<Control>();
        assert!(matches!(open, Err(ControlError::NotLoopback(_))));
    }

    #[test]
    fn everything_can_be_set() {
        let config: OnionConfig = toml::from_str(
            "mode = 'system'\nbridges = ['192.0.2.1:443 0123']\nvanguards = 'lite'\n\
             restricted_discovery = true\nstrangers_door = true\ncheck_every_s = 10\n\
             streams_max = 3\nbytes_per_second_max = 100_000\ncontrol = 'unix:/c'\n\
             [[pluggable_transports]]\nprotocols = ['obfs4']\npath = '/usr/bin/obfs4proxy'\n\
             [arti.channel]\npadding = 'reduced'\n",
        )
        .unwrap();
        assert_eq!(config.mode, OnionMode::System);
        assert_eq!(config.pluggable_transports[0].arguments, [""; 0]);
        assert_eq!(config.check_every_s.seconds(), 10);
        assert_eq!(config.arti["channel"]["padding"].as_str(), Some("reduced"));
        assert_eq!(toml::from_str::<OnionConfig>("").unwrap(), OnionConfig::default());
        for bad in ["check_every_s = 9", "streams_max = 0", "bytes_per_second_max = 0", "x = 1"] {
            assert!(toml::from_str::<OnionConfig>(bad).is_err(), "{bad}");
        }
    }
}
