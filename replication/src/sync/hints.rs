//! What a target says it has already, so that the source need not send it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::{DocId, RevId};

/// Leaves that one request names.
pub(super) const HINTS_MAX: usize = 4096;

/// Leaves that the target has, each by four bytes of a hash. A wrong one costs a question; it never
/// keeps a revision away, for the source lists every leaf and the target compares.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hints(Vec<[u8; 4]>);

impl Hints {
    /// Hints at these leaves.
    pub fn of<'a>(leaves: impl IntoIterator<Item = (&'a DocId, &'a RevId)>) -> Self {
        let mut hints: Vec<_> = leaves.into_iter().map(|(id, rev)| short_hash(id, rev)).collect();
        hints.sort_unstable();
        hints.dedup();
        Self(hints)
    }

    /// How many leaves they name.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether they name none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the target is likely to have this leaf.
    #[must_use]
    pub fn names(&self, id: &DocId, rev: &RevId) -> bool {
        !self.0.is_empty() && self.0.binary_search(&short_hash(id, rev)).is_ok()
    }

    /// Reads what [`fmt::Display`] writes; `None` when it is none of that, or too much.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let (hints, []) = bytes.as_chunks() else { return None };
        if hints.len() > HINTS_MAX {
            return None;
        }
        let mut hints = hints.to_vec();
        hints.sort_unstable();
        Some(Self(hints))
    }
}

/// Base64 of the hashes in order.
impl fmt::Display for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0.as_flattened()))
    }
}

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hints({})", self.0.len())
    }
}

/// The first bytes of BLAKE3 over the id, a zero byte, and the revision as text.
fn short_hash(id: &DocId, rev: &RevId) -> [u8; 4] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(id.as_str().as_bytes()).update(&[0]);
    // A hasher takes everything.
    let _ = std::io::Write::write_fmt(&mut hasher, format_args!("{rev}"));
    let mut hash = [0; 4];
    hash.copy_from_slice(&hasher.finalize().as_bytes()[..4]);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_survive_the_way() {
        let leaf = |n: u64| -> (DocId, RevId) {
            (format!("doc{n}").parse().unwrap(), format!("{n}-abc").parse().unwrap())
        };
        let leaves: Vec<_> = (1..100).map(leaf).collect();
        let hints = Hints::of(leaves.iter().map(|(id, rev)| (id, rev)));
        let read = Hints::parse(&hints.to_string()).unwrap();
        assert_eq!((read.len(), &read), (99, &hints));
        assert!(leaves.iter().all(|(id, rev)| read.names(id, rev)));
        let (id, rev) = leaf(100);
        assert!(!read.names(&id, &rev) && !Hints::default().names(&id, &rev));
        for bad in ["A", "AAAA", "!", &"AAAAAAAA".repeat(HINTS_MAX)] {
            assert_eq!(Hints::parse(bad), None);
        }
        assert_eq!(Hints::parse(""), Some(Hints::default()));
    }
}
