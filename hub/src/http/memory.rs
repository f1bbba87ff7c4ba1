//! Memory that the requests of all clients may take together.
//!
//! Each body is bounded by itself; so many of them at a time would still be too much. What a request
//! holds of its body, and of what is read from it, is taken from one stock and given back when it is
//! answered.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::HttpError;

/// What each request has without asking.
const FREE_BYTES: u64 = 64 * 1024;

/// The stock is counted in these.
const UNIT_BYTES: u64 = 4096;

/// How long a request waits for others to end.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Bytes that an object takes once it is a value in memory, beside its members' own.
const OBJECT_BYTES: u64 = 640;

/// Bytes that any document takes, however short.
const DOCUMENT_BYTES: u64 = 256;

/// Bytes that any value takes, or a member that is only noted.
const VALUE_BYTES: u64 = 64;

tokio::task_local! {
    static SHARE: Arc<Share>;
}

/// The stock.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<Stock>);

#[derive(Debug)]
struct Stock {
    units_max: u64,
    /// Nobody takes a part of what it waits for: whoever holds some already, and wants more, could
    /// otherwise wait for somebody who waits for it.
    units_left: Mutex<u64>,
    returned: Notify,
}

/// What one request has of it.
#[derive(Debug)]
pub(crate) struct Share {
    stock: Arc<Stock>,
    held: Mutex<u64>,
}

impl Memory {
    /// So many bytes for all.
    pub(crate) fn new(bytes: u64) -> Self {
        let units_max = (bytes / UNIT_BYTES).max(1);
        let units_left = Mutex::new(units_max);
        Self(Arc::new(Stock { units_max, units_left, returned: Notify::new() }))
    }

    /// Runs the work of one request, which gives back what it held when it ends.
    pub(crate) async fn share<T>(&self, work: impl Future<Output = T>) -> T {
        let share = Arc::new(Share { stock: Arc::clone(&self.0), held: Mutex::default() });
        SHARE.scope(share, work).await
    }
}

impl Share {
    /// What the request that is being answered here has; on threads that may block, and outside
    /// requests, there is none.
    pub(crate) fn current() -> Option<Arc<Self>> {
        SHARE.try_with(Arc::clone).ok()
    }

    /// Holds at least that many bytes in all, waiting until others have ended.
    pub(crate) async fn hold(&self, bytes: u64) -> Result<(), HttpError> {
        let taken = async {
            loop {
                let mut returned = pin!(self.stock.returned.notified());
                // Before looking, so that nothing returned in between is missed.
                returned.as_mut().enable();
                match self.try_hold(bytes) {
                    Err(HttpError::Overloaded) => returned.await,
                    outcome => return outcome,
                }
            }
        };
        timeout(WAIT_MAX, taken).await.unwrap_or(Err(HttpError::Overloaded))
    }

    /// The same, on a thread that may block: it waits for nobody.
    pub(crate) fn try_hold(&self, bytes: u64) -> Result<(), HttpError> {
        let wanted = bytes.saturating_sub(FREE_BYTES).div_ceil(UNIT_BYTES);
        if wanted > self.stock.units_max {
            return Err(HttpError::RequestTooLarge);
        }
        let mut held = lock(&self.held);
        let Some(more) = wanted.checked_sub(*held) else { return Ok(()) };
        let mut left = lock(&self.stock.units_left);
        *left = left.checked_sub(more).ok_or(HttpError::Overloaded)?;
        *held = wanted;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let held = std::mem::take(&mut *lock(&self.held));
        if held > 0 {
            *lock(&self.stock.units_left) += held;
            self.stock.returned.notify_waiters();
        }
    }
}

/// Numbers that are right between any two statements, whatever panicked.
fn lock(number: &Mutex<u64>) -> MutexGuard<'_, u64> {
    number.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds at least that many bytes for the request that is being answered here.
pub(crate) async fn hold(bytes: u64) -> Result<(), HttpError> {
    if bytes <= FREE_BYTES {
        return Ok(());
    }
    match Share::current() {
        Some(share) => share.hold(bytes).await,
        None => Ok(()),
    }
}

/// Bytes that JSON text takes with the values read from it: most where it is made of small objects.
pub(crate) fn bytes_as_values(text: &[u8]) -> u64 {
    let (mut objects, mut values) = (0, 0);
    for &byte in text {
        objects += u64::from(byte == b'{');
        values += u64::from(byte == b',') + u64::from(byte == b'[');
    }
    2 * text.len() as u64 + OBJECT_BYTES * objects + VALUE_BYTES * values
}

/// Bytes that the text of a document takes while it is read: itself, its body, its attachments
/// decoded, and a note of every member.
pub(crate) fn bytes_as_document(text: &[u8]) -> u64 {
    let members: u64 = text.iter().map(|&byte| u64::from(byte == b',')).sum();
    DOCUMENT_BYTES + 3 * text.len() as u64 + VALUE_BYTES * members
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[tokio::test(start_paused = true)]
    async fn what_a_request_holds_others_wait_for() {
        let memory = Memory::new(10 * MIB);
        let first = memory.share(async {
            hold(8 * MIB).await.unwrap();
            tokio::time::sleep(Duration::from_secs(10)).await;
            hold(9 * MIB).await.unwrap();
        });
        let second = memory.share(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            hold(MIB).await.unwrap();
            // Holding the same twice is holding it once.
            hold(MIB).await.unwrap();
        });
        let third = memory.share(async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            hold(9 * MIB).await
        });
        let ((), (), third) = tokio::join!(first, second, third);
        third.unwrap();
        assert_eq!(*lock(&memory.0.units_left), 10 * 256);
    }

    #[tokio::test(start_paused = true)]
    async fn but_not_for_ever() {
        let memory = Memory::new(MIB);
        let first = memory.share(async {
            hold(MIB).await.unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
        });
        let second = memory.share(async {
            let share = Share::current().unwrap();
            assert!(matches!(share.try_hold(MIB / 2), Err(HttpError::Overloaded)));
            hold(MIB / 2).await
        });
        assert!(matches!(tokio::join!(first, second).1, Err(HttpError::Overloaded)));
        let outcome = memory.share(hold(3 * MIB)).await;
        assert!(matches!(outcome, Err(HttpError::RequestTooLarge)));
    }

    #[test]
    fn many_small_objects_weigh_more_than_their_text() {
        let text = br#"{"docs":[{"id":"a"},{"id":"b"}]}"#;
        assert_eq!(bytes_as_values(text), 2 * 32 + 3 * 640 + 2 * 64);
        assert_eq!(bytes_as_document(text), 256 + 3 * 32 + 64);
    }
}
