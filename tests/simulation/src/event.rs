//! What happens, sooner or later.

use std::collections::BTreeMap;

use replication::sync::{Checkpoint, Delivery, QuestionId, TakeId};
use store::{ConflictRule, Edit, Millis};

use crate::content::Content;
use crate::courier::Parcels;
use crate::ledger::Author;
use crate::pull::Stream;

/// Something that happens at a time of its own.
#[derive(Debug)]
pub(crate) enum Event {
    /// A person does something at a device.
    Person(usize),
    /// A device looks at what its peers have.
    Wake(usize),
    /// A fault begins somewhere.
    Weather,
    /// The network is whole again.
    Heal,
    /// A disk has room again.
    Room(usize),
    /// A device that was down starts.
    Restart(usize),
    /// A disk does what it was asked, unless the device went down meanwhile.
    Disk { device: usize, life: u32, job: Job },
    /// A person is told that an edit is durable.
    Acknowledged { device: usize, life: u32, number: usize },
    /// Something happens to a transfer, unless it is over.
    Signal(u64, Signal),
}

/// What a disk is asked to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// What somebody writes; without an author it is not noted.
    Edit {
        db: usize,
        edit: Edit,
        content: Content,
        now: Millis,
        author: Option<Author>,
    },
    Compact {
        db: usize,
    },
    /// A rule to follow from now on.
    Rule {
        db: usize,
        rule: ConflictRule,
    },
    /// Held revisions whose time has come are taken in.
    Release {
        db: usize,
    },
    Dismiss {
        db: usize,
        id: u64,
    },
    /// Revisions from CouchDB's protocol.
    Deliver {
        transfer: u64,
        parcels: Parcels,
    },
    /// An answer's batch, of `larder-sync/1`.
    Take {
        transfer: u64,
        id: TakeId,
        delivery: Box<Delivery>,
    },
    Remember {
        transfer: u64,
        checkpoint: Checkpoint,
    },
    /// How far a transfer by CouchDB's protocol has come.
    Note {
        transfer: u64,
        through: String,
    },
}

/// What happens to a transfer.
#[derive(Debug)]
pub(crate) enum Signal {
    /// A message arrived: its receiver goes on.
    Step,
    /// A message was waited for in vain.
    Lost,
    /// Something happens to an answer.
    Stream(QuestionId, Stream),
}

/// What is to happen, in order.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    events: BTreeMap<(u64, u64), Event>,
    added: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, when: u64, event: Event) {
        self.added += 1;
        self.events.insert((when, self.added), event);
    }

    pub(crate) fn next(&mut self) -> Option<(u64, Event)> {
        self.events.pop_first().map(|((when, _), event)| (when, event))
    }

    /// Whether a device looks at its peers next.
    pub(crate) fn is_wake_next(&self) -> bool {
        self.events.first_key_value().is_some_and(|(_, event)| matches!(event, Event::Wake(_)))
    }

    /// Whether nothing else is to happen but that devices look at their peers.
    pub(crate) fn only_wakes(&self) -> bool {
        self.events.values().all(|event| matches!(event, Event::Wake(_)))
    }

    /// Forgets the events that are not meant.
    pub(crate) fn retain(&mut self, meant: impl Fn(&Event) -> bool) {
        self.events.retain(|_, event| meant(event));
    }
}
