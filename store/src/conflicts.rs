//! What a database does about conflicts.

mod field;
mod time;

use std::fmt;
use std::str::FromStr;

pub use self::field::FieldPath;

/// Which leaf of a conflict wins without anybody being asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConflictPolicy {
    /// None: conflicts stay until an app resolves them, as in CouchDB.
    #[default]
    Keep,
    /// The one that was written last, by its stamp.
    Newest,
    /// The one whose field says the latest time: text of RFC 3339, or a whole number of milliseconds
    /// since 1970. A leaf without one is judged by its stamp.
    NewestBy(FieldPath),
}

/// A policy, and which one of those that the database has had: hubs resolve conflicts with each other
/// under the same version only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConflictRule {
    /// What is done.
    pub policy: ConflictPolicy,
    /// Counts up with every change; 0 is what no one has set.
    pub version: u64,
}

/// The text names no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "conflicts are 'keep', 'newest', or 'newest_by:' and the path of a field, such as '/edited'"
)]
pub struct ParsePolicyError;

const NEWEST_BY: &str = "newest_by:";

impl fmt::Display for ConflictPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("keep"),
            Self::Newest => f.write_str("newest"),
            Self::NewestBy(field) => write!(f, "{NEWEST_BY}{field}"),
        }
    }
}

impl FromStr for ConflictPolicy {
    type Err = ParsePolicyError;

    fn from_str(text: &str) -> Result<Self, ParsePolicyError> {
        match text {
            "keep" => Ok(Self::Keep),
            "newest" => Ok(Self::Newest),
            _ => text.strip_prefix(NEWEST_BY).ok_or(ParsePolicyError)?.parse().map(Self::NewestBy),
        }
    }
}

impl ConflictRule {
    /// The version, 8 bytes big-endian, and the policy as text.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.version.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.policy.to_string().as_bytes());
        bytes
    }

    /// Reads what [`Self::encode`] wrote; `None` when the bytes are damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, policy) = bytes.split_at_checked(8)?;
        let version = u64::from_be_bytes(version.try_into().ok()?);
        let policy = std::str::from_utf8(policy).ok()?.parse().ok()?;
        Some(Self { policy, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_come_back() {
        for text in ["keep", "newest", "newest_by:/edited", "newest_by:/a~1b/~0/", "newest_by:/0"] {
            let policy: ConflictPolicy = text.parse().unwrap();
            assert_eq!(policy.to_string(), text);
            let rule = ConflictRule { policy, version: 7 };
            assert_eq!(ConflictRule::decode(&rule.encode()), Some(rule));
        }
        for bad in ["", "Newest", "newest_by", "newest_by:", "newest_by:edited", "newest_by:/~2"] {
            assert_eq!(bad.parse::<ConflictPolicy>(), Err(ParsePolicyError), "{bad:?}");
        }
        assert_eq!(ConflictRule::decode(b"1234567"), None);
        assert_eq!(ConflictRule::decode(b"12345678lose"), None);
    }
}
