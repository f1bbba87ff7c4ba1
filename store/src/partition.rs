//! Partitions: documents that share what comes before the first colon of their ids.

use std::fmt;
use std::str::FromStr;

use crate::{DocId, DocIdError, LocalId};

/// The name of a partition: not empty, no leading underscore, no colon.
///
/// Source: CouchDB's `couch_partition:validate_partition/1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(Box<str>);

/// The text cannot name a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartitionError {
    /// No text at all.
    #[error("Partition must not be empty")]
    Empty,
    /// A leading underscore.
    #[error("Partition must not start with an underscore")]
    Underscore,
    /// A colon, which ends a partition's name.
    #[error("Partition must not contain a colon")]
    Colon,
}

/// A document of this id cannot be in a partitioned database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartitionedIdError {
    /// There is no colon.
    #[error("Doc id must be of form partition:id")]
    Form,
    /// What comes before the first colon names no partition.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// What comes after it would be no id by itself.
    #[error(transparent)]
    Rest(#[from] DocIdError),
}

impl Partition {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a document of this id is in the partition.
    #[must_use]
    pub fn holds(&self, id: &str) -> bool {
        id.strip_prefix(&*self.0).is_some_and(|rest| rest.starts_with(':'))
    }

    /// The least id that documents of the partition may have, and the least one behind them all.
    #[must_use]
    pub fn bounds(&self) -> (String, String) {
        (format!("{}:", self.0), format!("{};", self.0))
    }

    /// Checks that a document of this id may be in a partitioned database: design documents may, and
    /// ids of a partition, a colon, and what would be an id by itself.
    ///
    /// Source: CouchDB's `couch_partition:validate_docid/1`.
    ///
    /// # Errors
    /// [`PartitionedIdError`] says what is wrong with it.
    pub fn check_id(id: &DocId) -> Result<(), PartitionedIdError> {
        if id.is_design() {
            return Ok(());
        }
        let (partition, rest) = id.as_str().split_once(':').ok_or(PartitionedIdError::Form)?;
        partition.parse::<Self>()?;
        match rest.parse::<DocId>() {
            Ok(_) => Ok(()),
            Err(_) if rest.parse::<LocalId>().is_ok() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl FromStr for Partition {
    type Err = PartitionError;

    fn from_str(text: &str) -> Result<Self, PartitionError> {
        match text {
            "" => Err(PartitionError::Empty),
            _ if text.starts_with('_') => Err(PartitionError::Underscore),
            _ if text.contains(':') => Err(PartitionError::Colon),
            _ => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, expected: &str) {
        let outcome = Partition::check_id(&id.parse().unwrap());
        let shown = outcome.map_or_else(|error| error.to_string(), |()| "fine".into());
        assert_eq!(shown, expected, "{id}");
    }

    #[test]
    fn ids() {
        for id in ["a:b", "a:b:c", "_design/x", "é:_design/x", "a:_local/x", " : "] {
            check(id, "fine");
        }
        check("a", "Doc id must be of form partition:id");
        check(":a", "Partition must not be empty");
        check("a:", "Document id must not be empty");
        check("a:_b", "Only reserved document ids may start with underscore.");
        check("a:_design/", "Illegal document id `_design/`");
    }

    #[test]
    fn names() {
        let partition: Partition = "a".parse().unwrap();
        assert!(partition.holds("a:b") && partition.holds("a:"));
        assert!(!partition.holds("a") && !partition.holds("ab:c") && !partition.holds("a;"));
        let (least, behind) = partition.bounds();
        assert!(least.as_str() <= "a:" && "a:\u{10ffff}" < behind.as_str());
        for (bad, reason) in [
            ("", PartitionError::Empty),
            ("_a", PartitionError::Underscore),
            ("a:b", PartitionError::Colon),
        ] {
            assert_eq!(bad.parse::<Partition>(), Err(reason));
        }
    }
}
