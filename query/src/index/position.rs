//! Places between rows.

use super::CollationKey;
use super::GroupLevel;
use super::key::{escape, group_len, inner_group_len};

/// A place between two rows of a tree, before the first or behind the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Before whatever is not less than this.
    Before(Vec<u8>),
    End,
}

/// Above every byte that a tag, or a document's id in UTF-8, can begin with.
const ABOVE: u8 = 0xff;

impl Cut {
    /// Before all rows.
    #[must_use]
    pub fn start() -> Self {
        Self(Place::Before(Vec::new()))
    }

    /// Behind all rows.
    #[must_use]
    pub fn end() -> Self {
        Self(Place::End)
    }

    /// Before the rows with this key.
    #[must_use]
    pub fn before_key(key: &CollationKey) -> Self {
        Self(Place::Before(key.as_bytes().to_vec()))
    }

    /// Behind the rows with this key.
    #[must_use]
    pub fn after_key(key: &CollationKey) -> Self {
        Self::after_beginning(key.as_bytes())
    }

    /// Before the rows that a document has with this key, or would have.
    #[must_use]
    pub fn before_document(key: &CollationKey, id: &str) -> Self {
        let mut place = key.as_bytes().to_vec();
        escape(&mut place, id.as_bytes());
        Self(Place::Before(place))
    }

    /// Behind the rows that a document has with this key, or would have.
    #[must_use]
    pub fn after_document(key: &CollationKey, id: &str) -> Self {
        let Self(place) = Self::before_document(key, id);
        match place {
            Place::Before(mut place) => {
                // A row ends with less than these, and the next document differs before.
                place.extend([ABOVE; 6]);
                Self(Place::Before(place))
            }
            Place::End => Self(place),
        }
    }

    /// Before what begins with this.
    pub(crate) fn before_beginning(beginning: &[u8]) -> Self {
        Self(Place::Before(beginning.to_vec()))
    }

    /// Behind what begins with this, a whole key or some elements of one.
    pub(crate) fn after_beginning(beginning: &[u8]) -> Self {
        let mut place = Vec::with_capacity(beginning.len() + 1);
        place.extend(beginning);
        place.push(ABOVE);
        Self(Place::Before(place))
    }

    /// Whether a row lies before it.
    pub(crate) fn is_behind(&self, row: &[u8]) -> bool {
        match &self.0 {
            Place::Before(place) => row < place.as_slice(),
            Place::End => true,
        }
    }
}

/// The rows between two cuts; none where the second is not behind the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where it begins, in ascending order whatever it is read in.
    pub low: Cut,
    /// Where it ends.
    pub high: Cut,
}

impl Range {
    /// All rows.
    #[must_use]
    pub fn all() -> Self {
        Self { low: Cut::start(), high: Cut::end() }
    }

    /// The rows with this key.
    #[must_use]
    pub fn of_key(key: &CollationKey) -> Self {
        Self { low: Cut::before_key(key), high: Cut::after_key(key) }
    }

    /// The rows of the group that this key stands for, or is in.
    #[must_use]
    pub fn of_group(key: &CollationKey, level: GroupLevel) -> Self {
        let bytes = key.as_bytes();
        let shared = match level {
            GroupLevel::Exact => Some(bytes.len()),
            GroupLevel::Elements(level) => group_len(bytes, level),
            GroupLevel::InnerElements(level) => inner_group_len(bytes, level),
        };
        let beginning = shared.and_then(|shared| bytes.get(..shared)).unwrap_or(bytes);
        let low = Cut::before_beginning(beginning);
        Self { low, high: Cut::after_beginning(beginning) }
    }
}
