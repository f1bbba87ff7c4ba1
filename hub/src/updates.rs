//! What happened to databases since the hub started: the log behind `/_db_updates`.
//!
//! It is kept in memory, by comparing the store with what was known of it. A restart begins another
//! log with another epoch, in which every database is new; who follows then hears of all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::{DbName, DbUuid, Epoch, MalformedSeq, Seq, Store, UpdateSeq};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::app::App;

/// Deleted databases that are remembered; the first to be deleted are forgotten first.
const DELETED_MAX: usize = 10_000;

/// Time between two looks at the store while it is written to, so that many writes cost one look.
const PAUSE: Duration = Duration::from_millis(50);

/// The log: of each database at most one update of each kind, the last.
#[derive(Debug)]
pub(crate) struct Updates {
    epoch: Epoch,
    log: Mutex<Log>,
    last: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Log {
    last: u64,
    rows: BTreeMap<u64, Update>,
    places: HashMap<Update, u64>,
    /// Places of updates that are deletions.
    deleted: BTreeSet<u64>,
    /// What each database was when it was last looked at, and its update sequence.
    known: BTreeMap<DbName, (DbUuid, u64)>,
}

/// What happened to which database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Update {
    /// The database.
    pub(crate) db_name: DbName,
    /// What happened.
    pub(crate) kind: Kind,
}

/// What can happen to a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// It was made, or was there when the hub started.
    Created,
    /// Something was written into it.
    Updated,
    /// It was deleted.
    Deleted,
}

/// A part of the log.
#[derive(Debug)]
pub(crate) struct Page {
    /// Updates and their places.
    pub(crate) rows: Vec<(u64, Update)>,
    /// Up to where it was read.
    pub(crate) reached: u64,
    /// Whether there may be more.
    pub(crate) more: bool,
}

impl Kind {
    /// CouchDB's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

impl Updates {
    /// A log that begins with the databases that are there.
    pub(crate) fn of(store: &Store, epoch: Epoch) -> Self {
        let updates = Self { epoch, log: Mutex::default(), last: watch::Sender::new(0) };
        updates.look(store);
        updates
    }

    /// Notes what has happened since the last look; opens no database.
    pub(crate) fn look(&self, store: &Store) {
        let mut log = self.log();
        // Listed under the lock, so that an older list never counts after a newer one.
        let present = store.databases();
        let present: Vec<_> =
            present.iter().map(|db| (db.name(), db.uuid(), db.update_seq().seq.0)).collect();
        log.compare(&present);
        let last = log.last;
        self.last.send_if_modified(|before| std::mem::replace(before, last) != last);
    }

    /// The updates behind a place, at most so many, of databases that `shown` shows.
    pub(crate) fn read(&self, after: u64, max: usize, shown: impl Fn(&str) -> bool) -> Page {
        let log = self.log();
        let mut behind = log.rows.range(after.saturating_add(1)..);
        let mut rows = vec![];
        while rows.len() < max {
            let Some((place, update)) = behind.next() else {
                return Page { rows, reached: log.last, more: false };
            };
            if shown(update.db_name.as_str()) {
                rows.push((*place, update.clone()));
            }
        }
        let reached = rows.last().map_or(after, |(place, _)| *place);
        Page { rows, reached, more: behind.next().is_some() }
    }

    /// The place of the last update; changes with every one.
    pub(crate) fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// A place as clients see it.
    pub(crate) fn seq(&self, place: u64) -> UpdateSeq {
        UpdateSeq { seq: Seq(place), epoch: self.epoch }
    }

    /// Reads a `since`; a place in the log of an earlier run is the start.
    pub(crate) fn parse_since(&self, text: &str) -> Result<u64, MalformedSeq> {
        if text == "0" {
            return Ok(0);
        }
        let since: UpdateSeq = text.parse()?;
        match since.epoch == self.epoch {
            true if since.seq.0 > self.log().last => Err(MalformedSeq),
            true => Ok(since.seq.0),
            false => Ok(0),
        }
    }

    /// The place that [`Self::seq`] showed so; none where it is of an earlier run, or none at all.
    pub(crate) fn place_of(&self, text: &str) -> Option<u64> {
        let seq: UpdateSeq = text.parse().ok()?;
        (seq.epoch == self.epoch && seq.seq.0 <= self.log().last).then_some(seq.seq.0)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn compare(&mut self, present: &[(DbName, DbUuid, u64)]) {
        for &(ref name, uuid, seq) in present {
            let known = self.known.get(name).copied();
            if known == Some((uuid, seq)) {
                continue;
            }
            let before = match known {
                Some((known, before)) if known == uuid => before,
                other => {
                    if other.is_some() {
                        self.note(name, Kind::Deleted);
                    }
                    self.note(name, Kind::Created);
                    0
                }
            };
            if seq != before {
                self.note(name, Kind::Updated);
            }
            self.known.insert(name.clone(), (uuid, seq));
        }
        if self.known.len() == present.len() {
            return;
        }
        let names: BTreeSet<&DbName> = present.iter().map(|(name, ..)| name).collect();
        let gone = self.known.keys().filter(|name| !names.contains(name)).cloned();
        for name in gone.collect::<Vec<_>>() {
            self.known.remove(&name);
            self.note(&name, Kind::Deleted);
        }
    }

    fn note(&mut self, db_name: &DbName, kind: Kind) {
        let outdated: &[Kind] = match kind {
            Kind::Deleted => &[Kind::Created, Kind::Updated, Kind::Deleted],
            Kind::Created => &[Kind::Created],
            Kind::Updated => &[Kind::Updated],
        };
        for &kind in outdated {
            self.forget(&Update { db_name: db_name.clone(), kind });
        }
        self.last += 1;
        let update = Update { db_name: db_name.clone(), kind };
        self.places.insert(update.clone(), self.last);
        self.rows.insert(self.last, update);
        if kind == Kind::Deleted {
            self.deleted.insert(self.last);
        }
        if self.deleted.len() > DELETED_MAX
            && let Some(first) = self.deleted.first()
            && let Some(update) = self.rows.get(first).cloned()
        {
            self.forget(&update);
        }
    }

    fn forget(&mut self, update: &Update) {
        if let Some(place) = self.places.remove(update) {
            self.rows.remove(&place);
            self.deleted.remove(&place);
        }
    }
}

/// Follows the store, so that whoever waits for updates is woken.
pub(crate) async fn follow(app: Arc<App>) {
    loop {
        // Listening begins before looking, so that nothing falls between.
        let (changed, written) = (app.store.changed(), app.store.written());
        app.updates.look(&app.store);
        app.follow_designs();
        sleep(PAUSE).await;
        tokio::select! {
            () = changed => {}
            () = written => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(log: &Log) -> Vec<String> {
        let rows = log.rows.values();
        rows.map(|update| format!("{} {}", update.db_name, update.kind.word())).collect()
    }

    /// Compares with databases of these names, identities and update sequences.
    fn compare(log: &mut Log, present: &[(&str, u8, u64)]) {
        let present: Vec<_> = present
            .iter()
            .map(|(name, uuid, seq)| (name.parse().unwrap(), DbUuid([*uuid; 16]), *seq))
            .collect();
        log.compare(&present);
    }

    #[test]
    fn each_kind_is_kept_once() {
        let mut log = Log::default();
        compare(&mut log, &[("a", 1, 0), ("b", 2, 3)]);
        assert_eq!(shown(&log), ["a created", "b created", "b updated"]);
        compare(&mut log, &[("a", 1, 1), ("b", 2, 3)]);
        compare(&mut log, &[("a", 1, 2), ("b", 2, 3)]);
        assert_eq!(shown(&log), ["a created", "b created", "b updated", "a updated"]);
        assert_eq!(log.last, 5);
        compare(&mut log, &[("a", 1, 2)]);
        assert_eq!(shown(&log), ["a created", "a updated", "b deleted"]);
        // Deleted and made anew between two looks.
        compare(&mut log, &[("a", 9, 0)]);
        assert_eq!(shown(&log), ["b deleted", "a deleted", "a created"]);
        let before = log.last;
        compare(&mut log, &[("a", 9, 0)]);
        assert_eq!(log.last, before);
    }

    #[test]
    fn deleted_databases_are_forgotten_in_the_end() {
        let mut log = Log::default();
        for number in 0..DELETED_MAX + 5 {
            compare(&mut log, &[(&format!("d{number}"), 1, 1)]);
        }
        compare(&mut log, &[]);
        assert_eq!(log.rows.len(), DELETED_MAX);
        assert_eq!((log.places.len(), log.deleted.len()), (DELETED_MAX, DELETED_MAX));
        assert_eq!(shown(&log).first().map(String::as_str), Some("d5 deleted"));
    }
}
