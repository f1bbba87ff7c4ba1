//! A database on its way from one device to another.

use acl::Action;
use store::UpdateSeq;

use crate::courier::Courier;
use crate::device::{DATABASES, Role};
use crate::event::{Event, Job, Signal};
use crate::network::{Fate, TIMEOUT_MS};
use crate::pull::Pulling;
use crate::world::World;

/// Most of them that a device has under way.
const UNDER_WAY_MAX: usize = 6;

/// How long a device leaves a peer alone after a failure, in milliseconds, doubled by each further one.
const BACKOFF_MS: u64 = 300;
const BACKOFF_DOUBLED_MAX: u32 = 5;

/// One of them.
pub(crate) struct Transfer {
    pub(crate) number: u64,
    pub(crate) target: usize,
    pub(crate) source: usize,
    pub(crate) db: usize,
    pub(crate) way: Way,
}

/// By which protocol.
pub(crate) enum Way {
    Courier(Courier),
    Pull(Box<Pulling>),
}

/// How a transfer ended: with everything up to a position of the source, or for which reason.
pub(crate) type Ending = Result<UpdateSeq, &'static str>;

impl World {
    /// A device looks at what its peers have, and begins what is to be done.
    pub(crate) fn wake(&mut self, device: usize) {
        let pause = self.random.between(self.profile.wake_max / 4, self.profile.wake_max);
        self.agenda.add(self.now + pause, Event::Wake(device));
        if !self.devices[device].is_up() {
            return;
        }
        for db in 0..DATABASES.len() {
            if self.is_release_due(device, db) {
                self.ask_disk(device, Job::Release { db });
            }
        }
        for (source, db) in self.due(device) {
            self.start(device, source, db);
        }
    }

    /// Peers and databases of which a device does not have everything, as far as it knows.
    pub(crate) fn behind(&self, device: usize) -> Vec<(usize, usize)> {
        if self.devices[device].role == Role::Liar {
            return Vec::new();
        }
        let sources = (0..self.devices.len()).filter(|source| *source != device);
        let pairs = sources.flat_map(|source| (0..DATABASES.len()).map(move |db| (source, db)));
        pairs.filter(|(source, db)| self.is_behind(device, *source, *db)).collect()
    }

    fn is_behind(&self, target: usize, source: usize, db: usize) -> bool {
        let Some(database) = self.devices[source].database(db) else { return false };
        let known = self.devices[target].acquaintances.get(&(db, source));
        let caught_up = known.and_then(|known| known.caught_up);
        self.lists.is_open(source, target, db)
            && (caught_up != Some(database.update_seq()) || !self.is_agreed(target, source, db))
    }

    /// Those of them that can be asked now.
    fn due(&self, device: usize) -> Vec<(usize, usize)> {
        let mut due = self.behind(device);
        due.retain(|(source, db)| {
            let known = self.devices[device].acquaintances.get(&(*db, *source));
            self.network.reaches(device, *source)
                && known.is_none_or(|known| known.not_before <= self.now)
        });
        due
    }

    fn start(&mut self, target: usize, source: usize, db: usize) {
        let mine = self.transfers.values().filter(|transfer| transfer.target == target);
        let same = |transfer: &&Transfer| transfer.source == source && transfer.db == db;
        if mine.clone().any(|transfer| same(&transfer)) || mine.count() >= UNDER_WAY_MAX {
            return;
        }
        let allowed = self.devices[target].allows(self.devices[source].caller, Action::Write, db);
        if !allowed {
            return self.fail(format!("acl of {target} does not let {source} write, the lists do"));
        }
        if !self.agree_on_rule(target, source, db) {
            return;
        }
        self.transfers_begun += 1;
        let number = self.transfers_begun;
        let Some(way) = self.way(target, source, db) else { return };
        self.transfers.insert(number, Transfer { number, target, source, db, way });
        self.signal_later(0, number, Signal::Step);
    }

    /// CouchDB's protocol, where a side knows no other, or now and then; `None` while a side is down.
    fn way(&mut self, target: usize, source: usize, db: usize) -> Option<Way> {
        let dumb = [target, source].iter().any(|side| self.devices[*side].role == Role::Dumb);
        if dumb || self.random.chance(self.profile.couchdb) {
            return Some(Way::Courier(Courier::default()));
        }
        self.pulling(target, source, db).map(|pulling| Way::Pull(Box::new(pulling)))
    }

    /// Lets a transfer go on.
    pub(crate) fn signal(&mut self, number: u64, signal: Signal) {
        let Some(mut transfer) = self.transfers.remove(&number) else { return };
        let gone_on = match (&mut transfer.way, signal) {
            (_, Signal::Lost) => Err("a message was lost"),
            (Way::Pull(pulling), Signal::Step) => {
                self.pull_step(number, pulling, transfer.target, transfer.source)
            }
            (Way::Pull(pulling), Signal::Stream(id, stream)) => {
                let between = (transfer.target, transfer.source, transfer.db);
                self.stream(number, pulling, between, id, stream)
            }
            (Way::Courier(_), Signal::Stream(..)) => Ok(None),
            (Way::Courier(courier), Signal::Step) => {
                let (target, source, db) = (transfer.target, transfer.source, transfer.db);
                self.courier_step(number, courier, target, source, db)
            }
        };
        let target = transfer.target;
        self.transfers.insert(number, transfer);
        match gone_on {
            Ok(None) => {}
            Ok(Some(through)) => self.end(number, Ok(through)),
            Err(reason) => self.end(number, Err(reason)),
        }
        if self.devices[target].disk.is_without_power() {
            self.crash(target);
        }
    }

    /// Sends a message of a transfer; whoever waits for it learns when it is lost.
    pub(crate) fn send(&mut self, number: u64, one: usize, other: usize) {
        match self.network.send(one, other, &self.profile, &mut self.random) {
            Fate::Arrives(after) => self.signal_later(after, number, Signal::Step),
            Fate::Lost => self.signal_later(TIMEOUT_MS, number, Signal::Lost),
        }
    }

    pub(crate) fn end(&mut self, number: u64, ending: Ending) {
        let Some(Transfer { target, source, db, .. }) = self.transfers.remove(&number) else {
            return;
        };
        self.trace_line(|_| {
            let ending =
                ending.as_ref().map_or_else(ToString::to_string, |seq| format!("at {seq}"));
            format!("{target} <- {source} {}: transfer {number} ends {ending}", DATABASES[db])
        });
        let acquaintance = self.devices[target].acquaintances.entry((db, source)).or_default();
        match ending {
            Ok(through) => {
                (acquaintance.caught_up, acquaintance.failures) = (Some(through), 0);
            }
            Err(_) => {
                let doubled = acquaintance.failures.min(BACKOFF_DOUBLED_MAX);
                acquaintance.failures += 1;
                acquaintance.not_before = self.now + (BACKOFF_MS << doubled);
            }
        }
    }

    /// Ends what no right allows any more.
    pub(crate) fn end_forbidden(&mut self) {
        let forbidden = |transfer: &&Transfer| {
            !self.lists.is_open(transfer.source, transfer.target, transfer.db)
        };
        let transfers = self.transfers.values().filter(forbidden);
        let ended: Vec<u64> = transfers.map(|transfer| transfer.number).collect();
        ended.into_iter().for_each(|number| self.end(number, Err("the right was taken away")));
    }
}
