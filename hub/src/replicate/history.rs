//! What happened to a job, and how long it has to wait after a crash.
//!
//! Source: `couch_replicator_scheduler`.

use std::collections::VecDeque;

use serde_json::{Value, json};
use store::Millis;

use crate::clock::iso8601;

/// After so many crashes in a row the wait grows no further.
const BACKOFF_EXPONENT_MAX: u32 = 10;

/// What happened to a job, the last first.
#[derive(Clone, Debug)]
pub(super) struct History(VecDeque<Event>);

#[derive(Clone, Debug)]
struct Event {
    kind: Kind,
    at: Millis,
}

/// What can happen to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It was asked for.
    Added,
    /// It began to run.
    Started,
    /// It was stopped, to let others have their turn.
    Stopped,
    /// It ended with this error, which holds no credentials.
    Crashed(String),
}

impl History {
    /// A job that was asked for just now.
    pub(super) fn new(now: Millis) -> Self {
        Self(VecDeque::from([Event { kind: Kind::Added, at: now }]))
    }

    /// Notes what happened, and forgets what is older than the last `max` events.
    pub(super) fn note(&mut self, kind: Kind, max: usize, now: Millis) {
        self.0.push_front(Event { kind, at: now });
        self.0.truncate(max.max(1));
    }

    /// When anything happened last.
    pub(super) fn last(&self) -> Millis {
        self.0.front().map_or(Millis(0), |event| event.at)
    }

    /// When it began to run last; 0 when it never did.
    pub(super) fn last_started(&self) -> Millis {
        let started = self.0.iter().find(|event| event.kind == Kind::Started);
        started.map_or(Millis(0), |event| event.at)
    }

    /// Why it crashed, where that is the last that happened.
    pub(super) fn crash(&self) -> Option<&str> {
        match &self.0.front()?.kind {
            Kind::Crashed(reason) => Some(reason),
            Kind::Added | Kind::Started | Kind::Stopped => None,
        }
    }

    /// Crashes in a row: since it ran longer than the health threshold, or was stopped while it ran.
    pub(super) fn crashes(&self, health_threshold_ms: u64) -> u32 {
        let mut count = 0;
        for (event, before) in self.0.iter().zip(self.0.iter().skip(1)) {
            match (&event.kind, &before.kind) {
                (Kind::Crashed(_), _)
                    if event.at.0.saturating_sub(before.at.0) > health_threshold_ms =>
                {
                    break;
                }
                (Kind::Crashed(_), _) => count += 1,
                (Kind::Stopped, Kind::Started) => break,
                (Kind::Added | Kind::Started | Kind::Stopped, _) => {}
            }
        }
        // A history of one event has forgotten what was before its crash.
        if self.0.len() == 1 && self.crash().is_some() { 1 } else { count }
    }

    /// As `_scheduler/jobs` shows it.
    pub(super) fn to_json(&self) -> Value {
        let event = |Event { kind, at }: &Event| match kind {
            Kind::Added => json!({"timestamp": iso8601(*at), "type": "added"}),
            Kind::Started => json!({"timestamp": iso8601(*at), "type": "started"}),
            Kind::Stopped => json!({"timestamp": iso8601(*at), "type": "stopped"}),
            Kind::Crashed(reason) => {
                json!({"timestamp": iso8601(*at), "type": "crashed", "reason": reason})
            }
        };
        self.0.iter().map(event).collect()
    }
}

/// How long a job waits after so many crashes in a row: twice as long after each, and up to a
/// quarter more by `chance`, so that many that lost the same server do not come back at once.
pub(super) fn backoff_ms(crashes: u32, min_ms: u64, chance: u64) -> u64 {
    let exponent = crashes.saturating_sub(1).min(BACKOFF_EXPONENT_MAX);
    let wait = min_ms.saturating_mul(1 << exponent);
    wait.saturating_add(chance % (wait / 4 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events of the form `c12`, the last first: what happened in which second.
    fn check(events: &str, crashes: u32) {
        let event = |text: &str| {
            let (kind, second) = text.split_at(1);
            let kind = match kind {
                "a" => Kind::Added,
                "s" => Kind::Started,
                "x" => Kind::Stopped,
                _ => Kind::Crashed("gone".into()),
            };
            Event { kind, at: Millis(second.parse::<u64>().unwrap() * 1000) }
        };
        let history = History(events.split_whitespace().map(event).collect());
        assert_eq!(history.crashes(120_000), crashes, "{events}");
    }

    #[test]
    fn crashes_count_until_it_was_well() {
        check("a0", 0);
        check("c0", 1);
        check("c1 a0", 1);
        check("s2 c1 s0 a0", 1);
        check("c3 s2 c1 s0 a0", 2);
        check("x3 s2 c1 s0", 0);
        check("c3 s2 x1 s0", 1);
        check("c200 s3 c2 s1 a0", 0);
        check("c204 s203 c200 s3 c2 s1", 1);
    }

    #[test]
    fn waits_double_up_to_a_bound() {
        let waits = [1, 2, 3, 11, 12, 1000].map(|crashes| backoff_ms(crashes, 32_000, 0) / 32_000);
        assert_eq!(waits, [1, 2, 4, 1024, 1024, 1024]);
        for chance in [0, 1, 7_999, u64::MAX] {
            let wait = backoff_ms(1, 32_000, chance);
            assert!((32_000..=40_000).contains(&wait), "{wait}");
        }
        assert_eq!(backoff_ms(3, 0, 17), 0);
        assert_eq!(backoff_ms(5, u64::MAX, 1), u64::MAX);
    }

    #[test]
    fn a_history_is_bounded_and_shown_backwards() {
        let mut history = History::new(Millis(1_000));
        history.note(Kind::Started, 3, Millis(2_000));
        history.note(Kind::Crashed("why".into()), 3, Millis(3_000));
        assert_eq!(history.crash(), Some("why"));
        assert_eq!(history.last_started(), Millis(2_000));
        history.note(Kind::Started, 3, Millis(4_000));
        assert_eq!((history.crash(), history.last()), (None, Millis(4_000)));
        assert_eq!(
            history.to_json(),
            json!([
                {"timestamp": "1970-01-01T00:00:04Z", "type": "started"},
                {"timestamp": "1970-01-01T00:00:03Z", "type": "crashed", "reason": "why"},
                {"timestamp": "1970-01-01T00:00:02Z", "type": "started"},
            ])
        );
    }
}
