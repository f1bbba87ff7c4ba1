//! The transport over a way into Tor that is supervised.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::hall::Hall;
use crate::supervise::supervise;
use crate::way::Way;
use crate::{
    CheckError, Dial, DialError, Discovery, Incoming, OnionStream, OnionTransport, Pending,
    Settings, Status,
};

/// A way into Tor, kept going by a task of its own until this is dropped or shut down.
pub(crate) struct Supervised {
    hall: Arc<Hall>,
    stop: watch::Sender<Option<Duration>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Supervised {
    /// Begins. Must be called within a runtime of Tokio.
    pub(crate) fn begin(settings: Settings, way: impl FnOnce(&Arc<Hall>) -> Arc<dyn Way>) -> Self {
        let hall = Hall::new(settings);
        let (stop, stopping) = watch::channel(None);
        let task = tokio::spawn(supervise(way(&hall), Arc::clone(&hall), stopping));
        Self { hall, stop, task: Mutex::new(Some(task)) }
    }
}

impl fmt::Debug for Supervised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervised").field("stage", &self.hall.stage()).finish_non_exhaustive()
    }
}

impl OnionTransport for Supervised {
    fn accept(&self) -> Pending<'_, Option<Incoming>> {
        Box::pin(self.hall.accept())
    }

    fn dial(&self, dial: Dial) -> Pending<'static, Result<OnionStream, DialError>> {
        let hall = Arc::clone(&self.hall);
        Box::pin(async move { hall.dial(dial).await })
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.hall.status()
    }

    fn check(&self) -> Pending<'static, Result<Duration, CheckError>> {
        let hall = Arc::clone(&self.hall);
        Box::pin(async move {
            let outcome = hall.check().await;
            if outcome.is_err() {
                // Whoever supervises finds out for itself, and mends it.
                hall.doubt.notify_one();
            }
            outcome
        })
    }

    fn set_discovery(&self, discovery: Discovery) {
        self.hall.set_discovery(discovery);
    }

    fn shut_down(&self, grace: Duration) -> Pending<'_, ()> {
        Box::pin(async move {
            self.stop.send_replace(Some(grace));
            if let Some(task) = self.task.lock().await.take() {
                let _panicked = task.await;
            }
        })
    }
}
