//! How much may come in an hour.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use store::Millis;

/// What is counted together, and for how long it counts.
const SLOT_MS: u64 = 60 * 1000;
const SLOTS: u64 = 60;

/// Bytes that came in the last hour, and how many may.
#[derive(Clone, Debug)]
pub struct Budget {
    bytes_max: NonZeroU64,
    /// Of each minute in which something came: its number, and bytes.
    slots: VecDeque<(u64, u64)>,
}

impl Budget {
    /// So many bytes an hour.
    #[must_use]
    pub fn new(bytes_max: NonZeroU64) -> Self {
        Self { bytes_max, slots: VecDeque::new() }
    }

    /// So many bytes have come.
    pub fn spend(&mut self, bytes: u64, now: Millis) {
        let slot = now.0 / SLOT_MS;
        self.slots.retain(|(of, _)| of + SLOTS > slot);
        match self.slots.back_mut() {
            Some((of, spent)) if *of == slot => *spent = spent.saturating_add(bytes),
            _ => self.slots.push_back((slot, bytes)),
        }
    }

    /// When more may come, where nothing may now: once half of what may come in an hour is free again.
    #[must_use]
    pub fn exhausted_until(&self, now: Millis) -> Option<Millis> {
        let slot = now.0 / SLOT_MS;
        let counted = self.slots.iter().filter(|(of, _)| of + SLOTS > slot);
        let mut spent = counted.clone().fold(0u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
        if spent < self.bytes_max.get() {
            return None;
        }
        for (of, bytes) in counted {
            spent = spent.saturating_sub(*bytes);
            if spent <= self.bytes_max.get() / 2 {
                return Some(Millis((of + SLOTS) * SLOT_MS));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60 * 1000;

    #[test]
    fn what_came_an_hour_ago_counts_no_more() {
        let mut budget = Budget::new(NonZeroU64::new(1000).unwrap());
        let start = 100 * HOUR;
        budget.spend(400, Millis(start));
        budget.spend(500, Millis(start + 10 * SLOT_MS));
        assert_eq!(budget.exhausted_until(Millis(start + 10 * SLOT_MS)), None);
        budget.spend(100, Millis(start + 20 * SLOT_MS));
        // The first 400 are not half of it; with the next 500 they are.
        let free = Millis(start + HOUR + 10 * SLOT_MS);
        assert_eq!(budget.exhausted_until(Millis(start + 20 * SLOT_MS)), Some(free));
        assert_eq!(budget.exhausted_until(free), None);
    }
}
