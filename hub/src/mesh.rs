//! Hubs that keep each other in step: whom this one follows, what it pulls from whom, and how that goes.
//!
//! Every hub pulls; none pushes. It holds one connection to each peer and hears over it, by one feed for
//! all databases, what has changed there (`follow`, of a `feed`). What may be pulled is a matter of this
//! hub's own rights (`permit`), when it is, one of `replication::Manager` (`schedule`).

mod acknowledge;
mod alarms;
mod announce;
mod ask_once;
mod battery;
mod boots;
mod bucket;
mod databases;
mod devices;
mod events;
mod feed;
mod follow;
mod friend;
mod holdings;
mod holds;
mod introduce;
mod line;
mod link;
mod peers;
mod permit;
pub(crate) mod profile;
mod pull;
mod reach;
mod record;
mod refusal;
mod remembered;
pub(crate) mod requests;
mod room;
mod rule;
mod rules;
mod schedule;
mod serve;
mod state;
mod status;
mod vouched;
mod way;
mod why;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::PublicKey;
use replication::sync::Delivered;
use replication::{Budget, Hold, PeerId};
use store::Store;
use tokio::sync::Notify;

pub(crate) use self::acknowledge::reached;
pub(crate) use self::alarms::{alarms, device_name};
pub(crate) use self::ask_once::ask_once;
use self::boots::Boots;
pub(crate) use self::devices::{Devices, adopt as adopt_devices};
use self::events::Events;
pub(crate) use self::events::serve as events;
pub(crate) use self::feed::feed;
pub(crate) use self::follow::{chance, follow};
pub(crate) use self::friend::{Invitation, accept, ask_sizes, has_all, invitations, offers};
pub(crate) use self::holdings::holdings;
pub(crate) use self::introduce::{
    block_friend, check, heed_databases, heed_rights, introduce, introduce_with, is_taken,
    keep_device, remove_device, remove_friend, rename, set_rule,
};
pub(crate) use self::peers::{LivePeers, Peer, Share, devices_of};
use self::profile::Profiles;
pub(crate) use self::reach::{may_be_named_by_others, own as own_reach};
pub(crate) use self::record::{Kind, Record, Verified};
pub(crate) use self::refusal::refusal;
use self::requests::Requests;
pub(crate) use self::room::postponed;
pub(crate) use self::rules::DeviceRule;
use self::rules::LiveRules;
pub(crate) use self::schedule::schedule;
pub(crate) use self::serve::{sync, wanted};
pub(crate) use self::state::SharedRight;
use self::state::State;
pub(crate) use self::status::{describe, describe_hold, is_complete, is_connected};
pub(crate) use self::why::{outline, serve as why};
use crate::access::LivePolicies;
use crate::app::App;
use crate::clock;
use crate::config::MeshConfig;
use crate::data_dir::DataDir;
use crate::http::HttpError;
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
    rules: LiveRules,
    state: Mutex<State>,
    /// Something happened that the plan has to know.
    wake: Notify,
    /// Something was left out for want of room.
    no_room: Notify,
    config: MeshConfig,
    events: Events,
    counts: Counts,
    delivered: Mutex<HashMap<PublicKey, Arc<Delivered>>>,
    /// Feeds that each peer follows, and requests of it that are being answered.
    feeds: Arc<Tally<PublicKey>>,
    /// Whether ways in the same network that others announce are dialled, and this hub's are announced.
    lan: bool,
    answers: Arc<Tally<PublicKey>>,
    /// Which start of each peer was seen last.
    boots: Boots,
    /// What this hub says of its owner, and friends of themselves.
    profiles: Profiles,
    /// Strangers who would like to be friends.
    requests: Requests,
    /// Held while this hub says something of a device.
    saying: Mutex<()>,
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
    pub(crate) fn new(
        hub: PublicKey,
        config: &MeshConfig,
        data_dir: &DataDir,
        takes_requests: bool,
    ) -> Self {
        // On a line that is paid for the smaller of the two counts.
        let metered = config.metered.then_some(config.metered_bytes_per_hour_max);
        let bytes_max = config.bytes_per_hour_max.into_iter().chain(metered).min();
        let budget = bytes_max.map(Budget::new);
        Self {
            peers: LivePeers::new(hub),
            rules: LiveRules::new(hub),
            state: Mutex::new(State { budget, ..State::default() }),
            wake: Notify::new(),
            no_room: Notify::new(),
            config: config.clone(),
            events: Events::default(),
            counts: Counts::default(),
            delivered: Mutex::default(),
            lan: config.lan,
            feeds: Tally::new(FEEDS_MAX),
            answers: Tally::new(ANSWERS_MAX),
            boots: Boots::read(data_dir.starts()),
            profiles: Profiles::read(data_dir.profile()),
            requests: Requests::read(data_dir.requests(), takes_requests),
            saying: Mutex::default(),
        }
    }

    /// The hubs that the owner has named.
    pub(crate) fn peers(&self) -> &LivePeers {
        &self.peers
    }

    /// What each of the owner's devices takes.
    pub(crate) fn rules(&self) -> &LiveRules {
        &self.rules
    }

    /// Reads anew whom the owner has named, and what devices take. May block.
    pub(crate) fn reload(
        &self,
        store: &Store,
        policies: &LivePolicies,
    ) -> Result<(), store::Error> {
        // Nothing is pulled from anybody before it is known what is not wanted.
        self.rules.reload(store)?;
        self.reload_peers(store, policies)
    }

    /// Reads anew whom the owner has named. May block.
    pub(crate) fn reload_peers(
        &self,
        store: &Store,
        policies: &LivePolicies,
    ) -> Result<(), store::Error> {
        // Whoever could name others one after the other would fill the memory with what they did.
        for key in self.peers.reload(store, policies, clock::now())? {
            self.boots.forget(key);
            self.delivered.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            self.state().remembered.forget_all(key);
        }
        Ok(())
    }

    /// Which start of each peer was seen last.
    pub(crate) fn boots(&self) -> &Boots {
        &self.boots
    }

    /// What this hub says of its owner, and what was refused of friends.
    pub(crate) fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// Strangers who would like to be friends.
    pub(crate) fn requests(&self) -> &Requests {
        &self.requests
    }

    fn saying(&self) -> MutexGuard<'_, ()> {
        self.saying.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// This machine's network is another one: whoever is not reached may be so now.
    fn try_again(&self) {
        let state = self.state();
        state.ways.values().filter(|way| way.link.is_none()).for_each(|way| way.nudge.notify_one());
    }

    /// So many bytes of a person's database have come; where that is enough for now, nothing goes on.
    fn spend(&self, bytes: u64) {
        let now = clock::now();
        let mut state = self.state();
        let State { budget: Some(budget), manager, .. } = &mut *state else { return };
        budget.spend(bytes, now);
        let held = manager.held(now).and_then(|(_, hold)| hold.until);
        let until =
            budget.exhausted_until(now).filter(|until| held.is_none_or(|held| held < *until));
        if let Some(until) = until {
            let (code, text) = match self.config.metered {
                true => (
                    "metered",
                    "the line is paid for by the byte, and as much as may has come in an hour",
                ),
                false => ("budget", "as much as may come in an hour has come"),
            };
            manager.hold(code, Hold { until: Some(until), text: text.into() });
            self.wake.notify_one();
        }
    }

    /// Sets a hold or lifts it.
    fn set_hold(&self, code: &'static str, hold: Option<Hold>) {
        let mut state = self.state();
        match hold {
            Some(hold) => state.manager.hold(code, hold),
            None if !state.manager.lift(code) => return,
            None => {}
        }
        drop(state);
        self.wake.notify_one();
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

/// Refuses what another hub asks while the owner has paused being in step.
fn not_paused(app: &App) -> Result<(), HttpError> {
    if app.pause.now().sync { Err(HttpError::Paused) } else { Ok(()) }
}

/// A key as the manager knows it.
fn id_of(key: PublicKey) -> PeerId {
    PeerId(*key.bytes())
}
