//! Runs a pull on Tokio.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle, JoinSet, spawn_blocking};

use super::{
    Action, Arrival, Event, Inflow, Pull, PullSpec, Question, QuestionId, SyncError, SyncOutcome,
    SyncProgress, SyncState, Target,
};
use crate::{Clock, PeerError};

/// How long a source may say nothing.
const QUIET_S: u64 = 120;

/// The bytes of an answer as they come.
pub type AnswerStream = Pin<Box<dyn Stream<Item = Result<Bytes, PeerError>> + Send>>;

/// Asks one peer about one database: whoever makes a [`SyncJob`] has the connection.
pub trait Ask: Send + Sync {
    /// Posts the question and returns the answer's bytes.
    ///
    /// # Errors
    /// Any of [`PeerError`].
    fn ask(
        &self,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Result<AnswerStream, PeerError>> + Send + '_>>;
}

/// A pull that is running on its own; dropped, it stops at once, and what is being written is written.
#[derive(Debug)]
pub struct SyncJob {
    progress: watch::Receiver<SyncProgress>,
    cancel: Arc<Notify>,
    task: JoinHandle<SyncOutcome>,
}

impl SyncJob {
    /// Begins to bring the target up to date.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn start(spec: PullSpec, target: Target, ask: Arc<dyn Ask>, clock: Clock) -> Self {
        let pull = Pull::new(spec, clock());
        let (progress_sender, progress) = watch::channel(pull.progress());
        let cancel = Arc::new(Notify::new());
        let (sender, events) = mpsc::unbounded_channel();
        let driver = Driver {
            pull,
            target,
            ask,
            clock,
            progress: progress_sender,
            work: JoinSet::new(),
            answers: JoinSet::new(),
            open: HashMap::new(),
            sender,
            events,
        };
        let task = tokio::spawn(driver.run(Arc::clone(&cancel)));
        Self { progress, cancel, task }
    }

    /// Where it is; await its changes, or look at it now and then.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<SyncProgress> {
        self.progress.clone()
    }

    /// Asks it to stop, for [`Self::outcome`] to tell when it has.
    pub fn cancel(&self) {
        self.cancel.notify_one();
    }

    /// A handle that can cancel it while somebody else awaits the outcome.
    #[must_use]
    pub fn canceller(&self) -> SyncCanceller {
        SyncCanceller(Arc::clone(&self.cancel))
    }

    /// Waits until it is over.
    pub async fn outcome(mut self) -> SyncOutcome {
        let error = match (&mut self.task).await {
            Ok(outcome) => return outcome,
            Err(error) if error.is_cancelled() => SyncError::Cancelled,
            Err(error) => SyncError::Here(PeerError::Unreachable(Box::new(error))),
        };
        let mut progress = self.progress.borrow().clone();
        progress.state = SyncState::Ended;
        SyncOutcome {
            ending: Err(error),
            skipped: Vec::new(),
            skipped_count: 0,
            postponed: false,
            progress,
        }
    }
}

impl Drop for SyncJob {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Cancels a [`SyncJob`].
#[derive(Clone, Debug)]
pub struct SyncCanceller(Arc<Notify>);

impl SyncCanceller {
    /// Asks the job to stop.
    pub fn cancel(&self) {
        self.0.notify_one();
    }
}

struct Driver {
    pull: Pull,
    target: Target,
    ask: Arc<dyn Ask>,
    clock: Clock,
    progress: watch::Sender<SyncProgress>,
    /// Calls into the store.
    work: JoinSet<Event>,
    /// Reading answers.
    answers: JoinSet<()>,
    open: HashMap<QuestionId, Answer>,
    /// Bounded by what each answer is permitted.
    sender: mpsc::UnboundedSender<(QuestionId, Event)>,
    events: mpsc::UnboundedReceiver<(QuestionId, Event)>,
}

/// An answer that is being read.
struct Answer {
    /// One for what may be handed in next.
    permits: Arc<Semaphore>,
    permitted: bool,
    task: AbortHandle,
}

impl Driver {
    async fn run(mut self, cancel: Arc<Notify>) -> SyncOutcome {
        let mut cancelled = std::pin::pin!(cancel.notified());
        let mut is_cancelled = false;
        loop {
            while let Some(action) = self.pull.poll() {
                self.act(action);
            }
            self.progress.send_if_modified(|known| {
                let now = self.pull.progress();
                let changed = *known != now;
                *known = now;
                changed
            });
            if let Some(outcome) = self.pull.take_outcome() {
                return outcome;
            }
            self.permit();
            tokio::select! {
                Some((id, event)) = self.events.recv() => {
                    if is_last(&event) {
                        self.open.remove(&id);
                    } else if let Some(answer) = self.open.get_mut(&id) {
                        answer.permitted = false;
                    }
                    self.pull.handle(event, (self.clock)());
                }
                Some(done) = self.work.join_next() => match done {
                    Ok(event) => self.pull.handle(event, (self.clock)()),
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                },
                () = &mut cancelled, if !is_cancelled => {
                    is_cancelled = true;
                    self.pull.cancel();
                }
            }
        }
    }

    /// Lets answers go on for which there is room.
    fn permit(&mut self) {
        for (id, answer) in &mut self.open {
            if !answer.permitted && self.pull.is_ready(*id) {
                answer.permitted = true;
                answer.permits.add_permits(1);
            }
        }
        while self.answers.try_join_next().is_some() {}
    }

    fn act(&mut self, action: Action) {
        let target = self.target.clone();
        let now = (self.clock)();
        match action {
            Action::Look => {
                self.work.spawn_blocking(move || Event::Looked(target.look()));
            }
            Action::Take(id, delivery) => {
                self.work.spawn_blocking(move || Event::Taken(id, target.take(delivery, now)));
            }
            Action::Remember(checkpoint) => {
                self.work.spawn_blocking(move || Event::Remembered(target.remember(&checkpoint)));
            }
            Action::Ask(id, question) => {
                let permits = Arc::new(Semaphore::new(0));
                let reader = Reader {
                    id,
                    permits: Arc::clone(&permits),
                    sender: self.sender.clone(),
                    inflow: target.inflow(),
                };
                let task = self.answers.spawn(reader.run(Arc::clone(&self.ask), question));
                self.open.insert(id, Answer { permits, permitted: false, task });
            }
            Action::Drop(id) => {
                if let Some(answer) = self.open.remove(&id) {
                    answer.task.abort();
                }
            }
        }
    }
}

/// Whether an answer brings nothing after this.
fn is_last(event: &Event) -> bool {
    match event {
        Event::Arrived(_, arrival) => matches!(arrival, Arrival::End(_) | Arrival::Refused(_)),
        Event::Broken(..) => true,
        Event::Looked(_) | Event::Taken(..) | Event::Remembered(_) => false,
    }
}

/// Reads one answer.
struct Reader {
    id: QuestionId,
    permits: Arc<Semaphore>,
    sender: mpsc::UnboundedSender<(QuestionId, Event)>,
    inflow: Inflow,
}

impl Reader {
    async fn run(self, ask: Arc<dyn Ask>, question: Question) {
        let (id, sender) = (self.id, self.sender.clone());
        if let Err(error) = self.read(&*ask, question).await {
            // Whoever listened may have gone.
            let _gone = sender.send((id, Event::Broken(id, error)));
        }
    }

    async fn read(mut self, ask: &dyn Ask, question: Question) -> Result<(), SyncError> {
        let asked = in_time("an answer", ask.ask(question)).await?;
        let mut bytes = asked.map_err(SyncError::Ask)?;
        loop {
            while self.inflow.is_ready() {
                // Digests, bodies and attachments are for another thread.
                let mut inflow = self.inflow;
                let read = spawn_blocking(move || {
                    let arrival = inflow.next();
                    (inflow, arrival)
                });
                let gone = |error| SyncError::Here(PeerError::Unreachable(Box::new(error)));
                let (inflow, arrival) = read.await.map_err(gone)?;
                self.inflow = inflow;
                let Some(arrival) = arrival? else { break };
                let over = matches!(arrival, Arrival::End(_) | Arrival::Refused(_));
                match self.permits.acquire().await {
                    Ok(permit) => permit.forget(),
                    Err(_closed) => return Ok(()),
                }
                let _gone = self.sender.send((self.id, Event::Arrived(self.id, arrival)));
                if over {
                    return Ok(());
                }
            }
            match in_time("more of an answer", bytes.next()).await? {
                Some(next) => self.inflow.push(&next.map_err(SyncError::Ask)?),
                None => return self.inflow.end(),
            }
        }
    }
}

async fn in_time<T>(what: &'static str, waited: impl Future<Output = T>) -> Result<T, SyncError> {
    let timed_out = |_| SyncError::Ask(PeerError::TimedOut { what, seconds: QUIET_S });
    tokio::time::timeout(Duration::from_secs(QUIET_S), waited).await.map_err(timed_out)
}
