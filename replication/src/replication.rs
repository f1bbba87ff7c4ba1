//! The replication protocol without I/O: answers go in, requests come out.
//!
//! It never waits and knows no peer: whoever drives it sends what [`Replication::poll`] returns to
//! the side it names, any number at a time and in any order, and brings the answers to
//! [`Replication::handle`]. Answers may be lost (then they come as errors), late or doubled.
//!
//! Several batches of changes are under way at once; a checkpoint covers only those that the target
//! has acknowledged without a gap.

mod checkpointing;
mod exchange;
mod handshake;
mod reading;
mod transfer;

use std::collections::VecDeque;

use store::Millis;

pub use exchange::{Answer, Call, Request, RequestId, Side};

use self::checkpointing::Checkpointing;
use self::exchange::{Exchange, Task};
use self::handshake::Handshake;
use self::reading::Reading;
use self::transfer::Batch;
use crate::{
    Failure, Outcome, PeerError, PeerSeq, Progress, Report, SessionId, Spec, State, Stats,
};

/// One run of a replication.
#[derive(Debug)]
pub struct Replication {
    spec: Spec,
    session_id: SessionId,
    started: Millis,
    exchange: Exchange,
    stats: Stats,
    phase: Phase,
    outcome: Option<Outcome>,
}

#[derive(Debug)]
enum Phase {
    Handshake(Handshake),
    Running(Box<Running>),
    /// As far as it came.
    Ended(Box<Progress>),
}

#[derive(Debug)]
struct Running {
    reading: Reading,
    batches: VecDeque<Batch>,
    batches_begun: u64,
    /// Documents asked for in one request: fewer where documents are large.
    fetch_docs_max: usize,
    checkpointing: Checkpointing,
    cancelled: bool,
}

impl Replication {
    /// A replication about to begin; `session_id` must be new, `seed` spreads retries.
    #[must_use]
    pub fn new(spec: Spec, session_id: SessionId, seed: u64, now: Millis) -> Self {
        let batch_changes_max = spec.batch_changes_max.max(1);
        let batches_max = spec.batches_max.max(1);
        let mut replication = Self {
            spec: Spec { batch_changes_max, batches_max, ..spec },
            session_id,
            started: now,
            exchange: Exchange::new(seed),
            stats: Stats::default(),
            phase: Phase::Handshake(Handshake::default()),
            outcome: None,
        };
        replication.issue(Task::Handshake, now);
        replication
    }

    /// The next request to send, if there is one now.
    pub fn poll(&mut self) -> Option<Request> {
        self.exchange.next_request()
    }

    /// Takes what came of a request.
    pub fn handle(&mut self, id: RequestId, result: Result<Answer, PeerError>, now: Millis) {
        let Some(task) = self.exchange.answered(id) else { return };
        match result.and_then(|answer| self.accept(task, answer, now)) {
            Ok(()) => {}
            Err(error) => self.failed(task, error, now),
        }
        self.proceed(now);
    }

    /// Does what was put off until now.
    pub fn handle_timeout(&mut self, now: Millis) {
        for task in self.exchange.due(now) {
            self.issue(task, now);
        }
        self.proceed(now);
    }

    /// When [`Self::handle_timeout`] is to be called, at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Millis> {
        let running = match &self.phase {
            Phase::Running(running) => {
                [running.next_read(self.spec.batches_max), running.next_checkpoint(&self.spec)]
            }
            Phase::Handshake(_) | Phase::Ended(_) => [None, None],
        };
        running.into_iter().chain([self.exchange.next_due()]).flatten().min()
    }

    /// Stops reading; what the target has acknowledged is still remembered on both sides.
    pub fn cancel(&mut self, now: Millis) {
        match &mut self.phase {
            Phase::Running(running) => {
                running.cancelled = true;
                running.take_finished();
                running.batches.clear();
                running.reading.stop();
                let to_remember =
                    |task| matches!(task, Task::Commit(_) | Task::WriteLog(_) | Task::ReadLog(_));
                self.exchange.retain(to_remember);
                match self.exchange.trouble() {
                    Some(_) => self.end(Outcome::Cancelled),
                    None => self.proceed(now),
                }
            }
            Phase::Handshake(_) => self.end(Outcome::Cancelled),
            Phase::Ended(_) => {}
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let stats = self.stats.clone();
        let state = |state| match self.exchange.trouble() {
            Some((error, tries)) => State::Retrying { error: error.into(), tries },
            None => state,
        };
        match &self.phase {
            Phase::Running(running) => running.progress(state, stats),
            Phase::Handshake(_) => Progress::at_start(state(State::Starting), stats),
            Phase::Ended(progress) => Progress::clone(progress),
        }
    }

    /// What came of it, once.
    pub fn take_outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }

    /// Sends the request that a task needs next.
    fn issue(&mut self, task: Task, now: Millis) {
        match task {
            Task::Handshake | Task::Info(_) | Task::ReadLog(_) | Task::Create => self.greet(task),
            Task::Changes => self.read_on(now),
            Task::Batch(number) => self.advance(number),
            Task::Commit(_) | Task::WriteLog(_) => self.remember(task),
        }
    }

    /// Takes an answer to where it belongs.
    fn accept(&mut self, task: Task, answer: Answer, now: Millis) -> Result<(), PeerError> {
        match (task, answer) {
            (Task::Info(side), Answer::Info(info)) => self.greeted(side, info),
            (Task::Create, Answer::Created) => self.greet(Task::Info(Side::Target)),
            (Task::ReadLog(side), Answer::Log(log)) => return self.log_read(side, log, now),
            (Task::Changes, Answer::Changes(batch)) => self.changes_read(batch, now),
            // A batch counts as succeeded when a part of it is written, not at every step.
            (Task::Batch(number), answer) => return self.batch_answered(number, answer),
            (Task::Commit(side), Answer::Committed(instance)) => {
                return self.committed(side, instance.as_deref(), now);
            }
            (Task::WriteLog(side), Answer::LogWritten(rev)) => self.log_written(side, rev, now),
            (_, _) => return Err(PeerError::Answer("to another question".into())),
        }
        self.exchange.succeeded(task);
        Ok(())
    }

    /// Finds a way around an error, tries again, or gives up.
    fn failed(&mut self, task: Task, error: PeerError, now: Millis) {
        let around = match (task, &error) {
            (Task::Info(Side::Target), PeerError::NoDatabase) => self.create_target(),
            (Task::ReadLog(side), PeerError::NoDatabase) => self.greeted_without_log(side),
            (Task::Changes, PeerError::UnknownSeq(_)) => self.read_from_start(now),
            (Task::WriteLog(side), PeerError::Conflict) => self.read_log_again(side),
            (Task::WriteLog(Side::Source), PeerError::Forbidden(_)) => {
                self.go_on_without_source_log(now)
            }
            (Task::Batch(number), _) => self.ask_for_less(number, &error),
            _ => false,
        };
        if around {
            return;
        }
        let side = self.side(task);
        if let Task::Batch(number) = task {
            self.begin_part_again(number);
        }
        self.retry(task, side, error, now);
    }

    /// Puts a task off, unless that is pointless.
    fn retry(&mut self, task: Task, side: Side, error: PeerError, now: Millis) {
        if self.is_cancelled() {
            return self.end(Outcome::Cancelled);
        }
        let passing = error.is_passing() && {
            let tries = self.exchange.delay(task, error.chain(), now);
            tracing::debug!(%side, tries, error = %error.chain(), "replication request failed");
            self.spec.retries_max.is_none_or(|max| tries <= max)
        };
        if !passing {
            self.end(Outcome::Failed(Failure { side, error }));
        }
    }

    /// Forgets what the two sides were believed to be, and asks them anew a little later.
    fn restart(&mut self, side: Side, error: PeerError, now: Millis) {
        if self.is_cancelled() {
            return self.end(Outcome::Cancelled);
        }
        self.phase = Phase::Handshake(Handshake::default());
        self.exchange.retain(|_| false);
        self.retry(Task::Handshake, side, error, now);
    }

    /// Starts everything that can start now, and ends when nothing is left to do.
    fn proceed(&mut self, now: Millis) {
        if matches!(&self.phase, Phase::Handshake(handshake) if handshake.is_complete()) {
            self.begin(now);
        }
        let Phase::Running(running) = &mut self.phase else { return };
        running.take_finished();
        if running.wants_changes(self.spec.batches_max, now) {
            self.read_on(now);
        }
        self.remember_if_due(now);
        self.end_if_done();
    }

    fn end_if_done(&mut self) {
        let Phase::Running(running) = &self.phase else { return };
        if !running.is_drained() || !running.checkpointing.is_settled(&self.spec) {
            return;
        }
        let outcome = if running.cancelled {
            Outcome::Cancelled
        } else {
            let log = running.checkpointing.reported(&self.spec);
            Outcome::Completed(Report { stats: self.stats.clone(), log })
        };
        self.end(outcome);
    }

    fn end(&mut self, outcome: Outcome) {
        let progress = Progress { state: State::Ended, ..self.progress() };
        self.phase = Phase::Ended(Box::new(progress));
        self.exchange.retain(|_| false);
        self.outcome = Some(outcome);
    }

    fn is_cancelled(&self) -> bool {
        matches!(&self.phase, Phase::Running(running) if running.cancelled)
    }

    fn side(&self, task: Task) -> Side {
        match task {
            Task::Info(side) | Task::ReadLog(side) | Task::Commit(side) | Task::WriteLog(side) => {
                side
            }
            Task::Changes => Side::Source,
            Task::Create | Task::Handshake => Side::Target,
            Task::Batch(number) => match &self.phase {
                Phase::Running(running) => running.batch_side(number),
                Phase::Handshake(_) | Phase::Ended(_) => Side::Target,
            },
        }
    }
}

impl Running {
    /// Moves past the batches at the front that the target has acknowledged.
    fn take_finished(&mut self) {
        while let Some(batch) = self.batches.pop_front_if(|batch| batch.is_done()) {
            self.checkpointing.through = batch.last_seq;
        }
    }

    fn is_drained(&self) -> bool {
        self.reading.is_over() && self.batches.is_empty()
    }

    fn progress(&self, state: impl Fn(State) -> State, stats: Stats) -> Progress {
        let quiet = self.reading.is_waiting() && self.batches.is_empty();
        let under_way: u64 = self.batches.iter().map(|batch| batch.changes as u64).sum();
        Progress {
            state: state(if quiet { State::Idle } else { State::Running }),
            stats,
            changes_pending: self.reading.pending.map(|pending| pending.saturating_add(under_way)),
            checkpointed_source_seq: self.checkpointing.committed.clone(),
            source_seq: self.reading.since.clone(),
            through_seq: self.checkpointing.through.clone(),
        }
    }
}

impl Progress {
    /// Nothing read yet.
    #[must_use]
    pub(crate) fn at_start(state: State, stats: Stats) -> Self {
        Self {
            state,
            stats,
            changes_pending: None,
            checkpointed_source_seq: PeerSeq::start(),
            source_seq: PeerSeq::start(),
            through_seq: PeerSeq::start(),
        }
    }
}
