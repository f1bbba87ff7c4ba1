//! How often others may send messages of a pairing: each key, and all together.

use std::collections::HashMap;
use std::time::Instant;

use identity::PublicKey;

/// Messages that one key may send at once, and further ones in a second. One that pairs sends some at the
/// beginning and two a second from then on.
const KEY: Limit = Limit { at_once: 20.0, each_s: 5.0 };

/// The same of all keys that are not being paired with: keys cost nothing.
const STRANGERS: Limit = Limit { at_once: 40.0, each_s: 5.0 };

/// Keys that are remembered at a time; whoever is not begins anew.
const KEYS_MAX: usize = 256;

#[derive(Clone, Copy)]
struct Limit {
    at_once: f64,
    each_s: f64,
}

/// What was sent lately.
#[derive(Debug, Default)]
pub(super) struct Rate {
    keys: HashMap<PublicKey, Spent>,
    strangers: Spent,
}

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    /// Messages that still count, and as of when.
    messages: f64,
    at: Option<Instant>,
}

impl Spent {
    /// Counts one more; how many seconds to wait where that is too many.
    fn one_more(&mut self, limit: Limit, now: Instant) -> Result<(), u64> {
        let passed = self.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.messages = (self.messages - passed * limit.each_s).max(0.0);
        self.at = Some(now);
        if self.messages + 1.0 > limit.at_once {
            return Err(1);
        }
        self.messages += 1.0;
        Ok(())
    }
}

impl Rate {
    /// Counts a message of this key; how many seconds to wait where there are too many.
    pub(super) fn one_more(
        &mut self,
        key: PublicKey,
        is_stranger: bool,
        now: Instant,
    ) -> Result<(), u64> {
        if !self.keys.contains_key(&key) && self.keys.len() >= KEYS_MAX {
            let oldest = self.keys.iter().min_by_key(|(_, spent)| spent.at).map(|(key, _)| *key);
            oldest.map(|oldest| self.keys.remove(&oldest));
        }
        self.keys.entry(key).or_default().one_more(KEY, now)?;
        if is_stranger { self.strangers.one_more(STRANGERS, now) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use identity::DeviceKey;

    use super::*;

    fn key(number: u32) -> PublicKey {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        DeviceKey::from_seed(&seed).public()
    }

    #[test]
    fn a_key_has_its_share() {
        let (mut rate, now) = (Rate::default(), Instant::now());
        let sent = (0..100).filter(|_| rate.one_more(key(1), false, now).is_ok()).count();
        assert_eq!(sent, 20);
        let later = now + Duration::from_secs(2);
        let sent = (0..100).filter(|_| rate.one_more(key(1), false, later).is_ok()).count();
        assert_eq!(sent, 10);
    }

    #[test]
    fn many_keys_share_one_and_take_nothing_from_whoever_is_paired_with() {
        let (mut rate, now) = (Rate::default(), Instant::now());
        let sent = (0..1000).filter(|n| rate.one_more(key(*n), true, now).is_ok()).count();
        assert_eq!((sent, rate.keys.len()), (40, KEYS_MAX));
        assert!(rate.one_more(key(5000), false, now).is_ok());
    }
}
