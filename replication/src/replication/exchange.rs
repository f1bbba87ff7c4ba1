//! Requests under way: which answers are awaited, and which requests are tried again when.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use store::Millis;

use crate::{
    Change, ChangesBatch, ChangesQuery, Fetched, LocalDocument, PeerInfo, Refusal, Revision, Wanted,
};

/// Shortest wait before a failed request is tried again, and the longest.
const BACKOFF_MS_MIN: u64 = 250;
pub(super) const BACKOFF_MS_MAX: u64 = 60_000;

/// Which of the two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one documents come from.
    Source,
    /// The one they go to.
    Target,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// Which request an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u64);

/// Something to ask one of the peers; each call is a method of [`crate::Peer`].
#[derive(Clone, Debug)]
pub struct Request {
    /// To be given back with the answer.
    pub id: RequestId,
    /// Whom to ask.
    pub side: Side,
    /// What.
    pub call: Call,
}

/// What to ask a peer.
#[derive(Clone, Debug)]
pub enum Call {
    /// [`crate::Peer::info`]
    Info,
    /// [`crate::Peer::create`]
    Create,
    /// [`crate::Peer::local`] of the replication's log
    ReadLog,
    /// [`crate::Peer::write_local`] of the replication's log
    WriteLog(LocalDocument),
    /// [`crate::Peer::commit`]
    Commit,
    /// [`crate::Peer::changes`]
    Changes(ChangesQuery),
    /// [`crate::Peer::revs_diff`]
    Diff(Arc<[Change]>),
    /// [`crate::Peer::revisions`]
    Fetch {
        /// Which.
        wanted: Arc<[Wanted]>,
        /// How many bytes of them.
        bytes_max: usize,
    },
    /// [`crate::Peer::write`], with the source to take attachments from
    Write(Vec<Revision>),
}

/// A peer's answer to a call, in the same order.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is what the method of that call returns")]
pub enum Answer {
    Info(PeerInfo),
    Created,
    Log(Option<LocalDocument>),
    LogWritten(Option<String>),
    Committed(Option<String>),
    Changes(ChangesBatch),
    Diff(Vec<Wanted>),
    Fetched(Fetched),
    Written(Vec<Refusal>),
}

/// What a request is made for. At most one request is under way for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Task {
    /// To begin from the beginning.
    Handshake,
    Info(Side),
    Create,
    ReadLog(Side),
    Changes,
    Batch(u64),
    Commit(Side),
    WriteLog(Side),
}

/// Requests under way.
#[derive(Debug)]
pub(super) struct Exchange {
    last_id: u64,
    outbox: VecDeque<Request>,
    in_flight: HashMap<RequestId, Task>,
    delayed: Vec<Delayed>,
    tries: HashMap<Task, u32>,
    jitter: u64,
}

#[derive(Debug)]
struct Delayed {
    due: Millis,
    task: Task,
    error: String,
}

impl Exchange {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            last_id: 0,
            outbox: VecDeque::new(),
            in_flight: HashMap::new(),
            delayed: Vec::new(),
            tries: HashMap::new(),
            jitter: seed,
        }
    }

    pub(super) fn send(&mut self, task: Task, side: Side, call: Call) {
        self.last_id += 1;
        let id = RequestId(self.last_id);
        self.in_flight.insert(id, task);
        self.outbox.push_back(Request { id, side, call });
    }

    pub(super) fn next_request(&mut self) -> Option<Request> {
        self.outbox.pop_front()
    }

    /// What an answer is for; `None` for one that came late or twice, or is no longer awaited.
    pub(super) fn answered(&mut self, id: RequestId) -> Option<Task> {
        self.in_flight.remove(&id)
    }

    pub(super) fn succeeded(&mut self, task: Task) {
        self.tries.remove(&task);
    }

    /// Puts a failed task off; returns how often it has failed in a row.
    pub(super) fn delay(&mut self, task: Task, error: String, now: Millis) -> u32 {
        let tries = self.tries.entry(task).or_default();
        *tries += 1;
        let tries = *tries;
        let wait = (BACKOFF_MS_MIN << (tries - 1).min(16)).min(BACKOFF_MS_MAX);
        // Half of the wait is random, so that many who lost the same peer do not come back at once.
        let due = Millis(now.0 + wait / 2 + self.random() % (wait / 2 + 1));
        self.delayed.push(Delayed { due, task, error });
        tries
    }

    /// Tasks whose time has come again. One that is further away than any wait was put off before
    /// the clock was set back.
    pub(super) fn due(&mut self, now: Millis) -> Vec<Task> {
        let is_due = |due: Millis| due <= now || due.0 > now.0 + BACKOFF_MS_MAX;
        let (due, later) = self.delayed.drain(..).partition(|delayed| is_due(delayed.due));
        self.delayed = later;
        Vec::into_iter(due).map(|delayed: Delayed| delayed.task).collect()
    }

    pub(super) fn next_due(&self) -> Option<Millis> {
        self.delayed.iter().map(|delayed| delayed.due).min()
    }

    /// The last error that something is waiting for, and how often it came.
    pub(super) fn trouble(&self) -> Option<(&str, u32)> {
        let delayed = self.delayed.last()?;
        Some((&delayed.error, self.tries.get(&delayed.task).copied().unwrap_or_default()))
    }

    /// Forgets every task that is not to be `kept`; its answer will be ignored.
    pub(super) fn retain(&mut self, kept: impl Fn(Task) -> bool) {
        self.in_flight.retain(|_, task| kept(*task));
        self.delayed.retain(|delayed| kept(delayed.task));
        self.outbox.retain(|request| self.in_flight.contains_key(&request.id));
    }

    /// SplitMix64: good enough to spread waits.
    fn random(&mut self) -> u64 {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.jitter ^ (self.jitter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound() {
        let mut exchange = Exchange::new(7);
        let mut waits = Vec::new();
        for _ in 0..20 {
            exchange.delay(Task::Changes, String::new(), Millis(0));
            waits.push(exchange.next_due().unwrap().0);
            assert_eq!(exchange.due(Millis(BACKOFF_MS_MAX)), [Task::Changes]);
        }
        assert!(waits[0] >= 125 && waits[0] <= 250, "{waits:?}");
        assert!(waits[5] >= 4_000 && waits[5] <= 8_000, "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= BACKOFF_MS_MAX));
        exchange.succeeded(Task::Changes);
        assert_eq!(exchange.delay(Task::Changes, String::new(), Millis(0)), 1);
    }

    #[test]
    fn a_clock_set_back_delays_nothing() {
        let mut exchange = Exchange::new(7);
        exchange.delay(Task::Changes, String::new(), Millis(10_000_000));
        assert_eq!(exchange.due(Millis(5)), [Task::Changes]);
    }

    #[test]
    fn answers_count_once() {
        let mut exchange = Exchange::new(7);
        exchange.send(Task::Create, Side::Target, Call::Create);
        let id = exchange.next_request().unwrap().id;
        assert_eq!(exchange.answered(id), Some(Task::Create));
        assert_eq!(exchange.answered(id), None);
        exchange.send(Task::Changes, Side::Source, Call::Info);
        exchange.retain(|task| task != Task::Changes);
        assert!(exchange.next_request().is_none());
    }
}
