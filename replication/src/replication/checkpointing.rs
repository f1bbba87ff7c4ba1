//! Remembering on both sides how far the target is.

use store::Millis;

use super::exchange::{Call, Side, Task};
use super::handshake::Both;
use super::{Phase, Replication, Running};
use crate::checkpoint::{Entry, Log, Run};
use crate::progress::ReportedLog;
use crate::{Filter, LocalDocument, PeerError, PeerSeq, Spec};

/// What was remembered, and what is being.
#[derive(Debug)]
pub(super) struct Checkpointing {
    /// The target has everything up to here.
    pub(super) through: PeerSeq,
    /// Both sides remember that it has everything up to here.
    pub(super) committed: PeerSeq,
    pub(super) start_seq: PeerSeq,
    history: Vec<Entry>,
    instances: Both<Option<String>>,
    revs: Both<Option<String>>,
    /// The source's log as it was found.
    found: String,
    written: Option<String>,
    step: Step,
    last: Millis,
}

#[derive(Debug)]
enum Step {
    Idle,
    /// Both sides make durable what they have.
    Committing {
        through: PeerSeq,
        left: u8,
    },
    /// Both sides write the log.
    Writing {
        through: PeerSeq,
        log: String,
        left: u8,
    },
}

impl Checkpointing {
    pub(super) fn new(
        instances: Both<Option<String>>,
        logs: Both<Option<LocalDocument>>,
        since: PeerSeq,
        history: Vec<Entry>,
        now: Millis,
    ) -> Self {
        let rev = |log: &Option<LocalDocument>| log.as_ref().and_then(|log| log.rev.clone());
        Self {
            through: since.clone(),
            committed: since.clone(),
            start_seq: since,
            history,
            instances,
            revs: Both { source: rev(&logs.source), target: rev(&logs.target) },
            found: logs.source.map_or_else(|| "{}".into(), |log| log.body),
            written: None,
            step: Step::Idle,
            last: now,
        }
    }

    fn is_behind(&self) -> bool {
        self.through != self.committed && matches!(self.step, Step::Idle)
    }

    /// Whether everything is remembered that is to be.
    pub(super) fn is_settled(&self, spec: &Spec) -> bool {
        !spec.use_checkpoints || (self.through == self.committed && matches!(self.step, Step::Idle))
    }

    pub(super) fn reported(&self, spec: &Spec) -> ReportedLog {
        match &self.written {
            _ if !spec.use_checkpoints => ReportedLog::Unused,
            Some(log) => ReportedLog::Written(log.clone()),
            None => ReportedLog::Unchanged(self.found.clone()),
        }
    }
}

impl Running {
    pub(super) fn next_checkpoint(&self, spec: &Spec) -> Option<Millis> {
        let behind = spec.use_checkpoints && self.checkpointing.is_behind();
        behind.then(|| Millis(self.checkpointing.last.0 + spec.checkpoint_interval_ms))
    }
}

impl Replication {
    /// Begins a checkpoint when it is time for one, or when nothing else is left to do.
    pub(super) fn remember_if_due(&mut self, now: Millis) {
        let Phase::Running(running) = &mut self.phase else { return };
        let Some(due) = running.next_checkpoint(&self.spec) else { return };
        // A last checkpoint further away than the interval was before the clock was set back.
        let waiting = due > now && running.checkpointing.last <= now;
        if waiting && !running.is_drained() {
            return;
        }
        let through = running.checkpointing.through.clone();
        running.checkpointing.step = Step::Committing { through, left: 2 };
        self.remember(Task::Commit(Side::Source));
        self.remember(Task::Commit(Side::Target));
    }

    /// Sends the request that a step of a checkpoint needs.
    pub(super) fn remember(&mut self, task: Task) {
        let Phase::Running(running) = &mut self.phase else { return };
        let checkpointing = &mut running.checkpointing;
        match (task, &checkpointing.step) {
            (Task::WriteLog(side), Step::Writing { log, .. }) => {
                let rev = checkpointing.revs.at(side).clone();
                let document = LocalDocument { rev, body: log.clone() };
                self.exchange.send(task, side, Call::WriteLog(document));
            }
            (Task::Commit(side), _) => self.exchange.send(task, side, Call::Commit),
            _ => {}
        }
    }

    pub(super) fn committed(
        &mut self,
        side: Side,
        instance: Option<&str>,
        now: Millis,
    ) -> Result<(), PeerError> {
        let Phase::Running(running) = &mut self.phase else { return Ok(()) };
        self.exchange.succeeded(Task::Commit(side));
        let checkpointing = &mut running.checkpointing;
        let known = checkpointing.instances.at(side).as_deref();
        if known.zip(instance).is_some_and(|(known, now)| known != now) {
            let error = PeerError::Answer("the database was made anew meanwhile".into());
            self.restart(side, error, now);
            return Ok(());
        }
        let Step::Committing { left, through } = &mut checkpointing.step else { return Ok(()) };
        *left -= 1;
        if *left > 0 {
            return Ok(());
        }
        let run = Run {
            session_id: &self.session_id,
            started: self.started,
            start_seq: &checkpointing.start_seq,
            stats: &self.stats,
            by_doc_ids: matches!(self.spec.filter, Filter::DocIds(_)),
        };
        let log = run.log(through, now, &checkpointing.history);
        checkpointing.step = Step::Writing { through: through.clone(), log, left: 2 };
        self.remember(Task::WriteLog(Side::Source));
        self.remember(Task::WriteLog(Side::Target));
        Ok(())
    }

    pub(super) fn log_written(&mut self, side: Side, rev: Option<String>, now: Millis) {
        let Phase::Running(running) = &mut self.phase else { return };
        let checkpointing = &mut running.checkpointing;
        *checkpointing.revs.at(side) = rev;
        let Step::Writing { left, through, log } = &mut checkpointing.step else { return };
        *left -= 1;
        if *left == 0 {
            checkpointing.committed = through.clone();
            checkpointing.written = Some(std::mem::take(log));
            checkpointing.step = Step::Idle;
            checkpointing.last = now;
            self.exchange.succeeded(Task::Handshake);
        }
    }

    /// A source that may only be read remembers nothing; what the target remembers must do, and a
    /// later run begins at the start.
    pub(super) fn go_on_without_source_log(&mut self, now: Millis) -> bool {
        tracing::debug!("the source may only be read, and keeps no checkpoint");
        self.exchange.succeeded(Task::WriteLog(Side::Source));
        self.log_written(Side::Source, None, now);
        true
    }

    /// After a conflict: perhaps it was this very checkpoint, and only its answer got lost.
    pub(super) fn read_log_again(&mut self, side: Side) -> bool {
        if self.is_cancelled() {
            return false;
        }
        self.greet(Task::ReadLog(side));
        true
    }

    pub(super) fn log_read_again(&mut self, side: Side, log: Option<LocalDocument>, now: Millis) {
        let Phase::Running(running) = &mut self.phase else { return };
        let checkpointing = &mut running.checkpointing;
        let Step::Writing { through, .. } = &checkpointing.step else { return };
        let (rev, found) = log.map(|log| (log.rev, Log::parse(&log.body))).unwrap_or_default();
        let ours = found.is_of(&self.session_id);
        if ours && found.is_at(through) {
            return self.log_written(side, rev, now);
        }
        *checkpointing.revs.at(side) = rev;
        let error = PeerError::Answer("its replication log changes all the time".into());
        if ours {
            self.retry(Task::WriteLog(side), side, error, now);
        } else {
            self.restart(side, error, now);
        }
    }
}
