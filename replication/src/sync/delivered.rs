//! What a peer has brought here, so that it is not sent back.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use store::{DbUuid, DocId, RevId};

/// The leaves that one peer delivered last: bounded, in memory, and no more than a hint.
#[derive(Debug)]
pub struct Delivered {
    max: usize,
    hasher: RandomState,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    known: HashSet<u64>,
    /// Oldest first.
    order: VecDeque<u64>,
}

impl Delivered {
    /// Remembers at most `max` leaves.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, hasher: RandomState::new(), inner: Mutex::default() }
    }

    /// Remembers that the peer has these leaves.
    pub fn note<'a>(
        &self,
        database: DbUuid,
        leaves: impl IntoIterator<Item = (&'a DocId, &'a RevId)>,
    ) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, rev) in leaves {
            let hash = self.hasher.hash_one((database, id, rev));
            if inner.known.insert(hash) {
                inner.order.push_back(hash);
            }
            while inner.order.len() > self.max
                && let Some(oldest) = inner.order.pop_front()
            {
                inner.known.remove(&oldest);
            }
        }
    }

    /// Whether the peer is known to have this leaf.
    #[must_use]
    pub fn has(&self, database: DbUuid, id: &DocId, rev: &RevId) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        !inner.known.is_empty() && inner.known.contains(&self.hasher.hash_one((database, id, rev)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let delivered = Delivered::new(2);
        let (here, there) = (DbUuid([1; 16]), DbUuid([2; 16]));
        let rev: RevId = "1-a".parse().unwrap();
        let ids: Vec<DocId> = ["a", "b", "c"].map(|id| id.parse().unwrap()).into();
        delivered.note(here, ids.iter().map(|id| (id, &rev)));
        let known: Vec<bool> = ids.iter().map(|id| delivered.has(here, id, &rev)).collect();
        assert_eq!(known, [false, true, true]);
        assert!(!delivered.has(there, &ids[2], &rev));
    }
}
