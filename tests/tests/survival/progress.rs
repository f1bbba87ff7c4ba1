//! How far the writers are, and whether the hub's death is expected by now.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A hub that acknowledges nothing for so long has a fault of another kind.
const PATIENCE: Duration = Duration::from_secs(120);

/// Short beside the shortest thing that is waited for.
const LOOK_EVERY: Duration = Duration::from_micros(300);

#[derive(Default)]
pub(crate) struct Progress {
    writes: Mutex<u64>,
    written: Condvar,
    kill_announced: AtomicBool,
}

impl Progress {
    /// Notes acknowledged writes.
    pub(crate) fn add(&self, writes: u64) {
        *self.writes.lock().unwrap_or_else(PoisonError::into_inner) += writes;
        self.written.notify_all();
    }

    /// Waits for so many more acknowledged writes.
    pub(crate) fn await_writes(&self, more: u64) {
        let deadline = Instant::now() + PATIENCE;
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let target = *writes + more;
        while *writes < target && !self.kill_is_announced() {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "stuck at {} of {target} acknowledged writes", *writes);
            let woken = self.written.wait_timeout(writes, left);
            writes = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until this is seen, while the writers go on.
    pub(crate) fn await_sight(&self, what: &str, mut seen: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !seen() {
            assert!(Instant::now() < deadline, "never seen: {what}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// From now on a broken connection is no surprise.
    pub(crate) fn announce_kill(&self) {
        self.kill_announced.store(true, Ordering::SeqCst);
        self.written.notify_all();
    }

    pub(crate) fn kill_is_announced(&self) -> bool {
        self.kill_announced.load(Ordering::SeqCst)
    }
}
