//! Who may do what with whose databases: as `acl` has it, and as the checker remembers it.

use std::sync::Arc;

use acl::{Document, Policies};
use store::DbUuid;

/// What one device lets another do with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Right {
    Nothing,
    Read,
    Write,
}

/// A time in which a database could pass from one device to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) db: usize,
    pub(crate) since: u64,
    /// `u64::MAX` as long as it lasts.
    pub(crate) until: u64,
}

/// All rights, and all that ever were.
#[derive(Debug)]
pub(crate) struct Lists {
    devices: usize,
    databases: usize,
    /// By giver, taker and database.
    rights: Vec<Right>,
    openings: Vec<Opening>,
}

impl Lists {
    pub(crate) fn new(devices: usize, databases: usize) -> Self {
        let rights = vec![Right::Nothing; devices * devices * databases];
        Self { devices, databases, rights, openings: Vec::new() }
    }

    /// What `giver` lets `taker` do.
    pub(crate) fn right(&self, giver: usize, taker: usize, db: usize) -> Right {
        self.rights[self.place(giver, taker, db)]
    }

    pub(crate) fn set(&mut self, giver: usize, taker: usize, db: usize, right: Right, now: u64) {
        let place = self.place(giver, taker, db);
        self.rights[place] = right;
        for (from, to) in [(giver, taker), (taker, giver)] {
            let running = |opening: &&mut Opening| {
                (opening.from, opening.to, opening.db, opening.until) == (from, to, db, u64::MAX)
            };
            let open = self.is_open(from, to, db);
            match (self.openings.iter_mut().find(running), open) {
                (Some(opening), false) => opening.until = now,
                (None, true) => {
                    self.openings.push(Opening { from, to, db, since: now, until: u64::MAX });
                }
                (Some(_), true) | (None, false) => {}
            }
        }
    }

    /// Whether a database passes from one device to another: the one lets it be read, the other written.
    pub(crate) fn is_open(&self, from: usize, to: usize, db: usize) -> bool {
        from != to
            && self.right(from, to, db) >= Right::Read
            && self.right(to, from, db) >= Right::Write
    }

    /// Whether anybody lets a device read a database.
    pub(crate) fn may_see(&self, device: usize, db: usize) -> bool {
        (0..self.devices)
            .any(|giver| giver != device && self.right(giver, device, db) >= Right::Read)
    }

    /// When each device can have had, at the earliest, what one of them wrote then; `u64::MAX` for never.
    pub(crate) fn arrivals(&self, db: usize, writer: usize, when: u64) -> Vec<u64> {
        let mut arrivals = vec![u64::MAX; self.devices];
        arrivals[writer] = when;
        loop {
            let mut changed = false;
            for opening in self.openings.iter().filter(|opening| opening.db == db) {
                let left = arrivals[opening.from];
                let arrives = left.max(opening.since);
                if left <= opening.until && left != u64::MAX && arrives < arrivals[opening.to] {
                    (arrivals[opening.to], changed) = (arrives, true);
                }
            }
            if !changed {
                return arrivals;
            }
        }
    }

    /// What `_acl` of a device says: its own person's devices, and lists for the others.
    pub(crate) fn policies(
        &self,
        giver: usize,
        keys: &[&str],
        own: &dyn Fn(usize) -> bool,
        uuids: &[DbUuid],
    ) -> Arc<Policies> {
        let mut documents = Vec::new();
        for taker in (0..self.devices).filter(|taker| *taker != giver && own(*taker)) {
            documents.push((format!("principal/{}", keys[taker]), r#"{"own":true}"#.to_owned()));
        }
        for (db, uuid) in uuids.iter().enumerate() {
            let named = |right| {
                let takers = (0..self.devices).filter(|taker| *taker != giver && !own(*taker));
                let takers = takers.filter(|taker| self.right(giver, *taker, db) == right);
                takers.map(|taker| format!("{:?}", keys[taker])).collect::<Vec<_>>().join(",")
            };
            let (readers, members) = (named(Right::Read), named(Right::Write));
            let body = format!(
                r#"{{"readers":{{"names":[{readers}]}},"members":{{"names":[{members}]}}}}"#
            );
            documents.push((format!("database/{uuid}"), body));
        }
        let documents = documents.iter().map(|(id, body)| Document { id, body });
        Arc::new(Policies::read(None, documents))
    }

    fn place(&self, giver: usize, taker: usize, db: usize) -> usize {
        (giver * self.devices + taker) * self.databases + db
    }
}
