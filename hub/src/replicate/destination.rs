//! Where a URL leads: through Tor, or to a host that may be looked up.
//!
//! The one place of the hub that has a name looked up, and the name of an onion service cannot get
//! there: a name server, and whoever watches the way to it, would learn whom this hub talks to.

use std::io;

use http::Uri;
use identity::{OnionAddress, OnionAddressError};
use tokio::net::TcpStream;

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// To an onion service.
    Onion(OnionAddress),
    /// To a host of the network around this device.
    Clear(ClearHost),
}

/// A host that is no onion service: its address, or a name that name servers are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClearHost(Box<str>);

/// A URL leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DestinationError {
    /// It has no host.
    #[error("the URL names no host")]
    NoHost,
    /// Some resolvers would decode it, to whatever it hides.
    #[error("the URL's host is percent-encoded")]
    Encoded,
    /// It ends with `.onion` and is no onion address.
    #[error(transparent)]
    Onion(#[from] OnionAddressError),
}

impl Destination {
    /// Where this URL leads.
    pub(super) fn of(uri: &Uri) -> Result<Self, DestinationError> {
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(DestinationError::NoHost)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if host.contains('%') {
            return Err(DestinationError::Encoded);
        }
        let name = bare.trim_end_matches('.').to_ascii_lowercase();
        let mut labels = name.rsplit('.');
        if labels.next() != Some("onion") {
            return Ok(Self::Clear(ClearHost(bare.into())));
        }
        // What stands before the address is for the service's own use.
        let address = labels.next().map(|label| format!("{label}.onion"));
        Ok(Self::Onion(address.as_deref().unwrap_or_default().parse()?))
    }

    /// The onion service, where it is one.
    pub(super) fn onion(&self) -> Option<&OnionAddress> {
        match self {
            Self::Onion(address) => Some(address),
            Self::Clear(_) => None,
        }
    }
}

impl ClearHost {
    /// A connection to a port of it.
    pub(super) async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((&*self.0, port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

    fn destination(host: &str) -> Result<Destination, DestinationError> {
        let uri = format!("http://{host}/db").parse::<Uri>();
        Destination::of(&uri.map_err(|_| DestinationError::NoHost)?)
    }

    #[test]
    fn names_of_onion_services_are_never_looked_up() {
        let address = Destination::Onion(ADDRESS.parse().unwrap());
        let upper = ADDRESS.to_ascii_uppercase();
        for host in [
            ADDRESS.to_owned(),
            upper.clone(),
            format!("{ADDRESS}."),
            format!("{ADDRESS}.."),
            format!("{ADDRESS}:5984"),
            format!("{upper}.:80"),
            format!("www.{ADDRESS}"),
            format!("A.b.{ADDRESS}."),
            format!("user:pass@{ADDRESS}"),
        ] {
            assert_eq!(destination(&host), Ok(address.clone()), "{host}");
        }
        for host in [
            "onion",
            ".onion",
            "onion.",
            "ONION",
            "abc.onion",
            "abc.onion.",
            "abc.Onion..",
            "abc%2eonion",
            "abc.%6fnion",
            "abc.onion%2e",
            "[abc.onion]",
            "x@abc.onion",
        ] {
            let refused = destination(host);
            assert!(refused.is_err(), "{host}: {refused:?}");
        }
        // Characters that some take for a dot or for a letter are in no URL.
        for host in ["abc。onion", "abc．onion", "abc.ｏnion"] {
            assert!(destination(host).is_err(), "{host}");
        }
    }

    #[test]
    fn other_names_stay_as_they_are() {
        for (host, bare) in [
            ("couch.example", "couch.example"),
            ("Couch.Example.:5984", "Couch.Example."),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]:5984", "::1"),
            ("abc.onion.example", "abc.onion.example"),
            ("notonion", "notonion"),
        ] {
            assert_eq!(destination(host), Ok(Destination::Clear(ClearHost(bare.into()))), "{host}");
        }
    }
}
