//! A local program that has a token, and what it may do.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use acl::Grant;
use identity::PublicKey;
use serde::{Deserialize, Serialize};
use store::Millis;

use super::token::TokenHash;
use crate::config::PageOrigin;

/// The name an app logs in with: it has no colon, so that Basic credentials can be cut.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct AppName(Box<str>);

/// Longest app name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The name that the owner logs in with.
pub(crate) const OWNER: &str = "owner";

/// The text cannot name an app.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name an app: letters, digits, `.`, `_` and `-`, at most {NAME_BYTES_MAX}, first \
     a letter or digit, and not `{OWNER}`"
)]
pub(crate) struct AppNameError(String);

impl AppName {
    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AppName {
    type Err = AppNameError;

    fn from_str(text: &str) -> Result<Self, AppNameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let fits = first && text.len() <= NAME_BYTES_MAX && text.bytes().all(allowed);
        if !fits || text.eq_ignore_ascii_case(OWNER) {
            return Err(AppNameError(text.into()));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for AppName {
    type Error = AppNameError;

    fn try_from(text: String) -> Result<Self, AppNameError> {
        text.parse()
    }
}

impl From<AppName> for String {
    fn from(name: AppName) -> Self {
        name.0.into()
    }
}

/// What the database `_apps` says of an app; the document's id is the name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AppDocument {
    /// The name it logs in with.
    pub(crate) name: AppName,
    /// Whether it may do whatever the owner may.
    #[serde(default)]
    pub(crate) admin: bool,
    /// The databases it may use.
    #[serde(default)]
    pub(crate) databases: Vec<Grant>,
    /// What recognises its token, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<TokenHash>,
    /// The key that it proves over TLS, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<PublicKey>,
    /// Origins of the pages that may use its token; where there are none, those that `larder.toml` and
    /// CouchDB's settings list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) origins: Vec<PageOrigin>,
    /// Whether a person chose the token: then it may be guessable, and guesses are slowed.
    #[serde(default)]
    pub(crate) chosen: bool,
    /// When it was added, in Unix milliseconds.
    #[serde(with = "millis")]
    pub(crate) created: Millis,
}

/// An app as the gate sees it.
pub(crate) struct App {
    document: AppDocument,
    current: AtomicBool,
    /// When it last sent a request, in Unix milliseconds; 0 where it never did.
    used: AtomicU64,
}

/// Shows no part of the token, not even its hash.
impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("name", &self.document.name).finish_non_exhaustive()
    }
}

impl App {
    /// The app that a document describes.
    pub(crate) fn new(document: AppDocument) -> Self {
        Self { document, current: AtomicBool::new(true), used: AtomicU64::new(0) }
    }

    /// What the database says of it.
    pub(crate) fn document(&self) -> &AppDocument {
        &self.document
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.document.name.as_str()
    }

    /// Whether it may do whatever the owner may.
    pub(crate) fn is_admin(&self) -> bool {
        self.document.admin
    }

    /// Whether pages of this origin may use its token; `None` where that is not said of it.
    pub(crate) fn trusts(&self, origin: &str) -> Option<bool> {
        let origins = &self.document.origins;
        let known = |known: &PageOrigin| known.as_str().eq_ignore_ascii_case(origin);
        (!origins.is_empty()).then(|| origins.iter().any(known))
    }

    /// When it last sent a request, if ever.
    pub(crate) fn used(&self) -> Option<Millis> {
        Some(self.used.load(Ordering::Relaxed)).filter(|used| *used > 0).map(Millis)
    }

    /// It sent a request then.
    pub(crate) fn note_use(&self, now: Millis) {
        self.used.fetch_max(now.0, Ordering::Relaxed);
    }

    /// Whether this is still what `_apps` says; a feed that began before a change ends by this.
    pub(crate) fn is_current(&self) -> bool {
        self.current.load(Ordering::Acquire)
    }

    /// The app was removed or changed.
    pub(crate) fn retire(&self) {
        self.current.store(false, Ordering::Release);
    }
}

mod millis {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use store::Millis;

    pub(super) fn serialize<S: Serializer>(millis: &Millis, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(millis.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Millis, D::Error> {
        u64::deserialize(from).map(Millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "notes", "My.App-2_x", "0"] {
            assert_eq!(good.parse::<AppName>().unwrap().as_str(), good);
        }
        let long = "a".repeat(65);
        for bad in ["", "_a", "-a", ".", "a:b", "a b", "é", "owner", "Owner", "a/b", &long] {
            assert!(bad.parse::<AppName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn is_what_its_document_says() {
        let token = TokenHash::of("t").unwrap();
        let mut text = serde_json::json!({
            "name": "notes", "token": token, "created": 7, "comment": "written by hand",
            "databases": [{"name": "a", "write": false}, {"name": "b", "write": true},
                          {"name": "_users", "write": true}],
        });
        let app = App::new(serde_json::from_value(text.clone()).unwrap());
        assert!(!app.is_admin() && !app.document().chosen);
        assert_eq!(format!("{app:?}"), "App { name: AppName(\"notes\"), .. }");
        text["databases"][0]["name"] = "No Name".into();
        assert!(serde_json::from_value::<AppDocument>(text).is_err());
    }
}
