//! What the target does, as a state machine: events in, actions out. It does no I/O and reads no
//! clock.

mod feed;
mod step;

use std::collections::{HashMap, VecDeque};

use store::{Millis, Seq, UpdateSeq};

use self::feed::FeedAnswer;
use self::step::Step;
use super::request::{REQUEST_BYTES_MAX, Terms, WISHES_MAX};
use super::{
    Arrival, Begin, Checkpoint, Delivery, Looked, Mode, Question, SkipReason, Skipped, SyncError,
    SyncOutcome, SyncProgress, SyncRequest, SyncState, Taken, WantedRequest, Wish,
};
use crate::PeerError;

/// Deliveries that are written at a time: one is compared while another is made durable.
const TAKES_MAX: usize = 2;

/// Deliveries that wait to be written.
const WAITING_MAX: usize = 2;

/// Batches whose contents are not all here yet.
const STEPS_MAX: usize = 8;

/// Questions by name that are open at a time.
const NAMED_MAX: usize = 4;

/// Revisions that are told of one by one when they were left out.
const SKIPPED_MAX: usize = 5000;

/// What is to be done, beyond what the target knows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullSpec {
    /// Version of the conflict rule that this hub follows in the database.
    pub policy_version: u64,
    /// Revisions that were left out before and are asked for again.
    pub retry: Vec<Wish>,
    /// Documents after which a source is taken to have no end.
    pub documents_max: u64,
}

impl PullSpec {
    /// Everything that is new, under that version of the conflict rule.
    #[must_use]
    pub fn new(policy_version: u64) -> Self {
        Self { policy_version, retry: Vec::new(), documents_max: 100_000_000 }
    }
}

/// Names a question and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId(u64);

/// Names a delivery that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TakeId(u64);

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// [`super::Target::look`], then [`Event::Looked`].
    Look,
    /// Asks the source; what comes is an [`Event::Arrived`] each, an end of it that is none [`Event::Broken`].
    Ask(QuestionId, Question),
    /// The answer is of no more use.
    Drop(QuestionId),
    /// [`super::Target::take`], then [`Event::Taken`]. Two may be under way at once.
    Take(TakeId, Delivery),
    /// [`super::Target::remember`], then [`Event::Remembered`].
    Remember(Checkpoint),
}

/// What has happened.
#[derive(Debug)]
pub enum Event {
    /// What the target knows.
    Looked(Result<Looked, PeerError>),
    /// Something of an answer came, in its order, when [`Pull::is_ready`] said so.
    Arrived(QuestionId, Arrival),
    /// An answer ended before its end.
    Broken(QuestionId, SyncError),
    /// A delivery was written, or as a whole was not.
    Taken(TakeId, Result<Taken, PeerError>),
    /// The checkpoint is durable, or was not written.
    Remembered(Result<(), PeerError>),
}

/// Brings one target up to date with one source, once.
#[derive(Debug)]
pub struct Pull {
    spec: PullSpec,
    phase: Phase,
    progress: SyncProgress,
    actions: VecDeque<Action>,
    next_id: u64,
    terms: Option<Terms>,
    /// The question for changes, and its answer.
    feed: Option<FeedAnswer>,
    /// Batches in order that are not done yet.
    steps: VecDeque<Step>,
    takes: HashMap<TakeId, u64>,
    next_step: u64,
    /// Everything up to here is durable.
    position: Seq,
    /// The checkpoint that is there, and the one being written.
    remembered: Option<Checkpoint>,
    remembering: Option<Checkpoint>,
    skipped: Vec<Skipped>,
    skipped_count: u64,
    /// Whether something was left out that is to be asked for again.
    postponed: bool,
    /// For tests that must find it out: checkpoints run ahead of what is durable.
    early: bool,
    outcome: Option<SyncOutcome>,
}

#[derive(Debug)]
enum Phase {
    Looking,
    Running,
    Stopping(SyncError),
    Ended,
}

impl Pull {
    /// Something that has not begun yet.
    #[must_use]
    pub fn new(spec: PullSpec, now: Millis) -> Self {
        let progress = SyncProgress {
            state: SyncState::Starting,
            documents: 0,
            documents_total: 0,
            bytes: 0,
            bytes_total: 0,
            revisions: 0,
            through: None,
            checkpointed: None,
            started: now,
            moved: now,
        };
        Self {
            spec,
            phase: Phase::Looking,
            progress,
            actions: VecDeque::from([Action::Look]),
            next_id: 0,
            terms: None,
            feed: None,
            steps: VecDeque::new(),
            takes: HashMap::new(),
            next_step: 0,
            position: Seq(0),
            remembered: None,
            remembering: None,
            skipped: Vec::new(),
            skipped_count: 0,
            postponed: false,
            early: false,
            outcome: None,
        }
    }

    /// The same with a bug that a simulation must find: it remembers how far it is before that is
    /// durable.
    #[cfg(feature = "deliberate-bugs")]
    #[must_use]
    pub fn remembering_early(mut self) -> Self {
        self.early = true;
        self
    }

    /// What is to be done next; `None` when there is something to wait for.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> SyncProgress {
        self.progress.clone()
    }

    /// What came of it, once.
    pub fn take_outcome(&mut self) -> Option<SyncOutcome> {
        self.outcome.take()
    }

    /// Whether there is room for more of this answer; what is no question's any more is passed over.
    #[must_use]
    pub fn is_ready(&self, id: QuestionId) -> bool {
        if self.feed.as_ref().is_some_and(|feed| feed.id == id) {
            let waiting: usize = self.steps.iter().map(|step| step.waiting.len()).sum();
            return waiting < WAITING_MAX && self.steps.len() < STEPS_MAX;
        }
        let asking = self.steps.iter().find(|step| step.asking == Some(id));
        asking.is_none_or(|step| step.waiting.len() < WAITING_MAX)
    }

    /// Stops it, for [`Self::take_outcome`] to tell when what has begun is done.
    pub fn cancel(&mut self) {
        self.stop(SyncError::Cancelled);
        self.go_on();
    }

    /// Takes in what has happened.
    pub fn handle(&mut self, event: Event, now: Millis) {
        self.progress.moved = now;
        let handled = match event {
            Event::Looked(looked) => {
                looked.map(|looked| self.looked(looked)).map_err(SyncError::Here)
            }
            Event::Arrived(id, arrival) => self.arrived(id, arrival),
            Event::Broken(id, error) if self.is_open(id) => Err(error),
            Event::Broken(..) => Ok(()),
            Event::Taken(id, taken) => self.taken(id, taken),
            Event::Remembered(outcome) => self.written(outcome),
        };
        if let Err(error) = handled {
            self.stop(error);
        }
        self.go_on();
    }

    fn is_open(&self, id: QuestionId) -> bool {
        let feed = self.feed.as_ref().is_some_and(|feed| feed.id == id && feed.end.is_none());
        feed || self.steps.iter().any(|step| step.asking == Some(id))
    }

    /// Knowing how far the target is, asks.
    fn looked(&mut self, looked: Looked) {
        if !matches!(self.phase, Phase::Looking) {
            return;
        }
        let Looked { checkpoint, is_empty, hints, selector, limits } = looked;
        let terms = Terms {
            policy_version: self.spec.policy_version,
            body_bytes_max: limits.body_bytes_max,
            attachment_bytes_max: limits.attachment_bytes_max,
        };
        let mode = match checkpoint {
            Some(checkpoint) => checkpoint.stage,
            None if is_empty => Mode::Copy,
            None => Mode::Offer,
        };
        let since = checkpoint.map(|checkpoint| checkpoint.through);
        self.terms = Some(terms);
        self.remembered = checkpoint;
        self.postponed = checkpoint.is_some_and(|checkpoint| checkpoint.postponed);
        self.position = since.map_or(Seq(0), |since| since.seq);
        self.progress.through = since;
        self.progress.checkpointed = since;
        self.progress.state = SyncState::Asking;
        self.phase = Phase::Running;
        if !self.spec.retry.is_empty() {
            let wishes = std::mem::take(&mut self.spec.retry);
            let mut step = Step::new(self.new_step(), Seq(0));
            step.wish(wishes);
            self.steps.push_back(step);
        }
        let id = self.new_question();
        self.feed = Some(FeedAnswer::new(id, since));
        let request = SyncRequest { since, mode, selector, terms, have: hints };
        self.actions.push_back(Action::Ask(id, Question::Sync(request)));
    }

    fn arrived(&mut self, id: QuestionId, arrival: Arrival) -> Result<(), SyncError> {
        if matches!(self.phase, Phase::Stopping(_) | Phase::Ended) {
            return Ok(());
        }
        if let Arrival::Refused(refusal) = arrival {
            return if self.is_open(id) { Err(SyncError::Refused(refusal)) } else { Ok(()) };
        }
        if let Arrival::Bytes(bytes) = arrival {
            self.progress.bytes += bytes;
            return Ok(());
        }
        match &mut self.feed {
            Some(feed) if feed.id == id => {
                let delivery = feed.take(arrival, self.spec.documents_max)?;
                if let Some(begin) = feed.begin {
                    self.begun(&begin);
                }
                if let Some(delivery) = delivery {
                    self.progress.documents += delivery.batch.documents.len() as u64;
                    self.progress.bytes += delivery.bytes;
                    let mut step = Step::new(self.new_step(), delivery.batch.through);
                    step.waiting.push_back(delivery);
                    self.steps.push_back(step);
                }
                Ok(())
            }
            _ => self.named(id, arrival),
        }
    }

    /// The source has said what there is.
    fn begun(&mut self, begin: &Begin) {
        if self.progress.state == SyncState::Asking {
            self.progress.state = SyncState::Running;
            self.progress.documents_total = begin.documents;
            self.progress.bytes_total = begin.bytes;
            self.position = begin.since;
        }
    }

    /// Something came that was asked for by name.
    fn named(&mut self, id: QuestionId, arrival: Arrival) -> Result<(), SyncError> {
        let Some(step) = self.steps.iter_mut().find(|step| step.asking == Some(id)) else {
            return Ok(());
        };
        match arrival {
            Arrival::Begin(_) | Arrival::Bytes(_) | Arrival::Refused(_) => {}
            Arrival::Batch(delivery) => {
                self.progress.bytes += delivery.bytes;
                step.answered(&delivery.batch);
                step.waiting.push_back(delivery);
            }
            Arrival::End(_) => {
                step.asking = None;
                let left = step.unanswered();
                self.skip(left);
            }
        }
        Ok(())
    }

    fn taken(&mut self, id: TakeId, taken: Result<Taken, PeerError>) -> Result<(), SyncError> {
        let Some(number) = self.takes.remove(&id) else { return Ok(()) };
        let step = self.steps.iter_mut().find(|step| step.number == number);
        if let Some(step) = step {
            step.takes -= 1;
            match &taken {
                Ok(taken) if matches!(self.phase, Phase::Running) || taken.wishes.is_empty() => {}
                _ => step.abandoned = true,
            }
        }
        let Taken { revisions, wishes, skipped } = taken.map_err(SyncError::Here)?;
        self.progress.revisions += revisions;
        let step = self.steps.iter_mut().find(|step| step.number == number);
        let given_up = step.map(|step| step.wish(wishes)).unwrap_or_default();
        self.skip(skipped);
        self.skip(given_up);
        Ok(())
    }

    fn written(&mut self, outcome: Result<(), PeerError>) -> Result<(), SyncError> {
        let checkpoint = self.remembering.take();
        outcome.map_err(SyncError::Here)?;
        self.remembered = checkpoint;
        self.progress.checkpointed = checkpoint.map(|checkpoint| checkpoint.through);
        Ok(())
    }

    fn skip(&mut self, skipped: Vec<Skipped>) {
        self.skipped_count += skipped.len() as u64;
        self.postponed |= skipped.iter().any(|one| matches!(one.reason, SkipReason::NoRoom(_)));
        let room = SKIPPED_MAX - self.skipped.len().min(SKIPPED_MAX);
        self.skipped.extend(skipped.into_iter().take(room));
    }

    fn stop(&mut self, error: SyncError) {
        if matches!(self.phase, Phase::Stopping(_) | Phase::Ended) {
            return;
        }
        self.phase = Phase::Stopping(error);
        self.progress.state = SyncState::Stopping;
        self.actions.retain(|action| matches!(action, Action::Take(..) | Action::Remember(_)));
        let feed = self.feed.as_ref().filter(|feed| feed.end.is_none()).map(|feed| feed.id);
        let asking = self.steps.iter().filter_map(|step| step.asking);
        let open: Vec<QuestionId> = feed.into_iter().chain(asking).collect();
        self.actions.extend(open.into_iter().map(Action::Drop));
        self.steps.iter_mut().for_each(Step::abandon);
    }

    /// Does what can be done now.
    fn go_on(&mut self) {
        self.start_takes();
        self.ask_by_name();
        self.move_position();
        self.remember();
        self.finish();
    }

    fn start_takes(&mut self) {
        while self.takes.len() < TAKES_MAX {
            let Some(step) = self.steps.iter_mut().find(|step| !step.waiting.is_empty()) else {
                return;
            };
            let Some(delivery) = step.waiting.pop_front() else { return };
            step.takes += 1;
            let number = step.number;
            let id = TakeId(self.new_id());
            self.takes.insert(id, number);
            self.actions.push_back(Action::Take(id, delivery));
        }
    }

    fn ask_by_name(&mut self) {
        let Some(terms) = self.terms.filter(|_| matches!(self.phase, Phase::Running)) else {
            return;
        };
        let mut open = self.steps.iter().filter(|step| step.asking.is_some()).count();
        for at in 0..self.steps.len() {
            if open >= NAMED_MAX {
                return;
            }
            let id = QuestionId(self.next_id);
            let Some(step) = self.steps.get_mut(at) else { return };
            let wishes = step.ask(id, WISHES_MAX, REQUEST_BYTES_MAX / 2);
            if !wishes.is_empty() {
                self.next_id += 1;
                open += 1;
                let question = Question::Wanted(WantedRequest { wishes, terms });
                self.actions.push_back(Action::Ask(id, question));
            }
        }
    }

    /// Passes the batches at the front that are done.
    fn move_position(&mut self) {
        while let Some(step) = self.steps.pop_front_if(|step| step.is_done()) {
            self.position = self.position.max(step.through);
        }
        let Some(begin) = self.feed.as_ref().and_then(|feed| feed.begin) else { return };
        let ahead = self.steps.back().filter(|_| self.early).map(|step| step.through);
        self.position = self.position.max(ahead.unwrap_or_default());
        let through = UpdateSeq { seq: self.position, epoch: begin.update_seq.epoch };
        self.progress.through = Some(through);
    }

    /// How far it could go on from, were it to end now.
    fn checkpoint(&self) -> Option<Checkpoint> {
        let feed = self.feed.as_ref()?;
        let begin = feed.begin?;
        let epoch = begin.update_seq.epoch;
        let postponed = self.postponed;
        match feed.end {
            Some(end) if self.steps.is_empty() => {
                let through = UpdateSeq { seq: end, epoch };
                Some(Checkpoint { through, stage: Mode::Send, postponed })
            }
            // Nothing is new yet.
            _ if self.position <= begin.since => None,
            _ => {
                let through = UpdateSeq { seq: self.position, epoch };
                Some(Checkpoint { through, stage: begin.mode, postponed })
            }
        }
    }

    fn remember(&mut self) {
        if self.remembering.is_some() || matches!(self.phase, Phase::Looking | Phase::Ended) {
            return;
        }
        // What could not be written is not tried again.
        let failed = matches!(self.phase, Phase::Stopping(SyncError::Here(_)));
        if let Some(checkpoint) = self.checkpoint().filter(|_| !failed)
            && self.remembered != Some(checkpoint)
        {
            self.remembering = Some(checkpoint);
            self.actions.push_back(Action::Remember(checkpoint));
        }
    }

    fn finish(&mut self) {
        if !self.takes.is_empty() || self.remembering.is_some() {
            return;
        }
        let caught_up = self.feed.as_ref().and_then(|feed| feed.end).is_some()
            && self.steps.is_empty()
            && matches!(self.phase, Phase::Running);
        let ending = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Stopping(error) => Err(error),
            Phase::Running if caught_up => match self.remembered {
                Some(checkpoint) => Ok(checkpoint.through),
                None => Err(SyncError::Cut),
            },
            phase => {
                self.phase = phase;
                return;
            }
        };
        self.progress.state = SyncState::Ended;
        if let Ok(through) = &ending {
            self.progress.through = Some(*through);
        }
        self.outcome = Some(SyncOutcome {
            ending,
            skipped: std::mem::take(&mut self.skipped),
            skipped_count: self.skipped_count,
            postponed: self.postponed,
            progress: self.progress.clone(),
        });
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    fn new_question(&mut self) -> QuestionId {
        QuestionId(self.new_id())
    }

    fn new_step(&mut self) -> u64 {
        self.next_step += 1;
        self.next_step
    }
}
