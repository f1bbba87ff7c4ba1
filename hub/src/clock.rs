//! The one place that reads the clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use store::Millis;

/// Wall-clock time; before 1970 it stands still at 0.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// A moment to measure from; no wall clock sets it back.
pub(crate) fn instant() -> Instant {
    Instant::now()
}
