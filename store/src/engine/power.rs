//! What can happen to a disk in memory: its power fails, it is full.

use std::sync::Mutex;

use crate::Error;
use crate::core::lock;

/// Where in a commit the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before it is durable: nothing of it lasts.
    Before,
    /// Once it is durable, and before anybody is told.
    After,
}

/// The power and the room that commits need.
#[derive(Debug)]
pub(crate) struct Power(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Commits until the power fails, the one in which it does among them.
    failing: Option<(u64, Moment)>,
    off: bool,
    full: bool,
    /// SplitMix64: uuids and epochs are to follow from a seed too.
    chance: u64,
}

impl Power {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(State { failing: None, off: false, full: false, chance: seed }))
    }

    /// Has the power fail in the commit after so many others.
    pub(crate) fn fail_after(&self, commits: u64, moment: Moment) {
        lock(&self.0).failing = Some((commits, moment));
    }

    pub(crate) fn is_off(&self) -> bool {
        lock(&self.0).off
    }

    /// Turns it on again, and forgets that it was to fail.
    pub(crate) fn turn_on(&self) {
        let mut state = lock(&self.0);
        (state.failing, state.off) = (None, false);
    }

    pub(crate) fn set_full(&self, full: bool) {
        lock(&self.0).full = full;
    }

    /// Makes a commit durable by `last`, unless something happens to the disk.
    pub(crate) fn commit(&self, last: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let moment = {
            let mut state = lock(&self.0);
            if state.off {
                return Err(no_power());
            }
            if state.full {
                return Err(Error::DiskFull);
            }
            state.next_commit()
        };
        match moment {
            None => last(),
            Some(Moment::Before) => Err(no_power()),
            Some(Moment::After) => last().and_then(|()| Err(no_power())),
        }
    }

    /// Bytes that look like chance.
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut state = lock(&self.0);
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            state.chance = state.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state.chance ^ (state.chance >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes()[..chunk.len()]);
        }
        bytes
    }
}

impl State {
    fn next_commit(&mut self) -> Option<Moment> {
        let (commits, moment) = self.failing?;
        if commits > 0 {
            self.failing = Some((commits - 1, moment));
            return None;
        }
        (self.failing, self.off) = (None, true);
        Some(moment)
    }
}

fn no_power() -> Error {
    Error::Io { action: "commit a write", source: std::io::Error::other("the power is off") }
}
