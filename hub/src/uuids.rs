//! Ids for documents that come without one.
//!
//! Source: `couch_uuids`.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use store::Millis;

/// How ids are made; CouchDB's `uuids/algorithm`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// 32 hexadecimal digits in ascending order: twelve of the time, fourteen of chance, six that
    /// count on. Neighbours in time are neighbours in the tree of ids; CouchDB's prefix has no time
    /// in it.
    #[default]
    Sequential,
    /// 32 hexadecimal digits of chance.
    Random,
    /// 14 hexadecimal digits of microseconds, 18 of chance.
    UtcRandom,
    /// 14 hexadecimal digits of microseconds, and this.
    UtcId(String),
}

/// Makes ids.
#[derive(Debug, Default)]
pub(crate) struct Uuids(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    prefix: String,
    count: u32,
    random: [u8; RANDOM_BYTES],
    used: usize,
    /// The last microsecond that an id has in it; no two have the same.
    micros: u64,
}

/// Random bytes fetched at a time, two per id.
const RANDOM_BYTES: usize = 32;

/// Where six digits end; the next id begins a new prefix.
const COUNT_END: u32 = 0x00ff_f000;

impl Uuids {
    /// The next id.
    pub(crate) fn next(
        &self,
        algorithm: &Algorithm,
        now: Millis,
    ) -> Result<String, getrandom::Error> {
        // A thread that panicked here left a state that is still good for the next id.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match algorithm {
            Algorithm::Sequential => state.next(now),
            Algorithm::Random => chance::<16>(),
            Algorithm::UtcRandom => Ok(format!("{:014x}{}", state.micros(now), chance::<9>()?)),
            Algorithm::UtcId(suffix) => Ok(format!("{:014x}{suffix}", state.micros(now))),
        }
    }
}

/// So many random bytes in hexadecimal digits.
fn chance<const N: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    let mut digits = String::with_capacity(2 * N);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _written = write!(digits, "{byte:02x}");
    }
    Ok(digits)
}

impl State {
    fn next(&mut self, now: Millis) -> Result<String, getrandom::Error> {
        if self.prefix.is_empty() || self.count >= COUNT_END {
            self.begin(now)?;
        }
        self.count += 1 + u32::from(self.step()?);
        Ok(format!("{}{:06x}", self.prefix, self.count))
    }

    fn begin(&mut self, now: Millis) -> Result<(), getrandom::Error> {
        self.prefix = format!("{:012x}{}", now.0 & 0xffff_ffff_ffff, chance::<7>()?);
        self.count = 0;
        Ok(())
    }

    /// Microseconds since 1970, each once.
    fn micros(&mut self, now: Millis) -> u64 {
        self.micros = now.0.saturating_mul(1000).max(self.micros + 1);
        self.micros
    }

    /// How far the next id lies ahead: up to 4,095, so that ids cannot be guessed from each other.
    fn step(&mut self) -> Result<u16, getrandom::Error> {
        if self.used == 0 {
            getrandom::fill(&mut self.random)?;
        }
        let pair = [self.random[self.used], self.random[self.used + 1]];
        self.used = (self.used + 2) % RANDOM_BYTES;
        Ok(u16::from_le_bytes(pair) & 0x0fff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(algorithm: &Algorithm, count: u64, holds: impl Fn(&str) -> bool) -> Vec<String> {
        let uuids = Uuids::default();
        // A clock that stands still for a hundred ids.
        let now = |round| Millis(1_700_000_000_000 + round / 100);
        let ids = (0..count).map(|round| uuids.next(algorithm, now(round)).unwrap());
        let ids: Vec<String> = ids.collect();
        let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        for id in &ids {
            assert!(holds(id), "{algorithm:?} {id}");
        }
        ids
    }

    fn hex(id: &str) -> bool {
        id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    }

    #[test]
    fn ids_ascend_and_have_32_digits() {
        for algorithm in [Algorithm::Sequential, Algorithm::UtcRandom] {
            let ids = check(&algorithm, 20_000, hex);
            assert!(ids.is_sorted(), "{algorithm:?}");
        }
        check(&Algorithm::Random, 1000, hex);
        let ids = check(&Algorithm::UtcId("-hub".into()), 1000, |id| {
            id.starts_with("060a24181e") && id.ends_with("-hub") && id.len() == 18
        });
        assert!(ids.is_sorted());
    }

    #[test]
    fn sequential_ids_share_a_prefix() {
        let ids = check(&Algorithm::Sequential, 100, hex);
        assert!(ids.iter().all(|id| id[..26] == ids[0][..26]));
    }
}
