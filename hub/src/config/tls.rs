//! Where the hub listens for TLS.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::Deserialize;

/// The listener for keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// Where to listen; port 0 is any free port.
    pub(crate) address: TlsAddress,
}

/// Where to listen for TLS: on this machine only unless a person opens it to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum TlsAddress {
    /// Nobody has chosen: `localhost:6984`, or any free port where another program has that one.
    #[default]
    Unset,
    /// `localhost:PORT`: 127.0.0.1, and `[::1]` where there is one.
    Localhost(u16),
    /// One address; one that is no loopback address is open to other machines.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

/// CouchDB's port for TLS.
const PORT: u16 = 6984;

impl TlsAddress {
    /// The address that must be bound, unless there is none.
    pub(crate) fn first(self) -> Option<SocketAddr> {
        match self {
            Self::Unset => Some((IpAddr::V4(Ipv4Addr::LOCALHOST), PORT).into()),
            Self::Localhost(port) => Some((IpAddr::V4(Ipv4Addr::LOCALHOST), port).into()),
            Self::At(address) => Some(address),
            Self::Off => None,
        }
    }

    /// The address to bind where that is possible, once the port is known.
    pub(crate) fn second(self, port: u16) -> Option<SocketAddr> {
        match self {
            Self::Unset | Self::Localhost(_) => {
                Some((IpAddr::V6(Ipv6Addr::LOCALHOST), port).into())
            }
            Self::At(_) | Self::Off => None,
        }
    }
}

impl fmt::Display for TlsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => write!(f, "localhost:{PORT}"),
            Self::Localhost(port) => write!(f, "localhost:{port}"),
            Self::At(address) => write!(f, "{address}"),
            Self::Off => f.write_str("off"),
        }
    }
}

/// The text is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address; write localhost:6984, 192.168.1.7:6984, [::]:6984 or off")]
pub(crate) struct TlsAddressError(String);

impl FromStr for TlsAddress {
    type Err = TlsAddressError;

    fn from_str(text: &str) -> Result<Self, TlsAddressError> {
        let malformed = || TlsAddressError(text.into());
        if text == "off" {
            return Ok(Self::Off);
        }
        if let Some(port) = text.strip_prefix("localhost:") {
            return port.parse().map(Self::Localhost).map_err(|_| malformed());
        }
        text.parse().map(Self::At).map_err(|_| malformed())
    }
}

impl TryFrom<String> for TlsAddress {
    type Error = TlsAddressError;

    fn try_from(text: String) -> Result<Self, TlsAddressError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for text in ["off", "localhost:0", "127.0.0.1:6984", "[::]:1", "192.168.1.7:6984"] {
            assert_eq!(
                text.parse::<TlsAddress>().map(|address| address.to_string()),
                Ok(text.into())
            );
        }
        for bad in ["", "6984", "localhost", "localhost:x", "hub.test:6984", "::1:6984", "on"] {
            assert!(bad.parse::<TlsAddress>().is_err(), "{bad}");
        }
        assert_eq!(TlsAddress::default().to_string(), "localhost:6984");
        assert_eq!(TlsAddress::Off.first(), None);
        let second = TlsAddress::Localhost(0).second(7);
        assert_eq!(second, Some("[::1]:7".parse().unwrap()));
        assert_eq!(TlsAddress::At("127.0.0.1:0".parse().unwrap()).second(7), None);
    }
}
