//! Compaction unasked: one database at a time, within a budget, behind everything else.
//!
//! Source: the channels `ratio_dbs` and `slack_dbs` of CouchDB's `smoosh`.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use store::{Database, DbUuid, Waste};
use tokio::sync::watch;

use crate::app::App;
use crate::clock;
use crate::config::CompactionConfig;

/// How long writes may gather before databases are looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a database is let alone when it could not be compacted.
const RETRY_AFTER: Duration = Duration::from_secs(600);

/// The longest rest between two slices.
const REST_MAX: Duration = Duration::from_millis(500);

/// The longest pause that one compaction is paid for with.
const PAUSE_HOURS_MAX: f64 = 24.0 * 7.0;

/// How many times as long as a slice took the compaction rests after it, and while others write.
const REST: u32 = 1;
const REST_WHILE_BUSY: u32 = 4;

/// Compacts what needs it until the hub stops. Looks only at numbers in memory: a database that
/// nobody uses is not opened for this.
pub(crate) async fn supervise(app: Arc<App>) {
    if !app.compaction.automatic {
        return;
    }
    let mut keeper = Keeper::new(app.compaction.clone(), clock::instant());
    let mut shutdown = app.shutdown.clone();
    loop {
        // Taken before looking, so that no commit falls between.
        let written = app.store.written();
        let databases = app.store.databases();
        let wastes = databases.iter().map(|database| (database.uuid(), database.waste()));
        let next = keeper.next(wastes, clock::instant());
        let going_on = match next {
            Next::Compact(uuid) => {
                let database = databases.into_iter().find(|database| database.uuid() == uuid);
                if let Some(database) = database {
                    let bytes = database.waste().live_bytes;
                    let outcome = compact(&app, database).await;
                    keeper.compacted(uuid, bytes, outcome, clock::instant());
                }
                true
            }
            Next::Wait(time) => or_stop(&mut shutdown, tokio::time::sleep(time)).await,
            Next::Nothing => or_stop(&mut shutdown, written).await,
        };
        if !going_on || !or_stop(&mut shutdown, tokio::time::sleep(LOOK_EVERY)).await {
            return;
        }
    }
}

/// Waits; `false` when the hub is to stop.
async fn or_stop(shutdown: &mut watch::Receiver<bool>, waiting: impl Future) -> bool {
    if *shutdown.borrow() {
        return false;
    }
    tokio::select! {
        _ = waiting => true,
        changed = shutdown.changed() => changed.is_ok() && !*shutdown.borrow(),
    }
}

/// Compacts a database; whether that was done.
async fn compact(app: &Arc<App>, database: Arc<Database>) -> bool {
    let app = Arc::clone(app);
    let compacting = tokio::task::spawn_blocking(move || {
        let mut pace = Pace { since: clock::instant(), commits: app.store.activity().commits };
        super::compact(&database, &app.tasks, || pace.rest(&app))
    });
    matches!(compacting.await, Ok(Ok(())))
}

/// How fast a compaction goes on.
struct Pace {
    /// When the last rest ended.
    since: Instant,
    /// Commits of all databases by then.
    commits: u64,
}

impl Pace {
    fn rest(&mut self, app: &App) -> ControlFlow<()> {
        if *app.shutdown.borrow() {
            return ControlFlow::Break(());
        }
        let busy = app.store.activity().commits != self.commits;
        thread::sleep(rest(self.since.elapsed(), busy));
        *self = Self { since: clock::instant(), commits: app.store.activity().commits };
        ControlFlow::Continue(())
    }
}

/// How long to rest after a slice that took so long.
fn rest(took: Duration, busy: bool) -> Duration {
    (took * if busy { REST_WHILE_BUSY } else { REST }).min(REST_MAX)
}

/// Decides what is compacted next.
#[derive(Debug)]
struct Keeper {
    settings: CompactionConfig,
    /// Until when the bytes copied so far are within the budget.
    paid_until: Instant,
    /// Databases that could not be compacted, and until when they are let alone.
    set_aside: HashMap<DbUuid, Instant>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Compact this database.
    Compact(DbUuid),
    /// There is something to compact, but not within the budget until so long.
    Wait(Duration),
    /// Wait for writes.
    Nothing,
}

impl Keeper {
    fn new(settings: CompactionConfig, now: Instant) -> Self {
        Self { settings, paid_until: now, set_aside: HashMap::new() }
    }

    /// The database with the greatest superseded share among those that need it.
    fn next(&mut self, wastes: impl Iterator<Item = (DbUuid, Waste)>, now: Instant) -> Next {
        self.set_aside.retain(|_, until| *until > now);
        let due = wastes.filter(|(uuid, waste)| {
            self.settings.is_due(*waste) && !self.set_aside.contains_key(uuid)
        });
        let Some((uuid, _)) = due.max_by_key(|(_, waste)| per_million(*waste)) else {
            return Next::Nothing;
        };
        match self.paid_until.saturating_duration_since(now) {
            Duration::ZERO => Next::Compact(uuid),
            wait => Next::Wait(wait),
        }
    }

    /// A compaction that copied so many bytes has ended.
    fn compacted(&mut self, uuid: DbUuid, bytes: u64, done: bool, now: Instant) {
        let hours = bytes as f64 / self.settings.bytes_per_hour.get() as f64;
        self.paid_until = now + Duration::from_secs_f64(hours.min(PAUSE_HOURS_MAX) * 3600.0);
        if !done {
            self.set_aside.insert(uuid, now + RETRY_AFTER);
        }
    }
}

impl CompactionConfig {
    fn is_due(&self, waste: Waste) -> bool {
        let all = waste.live_bytes.saturating_add(waste.superseded_bytes);
        let share = u128::from(waste.superseded_bytes) * 100
            >= u128::from(all) * u128::from(self.superseded_percent);
        (waste.superseded_bytes >= self.bytes_min && share)
            || waste.superseded_bytes >= self.slack_bytes
    }
}

/// The superseded part of a million.
fn per_million(waste: Waste) -> u64 {
    let all = u128::from(waste.live_bytes) + u128::from(waste.superseded_bytes);
    let part = u128::from(waste.superseded_bytes) * 1_000_000 / all.max(1);
    u64::try_from(part).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    fn settings() -> CompactionConfig {
        CompactionConfig {
            superseded_percent: 50,
            bytes_min: MB,
            slack_bytes: 100 * MB,
            bytes_per_hour: std::num::NonZeroU64::new(3600 * MB).unwrap(),
            ..CompactionConfig::default()
        }
    }

    fn uuid(number: u8) -> DbUuid {
        DbUuid([number; 16])
    }

    fn waste(live_bytes: u64, superseded_bytes: u64) -> Waste {
        Waste { live_bytes, superseded_bytes }
    }

    #[track_caller]
    fn check(live: u64, superseded: u64, expected: bool) {
        let due = settings().is_due(waste(live, superseded));
        assert_eq!(due, expected, "{live} live, {superseded} superseded");
    }

    #[test]
    fn what_is_worth_it_is_due() {
        check(0, 0, false);
        check(MB, MB - 1, false);
        check(MB, MB, true);
        check(2 * MB, MB, false);
        check(0, MB, true);
        check(1000 * MB, 99 * MB, false);
        check(1000 * MB, 100 * MB, true);
        check(u64::MAX, u64::MAX, true);
    }

    #[test]
    fn the_greatest_share_comes_first_and_within_the_budget() {
        let start = clock::instant();
        let mut keeper = Keeper::new(settings(), start);
        let wastes =
            [(uuid(1), waste(MB, MB)), (uuid(2), waste(MB, 3 * MB)), (uuid(3), waste(MB, 0))];
        assert_eq!(keeper.next(wastes.into_iter(), start), Next::Compact(uuid(2)));
        // A thousandth of an hour's budget is spent for so long.
        keeper.compacted(uuid(2), 3_600_000, true, start);
        let rest = [wastes[0], wastes[2]];
        let Next::Wait(wait) = keeper.next(rest.into_iter(), start) else { panic!("no wait") };
        assert_eq!(wait.as_millis(), 3600);
        assert_eq!(keeper.next(rest.into_iter(), start + wait), Next::Compact(uuid(1)));
        assert_eq!(keeper.next([wastes[2]].into_iter(), start + wait), Next::Nothing);
    }

    #[test]
    fn what_fails_is_let_alone_for_a_while() {
        let start = clock::instant();
        let mut keeper = Keeper::new(settings(), start);
        let wastes = [(uuid(1), waste(0, 2 * MB)), (uuid(2), waste(MB, 2 * MB))];
        assert_eq!(keeper.next(wastes.into_iter(), start), Next::Compact(uuid(1)));
        keeper.compacted(uuid(1), 0, false, start);
        assert_eq!(keeper.next(wastes.into_iter(), start), Next::Compact(uuid(2)));
        assert_eq!(keeper.next(wastes.into_iter(), start + RETRY_AFTER), Next::Compact(uuid(1)));
    }

    #[test]
    fn rests_longer_while_others_write() {
        let millis = Duration::from_millis;
        assert_eq!(rest(millis(10), false), millis(10));
        assert_eq!(rest(millis(10), true), millis(40));
        assert_eq!(rest(millis(10_000), true), REST_MAX);
    }
}
