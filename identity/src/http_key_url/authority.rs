//! Where a server is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{OnionAddress, OnionAddressError};

/// The port of a URL that names none.
pub const DEFAULT_PORT: u16 = 9898;

/// Longest name of a host, in bytes.
const NAME_BYTES_MAX: usize = 253;

/// Longest part of a host's name between dots, in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// A host and a port. No `Display`, as an onion address is not for logs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port, from 1 on.
    pub port: u16,
}

/// A host.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An onion service: to be reached through Tor and in no other way.
    Onion(OnionAddress),
    /// An address.
    Ip(IpAddr),
    /// A name that a resolver knows, in lower case.
    Name(String),
}

/// A URL does not say where its server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// A name or password for the server.
    #[error("an httpkey URL has no user name and no password")]
    UserInfo,
    /// No host.
    #[error("the URL names no host")]
    NoHost,
    /// What stands in brackets is no IPv6 address.
    #[error("the URL's host is no IPv6 address in brackets")]
    Ip6,
    /// It looks like an IPv4 address and is none.
    #[error("the URL's host is no IPv4 address of four decimal numbers")]
    Ip4,
    /// It cannot be a host's name.
    #[error("the URL's host cannot be a host's name")]
    Name,
    /// It ends with `.onion` and is no onion address.
    #[error(transparent)]
    Onion(#[from] OnionAddressError),
    /// No port has this number.
    #[error("the URL's port is no number from 1 to 65535")]
    Port,
}

impl Authority {
    /// As it stands in a URL, the port always in it: never for a log.
    #[allow(clippy::inherent_to_string, reason = "with `Display`, logs would show onion addresses")]
    pub fn to_string(&self) -> String {
        let port = self.port;
        match &self.host {
            Host::Onion(onion) => format!("{}:{port}", onion.full()),
            Host::Ip(IpAddr::V4(address)) => format!("{address}:{port}"),
            Host::Ip(IpAddr::V6(address)) => format!("[{address}]:{port}"),
            Host::Name(name) => format!("{name}:{port}"),
        }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Onion(onion) => onion.fmt(f),
            Self::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl FromStr for Authority {
    type Err = AuthorityError;

    fn from_str(text: &str) -> Result<Self, AuthorityError> {
        if text.contains('@') {
            return Err(AuthorityError::UserInfo);
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or(AuthorityError::Ip6)?;
                let address = address.parse::<Ipv6Addr>().map_err(|_| AuthorityError::Ip6)?;
                (Host::Ip(IpAddr::V6(address)), port)
            }
            None => {
                let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
                (parse_host(host)?, port)
            }
        };
        Ok(Self { host, port: parse_port(port)? })
    }
}

/// Reads what follows the host: nothing, or `":" port`.
fn parse_port(text: &str) -> Result<u16, AuthorityError> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    let digits = text.strip_prefix(':').ok_or(AuthorityError::Port)?;
    let decimal = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    let port = digits.parse().ok().filter(|_| decimal);
    port.ok_or(AuthorityError::Port)
}

fn parse_host(text: &str) -> Result<Host, AuthorityError> {
    if text.is_empty() {
        return Err(AuthorityError::NoHost);
    }
    let name = text.to_ascii_lowercase();
    let labels: Vec<_> = name.split('.').collect();
    if name.len() > NAME_BYTES_MAX || !labels.iter().all(|label| is_label(label)) {
        return Err(AuthorityError::Name);
    }
    match labels.as_slice() {
        [.., "onion"] => Ok(Host::Onion(name.parse()?)),
        // What resolvers take for a number is an address, in whatever form they may know.
        [.., last] if is_number(last) => {
            let address = name.parse::<Ipv4Addr>().map_err(|_| AuthorityError::Ip4)?;
            Ok(Host::Ip(IpAddr::V4(address)))
        }
        _ => Ok(Host::Name(name)),
    }
}

fn is_label(label: &str) -> bool {
    let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let inside = (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(letters);
    inside && !label.starts_with('-') && !label.ends_with('-')
}

fn is_number(label: &str) -> bool {
    label.bytes().all(|b| b.is_ascii_digit())
        || label.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}
