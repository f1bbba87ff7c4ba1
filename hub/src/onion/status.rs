//! How the onion service is, for people and programs.

use onion::{Blocked, Effective, Noted, OnionAddress, Stage, Status};
use serde_json::{Value, json};
use store::Millis;
use tokio::time::Instant;

use super::Onion;
use crate::metrics::Process;

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// By the wall's.
    pub(crate) wall: Millis,
    /// By the one that nobody sets.
    pub(crate) steady: Instant,
}

impl Moment {
    /// What the wall clock showed then, in milliseconds since 1970.
    fn at(self, then: Instant) -> u64 {
        let passed = self.steady.saturating_duration_since(then).as_millis();
        self.wall.0.saturating_sub(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    fn seconds_since(self, then: Instant) -> u64 {
        self.steady.saturating_duration_since(then).as_secs()
    }
}

/// What `/_hub/status` says of the onion service.
pub(crate) fn describe(onion: &Onion, now: Moment) -> Value {
    let status = onion.status();
    let mut described = of_status(&status, now);
    described["mode"] = onion.mode().to_string().into();
    described["address"] = onion.address().full().into();
    described["strangers_address"] = onion.strangers_address().map(OnionAddress::full).into();
    described["restricted"] = onion.is_restricted().into();
    described["child_memory_bytes"] = child_memory_bytes(&status).into();
    let (bytes_in, bytes_out) = onion.traffic().bytes();
    described["streams"] = onion.traffic().open().into();
    described["bytes_in"] = bytes_in.into();
    described["bytes_out"] = bytes_out.into();
    described
}

fn of_status(status: &Status, now: Moment) -> Value {
    let (percent, blocked) = match &status.stage {
        Stage::Bootstrapping { percent, blocked } => (Some(*percent), *blocked),
        _ => (None, None),
    };
    let last_error = status.last_error.as_ref();
    let last_error = last_error.map(|Noted { at, text }| json!({"at": now.at(*at), "text": text}));
    let last_self_dial = status.last_check.as_ref().map(|check| match &check.outcome {
        Ok(took) => json!({"at": now.at(check.at), "took_ms": took.as_millis()}),
        Err(error) => json!({"at": now.at(check.at), "error": error}),
    });
    json!({
        "stage": status.stage.word(),
        "detail": status.stage.to_string(),
        "since": now.at(status.since),
        "since_s": now.seconds_since(status.since),
        "percent": percent,
        "blocked": blocked,
        "hint": blocked.as_ref().map(Blocked::to_string),
        "reachable": is_reachable(status),
        "last_error": last_error,
        "last_self_dial": last_self_dial,
        "restarts": status.restarts,
        "child_pid": status.child,
        "discovery": discovery(status.discovery),
    })
}

/// Whether the hub has reached itself, and nothing has gone wrong since.
pub(crate) fn is_reachable(status: &Status) -> bool {
    status.stage == Stage::Reachable
}

fn discovery(effective: Effective) -> Value {
    let (state, keys) = match effective {
        Effective::Nobody => ("nobody", None),
        Effective::Everybody => ("everybody", None),
        Effective::Keys(keys) => ("keys", Some(keys)),
        Effective::KeysSoon(keys) => ("keys_soon", Some(keys)),
    };
    json!({"state": state, "keys": keys})
}

/// What the process that speaks Tor occupies, where it is our own and the system tells. May block.
pub(crate) fn child_memory_bytes(status: &Status) -> Option<u64> {
    Process::of(status.child?).resident_bytes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use onion::{Off, OnionTransport as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn moments_are_told_by_the_wall_clock() {
        let mut status = Off::default().status().borrow().clone();
        let began = status.since;
        let now = Moment { wall: Millis(60_000), steady: began + Duration::from_secs(20) };
        status.stage = Stage::Bootstrapping { percent: 45, blocked: Some(Blocked::Filtered) };
        status.last_error =
            Some(Noted { at: began + Duration::from_secs(10), text: "no luck".into() });
        status.last_check = Some(onion::Check {
            at: began + Duration::from_secs(15),
            outcome: Ok(Duration::from_millis(1234)),
        });
        status.discovery = Effective::KeysSoon(3);
        let described = of_status(&status, now);
        assert_eq!(described["stage"], "bootstrapping");
        assert_eq!((&described["since"], &described["since_s"]), (&json!(40_000), &json!(20)));
        assert_eq!(
            (&described["percent"], &described["blocked"]),
            (&json!(45), &json!("filtered"))
        );
        assert_eq!(described["last_error"], json!({"at": 50_000, "text": "no luck"}));
        assert_eq!(described["last_self_dial"], json!({"at": 55_000, "took_ms": 1234}));
        assert_eq!(described["discovery"], json!({"state": "keys_soon", "keys": 3}));
        assert_eq!(described["reachable"], false);
    }
}
