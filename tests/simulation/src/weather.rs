//! What goes wrong in the world, and what its people decide meanwhile.

use store::Moment;

use crate::device::{DATABASES, Role};
use crate::event::Event;
use crate::world::World;

impl World {
    /// Something happens somewhere.
    pub(crate) fn weather(&mut self) {
        if self.calm {
            return;
        }
        let pause = self.random.between(self.profile.weather_max / 8, self.profile.weather_max);
        self.agenda.add(self.now + pause, Event::Weather);
        let device = self.random.below(self.devices.len() as u64) as usize;
        match self.random.below(12) {
            0 | 1 => self.part(),
            2 => self.crash(device),
            3..=6 => self.let_power_fail(device),
            7 => self.fill_disk(device),
            8 => {
                let skew = self.profile.skew(&mut self.random);
                self.devices[device].skew = skew;
                self.trace_line(|_| format!("{device}'s clock is fast by {skew} ms"));
            }
            _ => self.change_right(),
        }
    }

    fn part(&mut self) {
        let all = self.devices.len();
        let mut apart: Vec<usize> = (0..all).collect();
        apart.retain(|_| self.random.chance(40));
        self.trace_line(|_| format!("the network parts: {apart:?}"));
        self.network.part(&apart, all);
        let pause = self.random.between(100, 15_000);
        self.agenda.add(self.now + pause, Event::Heal);
    }

    fn let_power_fail(&mut self, device: usize) {
        if !self.devices[device].is_up() {
            return;
        }
        let commits = self.random.below(5);
        let moment = if self.random.chance(50) { Moment::Before } else { Moment::After };
        self.trace_line(|_| format!("{device}'s power fails in {commits} commits, {moment:?}"));
        self.devices[device].disk.fail_power_after(commits, moment);
    }

    fn fill_disk(&mut self, device: usize) {
        self.trace_line(|_| format!("{device}'s disk is full"));
        self.devices[device].disk.set_full(true);
        let pause = self.random.between(50, 4000);
        self.agenda.add(self.now + pause, Event::Room(device));
    }

    /// Somebody shares a database with a friend, or does so no more.
    fn change_right(&mut self) {
        let all = self.devices.len() as u64;
        let (giver, taker) = (self.random.below(all) as usize, self.random.below(all) as usize);
        let roles = (self.devices[giver].role, self.devices[taker].role);
        let between_friends =
            matches!(roles, (Role::Friend, Role::Own | Role::Friend) | (Role::Own, Role::Friend));
        if giver == taker || !between_friends {
            return;
        }
        let db = self.random.below(DATABASES.len() as u64) as usize;
        let right = self.any_right();
        self.trace_line(|_| format!("{giver} gives {taker}: {right:?} {}", DATABASES[db]));
        self.lists.set(giver, taker, db, right, self.now);
        self.publish(giver);
        self.end_forbidden();
    }
}
