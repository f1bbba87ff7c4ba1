//! Codes of one-time links that begin a session of the pages: held in memory, since whoever asks for one
//! follows it at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use identity::key_file::KeyFileError;

use super::token::{Token, TokenHash};

/// How long a code is good.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(5 * 60);

/// Codes that may be good at a time; the oldest makes room.
const CODES_MAX: usize = 8;

/// Codes that are good.
#[derive(Default)]
pub(crate) struct Links(Mutex<Vec<(TokenHash, Instant)>>);

impl Links {
    /// A code of 256 random bits, good once, and not for long.
    pub(crate) fn make(&self, now: Instant) -> Result<Token, KeyFileError> {
        let code = Token::random()?;
        let hash = TokenHash::of(code.expose())?;
        let mut codes = self.good(now);
        if codes.len() >= CODES_MAX {
            codes.remove(0);
        }
        codes.push((hash, now + GOOD_FOR));
        Ok(code)
    }

    /// Uses a code up; whether it was one.
    pub(crate) fn redeem(&self, code: &[u8], now: Instant) -> bool {
        let mut codes = self.good(now);
        // All are compared, so that the time tells nothing of which.
        let mut found = None;
        for (index, (hash, _)) in codes.iter().enumerate() {
            if hash.matches(code) {
                found = Some(index);
            }
        }
        found.map(|index| codes.remove(index)).is_some()
    }

    fn good(&self, now: Instant) -> MutexGuard<'_, Vec<(TokenHash, Instant)>> {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|(_, until)| *until > now);
        codes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once_and_not_for_long() {
        let (links, now) = (Links::default(), Instant::now());
        let code = links.make(now).unwrap();
        let other = links.make(now).unwrap();
        assert!(!links.redeem(b"", now) && !links.redeem(&code.expose().as_bytes()[1..], now));
        assert!(links.redeem(code.expose().as_bytes(), now));
        assert!(!links.redeem(code.expose().as_bytes(), now), "twice");
        assert!(!links.redeem(other.expose().as_bytes(), now + GOOD_FOR), "late");
    }

    #[test]
    fn few_are_good_at_a_time() {
        let (links, now) = (Links::default(), Instant::now());
        let codes: Vec<_> = (0..=CODES_MAX).map(|_| links.make(now).unwrap()).collect();
        let good = codes.iter().filter(|code| links.redeem(code.expose().as_bytes(), now));
        assert_eq!(good.count(), CODES_MAX, "the oldest is not");
    }
}
