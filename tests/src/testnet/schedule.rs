//! When the authority votes for the first time.

use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::Finished;

/// What `tor` takes for voting at the least, and for handing out what was voted.
const VOTING: Duration = Duration::from_secs(4);

/// The first vote is on a multiple of this, plus the offset that is chosen; longer than any time to learn,
/// so that no earlier multiple is left to vote on.
const INITIAL_INTERVAL_SECONDS: u64 = 30;

/// Afterwards consensuses last as long as on the real network: nothing changes during a test.
const INTERVAL_SECONDS: u64 = 60 * 60;

/// Shared random values are renewed after so many votes.
const RANDOMNESS_SECONDS: u64 = 24 * INTERVAL_SECONDS;

/// Votes, counted from the moment a network starts.
pub(crate) struct Schedule {
    /// Since the epoch.
    start: Duration,
    /// How long relays have to make themselves known before the first vote.
    learning: Duration,
}

impl Schedule {
    /// Of a network whose clock is so many seconds ahead of ours.
    pub(crate) fn starting_now(learning: Duration, ahead: i64) -> Self {
        #[allow(clippy::disallowed_methods, reason = "tor reads the same clock")]
        let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let (start, ahead_by) =
            (start.expect("a clock that is set"), Duration::from_secs(ahead.unsigned_abs()));
        let start = if ahead < 0 { start.saturating_sub(ahead_by) } else { start + ahead_by };
        Self { start, learning }
    }

    /// Rather than wait for the clock, this moves the votes to where the clock will be.
    pub(crate) fn settings(&self) -> String {
        let first = self.start + self.learning + VOTING + Duration::from_millis(999);
        let offset = first.as_secs() % INITIAL_INTERVAL_SECONDS;
        let seconds = first.as_secs() - self.start.as_secs();
        format!(
            "\
V3AuthVotingInterval {INTERVAL_SECONDS} seconds
V3AuthVoteDelay 2 seconds
V3AuthDistDelay 2 seconds
V3AuthNIntervalsValid 3
TestingV3AuthInitialVotingInterval {INITIAL_INTERVAL_SECONDS} seconds
TestingV3AuthInitialVoteDelay 2 seconds
TestingV3AuthInitialDistDelay 2 seconds
TestingV3AuthVotingStartOffset {offset} seconds
# Relays that ask before there is a consensus ask again after ten seconds only.
TestingServerConsensusDownloadInitialDelay {seconds}
"
        )
    }

    /// The authority's file of shared random values, already agreed upon.
    ///
    /// A young network has none for a day, and without them Arti knows one time period only and never says
    /// that its service is fully reachable.
    pub(crate) fn shared_randomness(&self) -> String {
        let now = self.start.as_secs();
        let began = date(now - now % INTERVAL_SECONDS);
        let ends = date(now - now % RANDOMNESS_SECONDS + RANDOMNESS_SECONDS);
        let [previous, current] =
            [[1; 32], [2; 32]].map(|bytes| data_encoding::BASE64.encode(&bytes));
        format!(
            "\
Version 1
ValidAfter {began}
ValidUntil {ends}
SharedRandPreviousValue 1 {previous}
SharedRandCurrentValue 1 {current}
"
        )
    }

    /// By when the first consensus is there, or never will be.
    pub(crate) fn limit(&self) -> Duration {
        self.learning + Duration::from_secs(25)
    }
}

/// `2026-11-21 10:00:00`
#[track_caller]
fn date(epoch_seconds: u64) -> String {
    let mut date = Command::new("date");
    date.args(["--utc", &format!("--date=@{epoch_seconds}"), "+%F %T"]);
    Finished::of(&mut date).expect_success().trim().to_owned()
}
