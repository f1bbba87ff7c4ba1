//! The ways to one peer: tried in order, one at a time, each with a wait of its own after it failed.

use store::Millis;

use super::Backoff;

/// Ways to a peer, the best first.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    paths: Vec<Path>,
}

#[derive(Clone, Copy, Debug)]
struct Path {
    backoff: Backoff,
    failures: u32,
    /// Not tried before.
    due: Millis,
}

/// What to do to reach the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Dial this one.
    Dial(usize),
    /// All have failed; dial no sooner than then.
    At(Millis),
    /// There is none.
    Nowhere,
}

impl Paths {
    /// Ways that are tried in this order.
    #[must_use]
    pub fn new(backoffs: impl IntoIterator<Item = Backoff>) -> Self {
        let path = |backoff| Path { backoff, failures: 0, due: Millis(0) };
        Self { paths: backoffs.into_iter().map(path).collect() }
    }

    /// What to do now.
    #[must_use]
    pub fn next(&self, now: Millis) -> Next {
        if let Some(at) = self.paths.iter().position(|path| path.due <= now) {
            return Next::Dial(at);
        }
        self.paths.iter().map(|path| path.due).min().map_or(Next::Nowhere, Next::At)
    }

    /// This one led nowhere. `chance` is any number, another one each time.
    pub fn failed(&mut self, at: usize, now: Millis, chance: u64) {
        if let Some(path) = self.paths.get_mut(at) {
            path.failures = path.failures.saturating_add(1);
            path.due = Millis(now.0 + path.backoff.wait_ms(path.failures, chance));
        }
    }

    /// This one led to the peer.
    pub fn succeeded(&mut self, at: usize) {
        if let Some(path) = self.paths.get_mut(at) {
            path.failures = 0;
            path.due = Millis(0);
        }
    }

    /// All are tried again at once: the network is another one.
    pub fn try_again(&mut self) {
        self.paths.iter_mut().for_each(|path| path.due = Millis(0));
    }

    /// How often this one has failed in a row, and when it is tried again.
    #[must_use]
    pub fn failures(&self, at: usize) -> (u32, Millis) {
        self.paths.get(at).map_or((0, Millis(0)), |path| (path.failures, path.due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first_ms: 1000, longest_ms: 8000 };

    #[test]
    fn the_first_that_may_be_tried_is() {
        let mut paths = Paths::new([BACKOFF, BACKOFF]);
        let now = Millis(1_000_000);
        assert_eq!(paths.next(now), Next::Dial(0));
        paths.failed(0, now, 500);
        assert_eq!(paths.next(now), Next::Dial(1));
        paths.failed(1, now, 0);
        assert_eq!(paths.next(now), Next::At(Millis(1_000_500)));
        assert_eq!(paths.next(Millis(1_000_500)), Next::Dial(1));
        // The better one has its turn when its time has come.
        assert_eq!(paths.next(Millis(1_001_000)), Next::Dial(0));
        paths.try_again();
        assert_eq!(paths.next(now), Next::Dial(0));
    }

    #[test]
    fn waits_grow_until_one_succeeds() {
        let mut paths = Paths::new([BACKOFF]);
        for expected in [500, 1000, 2000, 4000, 4000] {
            paths.failed(0, Millis(0), 0);
            assert_eq!(paths.next(Millis(0)), Next::At(Millis(expected)));
        }
        assert_eq!(paths.failures(0), (5, Millis(4000)));
        paths.succeeded(0);
        paths.failed(0, Millis(0), 0);
        assert_eq!(paths.next(Millis(0)), Next::At(Millis(500)));
        assert_eq!(Paths::default().next(Millis(0)), Next::Nowhere);
    }
}
