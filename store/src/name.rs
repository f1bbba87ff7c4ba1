//! Names of databases and documents.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A database's name: `^[a-z][a-z0-9_$()+/-]*$`, or one of the system databases; cheap to clone.
///
/// Only [`Self::of_device`] and [`Self::of_existing`] make a further form, `name~device`: what another
/// device's database is called while there is one of its name already. Nobody creates such a one.
///
/// Source: `DBNAME_REGEX` in CouchDB's `couch_db.erl`; at most 238 bytes, CouchDB's
/// `max_database_name_length`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DbName(Arc<str>);

/// Databases whose names may begin with an underscore.
const SYSTEM_DATABASES: [&str; 10] = [
    "_acl",
    "_apps",
    "_contacts",
    "_dbs",
    "_devices",
    "_global_changes",
    "_overwritten",
    "_reads",
    "_replicator",
    "_users",
];

const DB_NAME_BYTES_MAX: usize = 238;

/// What stands between a name and the device that the database is from: CouchDB's names have none.
const DEVICE_MARK: char = '~';

/// Longest part of a name that stands for a device, in bytes.
const DEVICE_LABEL_BYTES_MAX: usize = 40;

impl DbName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a system database, whose name begins with an underscore, or a replicator's.
    #[must_use]
    pub fn is_system(&self) -> bool {
        let name = self.plain_text();
        name.starts_with('_') || name.ends_with("/_replicator")
    }

    /// The name of a database that may be there: also `name~device`.
    ///
    /// # Errors
    /// [`DbNameError`] when no database is called so.
    pub fn of_existing(text: &str) -> Result<Self, DbNameError> {
        match text.split_once(DEVICE_MARK) {
            Some((name, label)) if is_label(label) => {
                let name: Self = name.parse()?;
                Ok(Self(format!("{name}{DEVICE_MARK}{label}").into()))
            }
            _ => text.parse(),
        }
    }

    /// What a database of this name is called that is another device's, by a petname or the like:
    /// `name~device`. What cannot stand in a name becomes a hyphen.
    #[must_use]
    pub fn of_device(&self, device: &str) -> Self {
        let spelt = device.to_lowercase();
        let kept = |c: char| if is_of_label(c) { c } else { '-' };
        let label: String = spelt.chars().map(kept).take(DEVICE_LABEL_BYTES_MAX).collect();
        let label = if label.is_empty() { "-" } else { &label };
        Self(format!("{}{DEVICE_MARK}{label}", self.plain_text()).into())
    }

    /// Whether it tells of which device the database is.
    #[must_use]
    pub fn is_of_device(&self) -> bool {
        self.0.contains(DEVICE_MARK)
    }

    /// The name without the device.
    #[must_use]
    pub fn plain(&self) -> Self {
        Self(self.plain_text().into())
    }

    fn plain_text(&self) -> &str {
        self.0.split_once(DEVICE_MARK).map_or(&*self.0, |(name, _)| name)
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.len() <= DEVICE_LABEL_BYTES_MAX && text.chars().all(is_of_label)
}

fn is_of_label(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-')
}

impl fmt::Display for DbName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot name a database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DbNameError {
    /// A character outside the allowed set, or a first character that is no lower-case letter.
    #[error(
        "Name: '{0}'. Only lowercase characters (a-z), digits (0-9), and any of the characters \
         _, $, (, ), +, -, and / are allowed. Must begin with a letter."
    )]
    Characters(String),
    /// More than 238 bytes.
    #[error("At least one path segment of `{0}` is too long.")]
    TooLong(String),
}

impl FromStr for DbName {
    type Err = DbNameError;

    fn from_str(text: &str) -> Result<Self, DbNameError> {
        if SYSTEM_DATABASES.contains(&text) {
            return Ok(Self(text.into()));
        }
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let allowed =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_$()+/-".contains(&b);
        if !first || !bytes.all(allowed) {
            return Err(DbNameError::Characters(text.into()));
        }
        if text.len() > DB_NAME_BYTES_MAX {
            return Err(DbNameError::TooLong(text.into()));
        }
        Ok(Self(text.into()))
    }
}

/// The id of a replicated document: not empty, no leading underscore except `_design/…`.
///
/// Local documents have a [`LocalId`] instead, so that one cannot be taken for the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocId(Box<str>);

/// Longest document id accepted, in bytes.
pub const DOC_ID_BYTES_MAX: usize = 4096;

impl DocId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a design document.
    #[must_use]
    pub fn is_design(&self) -> bool {
        self.0.starts_with("_design/")
    }
}

impl fmt::Display for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot be a document's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocIdError {
    /// No text at all.
    #[error("Document id must not be empty")]
    Empty,
    /// A leading underscore outside `_design/` and `_local/`.
    #[error("Only reserved document ids may start with underscore.")]
    Reserved,
    /// `_design/` or `_local/` with nothing behind.
    #[error("Illegal document id `{0}`")]
    NothingBehind(&'static str),
    /// More than [`DOC_ID_BYTES_MAX`] bytes.
    #[error("Document id is too long")]
    TooLong,
}

impl FromStr for DocId {
    type Err = DocIdError;

    fn from_str(text: &str) -> Result<Self, DocIdError> {
        check_length(text)?;
        match text.strip_prefix("_design/") {
            Some("") => Err(DocIdError::NothingBehind("_design/")),
            None if text.starts_with('_') => Err(DocIdError::Reserved),
            _ => Ok(Self(text.into())),
        }
    }
}

/// The id of a local document, without its `_local/` prefix: never replicated, no history.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalId(Box<str>);

impl LocalId {
    /// The part behind `_local/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Prints the whole id, `_local/` included.
impl fmt::Display for LocalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "_local/{}", self.0)
    }
}

/// Parses the whole id, `_local/` included.
impl FromStr for LocalId {
    type Err = DocIdError;

    fn from_str(text: &str) -> Result<Self, DocIdError> {
        check_length(text)?;
        match text.strip_prefix("_local/") {
            Some("") => Err(DocIdError::NothingBehind("_local/")),
            Some(rest) => Ok(Self(rest.into())),
            None => Err(DocIdError::Reserved),
        }
    }
}

fn check_length(text: &str) -> Result<(), DocIdError> {
    if text.is_empty() {
        return Err(DocIdError::Empty);
    }
    if text.len() > DOC_ID_BYTES_MAX {
        return Err(DocIdError::TooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_names() {
        for good in ["a", "abc_$()+-/1", "_users", "_global_changes"] {
            assert_eq!(good.parse::<DbName>().unwrap().as_str(), good);
        }
        for bad in ["", "A", "1a", "_other", "a b", "a%2f", "é", "a.b"] {
            assert!(matches!(bad.parse::<DbName>(), Err(DbNameError::Characters(_))), "{bad:?}");
        }
        assert_eq!("a".repeat(239).parse::<DbName>(), Err(DbNameError::TooLong("a".repeat(239))));
    }

    #[test]
    fn names_of_databases_of_other_devices() {
        let notes: DbName = "notes".parse().unwrap();
        for (device, expected) in [
            ("phone", "notes~phone"),
            ("Anna's Phone", "notes~anna-s-phone"),
            ("", "notes~-"),
            ("a~b", "notes~a-b"),
        ] {
            let name = notes.of_device(device);
            assert_eq!(name.as_str(), expected);
            assert!(name.is_of_device() && !notes.is_of_device());
            assert_eq!(DbName::of_existing(expected), Ok(name.clone()));
            assert!(expected.parse::<DbName>().is_err(), "nobody creates it");
            assert_eq!(name.plain(), notes);
        }
        assert_eq!(notes.of_device("phone").of_device("pad").as_str(), "notes~pad");
        assert_eq!(DbName::of_existing("notes"), Ok(notes));
        assert!(DbName::of_existing("a/_replicator~x").unwrap().is_system());
        for bad in
            ["notes~", "~x", "notes~a~b", "notes~A", "No~x", &format!("a~{}", "b".repeat(41))]
        {
            assert!(DbName::of_existing(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn document_ids() {
        for good in ["a", "_design/x", "é/ü", "a_b", "\u{0}"] {
            assert_eq!(good.parse::<DocId>().unwrap().as_str(), good);
        }
        assert_eq!("".parse::<DocId>(), Err(DocIdError::Empty));
        assert_eq!("_foo".parse::<DocId>(), Err(DocIdError::Reserved));
        assert_eq!("_local/x".parse::<DocId>(), Err(DocIdError::Reserved));
        assert!("_design/".parse::<DocId>().is_err());
        assert_eq!("_local/x".parse::<LocalId>().unwrap().to_string(), "_local/x");
        assert!("x".parse::<LocalId>().is_err());
    }
}
