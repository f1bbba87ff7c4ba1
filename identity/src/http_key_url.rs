//! httpkey URLs: where somebody is, who it is, and which of their databases.

mod authority;
mod onion;
mod path;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{PublicKey, PublicKeyError};

pub use authority::{Authority, AuthorityError, DEFAULT_PORT, Host};
pub use onion::{OnionAddress, OnionAddressError};
pub use path::PathError;

const SCHEME: &str = "httpkey";
const KEY_TYPE: &str = "ed25519publickey";
const RSA_KEY_TYPE: &str = "rsapublickey";

/// Longest URL that is read: a name of a database and of a document in it fit.
const URL_BYTES_MAX: usize = 4096;

/// Decimal digits of the smallest RSA modulus with 2,048 bits.
const RSA_MODULUS_DIGITS_MIN: usize = 617;

/// `httpkey://<authority>/ed25519publickey:<key>/<path>`: whoever answers at the authority has to prove the
/// key before the path is asked for.
///
/// One URL is written in one way: scheme, key type and host in lower case, the port always, escapes only
/// where they are needed. Two URLs of one server may differ in their authorities; who grants something
/// compares keys ([`Self::same_key`]), who replicates keys and paths ([`Self::same_target`]).
///
/// It has no `Display`, so that no log shows an onion address by accident.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpKeyUrl {
    authority: Authority,
    key: PublicKey,
    path: String,
}

/// A text is no httpkey URL that could be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpKeyUrlError {
    /// Longer than any that is read.
    #[error("the URL is longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    /// It is a URL of another kind, or none.
    #[error("the URL does not begin with {SCHEME}://")]
    Scheme,
    /// Nothing says where the server is.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The first segment of its path is no key.
    #[error("the first segment of the URL's path is no key: {KEY_TYPE}:…")]
    NoKey,
    /// The first segment of its path has escapes, behind which the key's end could hide.
    #[error("the first segment of the URL's path, the key, has percent escapes")]
    EscapedKey,
    /// A kind of key that nobody has defined.
    #[error("the URL's key is of an unknown kind")]
    UnknownKeyType,
    /// A kind of key that exists, and that hubs do not prove.
    #[error("RSA keys are not supported; only {KEY_TYPE} is")]
    RsaNotSupported,
    /// An RSA key that nobody should use.
    #[error("the URL's RSA key is damaged or weak")]
    RsaKey,
    /// The key itself.
    #[error(transparent)]
    Key(#[from] PublicKeyError),
    /// What follows the key.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl HttpKeyUrl {
    /// The URL of a path at a server; the path is as in a URL, with or without its first slash.
    ///
    /// # Errors
    /// [`HttpKeyUrlError::Path`] and [`HttpKeyUrlError::TooLong`].
    pub fn new(authority: Authority, key: PublicKey, path: &str) -> Result<Self, HttpKeyUrlError> {
        Self::of(authority, key, path.strip_prefix('/').unwrap_or(path))
    }

    /// The URL of what follows the slash behind the key.
    fn of(authority: Authority, key: PublicKey, path: &str) -> Result<Self, HttpKeyUrlError> {
        let url = Self { authority, key, path: path::canonical(path)? };
        if url.text().len() > URL_BYTES_MAX {
            return Err(HttpKeyUrlError::TooLong);
        }
        Ok(url)
    }

    /// Where the server is.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Who the server has to be.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// What follows the key: begins with a slash, escaped as in a URL.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether both mean the same server, wherever it is.
    pub fn same_key(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Whether both mean the same thing at the same server, wherever that is.
    pub fn same_target(&self, other: &Self) -> bool {
        let bare = |path: &str| path.trim_end_matches('/').len();
        let (ours, theirs) = (bare(&self.path), bare(&other.path));
        self.key == other.key && self.path.get(..ours) == other.path.get(..theirs)
    }

    /// The whole URL, key and onion address included: for people and peers, never for a log.
    #[allow(clippy::inherent_to_string, reason = "with `Display`, logs would show onion addresses")]
    pub fn to_string(&self) -> String {
        self.text()
    }

    fn text(&self) -> String {
        let Self { authority, key, path } = self;
        format!("{SCHEME}://{}/{KEY_TYPE}:{key}{path}", authority.to_string())
    }
}

/// Shows as much as a log may: neither the whole key, nor an onion address, nor a database's name.
impl fmt::Debug for HttpKeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.shortened();
        write!(f, "{SCHEME}://{:?}/{KEY_TYPE}:{key}…/…", self.authority)
    }
}

impl FromStr for HttpKeyUrl {
    type Err = HttpKeyUrlError;

    fn from_str(text: &str) -> Result<Self, HttpKeyUrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(HttpKeyUrlError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(HttpKeyUrlError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(HttpKeyUrlError::Scheme);
        }
        // Everything is cut as it was written: escapes are read only in the parts.
        let (authority, path) = rest.split_once('/').ok_or(HttpKeyUrlError::NoKey)?;
        let (key, path) = path.split_once('/').unwrap_or((path, ""));
        let authority = authority.parse()?;
        Self::of(authority, parse_key(key)?, path)
    }
}

/// Reads the segment `key-type ":" key`.
fn parse_key(segment: &str) -> Result<PublicKey, HttpKeyUrlError> {
    if segment.contains('%') {
        return Err(HttpKeyUrlError::EscapedKey);
    }
    let (kind, value) = segment.split_once(':').ok_or(HttpKeyUrlError::NoKey)?;
    if kind.eq_ignore_ascii_case(KEY_TYPE) {
        return Ok(value.parse()?);
    }
    if kind.eq_ignore_ascii_case(RSA_KEY_TYPE) {
        let sound = is_rsa_key(value);
        return Err(if sound { HttpKeyUrlError::RsaNotSupported } else { HttpKeyUrlError::RsaKey });
    }
    let letters = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let named = kind.starts_with(|first: char| first.is_ascii_alphabetic());
    let named = named && kind.bytes().all(letters);
    Err(if named { HttpKeyUrlError::UnknownKeyType } else { HttpKeyUrlError::NoKey })
}

/// Whether this is `exponent "." modulus` of a key that could be used: decimal, odd, large enough.
fn is_rsa_key(value: &str) -> bool {
    let Some((exponent, modulus)) = value.split_once('.') else { return false };
    let number = |text: &str| {
        !text.starts_with('0') && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
    };
    let odd = |text: &str| text.bytes().last().is_some_and(|last| last % 2 == 1);
    let numbers = number(exponent) && number(modulus);
    numbers && odd(exponent) && exponent != "1" && modulus.len() >= RSA_MODULUS_DIGITS_MIN
}

impl TryFrom<String> for HttpKeyUrl {
    type Error = HttpKeyUrlError;

    fn try_from(text: String) -> Result<Self, HttpKeyUrlError> {
        text.parse()
    }
}

impl From<HttpKeyUrl> for String {
    fn from(url: HttpKeyUrl) -> Self {
        url.text()
    }
}
