//! Which requests may come in at all from this machine: `Host` and `Origin` allow-lists.
//!
//! Any page in any browser can send requests to 127.0.0.1. One that made its own name point there
//! (DNS rebinding) shows in `Host`; one of another origin shows in `Origin`.

use http::{HeaderMap, HeaderValue, Uri, header};

use super::Principal;
use crate::config::HttpConfig;
use crate::couch_config::{CorsRules, Trust};
use crate::http::HttpError;

/// What the listener for this machine lets in.
#[derive(Debug)]
pub(crate) struct LocalDoor {
    /// Lower-case `Host` headers that mean this hub.
    hosts: Vec<String>,
    /// Origins of pages that the hub itself serves.
    own: Vec<String>,
}

/// A page of another origin, which a person let in, sent the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CrossOrigin {
    /// Its origin as it came.
    pub(crate) origin: HeaderValue,
    /// The host that the request is for.
    pub(crate) host: String,
    /// How far it is let in.
    pub(crate) trust: Trust,
    /// Whether only an app's own list lets it in: then it may use that app's token and nobody else's.
    pub(crate) by_app: bool,
}

impl CrossOrigin {
    /// Refuses what the page may not do as this principal.
    pub(crate) fn admit(&self, principal: &Principal) -> Result<(), HttpError> {
        let listed = match principal {
            Principal::App(app) => app.trusts(self.origin.to_str().unwrap_or_default()),
            // Whoever logs in from here says who it is first.
            Principal::Anonymous | Principal::Unproven => Some(true),
            Principal::Owner | Principal::Key(_) => None,
        };
        match listed.unwrap_or(!self.by_app) {
            true => Ok(()),
            false => Err(FOREIGN),
        }
    }
}

/// What a page is told that no list lets in.
const FOREIGN: HttpError = HttpError::ForbiddenBecause(
    "Pages of this origin may not use the hub; `larder app add --origin` lists those of an app, \
     `origins` in larder.toml and CouchDB's `cors/origins` with `chttpd/enable_cors` those of all.",
);

/// A scheme, and its own port, which browsers leave out.
const HTTP: (&str, u16) = ("http", 80);
const HTTPS: (&str, u16) = ("https", 443);

impl LocalDoor {
    /// The door of a listener for plain HTTP on this port.
    pub(crate) fn new(config: &HttpConfig, port: u16) -> Self {
        Self::of(config, port, HTTP)
    }

    /// The door of a listener for TLS on this port.
    pub(crate) fn of_tls(config: &HttpConfig, port: u16) -> Self {
        Self::of(config, port, HTTPS)
    }

    fn of(config: &HttpConfig, port: u16, (scheme, default_port): (&str, u16)) -> Self {
        let names = ["127.0.0.1", "localhost", "[::1]"].map(str::to_owned);
        let address = match config.address.first() {
            std::net::SocketAddr::V4(address) => address.ip().to_string(),
            std::net::SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        let mut hosts = Vec::new();
        for name in names.into_iter().chain([address]) {
            hosts.push(format!("{name}:{port}"));
            if port == default_port {
                hosts.push(name);
            }
        }
        hosts.extend(config.hosts.iter().map(|host| host.to_ascii_lowercase()));
        hosts.sort();
        hosts.dedup();
        let own = hosts.iter().map(|host| format!("{scheme}://{host}")).collect();
        Self { hosts, own }
    }

    /// Lets a request in, or not; the page of another origin that sent it, where one did.
    pub(crate) fn admit(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        rules: &CorsRules,
        listed_by_app: impl Fn(&str) -> bool,
    ) -> Result<Option<CrossOrigin>, HttpError> {
        let host = self.check_host(uri, headers)?;
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(None) };
        if origins.next().is_some() {
            return Err(HttpError::BadRequest("more than one Origin header".into()));
        }
        let own = |known: &String| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
        if self.own.iter().any(own) {
            return Ok(None);
        }
        let text = origin.to_str().unwrap_or_default();
        let (trust, by_app) = match rules.trust(host, text) {
            Some(trust) => (trust, false),
            None if listed_by_app(text) => (Trust::Credentials, true),
            None => return Err(FOREIGN),
        };
        Ok(Some(CrossOrigin { origin: origin.clone(), host: host.to_owned(), trust, by_app }))
    }

    /// The host that the request is for.
    fn check_host<'a>(&self, uri: &Uri, headers: &'a HeaderMap) -> Result<&'a str, HttpError> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().ok_or_else(|| HttpError::BadRequest("no Host header".into()))?;
        if hosts.next().is_some() {
            return Err(HttpError::BadRequest("more than one Host header".into()));
        }
        let known = |host: &[u8]| {
            self.hosts.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(host))
        };
        // `GET http://name/ HTTP/1.1`: the name in the request line counts as well.
        let in_line = uri.authority().is_none_or(|authority| known(authority.as_str().as_bytes()));
        match host.to_str() {
            Ok(host) if known(host.as_bytes()) && in_line => Ok(host),
            _ => Err(HttpError::WrongHost),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::PageOrigin;

    fn door(port: u16) -> LocalDoor {
        let config = toml::from_str::<HttpConfig>("hosts = ['Hub.Test:5984']");
        LocalDoor::new(&config.unwrap(), port)
    }

    fn rules() -> CorsRules {
        let origins = ["app://obsidian.md", "http://localhost:3000"];
        let origins = origins.map(|origin| PageOrigin::try_from(origin.to_owned()).unwrap());
        CorsRules::of(&BTreeMap::new(), &origins)
    }

    fn check(door: &LocalDoor, host: &str, origin: Option<&str>) -> u16 {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        match door.admit(&Uri::from_static("/"), &headers, &rules(), |_| false) {
            Ok(None) => 200,
            Ok(Some(_)) => 201,
            Err(error) => error.parts().0.as_u16(),
        }
    }

    #[test]
    fn hosts_are_exact() {
        let door = door(5984);
        for good in
            ["127.0.0.1:5984", "localhost:5984", "LocalHost:5984", "[::1]:5984", "hub.test:5984"]
        {
            assert_eq!(check(&door, good, None), 200, "{good}");
        }
        for bad in [
            "",
            "127.0.0.1",
            "localhost",
            "localhost:80",
            "localhost:5985",
            "localhost.:5984",
            "evil.example",
            "evil.example:5984",
            "localhost:5984.evil.example",
            "127.0.0.2:5984",
            "0.0.0.0:5984",
            "::1:5984",
            "[::]:5984",
            "localhost:05984",
            "a@localhost:5984",
            "127.1:5984",
            "2130706433:5984",
        ] {
            assert_eq!(check(&door, bad, None), 421, "{bad}");
        }
        let plain = self::door(80);
        assert_eq!(check(&plain, "localhost", None), 200);
        assert_eq!(check(&plain, "localhost:80", None), 200);
    }

    #[test]
    fn a_request_names_one_host() {
        let door = door(5984);
        let mut headers = HeaderMap::new();
        let status = |uri, headers: &HeaderMap| {
            let admitted = door.admit(&Uri::from_static(uri), headers, &rules(), |_| false);
            admitted.map_err(|error| error.parts().0.as_u16())
        };
        assert_eq!(status("/", &headers), Err(400));
        headers.append(header::HOST, HeaderValue::from_static("localhost:5984"));
        assert_eq!(status("/", &headers), Ok(None));
        assert_eq!(status("http://localhost:5984/db", &headers), Ok(None));
        assert_eq!(status("http://evil.example/db", &headers), Err(421));
        assert_eq!(status("http://a:b@localhost:5984/db", &headers), Err(421));
        headers.append(header::HOST, HeaderValue::from_static("localhost:5984"));
        assert_eq!(status("/", &headers), Err(400));
    }

    #[test]
    fn origins_are_exact() {
        let door = door(5984);
        for (origin, expected) in [
            ("http://127.0.0.1:5984", 200),
            ("http://localhost:5984", 200),
            ("http://[::1]:5984", 200),
            ("http://hub.test:5984", 200),
            ("app://obsidian.md", 201),
            ("http://localhost:3000", 201),
            ("https://localhost:3000", 403),
            ("http://localhost:3001", 403),
            ("http://localhost", 403),
            ("https://evil.example", 403),
            ("http://localhost:5984.evil.example", 403),
            ("app://obsidian.md.evil.example", 403),
            ("null", 403),
            ("*", 403),
            ("", 403),
        ] {
            assert_eq!(check(&door, "localhost:5984", Some(origin)), expected, "{origin}");
        }
    }
}
