//! Which devices are the owner's, as follows from what they have said of each other: a pure function of
//! one's own key and a set of statements, whatever the order in which they came.
//!
//! The rules are in `docs/devices.md`.

mod chain;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::chain::Chain;
use crate::{PublicKey, Statement, StatementHash, StatementKind};

/// Most statements of one device that are heeded: a device that has made more says nothing.
const STATEMENTS_OF_SIGNER_MAX: usize = 256;

/// Most devices that are known; a statement has room for as many answers.
const DEVICES_MAX: usize = 64;

/// How one device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceStanding {
    /// It is the owner's.
    Listed,
    /// It is refused until this hub's owner decides.
    Suspended,
    /// This hub's owner has removed it.
    Removed,
}

/// A removal that counts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Removal {
    /// Who removed it.
    pub by: PublicKey,
    /// When, in Unix milliseconds by the remover's clock.
    pub at: u64,
    /// The statement.
    pub statement: StatementHash,
}

/// A device that is known, whether it is the owner's or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// How it stands.
    pub standing: DeviceStanding,
    /// Who added it, where several did the one nearest to this hub.
    pub added_by: PublicKey,
    /// Who has removed it; none where it is suspended only because of whoever added it.
    pub removals: Vec<Removal>,
    /// Whether it has removed one of those that removed it.
    pub mutual: bool,
}

/// Something that the owner should look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// A device has said two things at once: two hubs have its key.
    Fork(PublicKey),
    /// Two devices have removed each other, and both are suspended.
    Mutual(PublicKey, PublicKey),
    /// A device has removed this one.
    RemovedHere(PublicKey),
    /// A device has said more than it may, so nothing of it is heeded.
    Flood(PublicKey),
}

/// What follows from the statements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceList {
    devices: BTreeMap<PublicKey, Listing>,
    alarms: BTreeSet<Alarm>,
    heeded: BTreeSet<StatementHash>,
    /// The number and hash of this hub's last statement.
    last: Option<(u64, StatementHash)>,
}

impl DeviceList {
    /// What follows for the hub with this key. Statements of those whom nobody has added are not even
    /// verified.
    pub fn resolve<'a>(
        own: PublicKey,
        statements: impl IntoIterator<Item = &'a Statement>,
    ) -> Self {
        let mut by_signer: BTreeMap<PublicKey, Vec<&Statement>> = BTreeMap::new();
        for statement in statements {
            by_signer.entry(statement.signer()).or_default().push(statement);
        }
        Resolving { own, by_signer, chains: BTreeMap::new() }.resolve()
    }

    /// All devices but this one.
    pub fn devices(&self) -> &BTreeMap<PublicKey, Listing> {
        &self.devices
    }

    /// Whether this key is another device of the owner's.
    pub fn is_listed(&self, key: PublicKey) -> bool {
        self.devices.get(&key).is_some_and(|device| device.standing == DeviceStanding::Listed)
    }

    /// What the owner should look at.
    pub fn alarms(&self) -> &BTreeSet<Alarm> {
        &self.alarms
    }

    /// Whether this statement is of a device that is or was the owner's, and genuine: worth keeping.
    pub fn heeds(&self, statement: StatementHash) -> bool {
        self.heeded.contains(&statement)
    }

    /// The number of this hub's next statement, and the hash of the one before it.
    pub fn next(&self) -> (u64, Option<StatementHash>) {
        match self.last {
            Some((seq, hash)) => (seq.saturating_add(1), Some(hash)),
            None => (1, None),
        }
    }

    /// The removals by others of a device that its being kept would have to answer.
    pub fn removals_of(&self, subject: PublicKey) -> Vec<StatementHash> {
        let removals = self.devices.get(&subject).into_iter().flat_map(|device| &device.removals);
        removals.map(|removal| removal.statement).collect()
    }
}

/// What is worked with.
struct Resolving<'a> {
    own: PublicKey,
    by_signer: BTreeMap<PublicKey, Vec<&'a Statement>>,
    /// Of those that were looked at.
    chains: BTreeMap<PublicKey, Chain>,
}

/// Devices, and who added each.
type Reached = BTreeMap<PublicKey, PublicKey>;

impl Resolving<'_> {
    fn resolve(mut self) -> DeviceList {
        self.look_at(self.own);
        let removed = self.chain(self.own).subjects_of(StatementKind::Remove);
        let base = self.reach([self.own].into(), &removed, DEVICES_MAX);
        // Those that were removed here are listened to for whom they added, and count for nothing.
        let room = DEVICES_MAX.saturating_sub(base.len());
        let gone: VecDeque<_> = removed.iter().copied().take(DEVICES_MAX).collect();
        let known = base.keys().copied().chain(removed.iter().copied()).collect();
        let cut_off = self.reach(gone, &known, room);
        let mut list = DeviceList::default();
        let all_removals = self.removals(&base);
        let active = self.active(&base, &all_removals);
        for (key, added_by) in &base {
            let removals = all_removals.get(key).cloned().unwrap_or_default();
            let standing = match active.contains(key) {
                true => DeviceStanding::Listed,
                false => DeviceStanding::Suspended,
            };
            // What this hub's owner has answered counts for nothing any more.
            let counts = |other: PublicKey| {
                let mut theirs = all_removals.get(&other).into_iter().flatten();
                theirs.any(|removal| removal.by == *key)
            };
            let mut mutual = false;
            for other in removals.iter().map(|removal| removal.by).filter(|by| counts(*by)) {
                mutual = true;
                list.alarms.insert(Alarm::Mutual((*key).min(other), (*key).max(other)));
            }
            let listing = Listing { standing, added_by: *added_by, removals, mutual };
            list.devices.insert(*key, listing);
        }
        for key in removed {
            let by_us = self.chain(self.own).latest(key).into_iter().map(|said| Removal {
                by: self.own,
                at: said.at,
                statement: said.hash,
            });
            let removals = by_us.chain(self.removals_by_base(&base, key)).collect();
            let mutual = self.removes(key, self.own);
            let standing = DeviceStanding::Removed;
            let listing = Listing { standing, added_by: self.own, removals, mutual };
            list.devices.insert(key, listing);
        }
        for (key, added_by) in cut_off {
            let standing = DeviceStanding::Suspended;
            let listing = Listing { standing, added_by, removals: Vec::new(), mutual: false };
            list.devices.insert(key, listing);
        }
        for (key, chain) in &self.chains {
            let is_known = *key == self.own || list.devices.contains_key(key);
            if chain.is_forked && is_known {
                list.alarms.insert(Alarm::Fork(*key));
            }
            if chain.is_flooded && is_known {
                list.alarms.insert(Alarm::Flood(*key));
            }
            if *key != self.own && self.removes(*key, self.own) {
                list.alarms.insert(Alarm::RemovedHere(*key));
            }
            list.heeded.extend(&chain.hashes);
        }
        list.last = self.chain(self.own).last;
        list
    }

    /// Everybody whom these have added, and those whom they have, without the barred.
    fn reach(
        &mut self,
        mut from: VecDeque<PublicKey>,
        barred: &BTreeSet<PublicKey>,
        most: usize,
    ) -> Reached {
        let mut reached = Reached::new();
        while let Some(signer) = from.pop_front() {
            self.look_at(signer);
            for subject in self.chain(signer).added.clone() {
                let is_new = subject != self.own
                    && !barred.contains(&subject)
                    && !reached.contains_key(&subject);
                if is_new && reached.len() < most {
                    reached.insert(subject, signer);
                    from.push_back(subject);
                }
            }
        }
        reached
    }

    /// Removals by devices of each other that this hub's owner has not answered.
    fn removals(&self, base: &Reached) -> BTreeMap<PublicKey, Vec<Removal>> {
        let of = |key: &PublicKey| (*key, self.removals_by_base(base, *key));
        base.keys().map(of).filter(|(_, removals)| !removals.is_empty()).collect()
    }

    fn removals_by_base(&self, base: &Reached, subject: PublicKey) -> Vec<Removal> {
        let answered = self.chain(self.own).latest(subject);
        let answered = answered.filter(|said| said.kind != StatementKind::Remove);
        let answered = answered.map(|said| said.answers.clone()).unwrap_or_default();
        let removal = |by: &PublicKey| {
            let said = self.chain(*by).latest(subject)?;
            let counts = said.kind == StatementKind::Remove && !answered.contains(&said.hash);
            counts.then_some(Removal { by: *by, at: said.at, statement: said.hash })
        };
        base.keys().filter(|by| **by != subject).filter_map(removal).collect()
    }

    /// Those that are reached by way of devices that nobody has removed.
    fn active(
        &self,
        base: &Reached,
        removals: &BTreeMap<PublicKey, Vec<Removal>>,
    ) -> BTreeSet<PublicKey> {
        let mut active = BTreeSet::new();
        let mut from = VecDeque::from([self.own]);
        while let Some(signer) = from.pop_front() {
            for subject in &self.chain(signer).added {
                let stands = base.contains_key(subject) && !removals.contains_key(subject);
                if stands && active.insert(*subject) {
                    from.push_back(*subject);
                }
            }
        }
        active
    }

    /// Whether the one says that the other is none of the owner's.
    fn removes(&self, by: PublicKey, subject: PublicKey) -> bool {
        let said = self.chains.get(&by).and_then(|chain| chain.latest(subject));
        said.is_some_and(|said| said.kind == StatementKind::Remove)
    }

    fn look_at(&mut self, signer: PublicKey) {
        if !self.chains.contains_key(&signer) {
            let statements = self.by_signer.get(&signer).map_or(&[][..], |all| all);
            self.chains.insert(signer, Chain::read(signer, statements, STATEMENTS_OF_SIGNER_MAX));
        }
    }

    fn chain(&self, signer: PublicKey) -> &Chain {
        static NOTHING: Chain = Chain::nothing();
        self.chains.get(&signer).unwrap_or(&NOTHING)
    }
}
