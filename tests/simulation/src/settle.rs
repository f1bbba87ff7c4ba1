//! The end of a run: nothing goes wrong any more, and the devices come to rest.

use crate::device::{DATABASES, Role};
use crate::event::Event;
use crate::lists::Right;
use crate::world::World;

/// Looks of each device at its peers after which nobody may be busy any more.
const WAKES_MAX: usize = 400;

/// Times that everything held is let go, at most: what comes then may be held elsewhere.
const HOLDS_MAX: usize = 12;

impl World {
    /// Lets people do what they have in mind, while things go wrong.
    pub(crate) fn live(&mut self) {
        while self.devices.iter().any(|device| device.operations_left > 0) {
            if !self.step() {
                return;
            }
        }
    }

    /// Ends all faults, and lets the devices bring each other up to date.
    pub(crate) fn settle(&mut self) {
        self.trace_line(|_| "faults end".into());
        self.calm = true;
        self.network.calm = true;
        self.network.heal();
        self.agenda.retain(|event| !matches!(event, Event::Weather | Event::Heal));
        for device in 0..self.devices.len() {
            self.devices[device].disk.set_full(false);
            self.devices[device].disk.turn_power_on();
        }
        for db in 0..DATABASES.len() {
            self.cut_off_liars(db);
        }
        self.rest();
        for _ in 0..HOLDS_MAX {
            let Some(due) = self.last_due().filter(|_| self.failure.is_none()) else { return };
            self.now = self.now.max(due);
            self.trace_line(|_| "holds pass".into());
            self.rest();
        }
        self.fail("something is held for ever".into());
    }

    /// Nobody listens to those any more who have only lied.
    fn cut_off_liars(&mut self, db: usize) {
        for liar in (0..self.devices.len()).filter(|one| self.devices[*one].role == Role::Liar) {
            for other in (0..self.devices.len()).filter(|other| *other != liar) {
                self.lists.set(other, liar, db, Right::Nothing, self.now);
            }
        }
        (0..self.devices.len()).for_each(|giver| self.publish(giver));
        self.end_forbidden();
    }

    /// When the last revision that is held may be seen.
    fn last_due(&mut self) -> Option<u64> {
        let mut last = None;
        for device in 0..self.devices.len() {
            for db in 0..DATABASES.len() {
                let held = self.devices[device].database(db)?.held();
                let held = self.expect(held, "what is held cannot be read")?;
                let skew = self.devices[device].skew;
                let due = held.iter().map(|held| held.due.0.saturating_add_signed(-skew) + 1);
                last = last.max(due.max());
            }
        }
        last
    }

    /// Lets time pass until nobody is busy.
    fn rest(&mut self) {
        let wakes_max = WAKES_MAX * self.devices.len();
        let mut wakes = 0;
        while !self.is_quiet() {
            wakes += usize::from(self.agenda.is_wake_next());
            if wakes > wakes_max {
                let busy = self.busy();
                return self.fail(format!("still busy after {wakes} wakes: {busy}"));
            }
            if !self.step() {
                return;
            }
        }
    }

    fn is_quiet(&self) -> bool {
        self.transfers.is_empty()
            && self.agenda.only_wakes()
            && self.devices.iter().all(|device| device.is_up())
            && self.waiting().next().is_none()
            && !self.is_any_release_due()
    }

    /// Target, source and database of what is not up to date.
    fn waiting(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let targets =
            (0..self.devices.len()).filter(|target| self.devices[*target].role != Role::Liar);
        targets.flat_map(|target| {
            let behind = self.behind(target);
            behind.into_iter().map(move |(source, db)| (target, source, db))
        })
    }

    fn busy(&self) -> String {
        let waiting: Vec<String> = self
            .waiting()
            .map(|(target, source, db)| format!("{target} <- {source} database {db}"))
            .collect();
        format!("{} transfers, waiting: {}", self.transfers.len(), waiting.join(", "))
    }
}
