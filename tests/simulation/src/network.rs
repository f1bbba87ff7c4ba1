//! What lies between the devices: messages are late, lost, or find no way.

use std::collections::BTreeSet;

use crate::profile::Profile;
use crate::random::Random;

/// How long somebody waits for an answer, in milliseconds.
pub(crate) const TIMEOUT_MS: u64 = 5_000;

/// Which devices reach each other.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// Pairs without a way, the lower number first.
    cut_off: BTreeSet<(usize, usize)>,
    /// From now on nothing is lost.
    pub(crate) calm: bool,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives after so many milliseconds.
    Arrives(u64),
    Lost,
}

impl Network {
    pub(crate) fn reaches(&self, one: usize, other: usize) -> bool {
        !self.cut_off.contains(&pair(one, other))
    }

    /// Cuts the ways between two groups of devices.
    pub(crate) fn part(&mut self, apart: &[usize], devices: usize) {
        for one in apart {
            for other in (0..devices).filter(|other| !apart.contains(other)) {
                self.cut_off.insert(pair(*one, other));
            }
        }
    }

    pub(crate) fn heal(&mut self) {
        self.cut_off.clear();
    }

    pub(crate) fn send(
        &self,
        one: usize,
        other: usize,
        profile: &Profile,
        random: &mut Random,
    ) -> Fate {
        let lost = !self.calm && random.chance(profile.lost);
        if lost || !self.reaches(one, other) {
            return Fate::Lost;
        }
        Fate::Arrives(random.between(1, profile.delay_max))
    }
}

fn pair(one: usize, other: usize) -> (usize, usize) {
    (one.min(other), one.max(other))
}
