//! A data limit: bytes that may be carried in a second.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::Instant;

/// What may be carried at once after a pause, as time: so many seconds' worth.
const SAVED: Duration = Duration::from_secs(1);

/// Pieces that a second's worth is carried in, so that streams take turns.
const PIECES_PER_SECOND: u64 = 8;

/// Largest piece, in bytes.
const PIECE_BYTES_MAX: u64 = 16 * 1024;

/// A stock of bytes that fills steadily: what was taken from it is paid for by waiting.
#[derive(Debug)]
pub(super) struct Bucket {
    bytes_per_second: NonZeroU64,
    /// When everything that was taken is paid for.
    paid: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(bytes_per_second: NonZeroU64, now: Instant) -> Self {
        Self { bytes_per_second, paid: now.checked_sub(SAVED).unwrap_or(now) }
    }

    /// Most bytes to take at a time.
    pub(super) fn piece(&self) -> usize {
        let piece = (self.bytes_per_second.get() / PIECES_PER_SECOND).clamp(1, PIECE_BYTES_MAX);
        usize::try_from(piece).unwrap_or(usize::MAX)
    }

    /// When something may be taken, unless that is now.
    pub(super) fn not_before(&self, now: Instant) -> Option<Instant> {
        (self.paid > now).then_some(self.paid)
    }

    /// Notes that so many bytes were carried.
    pub(super) fn take(&mut self, bytes: u64, now: Instant) {
        let saved = now.checked_sub(SAVED).unwrap_or(now);
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second.get());
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.paid = self.paid.max(saved) + cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_paid_by_waiting() {
        let begin = Instant::now();
        let after = |ms| begin + Duration::from_millis(ms);
        let mut bucket = Bucket::new(NonZeroU64::new(800).unwrap(), begin);
        assert_eq!(bucket.piece(), 100);
        // A second's worth at once, and then a piece whenever an eighth of a second has passed.
        for _ in 0..9 {
            assert_eq!(bucket.not_before(begin), None);
            bucket.take(100, begin);
        }
        assert_eq!(bucket.not_before(begin), Some(after(125)));
        assert_eq!(bucket.not_before(after(125)), None);
        bucket.take(100, after(125));
        assert_eq!(bucket.not_before(after(125)), Some(after(250)));
        // No more than a second's worth is saved, however long nobody takes any.
        for _ in 0..9 {
            bucket.take(100, after(60_000));
        }
        assert_eq!(bucket.not_before(after(60_000)), Some(after(60_125)));
    }

    #[test]
    fn slow_and_fast_limits_have_pieces() {
        let piece = |rate| Bucket::new(NonZeroU64::new(rate).unwrap(), Instant::now()).piece();
        assert_eq!((piece(1), piece(u64::MAX)), (1, 16 * 1024));
    }
}
