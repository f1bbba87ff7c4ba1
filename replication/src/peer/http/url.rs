//! Where a database is, and as whom it is asked.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::PeerError;

/// What stays as it is in a path segment or a query value; the rest is percent-encoded.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The URL of a database. Its credentials are used, and shown to nobody.
///
/// ```
/// let url: replication::PeerUrl = "http://anna:secret@hub.example:5984/prefix/notes/".parse()?;
/// assert_eq!(url.to_string(), "http://anna:*****@hub.example:5984/prefix/notes/");
/// assert_eq!(url.endpoint(), "http://hub.example:5984/prefix/notes");
/// # Ok::<(), replication::ParseUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PeerUrl {
    /// Scheme, authority and path, without credentials and a slash at the end.
    plain: Box<str>,
    /// The same with what may be shown of the credentials.
    shown: Box<str>,
    authorization: Option<HeaderValue>,
}

/// The text is no URL of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseUrlError {
    /// It is no absolute URL.
    #[error("not an absolute URL")]
    Syntax,
    /// It names no database.
    #[error("the URL names no database")]
    NoDatabase,
    /// It has a query or a fragment.
    #[error("the URL of a database has no query and no fragment")]
    Query,
    /// The path has a segment that is empty, `.` or `..`.
    #[error("the URL's path has an empty or dotted segment")]
    Segment,
    /// User name or password are no percent-encoded UTF-8.
    #[error("user name or password are not percent-encoded UTF-8")]
    Credentials,
}

impl PeerUrl {
    /// The URL without credentials: what tells this database from others.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.plain
    }

    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// The URL of something below the database; `path` is empty, or begins with a slash and is
    /// encoded.
    pub(super) fn below(&self, path: &str) -> Result<Uri, PeerError> {
        // CouchDB's own replicator ends a database's URL with a slash.
        let path = if path.is_empty() { "/" } else { path };
        let uri = format!("{}{path}", self.plain).parse();
        uri.map_err(|_| PeerError::TooLarge("the URL".into()))
    }
}

impl FromStr for PeerUrl {
    type Err = ParseUrlError;

    fn from_str(text: &str) -> Result<Self, ParseUrlError> {
        if text.contains(['?', '#']) {
            return Err(ParseUrlError::Query);
        }
        let (scheme, rest) = text.split_once("://").ok_or(ParseUrlError::Syntax)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Err(ParseUrlError::NoDatabase);
        }
        if path.split('/').skip(1).any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(ParseUrlError::Segment);
        }
        let scheme = scheme.to_ascii_lowercase();
        let plain = format!("{scheme}://{host}{path}");
        let uri: Uri = plain.parse().map_err(|_| ParseUrlError::Syntax)?;
        let port = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
        if uri.host().is_none_or(str::is_empty) || port.is_some() != uri.port_u16().is_some() {
            return Err(ParseUrlError::Syntax);
        }
        let shown = match userinfo {
            Some(userinfo) => {
                let user = userinfo.split_once(':').map_or("", |(user, _)| user);
                let colon = if user.is_empty() { "" } else { ":" };
                format!("{scheme}://{user}{colon}*****@{host}{path}/")
            }
            None => format!("{plain}/"),
        };
        let authorization = userinfo.map(basic).transpose()?;
        Ok(Self { plain: plain.into(), shown: shown.into(), authorization })
    }
}

/// The header `Authorization` that says what a URL's `user:password` says.
fn basic(userinfo: &str) -> Result<HeaderValue, ParseUrlError> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decode =
        |text| percent_decode_str(text).decode_utf8().map_err(|_| ParseUrlError::Credentials);
    let credentials = format!("{}:{}", decode(user)?, decode(password)?);
    let header = format!("Basic {}", STANDARD.encode(credentials));
    let mut value = HeaderValue::try_from(header).map_err(|_| ParseUrlError::Credentials)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Encodes one path segment or query value.
pub(super) fn encode(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, PLAIN)
}

/// Prints the URL without its password.
impl fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Prints the URL without its password.
impl fmt::Debug for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerUrl({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str, endpoint: &str, credentials: Option<&str>) {
        let url: PeerUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), shown, "{text}");
        assert_eq!(format!("{url:?}"), format!("PeerUrl({shown})"));
        assert_eq!(url.endpoint(), endpoint, "{text}");
        let header = url.authorization().map(|value| value.to_str().unwrap().to_owned());
        let expected = credentials.map(|text| format!("Basic {}", STANDARD.encode(text)));
        assert_eq!(header, expected, "{text}");
        assert!(!format!("{:?}", url.authorization()).contains("Basic"), "{text}");
    }

    #[test]
    fn takes_urls_apart_and_hides_secrets() {
        check("http://h/db", "http://h/db/", "http://h/db", None);
        check("HTTP://h:5984/db/", "http://h:5984/db/", "http://h:5984/db", None);
        check("http://h/p/q/a%2Fb", "http://h/p/q/a%2Fb/", "http://h/p/q/a%2Fb", None);
        check("http://u:p@h/db", "http://u:*****@h/db/", "http://h/db", Some("u:p"));
        check("http://token@h/db", "http://*****@h/db/", "http://h/db", Some("token:"));
        check("http://:p@h/db", "http://*****@h/db/", "http://h/db", Some(":p"));
        check("http://u:a%40b%3A@h/db", "http://u:*****@h/db/", "http://h/db", Some("u:a@b:"));
        check("http://u:p@q@h/db", "http://u:*****@h/db/", "http://h/db", Some("u:p@q"));
        check("https://[::1]:6984/db", "https://[::1]:6984/db/", "https://[::1]:6984/db", None);
    }

    #[test]
    fn refuses_what_is_no_database() {
        for (text, error) in [
            ("db", ParseUrlError::Syntax),
            ("", ParseUrlError::Syntax),
            ("http:///db", ParseUrlError::Syntax),
            ("http://a b/db", ParseUrlError::Syntax),
            ("http://h:port/db", ParseUrlError::Syntax),
            ("http://h", ParseUrlError::NoDatabase),
            ("http://h/", ParseUrlError::NoDatabase),
            ("http://h/db?x=1", ParseUrlError::Query),
            ("http://h/db#x", ParseUrlError::Query),
            ("http://h/../db", ParseUrlError::Segment),
            ("http://h//db", ParseUrlError::Segment),
            ("http://%ff:p@h/db", ParseUrlError::Credentials),
        ] {
            assert_eq!(text.parse::<PeerUrl>(), Err(error), "{text}");
        }
    }

    #[test]
    fn errors_do_not_repeat_the_url() {
        let error = "http://u:secret@h /db".parse::<PeerUrl>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    #[test]
    fn leads_below_the_database() {
        let url: PeerUrl = "http://u:p@h/p/db".parse().unwrap();
        assert_eq!(url.below("").unwrap().to_string(), "http://h/p/db/");
        assert_eq!(url.below("/_changes?limit=1").unwrap().path(), "/p/db/_changes");
    }

    #[test]
    fn encodes_segments() {
        assert_eq!(encode("a/b +&=?é%").to_string(), "a%2Fb%20%2B%26%3D%3F%C3%A9%25");
        assert_eq!(encode("a-b_c.d~e").to_string(), "a-b_c.d~e");
    }
}
