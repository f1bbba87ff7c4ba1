//! What a statement is known by.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Characters of a hash in base32.
const TEXT_BYTES: usize = 52;

/// SHA-256 of what a statement signs; as text it looks like a key.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StatementHash([u8; 32]);

/// A text is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a statement's hash is {TEXT_BYTES} lower-case base32 characters (a to z, 2 to 7)")]
pub struct StatementHashError;

impl StatementHash {
    /// Of these bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for StatementHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for StatementHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatementHash({:.8})", self.to_string())
    }
}

impl FromStr for StatementHash {
    type Err = StatementHashError;

    fn from_str(text: &str) -> Result<Self, StatementHashError> {
        let is_lower =
            text.len() == TEXT_BYTES && !text.bytes().any(|byte| byte.is_ascii_uppercase());
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes());
        let bytes = bytes.ok().filter(|_| is_lower).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(StatementHashError)
    }
}

impl TryFrom<String> for StatementHash {
    type Error = StatementHashError;

    fn try_from(text: String) -> Result<Self, StatementHashError> {
        text.parse()
    }
}

impl From<StatementHash> for String {
    fn from(hash: StatementHash) -> Self {
        hash.to_string()
    }
}
