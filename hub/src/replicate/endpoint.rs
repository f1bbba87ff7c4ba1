//! One side of a replication: a database here, or one elsewhere.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use identity::{HttpKeyUrl, PublicKey};
use replication::PeerUrl;
use serde_json::{Map, Value};
use store::DbName;

use super::destination::{Destination, DestinationError};
use crate::http::HttpError;
use crate::onion::Onion;

/// Headers that say how a request is sent, which is not for its sender to choose.
const FRAMING: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// One side of a replication.
#[derive(Clone, PartialEq)]
pub(super) enum Endpoint {
    /// A database here.
    Local(DbName),
    /// A database elsewhere, and the headers to ask it with.
    Remote(PeerUrl, HeaderMap),
    /// A database of a hub that has to prove the key in its URL, and to which this one proves its own.
    OfKey(OfKey),
}

/// A database of the hub that has a key.
#[derive(Clone, PartialEq)]
pub(super) struct OfKey {
    /// The httpkey URL as it is printed.
    text: Box<str>,
    /// The key that the other hub has to prove.
    pub(super) key: PublicKey,
    /// Where the database is, the key left out.
    pub(super) place: PeerUrl,
}

impl Endpoint {
    /// Reads the member `side`: a name, a URL, or an object with a URL.
    pub(super) fn parse(body: &Map<String, Value>, side: &str) -> Result<Self, HttpError> {
        let invalid =
            |what: &dyn fmt::Display| HttpError::BadRequest(format!("Invalid `{side}`: {what}"));
        let (text, headers) = match body.get(side) {
            Some(Value::String(text)) => (text.as_str(), HeaderMap::new()),
            Some(Value::Object(members)) => {
                let url = members.get("url").and_then(Value::as_str);
                let url = url.ok_or_else(|| invalid(&"an object needs a `url`"))?;
                (url, headers(members).map_err(|what| invalid(&what))?)
            }
            Some(_) => return Err(invalid(&"neither a string nor an object")),
            None => return Err(HttpError::BadRequest(format!("Missing `{side}`"))),
        };
        let Some((scheme, _)) = text.split_once("://") else {
            return Ok(Self::Local(DbName::of_existing(text)?));
        };
        if scheme.eq_ignore_ascii_case("httpkey") {
            if !headers.is_empty() {
                return Err(invalid(&"a key is all that a hub is asked with"));
            }
            let url: HttpKeyUrl = text.parse().map_err(|error| invalid(&error))?;
            return OfKey::new(&url, side).map(Self::OfKey);
        }
        Ok(Self::Remote(parse_url(text, side)?, headers))
    }

    /// The database, if it is one here.
    pub(super) fn local(&self) -> Option<&DbName> {
        match self {
            Self::Local(name) => Some(name),
            Self::Remote(..) | Self::OfKey(_) => None,
        }
    }

    /// Whether it is asked with this hub's own key.
    pub(super) fn uses_device_key(&self) -> bool {
        matches!(self, Self::OfKey(_))
    }

    /// Where it is, unless it is here.
    pub(super) fn url(&self) -> Option<&PeerUrl> {
        match self {
            Self::Local(_) => None,
            Self::Remote(url, _) => Some(url),
            Self::OfKey(of_key) => Some(&of_key.place),
        }
    }

    /// Whether it is behind an onion service.
    pub(super) fn is_onion(&self) -> bool {
        self.url().is_some_and(leads_to_onion)
    }

    /// What tells it from others, without credentials.
    pub(super) fn identity(&self) -> &str {
        match self {
            Self::Local(name) => name.as_str(),
            Self::Remote(url, _) => url.endpoint(),
            Self::OfKey(of_key) => &of_key.text,
        }
    }
}

impl Endpoint {
    /// What everybody who may see the job may see: no user name and no password.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Local(name) => name.to_string(),
            Self::Remote(url, _) => format!("{}/", url.endpoint()),
            Self::OfKey(of_key) => format!("{}/", of_key.text),
        }
    }
}

/// Prints what may be shown to whoever asked.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(name) => name.fmt(f),
            Self::Remote(url, _) => url.fmt(f),
            Self::OfKey(of_key) => write!(f, "{}/", of_key.text),
        }
    }
}

impl OfKey {
    fn new(url: &HttpKeyUrl, side: &str) -> Result<Self, HttpError> {
        let place = format!("https://{}{}", url.authority().to_string(), url.path());
        let place = parse_url(&place, side)?;
        Ok(Self { text: url.to_string().trim_end_matches('/').into(), key: url.key(), place })
    }
}

/// Reads the URL of a database elsewhere, which the request calls `side`.
pub(crate) fn parse_url(text: &str, side: &str) -> Result<PeerUrl, HttpError> {
    let (scheme, _) = text.split_once("://").unwrap_or(("", text));
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(HttpError::NotImplemented(
            "replication over anything but http, https and httpkey is not in this release",
        ));
    }
    let invalid =
        |error: &dyn fmt::Display| HttpError::BadRequest(format!("Invalid `{side}`: {error}"));
    let url: PeerUrl = text.parse().map_err(|error| invalid(&error))?;
    destination(&url).map_err(|error| invalid(&error))?;
    Ok(url)
}

/// Refuses a URL that this hub has no way to, as long as it is set up as it is.
pub(crate) fn check_way(url: &PeerUrl, onion: &Onion) -> Result<(), HttpError> {
    match onion.is_off() && leads_to_onion(url) {
        true => Err(HttpError::NotImplemented(
            "the hub has no way to onion services: they are switched off (`--onion off`)",
        )),
        false => Ok(()),
    }
}

fn leads_to_onion(url: &PeerUrl) -> bool {
    destination(url).is_ok_and(|destination| destination.onion().is_some())
}

fn destination(url: &PeerUrl) -> Result<Destination, DestinationError> {
    Destination::of(&url.endpoint().parse().map_err(|_| DestinationError::NoHost)?)
}

/// The members `headers` and `auth` of a source or target.
fn headers(members: &Map<String, Value>) -> Result<HeaderMap, &'static str> {
    let mut headers = HeaderMap::new();
    if let Some(given) = members.get("headers") {
        for (name, value) in given.as_object().ok_or("`headers` is no object")? {
            let name: HeaderName = name.parse().map_err(|_| "a header's name is none")?;
            if FRAMING.contains(&name) {
                return Err("a header that the hub sets itself");
            }
            let value = value.as_str().ok_or("a header's value is no string")?;
            let mut value = HeaderValue::from_str(value).map_err(|_| "a header's value is none")?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
    }
    let Some(auth) = members.get("auth") else { return Ok(headers) };
    let basic = auth.get("basic").ok_or("`auth` needs `basic`")?;
    let text = |name: &str| basic.get(name).and_then(Value::as_str);
    let (Some(name), Some(password)) = (text("username"), text("password")) else {
        return Err("`auth.basic` needs `username` and `password`");
    };
    if name.contains(':') {
        return Err("a user name has no colon");
    }
    let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
    let mut value = HeaderValue::try_from(value).map_err(|_| "`auth.basic` is too long")?;
    value.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, value);
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(side: &Value) -> Endpoint {
        let Value::Object(body) = json!({ "side": side }) else { panic!("no object") };
        Endpoint::parse(&body, "side").unwrap()
    }

    #[test]
    fn sides_in_every_form() {
        let local = parse(&json!("a"));
        assert_eq!(local.local().unwrap().as_str(), "a");
        assert_eq!(parse(&json!({"url": "b"})).local().unwrap().as_str(), "b");
        let remote = parse(&json!("http://u:secret@h.test:1/b"));
        assert!(remote.local().is_none());
        assert_eq!(remote.to_string(), "http://u:*****@h.test:1/b/");
        assert_eq!(remote.shown(), "http://h.test:1/b/");
        assert_eq!(local.shown(), "a");
        let remote = parse(&json!({
            "url": "http://h.test/a", "headers": {"X-One": "1"},
            "auth": {"basic": {"username": "u", "password": "p:w"}},
        }));
        let Endpoint::Remote(_, headers) = &remote else { panic!("local") };
        assert_eq!(headers["x-one"], "1");
        assert_eq!(headers[header::AUTHORIZATION], "Basic dTpwOnc=");
    }
}
