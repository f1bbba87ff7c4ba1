//! How often a wrong token may be tried.
//!
//! After some failures a name is held back, twice as long each time, and while it is, no token that
//! a person chose is looked at for it. Two things go on as before: clients that are logged in, and
//! tokens of the hub's own making, whose 256 bits nobody guesses at any rate. So nobody is locked
//! out by somebody else's failures for longer than a hold, and most not at all.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Failures of one name before it is held back.
const NAME_FAILURES_FREE: u32 = 5;

/// Longest hold of one name.
const NAME_HOLD_MAX: Duration = Duration::from_secs(60);

/// Failures of all names together before all are held back: somebody tries many names.
const TOTAL_FAILURES_FREE: u32 = 100;

/// Longest hold of all names together; shorter, since it hits those who did nothing wrong.
const TOTAL_HOLD_MAX: Duration = Duration::from_secs(5);

/// First hold; each further failure doubles it.
const HOLD_MIN: Duration = Duration::from_secs(1);

/// Failures this long ago no longer count.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// Names remembered at a time; what does not fit counts in the total only.
const NAMES_MAX: usize = 256;

/// Failed log-ins, by name and in total.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    names: HashMap<Box<str>, Failures>,
    total: Failures,
}

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    /// When the last one was, and until when further ones are not looked at.
    last: Option<(Instant, Instant)>,
}

impl Failures {
    fn held(&self, now: Instant) -> Option<Duration> {
        let (_, until) = self.last?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    fn forgotten(&self, now: Instant) -> bool {
        self.last.is_none_or(|(last, _)| now.saturating_duration_since(last) > FORGOTTEN_AFTER)
    }

    fn add(&mut self, free: u32, hold_max: Duration, now: Instant) {
        if self.forgotten(now) {
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        let hold = match self.count.checked_sub(free) {
            None | Some(0) => Duration::ZERO,
            Some(over) => HOLD_MIN.saturating_mul(1 << (over - 1).min(16)).min(hold_max),
        };
        self.last = Some((now, now + hold));
    }
}

impl Attempts {
    /// How long the name is still held back.
    pub(crate) fn held(&self, name: &str, now: Instant) -> Option<Duration> {
        let name = self.names.get(name).and_then(|failures| failures.held(now));
        name.max(self.total.held(now))
    }

    /// A wrong token was tried.
    pub(crate) fn failed(&mut self, name: &str, now: Instant) {
        self.total.add(TOTAL_FAILURES_FREE, TOTAL_HOLD_MAX, now);
        if !self.names.contains_key(name) && self.names.len() >= NAMES_MAX {
            self.names.retain(|_, failures| !failures.forgotten(now));
            if self.names.len() >= NAMES_MAX {
                return;
            }
        }
        let failures = self.names.entry(name.into()).or_default();
        failures.add(NAME_FAILURES_FREE, NAME_HOLD_MAX, now);
    }

    /// The right token was given.
    pub(crate) fn succeeded(&mut self, name: &str) {
        self.names.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(attempts: &Attempts, name: &str, now: Instant) -> u64 {
        attempts.held(name, now).unwrap_or_default().as_secs()
    }

    #[test]
    fn holds_double_and_end() {
        let mut attempts = Attempts::default();
        let mut now = Instant::now();
        let mut holds = Vec::new();
        for _ in 0..14 {
            attempts.failed("a", now);
            holds.push(seconds(&attempts, "a", now));
            now += Duration::from_secs(holds.last().copied().unwrap());
            assert_eq!(attempts.held("a", now), None);
        }
        assert_eq!(holds, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(attempts.held("b", now), None);
        attempts.succeeded("a");
        attempts.failed("a", now);
        assert_eq!(attempts.held("a", now), None);
    }

    #[test]
    fn many_names_are_held_back_together_but_not_for_long() {
        let mut attempts = Attempts::default();
        let now = Instant::now();
        for number in 0..10_000 {
            attempts.failed(&number.to_string(), now);
        }
        assert_eq!(seconds(&attempts, "somebody else", now), 5);
        assert!(attempts.names.len() <= NAMES_MAX);
        let later = now + FORGOTTEN_AFTER + Duration::from_secs(6);
        attempts.failed("b", later);
        assert_eq!(attempts.held("b", later), None);
        assert_eq!(attempts.names.len(), 1);
    }
}
