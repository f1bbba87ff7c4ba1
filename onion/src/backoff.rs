//! How long to wait before something that failed is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const MAX: Duration = Duration::from_secs(60);

/// Waits that double, up to a minute, each a little shorter or longer than that by chance.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The next wait.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (self.next * 2).min(MAX);
        let mut chance = [0];
        // Without chance the wait is the longest one.
        let _none = getrandom::fill(&mut chance);
        wait - wait / 4 * u32::from(chance[0]) / 256
    }

    /// What failed goes well again.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_minute_and_begin_small_again() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..12).map(|_| backoff.next()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 4 * 3);
        assert!(waits[1] > waits[0] && waits[2] > waits[1]);
        assert!(waits[11] <= MAX && waits[11] >= MAX / 4 * 3);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
