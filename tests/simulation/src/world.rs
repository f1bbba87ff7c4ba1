//! The world: devices, what lies between them, and what happens next.

use std::collections::BTreeMap;

use store::{ConflictPolicy, DbUuid, DocId, Edit, Error, Lineage, Millis, RevId};

use crate::bug::Bug;
use crate::content::{Content, Leaf};
use crate::device::{DATABASES, Device, Role, Uncertain};
use crate::event::{Agenda, Event, Job, Signal};
use crate::ledger::{Author, Ledger, Written};
use crate::lists::{Lists, Right};
use crate::network::Network;
use crate::profile::Profile;
use crate::random::Random;
use crate::trace::{Sink, Trace};
use crate::transfer::Transfer;

/// When it begins, in Unix milliseconds.
pub(crate) const BEGIN: u64 = 1_800_000_000_000;

/// Everything there is.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) random: Random,
    /// Chance that decides whether hubs have room.
    pub(crate) full: Random,
    pub(crate) profile: Profile,
    pub(crate) devices: Vec<Device>,
    pub(crate) documents: Vec<DocId>,
    pub(crate) network: Network,
    pub(crate) lists: Lists,
    pub(crate) ledger: Ledger,
    pub(crate) agenda: Agenda,
    pub(crate) transfers: BTreeMap<u64, Transfer>,
    pub(crate) transfers_begun: u64,
    pub(crate) tags: u64,
    pub(crate) trace: Trace,
    /// What must not have happened.
    pub(crate) failure: Option<String>,
    /// No fault begins any more.
    pub(crate) calm: bool,
    /// Policies that anybody ever chose, by database.
    pub(crate) policies_had: Vec<Vec<ConflictPolicy>>,
    pub(crate) bug: Option<Bug>,
}

impl World {
    /// The world that a seed makes.
    pub(crate) fn new(seed: u64, bug: Option<Bug>, sink: Option<Sink>) -> Result<Self, Error> {
        let mut random = Random::new(seed);
        let mut full = Random::new(!seed);
        let profile = Profile::draw(&mut random, &mut full);
        let mut roles = vec![Role::Own; profile.own];
        roles.extend(vec![Role::Friend; profile.friends]);
        roles.extend(profile.dumb.then_some(Role::Dumb));
        roles.extend(profile.liar.then_some(Role::Liar));
        let uuids = DATABASES.map(|_| DbUuid(random.bytes()));
        let mut devices = Vec::with_capacity(roles.len());
        for (number, role) in roles.iter().enumerate() {
            let mut device = Device::new(number, *role, &uuids, random.next(), Millis(BEGIN))?;
            device.skew = profile.skew(&mut random);
            device.operations_left = match role {
                Role::Own | Role::Friend => profile.operations,
                Role::Dumb | Role::Liar => profile.operations / 8,
            };
            devices.push(device);
        }
        let documents = (0..profile.documents).map(doc_id).collect();
        let lists = Lists::new(devices.len(), DATABASES.len());
        let mut world = Self {
            now: BEGIN,
            random,
            full,
            profile,
            devices,
            documents,
            network: Network::default(),
            lists,
            ledger: Ledger::default(),
            agenda: Agenda::default(),
            transfers: BTreeMap::new(),
            transfers_begun: 0,
            tags: 0,
            trace: Trace::new(sink),
            failure: None,
            calm: false,
            policies_had: Vec::new(),
            bug,
        };
        world.trace_line(|world| format!("{:?}", world.profile));
        world.introduce();
        world.begin_rules();
        world.begin();
        Ok(world)
    }

    /// Gives everybody the first rights.
    fn introduce(&mut self) {
        let all = self.devices.len();
        for one in 0..all {
            for other in (0..all).filter(|other| *other != one) {
                for db in 0..DATABASES.len() {
                    let right = self.first_right(one, other);
                    self.lists.set(one, other, db, right, self.now);
                }
            }
        }
        (0..all).for_each(|giver| self.publish(giver));
    }

    fn first_right(&mut self, giver: usize, taker: usize) -> Right {
        match (self.devices[giver].role, self.devices[taker].role) {
            (Role::Own, Role::Own) => Right::Write,
            // Both belong to whoever has the first device.
            (Role::Dumb | Role::Liar, Role::Own) | (Role::Own, Role::Dumb | Role::Liar) => {
                if giver.min(taker) == 0 { Right::Write } else { Right::Nothing }
            }
            (Role::Dumb | Role::Liar, _) | (_, Role::Dumb | Role::Liar) => Right::Nothing,
            (Role::Friend, _) | (_, Role::Friend) => self.any_right(),
        }
    }

    pub(crate) fn any_right(&mut self) -> Right {
        let rights = [Right::Nothing, Right::Read, Right::Write, Right::Write, Right::Write];
        self.random.pick(&rights).copied().unwrap_or(Right::Nothing)
    }

    /// Puts what the lists say into a device's policies.
    pub(crate) fn publish(&self, giver: usize) {
        let keys: Vec<&str> = self.devices.iter().map(|device| device.key).collect();
        let role = self.devices[giver].role;
        let own = |taker: usize| role == Role::Own && self.devices[taker].role == Role::Own;
        let device = &self.devices[giver];
        let policies = self.lists.policies(giver, &keys, &own, &device.uuids);
        *device.policies.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = policies;
    }

    fn begin(&mut self) {
        for device in 0..self.devices.len() {
            let pause = self.random.below(self.profile.pause_max);
            self.agenda.add(self.now + pause, Event::Person(device));
            let pause = self.random.below(self.profile.wake_max);
            self.agenda.add(self.now + pause, Event::Wake(device));
        }
        if self.profile.weather_max > 0 {
            self.agenda.add(self.now + self.profile.weather_max, Event::Weather);
        }
    }

    /// Lets the next thing happen; `false` when there is nothing left, or something went wrong.
    pub(crate) fn step(&mut self) -> bool {
        let Some((when, event)) = self.agenda.next() else { return false };
        self.now = self.now.max(when);
        match event {
            Event::Person(device) => self.person(device),
            Event::Wake(device) => self.wake(device),
            Event::Weather => self.weather(),
            Event::Heal => self.network.heal(),
            Event::Room(device) => self.devices[device].disk.set_full(false),
            Event::Restart(device) => self.restart(device),
            Event::Disk { device, life, job } => {
                if self.devices[device].life == life {
                    self.work(device, job);
                }
            }
            Event::Acknowledged { device, life, number } => {
                if self.devices[device].life == life {
                    self.ledger.acknowledge(number);
                }
            }
            Event::Signal(transfer, signal) => self.signal(transfer, signal),
        }
        self.failure.is_none()
    }

    /// Queues a job at a device's disk, behind those before it.
    pub(crate) fn ask_disk(&mut self, device: usize, job: Job) {
        let takes = self.random.between(0, self.profile.commit_max);
        let asked = &mut self.devices[device];
        asked.disk_free = asked.disk_free.max(self.now) + takes;
        let (when, life) = (asked.disk_free, asked.life);
        self.agenda.add(when, Event::Disk { device, life, job });
    }

    fn work(&mut self, device: usize, job: Job) {
        match job {
            Job::Edit { db, edit, content, now, author } => {
                self.write(device, db, edit, content, now, author);
            }
            Job::Compact { db } => {
                let compacted =
                    self.devices[device].database(db).map(|db| db.compact(&mut |_, _| {}));
                self.trace_line(|_| format!("{device} compacts: {compacted:?}"));
            }
            Job::Rule { db, rule } => self.set_rule(device, db, rule),
            Job::Release { db } => self.release(device, db),
            Job::Dismiss { db, id } => self.dismiss(device, db, id),
            Job::Deliver { transfer, parcels } => self.deliver(transfer, parcels),
            Job::Take { transfer, id, delivery } => self.take(transfer, id, *delivery),
            Job::Remember { transfer, checkpoint } => self.remember(transfer, &checkpoint),
            Job::Note { transfer, through } => self.note_courier(transfer, &through),
        }
        if self.devices[device].disk.is_without_power() {
            self.crash(device);
        } else if self.devices[device].is_up() {
            self.devices[device].uncertain.clear();
        }
    }

    fn write(
        &mut self,
        device: usize,
        db: usize,
        edit: Edit,
        content: Content,
        now: Millis,
        author: Option<Author>,
    ) {
        let doc = edit.id.clone();
        let base = match &edit.lineage {
            Lineage::Child(base) => base.clone(),
            Lineage::Path(path) => path.get(1).cloned(),
        };
        match (self.devices[device].write(db, edit, now), author) {
            (Ok(Some(rev)), Some(author)) => {
                let number = self.note(device, db, &doc, &rev, content, author);
                let life = self.devices[device].life;
                let when = self.now + self.random.below(5);
                self.agenda.add(when, Event::Acknowledged { device, life, number });
            }
            (Err(_), Some(_)) => {
                self.devices[device].uncertain.push(Uncertain { db, doc, base, content });
            }
            // A conflict, or nobody's revision.
            (_, _) => {}
        }
    }

    /// Enters a revision that is durable into the ledger.
    pub(crate) fn note(
        &mut self,
        device: usize,
        db: usize,
        doc: &DocId,
        rev: &RevId,
        content: Content,
        author: Author,
    ) -> usize {
        self.trace_line(|_| {
            let body = if content.deleted { "deleted" } else { &content.body };
            format!("{device} wrote {}/{doc} {rev}: {body}", DATABASES[db])
        });
        self.ledger.note(Written {
            device,
            db,
            doc: doc.clone(),
            rev: rev.clone(),
            content,
            when: self.now,
            author,
            acknowledged: false,
        })
    }

    pub(crate) fn crash(&mut self, device: usize) {
        if !self.devices[device].is_up() {
            return;
        }
        self.trace_line(|_| format!("{device} goes down"));
        let ended: Vec<u64> = self
            .transfers
            .values()
            .filter(|transfer| transfer.target == device || transfer.source == device)
            .map(|transfer| transfer.number)
            .collect();
        ended.into_iter().for_each(|transfer| self.end(transfer, Err("a device is down")));
        self.devices[device].crash();
        let pause = self.random.between(10, 4000);
        self.agenda.add(self.now + pause, Event::Restart(device));
    }

    fn restart(&mut self, device: usize) {
        self.trace_line(|_| format!("{device} starts"));
        let now = self.now;
        let started = self.devices[device].restart(now);
        self.expect(started, "a device does not start after a crash");
        for uncertain in std::mem::take(&mut self.devices[device].uncertain) {
            self.find_uncertain(device, uncertain);
        }
        self.verify(device);
        let now = self.devices[device].local(self.now);
        for db in 0..DATABASES.len() {
            // The power may have failed before all conflicts were resolved by a new rule.
            let Some(database) = self.devices[device].database(db).cloned() else { continue };
            match database.resolve_conflicts(now) {
                // Whoever changes a document next decides.
                Ok(_) | Err(Error::DiskFull) => {}
                Err(error) => self.fail(format!("conflicts cannot be resolved: {error}")),
            }
        }
    }

    /// An edit may have become durable just before the power failed.
    fn find_uncertain(&mut self, device: usize, uncertain: Uncertain) {
        let Uncertain { db, doc, base, content } = uncertain;
        let leaves = self.devices[device].leaves(db, &doc);
        let Some(leaves) = self.expect(leaves, "a document cannot be read") else { return };
        let follows = |leaf: &Leaf| base.is_none() || leaf.path.get(1) == base.as_ref();
        let leaves = leaves.into_iter().filter(follows);
        let leaves = leaves.map(|leaf| (leaf.rev().clone(), leaf.content));
        // It may have lost in the very commit.
        let lost = self.overwritten(device, db, &doc);
        let new = |(rev, found): &(RevId, Content)| {
            *found == content && !self.ledger.is_by_somebody(db, &doc, rev)
        };
        let Some((rev, _)) = leaves.chain(lost).find(new) else { return };
        let author = match self.devices[device].role {
            Role::Own | Role::Friend => Author::Hub,
            Role::Dumb => Author::Dumb,
            Role::Liar => Author::Liar,
        };
        self.note(device, db, &doc, &rev, content, author);
    }

    /// Has a device look for damage in all its databases.
    pub(crate) fn verify(&mut self, device: usize) {
        for (db, name) in DATABASES.iter().enumerate() {
            let Some(database) = self.devices[device].database(db) else { continue };
            let findings = database.verify();
            let Some(findings) = self.expect(findings, "a database cannot be verified") else {
                return;
            };
            if let Some(finding) = findings.first() {
                self.fail(format!("device {device}, {name}: damaged: {finding}"));
            }
        }
    }

    /// What succeeded; a failure is one of the run.
    pub(crate) fn expect<T>(&mut self, result: Result<T, Error>, wrong: &str) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.fail(format!("{wrong}: {error}"));
                None
            }
        }
    }

    /// Something happened that must not.
    pub(crate) fn fail(&mut self, failure: String) {
        self.trace_line(|_| format!("FAILED: {failure}"));
        self.failure.get_or_insert(failure);
    }

    pub(crate) fn trace_line(&mut self, line: impl FnOnce(&Self) -> String) {
        let mut trace = std::mem::take(&mut self.trace);
        trace.line(self.now - BEGIN, || line(self));
        self.trace = trace;
    }

    /// Something happens to a transfer later.
    pub(crate) fn signal_later(&mut self, after: u64, transfer: u64, signal: Signal) {
        self.agenda.add(self.now + after, Event::Signal(transfer, signal));
    }
}

#[expect(clippy::expect_used, reason = "a letter is an id")]
fn doc_id(number: usize) -> DocId {
    let letter = char::from(b'a' + number as u8);
    letter.to_string().parse().expect("a document id")
}
