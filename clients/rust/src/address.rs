//! Where a hub listens for TLS.

use std::fmt;

use http::Uri;
use http::uri::{Authority, Scheme};

/// The port of `https` where an address names none.
const PORT: u16 = 443;

/// A hub's host and port, as in `https://127.0.0.1:6984/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    authority: Authority,
}

/// The text is no address of a hub.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is no URL.
    #[error("`{0}` is no URL")]
    Url(String, #[source] http::uri::InvalidUri),
    /// It is a URL of another kind.
    #[error("`{0}` is no address of a hub: https://HOST:PORT/, without a name, path or query")]
    Form(String),
    /// An onion service, which a name server must not be asked for.
    #[error("`{0}` is an onion service: a hub reaches it, an app asks the hub of its own device")]
    Onion(String),
}

impl Address {
    /// Reads `https://HOST:PORT/`.
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        let uri: Uri = text.parse().map_err(|error| AddressError::Url(text.into(), error))?;
        let form = || AddressError::Form(text.into());
        let bare = uri.path() == "/" && uri.query().is_none();
        if uri.scheme() != Some(&Scheme::HTTPS) || !bare {
            return Err(form());
        }
        let authority = uri.authority().ok_or_else(form)?.clone();
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(form());
        }
        // Its name would go to a name server.
        let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
        if name.rsplit('.').next() == Some("onion") {
            return Err(AddressError::Onion(text.into()));
        }
        Ok(Self { authority })
    }

    /// As it stands in URLs and in the header `Host`.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Host and port, as sockets take them.
    pub(crate) fn target(&self) -> (&str, u16) {
        let host = self.authority.host();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        (bare.unwrap_or(host), self.port())
    }

    /// Whether a URI means this hub, or none in particular.
    pub(crate) fn covers(&self, uri: &Uri) -> bool {
        match (uri.scheme(), uri.authority()) {
            (None, None) => true,
            (Some(scheme), Some(authority)) => {
                *scheme == Scheme::HTTPS
                    && authority.host().eq_ignore_ascii_case(self.authority.host())
                    && authority.port_u16().unwrap_or(PORT) == self.port()
                    && !authority.as_str().contains('@')
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(PORT)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}/", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, target: (&str, u16)| {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.target(), target);
        };
        check("https://127.0.0.1:6984/", ("127.0.0.1", 6984));
        check("https://127.0.0.1:6984", ("127.0.0.1", 6984));
        check("https://[::1]:6984/", ("::1", 6984));
        check("https://localhost/", ("localhost", 443));
        let bad = ["", "x", "http://h/", "https://a@h/", "https://h/p", "https://h/?q", "h:1", "/"];
        for bad in bad {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
        for onion in ["https://a.onion/", "https://a.b.Onion.:1/", "https://onion/"] {
            assert!(matches!(Address::parse(onion), Err(AddressError::Onion(_))), "{onion}");
        }
    }

    #[test]
    fn what_an_address_covers() {
        let address = Address::parse("https://localhost:6984/").unwrap();
        let covers = |uri: &str| address.covers(&uri.parse().unwrap());
        assert!(covers("/notes?x=y") && covers("https://LOCALHOST:6984/notes"));
        for other in [
            "http://localhost:6984/",
            "https://localhost/",
            "https://localhost:6985/",
            "https://a@localhost:6984/",
            "https://example.com:6984/",
            "localhost:6984",
        ] {
            assert!(!covers(other), "{other}");
        }
    }
}
