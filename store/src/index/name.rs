//! Names of indexes.

use std::fmt;
use std::str::FromStr;

/// An index's name: lower-case hexadecimal digits, most often of a hash over what it is made by, so
/// that another definition is another index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexName(Box<str>);

/// Digits of a name; a file name with its suffix has room for them everywhere.
const DIGITS_MAX: usize = 128;

impl IndexName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits of a hash.
    #[must_use]
    pub fn of_hash(hash: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(hash)).into())
    }

    /// The name of the index's file.
    pub(crate) fn file_name(&self) -> String {
        format!("{self}.sqlite")
    }

    /// The name of the index's folder, where it has one.
    pub(crate) fn folder_name(&self) -> String {
        format!("{self}.search")
    }

    /// Reads what [`Self::file_name`] and [`Self::folder_name`] write.
    pub(crate) fn of_file(name: &str) -> Option<Self> {
        name.strip_suffix(".sqlite").or_else(|| name.strip_suffix(".search"))?.parse().ok()
    }
}

impl fmt::Display for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot name an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of an index is 1 to {DIGITS_MAX} lower-case hexadecimal digits")]
pub struct IndexNameError;

impl FromStr for IndexName {
    type Err = IndexNameError;

    fn from_str(text: &str) -> Result<Self, IndexNameError> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(digit) {
            true => Ok(Self(text.into())),
            false => Err(IndexNameError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["0", "3e823c2a4383ac0c18d4e574135a5b08"] {
            let name: IndexName = good.parse().unwrap();
            assert_eq!(name.to_string(), good);
            assert_eq!(IndexName::of_file(&name.file_name()).as_ref(), Some(&name));
            assert_eq!(IndexName::of_file(&name.folder_name()), Some(name));
        }
        assert_eq!(IndexName::of_hash([0x0f; 16]).as_str(), "0f".repeat(16));
        let long = "a".repeat(DIGITS_MAX + 1);
        for bad in ["", "A", "g", "a.b", "../a", "a/b", &long] {
            assert_eq!(bad.parse::<IndexName>(), Err(IndexNameError), "{bad:?}");
        }
        for other in ["a", "a.sqlite-wal", ".sqlite", "main-1.sqlite"] {
            assert_eq!(IndexName::of_file(other), None, "{other:?}");
        }
    }
}
