//! Reading the source's changes feed, a batch ahead of what is being transferred.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use store::Millis;

use super::exchange::{Call, Side, Task};
use super::transfer::Batch;
use super::{Phase, Replication, Running};
use crate::{Change, ChangesBatch, ChangesQuery, Feed, PeerSeq};

/// Least time between two questions to a feed that has nothing new, whatever the source does.
const QUIET_MS_MIN: u64 = 1_000;

/// Where the reading of the feed is.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) since: PeerSeq,
    pub(super) pending: Option<u64>,
    under_way: bool,
    /// The target has what the source had when it was asked last.
    caught_up: bool,
    over: bool,
    /// Changes left until everything was read that was there at the beginning.
    left: Option<u64>,
    asked: Millis,
    not_before: Millis,
}

impl Reading {
    pub(super) fn new(since: PeerSeq) -> Self {
        Self {
            since,
            pending: None,
            under_way: false,
            caught_up: false,
            over: false,
            left: None,
            asked: Millis(0),
            not_before: Millis(0),
        }
    }

    pub(super) fn stop(&mut self) {
        self.over = true;
        self.under_way = false;
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether it waits for something to change.
    pub(super) fn is_waiting(&self) -> bool {
        self.caught_up && !self.over
    }

    /// Notes what was read; `continuous` goes on at the end, else that is the end.
    fn note(&mut self, batch: &ChangesBatch, continuous: bool) {
        let changes = batch.changes.len() as u64;
        self.under_way = false;
        self.since = batch.last_seq.clone();
        self.pending = batch.pending;
        self.caught_up = !batch.more;
        if changes == 0 {
            self.not_before = Millis(self.asked.0 + QUIET_MS_MIN);
        }
        // What is written at the source while it is read moves behind the end that counts.
        let total = batch.pending.map(|pending| pending.saturating_add(changes));
        let left = self.left.or(total);
        self.left = left.map(|left| left.saturating_sub(changes));
        self.over = !continuous && (!batch.more || self.left == Some(0));
    }
}

impl Running {
    /// Whether there is room for another batch and reason to ask for it.
    pub(super) fn wants_changes(&self, batches_max: usize, now: Millis) -> bool {
        self.may_read(batches_max) && self.reading.not_before <= now
    }

    pub(super) fn next_read(&self, batches_max: usize) -> Option<Millis> {
        (self.may_read(batches_max) && self.reading.not_before > Millis(0))
            .then_some(self.reading.not_before)
    }

    fn may_read(&self, batches_max: usize) -> bool {
        let reading = &self.reading;
        !reading.over && !reading.under_way && self.batches.len() < batches_max
    }
}

impl Replication {
    /// Asks for the next batch of changes.
    pub(super) fn read_on(&mut self, now: Millis) {
        let Phase::Running(running) = &mut self.phase else { return };
        let reading = &mut running.reading;
        reading.under_way = true;
        reading.asked = now;
        let query = ChangesQuery {
            since: reading.since.clone(),
            limit: self.spec.batch_changes_max,
            feed: if reading.caught_up { Feed::Longpoll } else { Feed::Normal },
            filter: self.spec.filter.clone(),
            leaves: self.spec.leaves,
        };
        self.exchange.send(Task::Changes, Side::Source, Call::Changes(query));
    }

    /// Makes a batch of what was read.
    pub(super) fn changes_read(&mut self, mut batch: ChangesBatch, now: Millis) {
        let Phase::Running(running) = &mut self.phase else { return };
        let empty_source = running.reading.since.is_start()
            && batch.changes.is_empty()
            && batch.last_seq.leading_number() == Some(0);
        if empty_source {
            batch.last_seq = PeerSeq::start();
        }
        running.reading.note(&batch, self.spec.continuous);
        // A clock set back must not stop the reading.
        running.reading.not_before = running.reading.not_before.min(Millis(now.0 + QUIET_MS_MIN));
        self.stats.doc_write_failures += batch.unreadable;
        running.batches_begun += 1;
        let number = running.batches_begun;
        running.batches.push_back(Batch::new(number, merge(batch.changes), batch.last_seq));
        self.advance(number);
    }

    /// The source does not know the position: it was made anew, or restored.
    pub(super) fn read_from_start(&mut self, now: Millis) -> bool {
        let Phase::Running(running) = &mut self.phase else { return false };
        if running.reading.since.is_start() {
            return false;
        }
        tracing::warn!(since = %running.reading.since, "the source does not know the checkpoint");
        running.reading = Reading::new(PeerSeq::start());
        running.checkpointing.start_seq = PeerSeq::start();
        self.read_on(now);
        true
    }
}

/// Puts together what a clustered source says twice of the same document.
fn merge(changes: Vec<Change>) -> Vec<Change> {
    let mut places = HashMap::with_capacity(changes.len());
    let mut merged: Vec<Change> = Vec::with_capacity(changes.len());
    for change in changes {
        match places.entry(change.id.clone()) {
            Entry::Vacant(place) => {
                place.insert(merged.len());
                merged.push(change);
            }
            Entry::Occupied(place) => {
                let leaves = &mut merged[*place.get()].leaves;
                let new = change.leaves.into_iter().filter(|rev| !leaves.contains(rev));
                let new: Vec<_> = new.collect();
                leaves.extend(new);
            }
        }
    }
    merged
}
