//! Which pages of other origins may call the hub, and what they may do there.
//!
//! Source: `chttpd_cors`. What differs: an origin that only `*` lists never gets credentials.

use std::collections::BTreeMap;

use super::{Settings, list};
use crate::config::PageOrigin;

/// The rules for all hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CorsRules {
    /// Origins that `larder.toml` lists.
    owner: Vec<String>,
    general: Cors,
    /// Those of `cors:HOST` sections.
    hosts: BTreeMap<String, Cors>,
}

/// The rules for one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cors {
    /// Origins that clients listed; none while `enable_cors` is not set.
    origins: Vec<String>,
    /// Whether `*` is among them.
    any: bool,
    credentials: bool,
    /// Methods that pages may use, case-sensitive.
    pub(crate) methods: Vec<String>,
    /// Lower-case headers that pages may send.
    pub(crate) headers: Vec<String>,
    /// Lower-case headers that pages may read besides those that all may.
    pub(crate) exposed: Vec<String>,
    /// How long a browser may remember a preflight.
    pub(crate) max_age_s: u64,
}

/// How far a page is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Listed, with cookies and whatever else a browser attaches.
    Credentials,
    /// Listed, without what a browser attaches by itself.
    Listed,
    /// Let in by `*` alone.
    Anyone,
}

/// What pages may do where no setting says: CouchDB's lists, and headers of conditional and partial
/// requests.
const METHODS: &str = "CONNECT, COPY, DELETE, GET, HEAD, OPTIONS, POST, PUT, TRACE";
const HEADERS: &str = "accept, accept-language, authorization, content-encoding, content-length, \
                       content-range, content-type, destination, expires, if-match, \
                       if-none-match, if-range, last-event-id, last-modified, origin, pragma, \
                       range, x-couch-full-commit, x-couch-id, x-couch-persist, \
                       x-couchdb-www-authenticate, x-http-method-override, x-requested-with, \
                       x-couchdb-vhost-path";
const EXPOSED: &str = "accept-ranges, etag, server, x-couch-request-id, x-couch-update-newrev, \
                       x-couchdb-body-time, content-encoding, content-length, content-range, \
                       location";
const MAX_AGE_S: u64 = 600;

/// What a host's own section of settings is called, before the host.
const HOST_SECTION: &str = "cors:";

impl CorsRules {
    /// Reads them.
    pub(crate) fn of(written: &Settings, owner: &[PageOrigin]) -> Self {
        let hosts = written.keys().filter_map(|section| section.strip_prefix(HOST_SECTION));
        Self {
            owner: owner.iter().map(|origin| origin.as_str().to_owned()).collect(),
            general: Cors::of(written, None),
            hosts: hosts.map(|host| (host.into(), Cors::of(written, Some(host)))).collect(),
        }
    }

    /// The rules for requests to this `Host`.
    pub(crate) fn of_host(&self, host: &str) -> &Cors {
        let host = host.split(':').next().unwrap_or_default();
        self.hosts.get(host).unwrap_or(&self.general)
    }

    /// How far a page of this origin is let in by requests to this `Host`; `None` for not at all.
    pub(crate) fn trust(&self, host: &str, origin: &str) -> Option<Trust> {
        let among = |list: &[String]| list.iter().any(|known| known.eq_ignore_ascii_case(origin));
        if among(&self.owner) {
            return Some(Trust::Credentials);
        }
        let cors = self.of_host(host);
        // Any page can have the origin `null`, so nobody can mean one by it.
        if among(&cors.origins) && origin != "null" {
            return Some(if cors.credentials { Trust::Credentials } else { Trust::Listed });
        }
        cors.any.then_some(Trust::Anyone)
    }
}

impl Cors {
    fn of(written: &Settings, host: Option<&str>) -> Self {
        let section = |name: &str, key: &str| {
            let value = written.get(name)?.get(key)?.as_str();
            Some(value).filter(|value| !value.is_empty())
        };
        let value = |key: &str| {
            let own = host.and_then(|host| section(&format!("{HOST_SECTION}{host}"), key));
            own.or_else(|| section("cors", key))
        };
        let lower = |key: &str, default: &str| {
            list(value(key).unwrap_or(default)).map(str::to_ascii_lowercase).collect()
        };
        let enabled = section("chttpd", "enable_cors").or_else(|| section("httpd", "enable_cors"));
        let origins: Vec<String> = match enabled {
            Some("true") => list(value("origins").unwrap_or_default()).map(Into::into).collect(),
            _ => Vec::new(),
        };
        Self {
            any: origins.iter().any(|origin| origin == "*"),
            origins,
            credentials: value("credentials") == Some("true"),
            methods: list(value("methods").unwrap_or(METHODS)).map(Into::into).collect(),
            headers: lower("headers", HEADERS),
            exposed: lower("exposed_headers", EXPOSED),
            max_age_s: value("max_age").and_then(|age| age.parse().ok()).unwrap_or(MAX_AGE_S),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: (&str, &str, &str) = ("chttpd", "enable_cors", "true");

    fn rules(settings: &[(&str, &str, &str)]) -> CorsRules {
        let mut written = Settings::new();
        for (section, key, value) in settings {
            let section = written.entry((*section).into()).or_default();
            section.insert((*key).into(), (*value).into());
        }
        let owner = PageOrigin::try_from("app://mine".to_owned()).unwrap();
        CorsRules::of(&written, &[owner])
    }

    fn check(settings: &[(&str, &str, &str)], origin: &str, expected: Option<Trust>) {
        let found = rules(settings).trust("localhost:5984", origin);
        assert_eq!(found, expected, "{origin} with {settings:?}");
    }

    #[test]
    fn who_is_let_in() {
        let listed =
            ("cors", "origins", "app://obsidian.md, capacitor://localhost,http://localhost");
        let credentials = ("cors", "credentials", "true");
        let star = ("cors", "origins", "*");
        check(&[], "app://mine", Some(Trust::Credentials));
        check(&[], "APP://mine", Some(Trust::Credentials));
        check(&[listed, credentials], "app://obsidian.md", None);
        check(&[ON], "app://obsidian.md", None);
        check(&[ON, listed], "app://obsidian.md", Some(Trust::Listed));
        check(&[ON, listed, credentials], "app://obsidian.md", Some(Trust::Credentials));
        check(&[ON, listed, credentials], "capacitor://localhost", Some(Trust::Credentials));
        check(&[ON, listed, credentials], "http://localhost:80", None);
        check(&[ON, listed, credentials], "http://localhost.evil", None);
        check(&[ON, listed, credentials], "null", None);
        check(&[ON, ("cors", "origins", "null"), credentials], "null", None);
        check(&[ON, star], "https://evil.example", Some(Trust::Anyone));
        check(&[ON, star, credentials], "https://evil.example", Some(Trust::Anyone));
        check(&[ON, star, credentials], "null", Some(Trust::Anyone));
        check(&[ON, star, credentials], "app://mine", Some(Trust::Credentials));
        check(&[("httpd", "enable_cors", "true"), star], "http://a", Some(Trust::Anyone));
        check(
            &[("chttpd", "enable_cors", "false"), ("httpd", "enable_cors", "true"), star],
            "http://a",
            None,
        );
        check(&[("chttpd", "enable_cors", "yes"), star], "http://a", None);
        check(
            &[ON, ("cors", "origins", "*,http://a"), credentials],
            "http://a",
            Some(Trust::Credentials),
        );
    }

    #[test]
    fn a_host_may_have_rules_of_its_own() {
        let rules = rules(&[
            ON,
            ("cors", "origins", "http://a"),
            ("cors", "max_age", "7"),
            ("cors:localhost", "origins", "http://b"),
            ("cors:localhost", "methods", "GET,PUT"),
        ]);
        assert_eq!(rules.trust("127.0.0.1:1", "http://a"), Some(Trust::Listed));
        assert_eq!(rules.trust("localhost:1", "http://a"), None);
        assert_eq!(rules.trust("localhost:1", "http://b"), Some(Trust::Listed));
        assert_eq!(rules.of_host("localhost:1").methods, ["GET", "PUT"]);
        assert_eq!(rules.of_host("localhost:1").max_age_s, 7);
        assert_eq!(rules.of_host("[::1]:1").methods.len(), 9);
    }

    #[test]
    fn an_empty_setting_is_none() {
        let rules =
            rules(&[("cors", "methods", ""), ("cors", "headers", ""), ("cors", "max_age", "x")]);
        let cors = rules.of_host("localhost");
        assert_eq!((cors.methods.len(), cors.max_age_s), (9, 600));
        assert!(cors.headers.iter().any(|name| name == "authorization"));
    }
}
