//! Which database is pulled from which hub, and when: the replication manager without I/O, clock or
//! chance.
//!
//! [`Manager`] is told what peers offer, what may be pulled of it, and how pulls ended; it says what to
//! begin and what to stop. [`Paths`] does the same for the ways to one peer.

mod backoff;
mod budget;
mod hold;
mod paths;
mod standing;
#[cfg(test)]
mod tests;
mod window;

use std::collections::BTreeMap;

use store::{DbUuid, Millis};

pub use self::backoff::Backoff;
pub use self::budget::Budget;
pub use self::hold::Hold;
use self::hold::Holds;
pub use self::paths::{Next, Paths};
pub use self::standing::{Offer, Permit, Run, Standing, Trouble};
pub use self::window::{Opening, ParseWindowError, Window};

/// A hub, by its public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub [u8; 32]);

/// How much goes on at a time.
#[derive(Clone, Copy, Debug)]
pub struct ManagerLimits {
    /// Pulls from all peers.
    pub pulls_max: usize,
    /// Pulls from one peer, which share its connection.
    pub of_peer_max: usize,
    /// Of these, databases that are copied for the first time: what a person waits for always finds
    /// room beside them.
    pub first_copies_max: usize,
    /// After a failure.
    pub backoff: Backoff,
}

impl Default for ManagerLimits {
    fn default() -> Self {
        let backoff = Backoff { first_ms: 1000, longest_ms: 10 * 60 * 1000 };
        Self { pulls_max: 16, of_peer_max: 4, first_copies_max: 2, backoff }
    }
}

/// What a database is to the manager, beside its id. A person's waits for names, rules and rights; what the
/// hubs need themselves waits for nothing, so that all of it comes within one round trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// The names and rules of all others.
    Registry,
    /// Who may do what.
    Rights,
    /// Another one that the hubs need themselves.
    System,
    /// A person's.
    #[default]
    Person,
}

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Begin to pull this database from this peer.
    Start(PeerId, DbUuid),
    /// End this pull.
    Stop(PeerId, DbUuid),
}

/// How a pull ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullEnd {
    /// All that the peer had up to this update sequence is here, durably.
    Reached(String),
    /// It could not go on.
    Failed(Trouble),
    /// It was stopped.
    Stopped,
}

/// Every peer, and every database that it offers.
#[derive(Debug, Default)]
pub struct Manager {
    limits: ManagerLimits,
    peers: BTreeMap<PeerId, Peer>,
    stops: Vec<(PeerId, DbUuid)>,
    /// Why no database of a person's is begun.
    holds: Holds,
}

/// By what one pull goes before another: what the database is, whether it is copied for the first time, how
/// large it is, when it was pulled last.
type Urgency = (Rank, bool, u64, Millis);

/// What one peer offers.
#[derive(Debug, Default)]
pub struct Peer {
    connected: bool,
    databases: BTreeMap<DbUuid, Standing>,
}

impl Peer {
    /// Whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Every database that it offers or has offered, and how far that is.
    pub fn databases(&self) -> impl Iterator<Item = (DbUuid, &Standing)> {
        self.databases.iter().map(|(id, standing)| (*id, standing))
    }

    /// How many of them there are.
    #[must_use]
    pub fn database_count(&self) -> usize {
        self.databases.len()
    }

    /// Whether other databases need not wait for this kind.
    fn is_settled(&self, rank: Rank) -> bool {
        let mut of_rank = self.databases.values().filter(|standing| standing.rank() == Some(rank));
        of_rank.all(Standing::is_settled)
    }

    fn running(&self) -> impl Iterator<Item = &Standing> {
        self.databases.values().filter(|standing| standing.is_running())
    }
}

impl Manager {
    /// No peer yet.
    #[must_use]
    pub fn new(limits: ManagerLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// A peer that it knows, and what that offers.
    #[must_use]
    pub fn peer(&self, peer: PeerId) -> Option<&Peer> {
        self.peers.get(&peer)
    }

    /// How far one database of a peer is.
    #[must_use]
    pub fn standing(&self, peer: PeerId, database: DbUuid) -> Option<&Standing> {
        self.peers.get(&peer)?.databases.get(&database)
    }

    /// Pulls that run, and pulls that wait for their turn.
    #[must_use]
    pub fn counts(&self, now: Millis) -> (usize, usize) {
        let all = || self.peers.values().flat_map(|peer| peer.databases.values());
        let running = all().filter(|standing| standing.is_running()).count();
        let mut peers = self.peers.values().filter(|peer| peer.connected);
        let due = peers.try_fold(0, |sum: usize, peer| {
            let due = peer.databases.values().filter(|standing| standing.is_due(now)).count();
            sum.checked_add(due)
        });
        (running, due.unwrap_or(usize::MAX))
    }

    /// A peer is known; nothing is pulled from it before it is connected.
    pub fn know(&mut self, peer: PeerId) {
        self.peers.entry(peer).or_default();
    }

    /// A peer is known no longer.
    pub fn forget(&mut self, peer: PeerId) {
        let Some(gone) = self.peers.remove(&peer) else { return };
        let running = gone.databases.iter().filter(|(_, standing)| standing.is_running());
        self.stops.extend(running.map(|(id, _)| (peer, *id)));
    }

    /// There is a connection to the peer.
    pub fn connected(&mut self, peer: PeerId) {
        self.peers.entry(peer).or_default().connected = true;
    }

    /// There is none any more. What it offers is remembered; pulls that ran over it will say so
    /// themselves.
    pub fn disconnected(&mut self, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.connected = false;
        }
    }

    /// The peer begins anew to say what it offers: what it does not repeat, it offers no longer.
    pub fn offers_anew(&mut self, peer: PeerId) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        known.databases.values_mut().for_each(Standing::doubt);
    }

    /// It has said all; whatever it did not repeat is withdrawn, and handed back.
    pub fn offered_all(&mut self, peer: PeerId) -> Vec<DbUuid> {
        let Some(known) = self.peers.get(&peer) else { return Vec::new() };
        let doubted = known.databases.iter().filter(|(_, standing)| standing.is_doubted());
        let doubted: Vec<DbUuid> = doubted.map(|(id, _)| *id).collect();
        doubted.iter().for_each(|id| self.withdraw(peer, *id));
        doubted
    }

    /// The peer has something new in this database, or offers it for the first time.
    pub fn offer(&mut self, peer: PeerId, database: DbUuid, offer: Offer) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        known.databases.entry(database).or_default().offer(offer);
    }

    /// The peer does not offer this database any more; one of which nothing was ever pulled is forgotten.
    pub fn withdraw(&mut self, peer: PeerId, database: DbUuid) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        let Some(standing) = known.databases.get_mut(&database) else { return };
        if standing.withdraw() {
            self.stops.push((peer, database));
        }
        if standing.is_first_copy() && !standing.is_running() {
            known.databases.remove(&database);
        }
    }

    /// Whether what the peer has in this database may be pulled, and why not.
    pub fn permit(&mut self, peer: PeerId, database: DbUuid, permit: Permit) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        let Some(standing) = known.databases.get_mut(&database) else { return };
        if standing.permit(permit) {
            self.stops.push((peer, database));
        }
    }

    /// All up to this update sequence of the peer's is known to be here already.
    pub fn know_reached(&mut self, peer: PeerId, database: DbUuid, seq: String) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if let Some(standing) = known.databases.get_mut(&database) {
            standing.know_reached(seq);
        }
    }

    /// What was pulled has to be looked at anew, whatever was reached.
    pub fn rescan(&mut self, peer: PeerId, database: DbUuid) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if let Some(standing) = known.databases.get_mut(&database) {
            standing.rescan();
        }
    }

    /// What failed for one of these reasons is tried again at once.
    pub fn retry(&mut self, mut because: impl FnMut(PeerId, DbUuid, &Trouble) -> bool) {
        for (peer, known) in &mut self.peers {
            for (id, standing) in &mut known.databases {
                standing.retry(|trouble| because(*peer, *id, trouble));
            }
        }
    }

    /// A pull has ended. `chance` is any number, another one each time.
    pub fn ended(
        &mut self,
        (peer, database): (PeerId, DbUuid),
        end: PullEnd,
        now: Millis,
        chance: u64,
    ) {
        let backoff = self.limits.backoff;
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if let Some(standing) = known.databases.get_mut(&database) {
            standing.ended(end, |failures| Millis(now.0 + backoff.wait_ms(failures, chance)));
        }
    }

    /// What was pulled has to be looked at anew, and what is being pulled is stopped: something else is
    /// wanted of it now.
    pub fn begin_anew(&mut self, peer: PeerId, database: DbUuid) {
        self.rescan(peer, database);
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if known.databases.get_mut(&database).is_some_and(Standing::stop) {
            self.stops.push((peer, database));
        }
    }

    /// Begins no database of a person's until this hold has ended or is lifted, and stops those that run.
    /// Another one of the same code takes its place.
    pub fn hold(&mut self, code: &'static str, hold: Hold) {
        self.holds.set(code, hold);
        for (peer, known) in &mut self.peers {
            let of_persons = known
                .databases
                .iter_mut()
                .filter(|(_, standing)| standing.rank().is_none_or(|rank| rank == Rank::Person));
            let stopped = of_persons.filter_map(|(id, standing)| standing.stop().then_some(*id));
            self.stops.extend(stopped.map(|id| (*peer, id)));
        }
    }

    /// Lifts a hold; whether there was one.
    pub fn lift(&mut self, code: &'static str) -> bool {
        self.holds.lift(code)
    }

    /// Why databases of persons are held, where they are: of several holds the one that lasts longest.
    #[must_use]
    pub fn held(&self, now: Millis) -> Option<(&'static str, &Hold)> {
        self.holds.longest(now)
    }

    /// What is to be done now; what is to be started counts as running from now on.
    pub fn poll(&mut self, now: Millis) -> Vec<Step> {
        let stops = std::mem::take(&mut self.stops);
        let mut steps: Vec<Step> =
            stops.into_iter().map(|(peer, id)| Step::Stop(peer, id)).collect();
        let mut room = {
            let running: usize = self.peers.values().map(|peer| peer.running().count()).sum();
            self.limits.pulls_max.saturating_sub(running)
        };
        for (_, peer, id) in self.due(now) {
            if room == 0 {
                break;
            }
            let Some(known) = self.peers.get_mut(&peer) else { continue };
            let Some(standing) = known.databases.get(&id) else { continue };
            let first_copies = known.running().filter(|running| running.is_first_copy()).count();
            let full = known.running().count() >= self.limits.of_peer_max
                || standing.is_first_copy() && first_copies >= self.limits.first_copies_max;
            if full {
                continue;
            }
            if let Some(standing) = known.databases.get_mut(&id) {
                standing.start(now);
                steps.push(Step::Start(peer, id));
                room -= 1;
            }
        }
        steps
    }

    /// What could begin, the most urgent first: what the hubs need themselves, then what has been
    /// copied before, then what is small, then whoever has waited longest.
    fn due(&self, now: Millis) -> Vec<(Urgency, PeerId, DbUuid)> {
        let mut due = Vec::new();
        let is_held = self.held(now).is_some();
        for (peer, known) in self.peers.iter().filter(|(_, known)| known.connected) {
            let ready = known.is_settled(Rank::Registry) && known.is_settled(Rank::Rights);
            for (id, standing) in &known.databases {
                let Some(rank) = standing.rank().filter(|_| standing.is_due(now)) else { continue };
                if rank < Rank::Person || (ready && !is_held) {
                    let urgency =
                        (rank, standing.is_first_copy(), standing.size(), standing.since());
                    due.push((urgency, *peer, *id));
                }
            }
        }
        due.sort_unstable();
        due
    }

    /// When there is another reason to look, if nothing happens before.
    #[must_use]
    pub fn next_due(&self, now: Millis) -> Option<Millis> {
        let connected = self.peers.values().filter(|peer| peer.connected);
        let waiting =
            connected.flat_map(|peer| peer.databases.values().filter_map(Standing::due_at));
        waiting.chain(self.holds.ends(now)).filter(|due| *due > now).min()
    }
}
