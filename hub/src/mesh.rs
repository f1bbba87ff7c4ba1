//! Hubs that keep each other in step: whom this one follows, what it pulls from whom, and how that goes.
//!
//! Every hub pulls; none pushes. It holds one connection to each peer and hears over it, by one feed for
//! all databases, what has changed there (`follow`, of a `feed`). What may be pulled is a matter of this
//! hub's own rights (`permit`), when it is, one of `replication::Manager` (`schedule`).

mod acknowledge;
mod databases;
mod events;
mod feed;
mod follow;
mod friend;
mod introduce;
mod line;
mod link;
mod peers;
mod permit;
mod pull;
mod reach;
mod record;
mod remembered;
mod rule;
mod schedule;
mod serve;
mod state;
mod status;
mod way;
mod why;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::PublicKey;
use replication::sync::Delivered;
use replication::{Budget, PeerId};
use tokio::sync::Notify;

pub(crate) use self::acknowledge::reached;
use self::events::Events;
pub(crate) use self::events::serve as events;
pub(crate) use self::feed::feed;
pub(crate) use self::follow::follow;
pub(crate) use self::friend::{accept, offers};
pub(crate) use self::introduce::{check, dismiss, introduce, is_taken};
pub(crate) use self::peers::{LivePeers, Peer};
pub(crate) use self::reach::own as own_reach;
pub(crate) use self::record::{Kind, Record, Verified};
pub(crate) use self::schedule::schedule;
pub(crate) use self::serve::{sync, wanted};
use self::state::State;
pub(crate) use self::status::describe;
pub(crate) use self::why::serve as why;
use crate::clock;
use crate::config::MeshConfig;
use crate::listener::tally::Tally;

/// Revisions of each peer that are remembered to have come from it, so that they are not sent back.
const DELIVERED_MAX: usize = 100_000;

/// Feeds that one peer may follow at a time: one, and those of connections that nobody knows to be broken.
const FEEDS_MAX: usize = 4;

/// Requests of one peer that are answered at a time, each of which holds a batch in memory.
const ANSWERS_MAX: usize = 16;

/// The mesh as this hub sees it.
#[derive(Debug)]
pub(crate) struct Mesh {
    peers: LivePeers,
    state: Mutex<State>,
    /// Something happened that the plan has to know.
    wake: Notify,
    events: Events,
    counts: Counts,
    delivered: Mutex<HashMap<PublicKey, Arc<Delivered>>>,
    /// Feeds that each peer follows, and requests of it that are being answered.
    feeds: Arc<Tally<PublicKey>>,
    answers: Arc<Tally<PublicKey>>,
}

/// What was done, counted.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Times at which the plan was looked at.
    pub(crate) looks: AtomicU64,
    /// Pulls that were begun.
    pub(crate) pulls: AtomicU64,
    /// Requests for changes or revisions that were sent.
    pub(crate) questions: AtomicU64,
    /// Documents and bytes that came.
    pub(crate) documents_in: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    /// Such requests that were answered, and bytes sent.
    pub(crate) answers: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    /// Lines of feeds that came.
    pub(crate) lines: AtomicU64,
    /// Peers that were dialled.
    pub(crate) dials: AtomicU64,
}

/// Counts so many more.
fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Mesh {
    /// Of the hub with this key; it knows nobody yet.
    pub(crate) fn new(hub: PublicKey, config: &MeshConfig) -> Self {
        let budget = config.bytes_per_hour_max.map(Budget::new);
        Self {
            peers: LivePeers::new(hub),
            state: Mutex::new(State { budget, ..State::default() }),
            wake: Notify::new(),
            events: Events::default(),
            counts: Counts::default(),
            delivered: Mutex::default(),
            feeds: Tally::new(FEEDS_MAX),
            answers: Tally::new(ANSWERS_MAX),
        }
    }

    /// The hubs that the owner has named.
    pub(crate) fn peers(&self) -> &LivePeers {
        &self.peers
    }

    /// What was done.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Peers that are connected; pulls that run, and that wait for their turn.
    pub(crate) fn levels(&self) -> (usize, usize, usize) {
        let state = self.state();
        let (running, waiting) = state.manager.counts(clock::now());
        (state.ways.values().filter(|way| way.link.is_some()).count(), running, waiting)
    }

    /// A peer has come by itself, so that it can be reached again, perhaps.
    pub(crate) fn heard_of(&self, peer: PublicKey) {
        let state = self.state();
        if let Some(way) = state.ways.get(&peer).filter(|way| way.link.is_none()) {
            way.nudge.notify_one();
        }
    }

    /// So many bytes of a person's database have come; where that is enough for now, nothing goes on.
    fn spend(&self, bytes: u64) {
        let now = clock::now();
        let mut state = self.state();
        let State { budget: Some(budget), manager, .. } = &mut *state else { return };
        budget.spend(bytes, now);
        let until = budget.exhausted_until(now).filter(|_| manager.held_until(now).is_none());
        if let Some(until) = until {
            manager.hold(until);
            self.wake.notify_one();
        }
    }

    /// What a peer has delivered here.
    fn delivered(&self, peer: PublicKey) -> Arc<Delivered> {
        let mut all = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(peer).or_insert_with(|| Arc::new(Delivered::new(DELIVERED_MAX))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key as the manager knows it.
fn id_of(key: PublicKey) -> PeerId {
    PeerId(*key.bytes())
}
