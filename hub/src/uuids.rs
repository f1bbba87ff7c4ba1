//! Ids for documents that come without one.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use store::Millis;

/// Ids of 32 hexadecimal digits in ascending order: twelve of the time, fourteen of chance, six
/// that count on. Neighbours in time are neighbours in the tree of ids, as with CouchDB's
/// `sequential`; its prefix has no time in it.
#[derive(Debug, Default)]
pub(crate) struct Uuids(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    prefix: String,
    count: u32,
    random: [u8; RANDOM_BYTES],
    used: usize,
}

/// Random bytes fetched at a time, two per id.
const RANDOM_BYTES: usize = 32;

/// Where six digits end; the next id begins a new prefix.
const COUNT_END: u32 = 0x00ff_f000;

impl Uuids {
    /// The next id.
    pub(crate) fn next(&self, now: Millis) -> Result<String, getrandom::Error> {
        // A thread that panicked here left a state that is still good for the next id.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.next(now)
    }
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
        let mut chance = [0; 7];
        getrandom::fill(&mut chance)?;
        self.prefix = format!("{:012x}", now.0 & 0xffff_ffff_ffff);
        for byte in chance {
            // Writing to a string cannot fail.
            let _written = write!(self.prefix, "{byte:02x}");
        }
        self.count = 0;
        Ok(())
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

    #[test]
    fn ids_ascend_and_have_32_digits() {
        let uuids = Uuids::default();
        let mut last = String::new();
        for round in 0..20_000_u64 {
            let id = uuids.next(Millis(1_700_000_000_000 + round)).unwrap();
            assert_eq!(id.len(), 32);
            assert!(id.bytes().all(|b| b.is_ascii_hexdigit()));
            assert!(id > last, "{id} after {last}");
            last = id;
        }
    }
}
