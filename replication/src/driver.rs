//! Runs a replication between two peers on Tokio.

use std::sync::Arc;
use std::time::Duration;

use store::{LocalId, Millis};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::{
    Answer, Call, Failure, Outcome, Peer, PeerError, Progress, Replication, Request, RequestId,
    SessionId, Side, Spec,
};

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// How long a cancelled replication may take to remember what it has done.
const CANCEL_GRACE_S: u64 = 5;

/// Longest sleep, so that a clock that is set forward is noticed.
const SLEEP_MS_MAX: u64 = 30_000;

/// What a replication takes from the world around it.
#[derive(Clone)]
pub struct Surroundings {
    /// The clock.
    pub clock: Clock,
    /// 128 random bits, new for each run.
    pub random: u128,
}

/// A replication that is running on its own; dropped, it stops at once and forgets what both sides
/// have not been told yet.
#[derive(Debug)]
pub struct Job {
    progress: watch::Receiver<Progress>,
    cancel: Arc<Notify>,
    task: JoinHandle<Outcome>,
}

impl Job {
    /// Begins to replicate.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn start(
        spec: Spec,
        source: Arc<dyn Peer>,
        target: Arc<dyn Peer>,
        surroundings: Surroundings,
    ) -> Self {
        let Surroundings { clock, random } = surroundings;
        let session_id = SessionId::from_random(random);
        let log_id = spec.id.log_id();
        // The low bits name the session too, but nobody else waits by them.
        let seed = u64::try_from(random & u128::from(u64::MAX)).unwrap_or_default();
        let replication = Replication::new(spec, session_id, seed, clock());
        let (progress_sender, progress) = watch::channel(replication.progress());
        let cancel = Arc::new(Notify::new());
        let driver = Driver {
            replication,
            peers: Peers { source, target, log_id },
            clock,
            progress: progress_sender,
            calls: JoinSet::new(),
        };
        let task = tokio::spawn(driver.run(Arc::clone(&cancel)));
        Self { progress, cancel, task }
    }

    /// Where it is; await its changes, or look at it now and then.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Asks it to stop, for [`Self::outcome`] to tell when it has.
    pub fn cancel(&self) {
        self.cancel.notify_one();
    }

    /// A handle that can cancel it while somebody else awaits the outcome.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller(Arc::clone(&self.cancel))
    }

    /// Waits until it is over.
    pub async fn outcome(mut self) -> Outcome {
        match (&mut self.task).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_cancelled() => Outcome::Cancelled,
            Err(error) => Outcome::Failed(Failure {
                side: Side::Target,
                error: PeerError::Unreachable(Box::new(error)),
            }),
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Cancels a [`Job`].
#[derive(Clone, Debug)]
pub struct Canceller(Arc<Notify>);

impl Canceller {
    /// Asks the job to stop.
    pub fn cancel(&self) {
        self.0.notify_one();
    }
}

struct Driver {
    replication: Replication,
    peers: Peers,
    clock: Clock,
    progress: watch::Sender<Progress>,
    calls: JoinSet<(RequestId, Result<Answer, PeerError>)>,
}

impl Driver {
    async fn run(mut self, cancel: Arc<Notify>) -> Outcome {
        let mut cancelled = std::pin::pin!(cancel.notified());
        let mut is_cancelled = false;
        let mut grace = std::pin::pin!(tokio::time::sleep(Duration::MAX));
        loop {
            while let Some(request) = self.replication.poll() {
                self.calls.spawn(self.peers.clone().call(request));
            }
            self.report();
            if let Some(outcome) = self.replication.take_outcome() {
                return outcome;
            }
            let wake = self.next_wake();
            tokio::select! {
                Some(called) = self.calls.join_next() => self.answered(called),
                () = tokio::time::sleep(wake) => {
                    self.replication.handle_timeout((self.clock)());
                }
                () = &mut cancelled, if !is_cancelled => {
                    is_cancelled = true;
                    self.replication.cancel((self.clock)());
                    let deadline = Duration::from_secs(CANCEL_GRACE_S);
                    grace.as_mut().reset(tokio::time::Instant::now() + deadline);
                }
                () = &mut grace, if is_cancelled => return Outcome::Cancelled,
            }
        }
    }

    fn answered(
        &mut self,
        called: Result<(RequestId, Result<Answer, PeerError>), tokio::task::JoinError>,
    ) {
        match called {
            Ok((id, result)) => self.replication.handle(id, result, (self.clock)()),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn next_wake(&self) -> Duration {
        let due = self.replication.next_timeout();
        let wait = due.map_or(SLEEP_MS_MAX, |due| due.0.saturating_sub((self.clock)().0));
        Duration::from_millis(wait.min(SLEEP_MS_MAX))
    }

    fn report(&self) {
        let now = self.replication.progress();
        self.progress.send_if_modified(|known| {
            let changed = *known != now;
            *known = now;
            changed
        });
    }
}

/// Both sides of a replication, and the name of its log.
#[derive(Clone)]
struct Peers {
    source: Arc<dyn Peer>,
    target: Arc<dyn Peer>,
    log_id: LocalId,
}

impl Peers {
    /// Asks one of the peers.
    async fn call(self, request: Request) -> (RequestId, Result<Answer, PeerError>) {
        let Request { id, side, call } = request;
        let (peer, other) = match side {
            Side::Source => (&self.source, &self.target),
            Side::Target => (&self.target, &self.source),
        };
        let result = match call {
            Call::Info => peer.info().await.map(Answer::Info),
            Call::Create => peer.create().await.map(|()| Answer::Created),
            Call::ReadLog => peer.local(self.log_id).await.map(Answer::Log),
            Call::WriteLog(log) => peer.write_local(self.log_id, log).await.map(Answer::LogWritten),
            Call::Commit => peer.commit().await.map(Answer::Committed),
            Call::Changes(query) => peer.changes(query).await.map(Answer::Changes),
            Call::Diff(changes) => peer.revs_diff(&changes).await.map(Answer::Diff),
            Call::Fetch { wanted, bytes_max } => {
                peer.revisions(&wanted, bytes_max).await.map(Answer::Fetched)
            }
            Call::Write(revisions) => peer.write(revisions, &**other).await.map(Answer::Written),
        };
        (id, result)
    }
}
