//! What was overwritten is kept for a while, and as long as there is room for it.

use std::sync::PoisonError;

use serde::{Deserialize, Serialize};
use store::{Database, DbUuid, Direction, Error, LocalId, Millis, Purge, Seq};

use super::database;
use crate::app::App;

/// The local document of `_overwritten` that says where its feed was at the end of each day: how old a
/// document is here follows from its place in the feed.
const DAYS: &str = "_local/days";

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Documents purged at a time.
const PAGE_DOCUMENTS: usize = 100;

/// Where the feed was on each day, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Days(Vec<(u64, u64)>);

impl Days {
    /// Notes where the feed is today; forgets days that are older than the last one that counts.
    fn note(&mut self, today: u64, seq: u64, oldest: u64) {
        self.0.retain(|(day, _)| *day < today);
        self.0.push((today, seq));
        while self.0.get(1).is_some_and(|(day, _)| *day <= oldest) {
            self.0.remove(0);
        }
    }

    /// Where the feed was at the end of a day: what is before that is older.
    fn end_of(&self, day: u64) -> Seq {
        let before = self.0.iter().rev().find(|(noted, _)| *noted <= day);
        before.map_or(Seq(0), |(_, seq)| Seq(*seq))
    }
}

/// Forgets what is too old or too much, in `_overwritten` and in the databases. Each device does so by
/// itself: nothing is said of it to the others. May block.
pub(super) fn trim(app: &App, now: Millis) -> Result<(), Error> {
    let published = database(app)?;
    let (days, bytes_max) = (app.databases.overwritten_days, app.databases.overwritten_bytes_max);
    let today = now.0 / DAY_MS;
    let oldest = today.saturating_sub(u64::from(days));
    let before = Millis(now.0.saturating_sub(u64::from(days) * DAY_MS));
    // The others have lost nothing, and need not be opened.
    let losers = losers(app, &published)?;
    for database in losers.into_iter().filter_map(|uuid| app.store.database_of(uuid)) {
        match database.trim_overwritten(before, bytes_max) {
            Ok(_) | Err(Error::NoDatabase) => {}
            Err(Error::Closing) => return Err(Error::Closing),
            Err(error) => {
                let (uuid, error) = (database.uuid(), error.unnamed());
                tracing::warn!(database = %uuid, error, "what it lost cannot be trimmed");
            }
        }
    }
    let id: LocalId = DAYS.parse().map_err(|_| Error::NoDatabase)?;
    let local = published.read(|snapshot| snapshot.local(&id))?;
    let local = local.map(|local| local.json).unwrap_or_default();
    let known: Noted = serde_json::from_str(&local).unwrap_or_default();
    let epoch = published.seq(Seq(0)).to_string();
    let mut noted = if known.epoch == epoch { known.days } else { Days::default() };
    let end = noted.end_of(oldest);
    noted.note(today, published.update_seq().seq.0, oldest);
    let text = serde_json::to_string(&Noted { epoch, days: noted }).unwrap_or_default();
    published.write_local(id, 0, Some(text))?;
    purge_while(&published, |oldest| Ok(oldest <= end))?;
    purge_while(&published, |_| Ok(published.info()?.sizes.external > bytes_max))
}

/// The databases that have lost something.
fn losers(app: &App, published: &Database) -> Result<Vec<DbUuid>, Error> {
    let mut known = app.publishing.lock().unwrap_or_else(PoisonError::into_inner);
    let rows = known.marks(published)?.databases.iter().filter(|(_, mark)| mark.row > 0);
    Ok(rows.filter_map(|(uuid, _)| DbUuid::parse(uuid)).collect())
}

/// What the local document says.
#[derive(Default, Serialize, Deserialize)]
struct Noted {
    /// Which history of `_overwritten` the sequences count.
    epoch: String,
    days: Days,
}

/// Purges documents, the oldest first, as long as `goes` says so of the place in the feed of the next.
fn purge_while(
    published: &Database,
    goes: impl Fn(Seq) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut since = Seq(0);
    loop {
        let changes = published
            .read(|snapshot| snapshot.changes(since, Direction::Ascending, PAGE_DOCUMENTS))?;
        if changes.is_empty() {
            return Ok(());
        }
        for change in changes {
            since = change.seq;
            // Tombstones tell the other devices what was dismissed, and take no room.
            let Some((rev, _)) = change.leaves.iter().find(|(_, deleted)| !deleted) else {
                continue;
            };
            if !goes(change.seq)? {
                return Ok(());
            }
            published.purge(vec![Purge { id: change.id, revs: vec![rev.clone()] }])?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_say_how_old_a_place_is() {
        let mut days = Days::default();
        for (today, seq) in [(100, 5), (101, 9), (101, 12), (105, 20)] {
            days.note(today, seq, today - 3);
        }
        // On day 105 everything counts that came after day 102, at whose end the feed was at 12.
        assert_eq!(days.end_of(102), Seq(12));
        assert_eq!(days.end_of(100), Seq(0), "forgotten, so nothing is known to be that old");
        assert_eq!(days.end_of(105), Seq(20));
        assert_eq!(days.0, [(101, 12), (105, 20)]);
    }
}
