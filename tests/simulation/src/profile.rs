//! What a seed makes likely: no two runs ask the same of the hubs.

use crate::random::Random;

/// How a run is made up.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// Hubs of one person, and of that person's friends.
    pub(crate) own: usize,
    pub(crate) friends: usize,
    /// A peer that knows CouchDB's protocol alone takes part, and edits.
    pub(crate) dumb: bool,
    /// A friend's device that lies takes part.
    pub(crate) liar: bool,
    /// What a person does at each hub.
    pub(crate) operations: u64,
    pub(crate) documents: usize,
    /// Milliseconds between two of them, at most.
    pub(crate) pause_max: u64,
    /// Milliseconds between two looks of a hub at what its peers have, at most.
    pub(crate) wake_max: u64,
    /// Milliseconds a message travels, at most, and a commit takes.
    pub(crate) delay_max: u64,
    pub(crate) commit_max: u64,
    /// In a hundred: messages lost, streams cut, requests doubled.
    pub(crate) lost: u64,
    pub(crate) cut: u64,
    pub(crate) doubled: u64,
    /// Milliseconds between two events of the world, at most; 0 for none.
    pub(crate) weather_max: u64,
    /// Pulls that take CouchDB's protocol between hubs, in a hundred.
    pub(crate) couchdb: u64,
    pub(crate) clocks: Clocks,
    /// In a hundred of the occasions: the conflict rule is changed.
    pub(crate) rules: u64,
    /// In a hundred: pulls by a hub that has no room for some of the documents.
    pub(crate) full: u64,
}

/// How the devices' clocks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clocks {
    /// Not at all.
    Right,
    /// By up to two minutes.
    Near,
    /// Some by up to a year.
    Wild,
}

const MINUTE_MS: u64 = 60_000;
const YEAR_MS: u64 = 365 * 24 * 60 * MINUTE_MS;

impl Profile {
    /// What a seed makes of it; whether there is room is drawn apart.
    pub(crate) fn draw(random: &mut Random, full: &mut Random) -> Self {
        let hubs = random.between(3, 5) as usize;
        let own = random.between(2, hubs as u64) as usize;
        let rough = random.chance(70);
        let mut often = |percent_max| if rough { random.below(percent_max) } else { 0 };
        let (lost, cut, doubled) = (often(10), often(15), often(10));
        Self {
            own,
            friends: hubs - own,
            dumb: random.chance(40),
            liar: random.chance(40),
            operations: 200,
            documents: random.between(2, 12) as usize,
            pause_max: random.between(100, 400),
            wake_max: random.between(1000, 8000),
            delay_max: random.between(5, 800),
            commit_max: random.between(1, 120),
            lost,
            cut,
            doubled,
            weather_max: if rough { random.between(250, 4000) } else { 0 },
            couchdb: if random.chance(50) { random.below(60) } else { 0 },
            rules: if random.chance(30) { 30 } else { 0 },
            full: if full.chance(30) { full.between(10, 60) } else { 0 },
            clocks: *random
                .pick(&[Clocks::Right, Clocks::Near, Clocks::Wild])
                .unwrap_or(&Clocks::Right),
        }
    }

    /// By how many milliseconds a clock is fast, or slow where negative.
    pub(crate) fn skew(&self, random: &mut Random) -> i64 {
        let most = match self.clocks {
            Clocks::Right => 0,
            Clocks::Near => 2 * MINUTE_MS,
            Clocks::Wild if random.chance(40) => 0,
            Clocks::Wild => YEAR_MS,
        };
        random.between(0, 2 * most) as i64 - most as i64
    }
}
