//! What happens to a device that Tor is slow to notice: another network, a night's sleep, a clock set.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::network::Network;

/// How often the clocks are compared.
const EVERY: Duration = Duration::from_secs(10);

/// How far clocks may drift apart between two looks.
const DRIFT: Duration = Duration::from_secs(5);

/// How far the wall clock may be set without Tor minding.
const SET: Duration = Duration::from_secs(60);

/// How long to wait for more of the same: an interface that comes up says so many times.
const SETTLE: Duration = Duration::from_secs(1);

/// A reason to look whether Tor still works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nudge {
    /// Addresses or routes of this device have changed.
    NetworkChanged,
    /// The device has slept.
    Resumed,
    /// Somebody has set the clock.
    ClockSet,
}

impl fmt::Display for Nudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetworkChanged => "the network has changed",
            Self::Resumed => "the device has slept",
            Self::ClockSet => "the clock was set",
        })
    }
}

/// All of them as they come.
#[derive(Debug)]
pub(crate) struct Nudges {
    network: Network,
    ticks: tokio::time::Interval,
    last: Clocks,
}

impl Nudges {
    pub(crate) fn new() -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { network: Network::watch(), ticks, last: Clocks::now() }
    }

    /// Waits for the next one. Nothing is lost when it is not waited for to the end.
    pub(crate) async fn next(&mut self) -> Nudge {
        loop {
            tokio::select! {
                () = self.network.changed() => {
                    // An interface comes up step by step.
                    sleep(SETTLE).await;
                    self.network.forget();
                    return Nudge::NetworkChanged;
                }
                _ = self.ticks.tick() => {
                    let now = Clocks::now();
                    let before = std::mem::replace(&mut self.last, now);
                    if let Some(nudge) = before.until(now) {
                        return nudge;
                    }
                }
            }
        }
    }
}

/// What this device's clocks say at one moment.
#[derive(Clone, Copy, Debug)]
struct Clocks {
    /// Stands still while the device sleeps.
    awake: Duration,
    /// Goes on while it sleeps.
    elapsed: Duration,
    /// What people set.
    wall: Duration,
}

impl Clocks {
    fn now() -> Self {
        Self { awake: read(ClockId::Monotonic), elapsed: read(BOOT), wall: read(ClockId::Realtime) }
    }

    /// What has happened between two looks.
    fn until(self, later: Self) -> Option<Nudge> {
        let awake = later.awake.saturating_sub(self.awake);
        let elapsed = later.elapsed.saturating_sub(self.elapsed);
        if elapsed.saturating_sub(awake) > DRIFT {
            return Some(Nudge::Resumed);
        }
        (later.wall.abs_diff(self.wall + elapsed) > SET).then_some(Nudge::ClockSet)
    }
}

/// Goes on while the device sleeps.
#[cfg(target_os = "linux")]
const BOOT: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const BOOT: ClockId = ClockId::Realtime;

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(awake: u64, elapsed: u64, wall: u64) -> Clocks {
        let [awake, elapsed, wall] = [awake, elapsed, wall].map(Duration::from_secs);
        Clocks { awake, elapsed, wall }
    }

    #[test]
    fn sleep_and_set_clocks_are_told_from_time_passing() {
        let before = at(100, 200, 1_000_000);
        assert_eq!(before.until(at(110, 210, 1_000_010)), None);
        assert_eq!(before.until(at(110, 210, 1_000_040)), None);
        assert_eq!(before.until(at(110, 3_810, 1_003_610)), Some(Nudge::Resumed));
        assert_eq!(before.until(at(110, 210, 1_007_210)), Some(Nudge::ClockSet));
        assert_eq!(before.until(at(110, 210, 992_810)), Some(Nudge::ClockSet));
    }
}
