//! How many of something one key or one address has open.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts what is open by whose it is.
#[derive(Debug)]
pub(crate) struct Tally<K> {
    counts: Mutex<HashMap<K, usize>>,
    max: usize,
}

/// One that is counted, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted<K: Eq + Hash> {
    tally: Arc<Tally<K>>,
    key: K,
}

impl<K: Copy + Eq + Hash> Tally<K> {
    /// At most so many of each.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { counts: Mutex::default(), max })
    }

    /// Counts one more of these, unless there are as many as there may be.
    pub(crate) fn one_more(self: &Arc<Self>, key: K) -> Option<Counted<K>> {
        let mut counts = self.counts();
        let count = counts.entry(key).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Counted { tally: Arc::clone(self), key })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut counts = self.tally.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_by_itself_and_forgets() {
        let tally = Tally::new(2);
        let first = tally.one_more('a');
        let second = tally.one_more('a');
        assert!(first.is_some() && second.is_some());
        assert!(tally.one_more('a').is_none());
        assert!(tally.one_more('b').is_some());
        drop(first);
        let third = tally.one_more('a');
        assert!(third.is_some());
        drop((second, third));
        assert!(tally.counts().is_empty());
    }
}
