//! Where the rows of an index and documents come from.

use store::Direction;

use super::IndexDefinition;
use super::scan::{DocumentRange, KeyRange};

/// A database as questions see it: a snapshot, or one after the other of the same database.
pub trait Source {
    /// Why something could not be read.
    type Error;

    /// The next rows of an index in the order of their keys, then of their ids; fewer than asked for
    /// only at the end.
    ///
    /// # Errors
    /// The index could not be read.
    fn rows(
        &mut self,
        index: &IndexDefinition,
        read: &Read<'_, KeyRange>,
    ) -> Result<Vec<Row>, Self::Error>;

    /// The next ids of documents that are not deleted, design documents included; fewer than asked
    /// for only at the end.
    ///
    /// # Errors
    /// The ids could not be read.
    fn ids(&mut self, read: &Read<'_, DocumentRange>) -> Result<Vec<String>, Self::Error>;

    /// A document's text with its underscored members, if it is there and not deleted.
    ///
    /// # Errors
    /// The document could not be read.
    fn document(&mut self, id: &str, conflicts: bool) -> Result<Option<String>, Self::Error>;
}

/// A part of a range.
#[derive(Debug)]
pub struct Read<'r, R> {
    /// The range.
    pub range: &'r R,
    /// From which end on.
    pub direction: Direction,
    /// Behind which row, if not from the end on. It may not be there any more.
    pub after: Option<&'r Row>,
    /// How much at most; never zero.
    pub rows_max: usize,
}

/// A row of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its key, an array as JSON text; where there is no index, the id.
    pub key: String,
    /// The document's id.
    pub id: String,
}
