//! Waiting for what a hub does in the background.

use std::time::{Duration, Instant};

/// Far longer than anything takes that is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Looks again and again until there is what is waited for.
///
/// # Panics
/// With what was seen last, when it does not come.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    eventually_within(LIMIT, what, look)
}

/// The same of what takes its time.
///
/// # Panics
/// With what was seen last, when it does not come.
#[track_caller]
pub fn eventually_within<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if Instant::now() > deadline => panic!("{what} did not come: {seen}"),
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}
