//! How many requests may come in a time.

use store::Millis;

/// Requests that may come at once, and how long it takes until there is room for another one.
const ROOM_MAX: u64 = 20;
const EVERY_MS: u64 = 6000;

/// Room for requests.
#[derive(Debug)]
pub(super) struct Bucket {
    room_max: u64,
    every_ms: u64,
    /// Until when the room is used, as if requests came one after the other.
    used_until_ms: u64,
}

impl Default for Bucket {
    fn default() -> Self {
        Self::new(ROOM_MAX, EVERY_MS)
    }
}

impl Bucket {
    /// Room for so many requests at once, and for one more after each of these times.
    pub(super) fn new(room_max: u64, every_ms: u64) -> Self {
        Self { room_max, every_ms, used_until_ms: 0 }
    }

    /// Takes room for one more, where there is some.
    pub(super) fn take(&mut self, now: Millis) -> bool {
        let used_until_ms = self.used_until_ms.max(now.0) + self.every_ms;
        let has_room = used_until_ms <= now.0 + self.room_max * self.every_ms;
        if has_room {
            self.used_until_ms = used_until_ms;
        } else if self.used_until_ms > now.0 + self.room_max * self.every_ms {
            // The clock was put back.
            self.used_until_ms = now.0 + self.room_max * self.every_ms;
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back_with_time() {
        let mut bucket = Bucket::default();
        let taken =
            |bucket: &mut Bucket, now| (0..100).filter(|_| bucket.take(Millis(now))).count();
        assert_eq!(taken(&mut bucket, 1_000_000), 20);
        assert_eq!(taken(&mut bucket, 1_006_000), 1);
        assert_eq!(taken(&mut bucket, 9_000_000), 20);
        assert_eq!(taken(&mut bucket, 0), 0, "the clock was put back");
        assert_eq!(taken(&mut bucket, 6_000), 1);
    }
}
