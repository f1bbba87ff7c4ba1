//! Keys as bytes that compare as the values do.
//!
//! A value is a tag, then what tells values of its kind apart, in a form that is never the beginning
//! of another one's. So keys can be put one behind the other, and compared as they are.

mod ascii;
mod number;
mod text;
mod walk;
mod write;

use std::fmt;

pub(crate) use self::text::{escape, unescape};
pub(crate) use self::walk::{group_len, inner_group_len, value_len};
use crate::value::Value;

/// Version of the bytes that keys are written as. An index that was made with others has to be made
/// again: another release of the collation's tables may order strings differently, which a test sees.
pub const KEYS_VERSION: u64 = 1;

/// By which order keys are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collation {
    /// [`compare`](crate::compare)'s.
    #[default]
    Standard,
    /// Erlang's over JSON terms: numbers, false, null, true, objects, arrays, strings by their bytes.
    ///
    /// Source: CouchDB's view option `"collation": "raw"`.
    Raw,
}

/// A key as bytes; which of two comes first, and whether they are equal, is what their bytes say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollationKey(Vec<u8>);

/// The text is not JSON, or nested too deep.
#[derive(Debug, thiserror::Error)]
#[error("a key is no JSON value that can be compared")]
pub struct KeyError(#[source] pub(crate) serde_json::Error);

impl CollationKey {
    /// Reads a key from JSON text.
    ///
    /// # Errors
    /// [`KeyError`] when it is not JSON, or nested deeper than a document may be.
    pub fn of_json(text: &str, collation: Collation) -> Result<Self, KeyError> {
        let mut bytes = Vec::with_capacity(2 * text.len() + 8);
        Self::write_json(&mut bytes, text, collation)?;
        Ok(Self(bytes))
    }

    /// The same, behind what is in `out` already.
    ///
    /// # Errors
    /// As [`Self::of_json`]; `out` may have a part of the key then.
    pub fn write_json(out: &mut Vec<u8>, text: &str, collation: Collation) -> Result<(), KeyError> {
        write::json(out, text, collation).map_err(KeyError)
    }

    /// The key of a value.
    #[must_use]
    pub fn of_value(value: &Value<'_>, collation: Collation) -> Self {
        let mut bytes = Vec::new();
        write::value(&mut bytes, value, collation);
        Self(bytes)
    }

    /// The bytes of a row's key.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for CollationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Ends an array and an object: below every tag, so that what is a beginning of another comes first.
const END: u8 = 0;

/// The first byte of a value, by collation: greater for those that come later. Whoever walks over a key
/// need not know its collation.
struct Tags {
    null: u8,
    r#false: u8,
    r#true: u8,
    number: u8,
    string: u8,
    array: u8,
    object: u8,
}

const STANDARD: Tags = Tags {
    null: 0x01,
    r#false: 0x02,
    r#true: 0x03,
    number: 0x04,
    string: 0x05,
    array: 0x06,
    object: 0x07,
};

const RAW: Tags = Tags {
    number: 0x11,
    r#false: 0x12,
    null: 0x13,
    r#true: 0x14,
    object: 0x15,
    array: 0x16,
    string: 0x17,
};

impl Collation {
    fn tags(self) -> &'static Tags {
        match self {
            Self::Standard => &STANDARD,
            Self::Raw => &RAW,
        }
    }
}

#[cfg(test)]
mod tests;
