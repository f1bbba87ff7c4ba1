//! Memory that the requests of all clients may take together.
//!
//! Each body is bounded by itself; so many of them at a time would still be too much. What a request
//! holds of its body, and of what is read from it, is taken from one stock and given back when it is
//! answered.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
pub(crate) struct Memory {
    units: Arc<Semaphore>,
    units_max: u32,
}

/// What one request has of it.
#[derive(Debug)]
pub(crate) struct Share {
    memory: Memory,
    held: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Memory {
    /// So many bytes for all.
    pub(crate) fn new(bytes: u64) -> Self {
        let units_max = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX);
        let units_max = units_max.min((Semaphore::MAX_PERMITS >> 1) as u32).max(1);
        Self { units: Arc::new(Semaphore::new(units_max as usize)), units_max }
    }

    /// Runs the work of one request, which gives back what it held when it ends.
    pub(crate) async fn share<T>(&self, work: impl Future<Output = T>) -> T {
        let share = Arc::new(Share { memory: self.clone(), held: Mutex::default() });
        SHARE.scope(share, work).await
    }

    /// How many units that many bytes are, what is free aside; an error for more than there are.
    fn units(&self, bytes: u64) -> Result<u32, HttpError> {
        let units = u32::try_from(bytes.saturating_sub(FREE_BYTES).div_ceil(UNIT_BYTES));
        units.ok().filter(|units| *units <= self.units_max).ok_or(HttpError::RequestTooLarge)
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
        let Some(more) = self.lacks(bytes)? else { return Ok(()) };
        let units = Arc::clone(&self.memory.units);
        match timeout(WAIT_MAX, units.acquire_many_owned(more)).await {
            Ok(Ok(permit)) => self.take(permit),
            Ok(Err(_)) | Err(_) => return Err(HttpError::Overloaded),
        }
        Ok(())
    }

    /// The same, on a thread that may block: it waits for nobody.
    pub(crate) fn try_hold(&self, bytes: u64) -> Result<(), HttpError> {
        let Some(more) = self.lacks(bytes)? else { return Ok(()) };
        let units = Arc::clone(&self.memory.units);
        let permit = units.try_acquire_many_owned(more).map_err(|_| HttpError::Overloaded)?;
        self.take(permit);
        Ok(())
    }

    fn lacks(&self, bytes: u64) -> Result<Option<u32>, HttpError> {
        let wanted = self.memory.units(bytes)?;
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        Ok(wanted.checked_sub(u32::try_from(held).unwrap_or(u32::MAX)).filter(|more| *more > 0))
    }

    fn take(&self, permit: OwnedSemaphorePermit) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.as_mut() {
            Some(held) => held.merge(permit),
            None => *held = Some(permit),
        }
    }
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
        assert_eq!(memory.units.available_permits(), 10 * 256);
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
