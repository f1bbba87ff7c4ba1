//! The words by which policies and groups name principals.

use std::fmt;

use identity::{PublicKey, PublicKeyError};

use crate::GroupName;

/// Longest word, in bytes: an httpkey URL with a path.
const WORD_BYTES_MAX: usize = 2048;

/// Behind the scheme of a public key, and of an identity's segment in URLs.
const KEY_TYPE: &str = "ed25519publickey:";

/// How a group is written where principals stand too.
const GROUP: &str = "group:";

/// Whom a word names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// Whoever has proven this key.
    Key(PublicKey),
    /// A local app.
    App(Box<str>),
    /// The members of a group of this hub.
    Group(GroupName),
}

impl Who {
    /// Whom a word names that may stand among a group's members: a key, an httpkey URL, the name of an
    /// app, or `group:NAME`. Nobody where it can be none of them.
    ///
    /// # Errors
    /// [`WordError`].
    pub fn parse(word: &str) -> Result<Option<Self>, WordError> {
        member(word, None)
    }
}

/// The word as policies and groups write it.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::App(name) => f.write_str(name),
            Self::Group(name) => write!(f, "{GROUP}{name}"),
        }
    }
}

/// A word looks like a key or a group's URL and is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// The key cannot be one.
    #[error("`{0}` names no key: {1}")]
    Key(String, #[source] PublicKeyError),
    /// A URL whose first segment is no key of the kind that hubs have.
    #[error("`{0}` names no key: a hub's URL is httpkey://HOST:PORT/{KEY_TYPE}KEY/…")]
    Url(String),
    /// The URL of a group is malformed.
    #[error("`{0}` names no group: a group's URL is thaligroup:/{KEY_TYPE}KEY/GROUP")]
    GroupUrl(String),
    /// The name of a group has characters that none has.
    #[error(transparent)]
    Group(#[from] crate::GroupNameError),
    /// More than [`WORD_BYTES_MAX`] bytes.
    #[error("a name is longer than {WORD_BYTES_MAX} bytes")]
    TooLong,
}

/// A word of a list `names`: a key, an httpkey URL, or the name of an app. What can be none of them
/// names nobody: lists that were written for another server stay as they are.
pub(crate) fn name(text: &str) -> Result<Option<Who>, WordError> {
    check_length(text)?;
    if let Some(key) = key(text)? {
        return Ok(Some(Who::Key(key)));
    }
    let app = !text.is_empty() && !text.starts_with('_') && !text.contains(':');
    Ok(app.then(|| Who::App(text.into())))
}

/// A word of a list `roles`: the name of a group, or a URL of one that is this hub's. CouchDB's own
/// roles (`_admin`) and groups of other hubs are nobody's.
pub(crate) fn role(text: &str, hub: Option<PublicKey>) -> Result<Option<Who>, WordError> {
    check_length(text)?;
    match strip_prefix_ignore_case(text, "thaligroup:") {
        Some(rest) => group_url(text, rest, hub),
        None => Ok(text.parse().ok().map(Who::Group)),
    }
}

/// A member of a group: a word of `names`, `group:NAME`, or the URL of a group.
pub(crate) fn member(text: &str, hub: Option<PublicKey>) -> Result<Option<Who>, WordError> {
    check_length(text)?;
    if let Some(group) = text.strip_prefix(GROUP) {
        return Ok(Some(Who::Group(group.parse()?)));
    }
    match strip_prefix_ignore_case(text, "thaligroup:") {
        Some(rest) => group_url(text, rest, hub),
        None => name(text),
    }
}

/// The key that a word is, where it looks like one.
fn key(text: &str) -> Result<Option<PublicKey>, WordError> {
    if let Some(rest) = strip_prefix_ignore_case(text, "httpkey:") {
        // The border of the key is found before anything is decoded.
        let segment = rest.strip_prefix("//").and_then(|rest| rest.split_once('/'));
        let (host, path) = segment.ok_or_else(|| WordError::Url(text.into()))?;
        let key = path.split(['/', '?', '#']).next().unwrap_or_default();
        let key = strip_prefix_ignore_case(key, KEY_TYPE).filter(|_| !host.is_empty());
        return parsed(text, key.ok_or_else(|| WordError::Url(text.into()))?).map(Some);
    }
    if let Some(key) = strip_prefix_ignore_case(text, KEY_TYPE) {
        return parsed(text, key).map(Some);
    }
    let looks = text.len() == 52 && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
    if looks { parsed(text, text).map(Some) } else { Ok(None) }
}

fn parsed(word: &str, key: &str) -> Result<PublicKey, WordError> {
    key.parse().map_err(|error| WordError::Key(word.into(), error))
}

/// `thaligroup:/ed25519publickey:KEY/GROUP`, behind which `/httpkeysimple/…` may stand.
fn group_url(text: &str, rest: &str, hub: Option<PublicKey>) -> Result<Option<Who>, WordError> {
    let malformed = || WordError::GroupUrl(text.into());
    let mut segments = rest.strip_prefix('/').ok_or_else(malformed)?.splitn(3, '/');
    let owner = segments.next().unwrap_or_default();
    let owner = strip_prefix_ignore_case(owner, KEY_TYPE).ok_or_else(malformed)?;
    let owner = parsed(text, owner)?;
    let group: GroupName = segments.next().ok_or_else(malformed)?.parse()?;
    let path = segments.next().map(|path| path.split(['/', '?', '#']).next().unwrap_or_default());
    if path.is_some_and(|path| path != "httpkeysimple") {
        return Err(malformed());
    }
    Ok((hub == Some(owner)).then_some(Who::Group(group)))
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn check_length(text: &str) -> Result<(), WordError> {
    if text.len() > WORD_BYTES_MAX { Err(WordError::TooLong) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "nnvaasbf2qpiyfmhwaln4jbi2tbjrvi5lmxcghdivbgh5igkcqga";

    #[test]
    fn names() {
        let key = Some(Who::Key(KEY.parse().unwrap()));
        for text in [
            KEY.to_owned(),
            format!("ed25519publickey:{KEY}"),
            format!("httpkey://h.onion:9898/ed25519publickey:{KEY}/notes"),
            format!("HttpKey://[::1]:9898/ED25519publickey:{KEY}"),
            format!("httpkey://h/ed25519publickey:{KEY}?a#b"),
        ] {
            assert_eq!(name(&text), Ok(key.clone()), "{text}");
        }
        assert_eq!(name("notes"), Ok(Some(Who::App("notes".into()))));
        for text in ["", "_admin", "org.couchdb.user:a", "group:a"] {
            assert_eq!(name(text), Ok(None), "{text}");
        }
        for text in [
            "a".repeat(52),
            KEY.replace("qga", "qgb"),
            "ed25519publickey:x".into(),
            format!("httpkey://h/{KEY}/"),
            format!("httpkey://h/rsapublickey:{KEY}/"),
            format!("httpkey://h/a/ed25519publickey:{KEY}/"),
            format!("httpkey://h/ed25519publickey:{KEY}%2Fa"),
            format!("httpkey:///ed25519publickey:{KEY}/"),
            format!("httpkey:h/ed25519publickey:{KEY}/"),
            "a".repeat(WORD_BYTES_MAX + 1),
        ] {
            assert!(name(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn roles_and_members() {
        let hub: Option<PublicKey> = KEY.parse().ok();
        let friends = Some(Who::Group("friends".parse().unwrap()));
        let url = format!("thaligroup:/ed25519publickey:{KEY}/friends");
        assert_eq!(role("friends", hub), Ok(friends.clone()));
        assert_eq!(role(&url, hub), Ok(friends.clone()));
        assert_eq!(role(&format!("{url}/httpkeysimple/photos"), hub), Ok(friends.clone()));
        assert_eq!(role(&url, None), Ok(None), "another hub's group");
        assert_eq!(role("_admin", hub), Ok(None));
        assert!(role(&format!("{url}/other"), hub).is_err());
        assert!(role("thaligroup:/friends", hub).is_err());
        assert_eq!(member("group:friends", hub), Ok(friends.clone()));
        assert_eq!(member(&url, hub), Ok(friends));
        assert_eq!(member("friends", hub), Ok(Some(Who::App("friends".into()))));
        assert!(member("group:_admin", hub).is_err());
    }
}
