//! The beginning: do both databases exist, and what do both remember?

use store::Millis;

use super::checkpointing::Checkpointing;
use super::exchange::{Call, Side, Task};
use super::reading::Reading;
use super::{Phase, Replication, Running};
use crate::checkpoint::{self, Log};
use crate::{LocalDocument, PeerError, PeerInfo};

/// One value for either side.
#[derive(Clone, Debug, Default)]
pub(super) struct Both<T> {
    pub(super) source: T,
    pub(super) target: T,
}

impl<T> Both<T> {
    pub(super) fn at(&mut self, side: Side) -> &mut T {
        match side {
            Side::Source => &mut self.source,
            Side::Target => &mut self.target,
        }
    }
}

/// Answers to the first questions, which all are asked at once.
#[derive(Debug)]
pub(super) struct Handshake {
    infos: Both<Option<PeerInfo>>,
    logs: Both<Option<LocalDocument>>,
    logs_awaited: Both<bool>,
    created: bool,
}

impl Default for Handshake {
    fn default() -> Self {
        Self {
            infos: Both::default(),
            logs: Both::default(),
            logs_awaited: Both { source: true, target: true },
            created: false,
        }
    }
}

impl Handshake {
    pub(super) fn is_complete(&self) -> bool {
        let infos = self.infos.source.is_some() && self.infos.target.is_some();
        infos && !self.logs_awaited.source && !self.logs_awaited.target
    }
}

impl Replication {
    /// Asks one of the first questions, or all of them.
    pub(super) fn greet(&mut self, task: Task) {
        let call = match task {
            Task::Info(side) => (side, Call::Info),
            Task::ReadLog(side) => (side, Call::ReadLog),
            Task::Create => (Side::Target, Call::Create),
            _ => return self.greet_both(),
        };
        self.exchange.send(task, call.0, call.1);
    }

    fn greet_both(&mut self) {
        for side in [Side::Source, Side::Target] {
            self.greet(Task::Info(side));
            if self.spec.use_checkpoints {
                self.greet(Task::ReadLog(side));
            } else {
                self.greeted_without_log(side);
            }
        }
    }

    pub(super) fn greeted(&mut self, side: Side, info: PeerInfo) {
        if let Phase::Handshake(handshake) = &mut self.phase {
            *handshake.infos.at(side) = Some(info);
        }
    }

    /// Takes a log: one of the two to begin with, or one that somebody else wrote meanwhile.
    pub(super) fn log_read(
        &mut self,
        side: Side,
        log: Option<LocalDocument>,
        now: Millis,
    ) -> Result<(), PeerError> {
        self.exchange.succeeded(Task::ReadLog(side));
        match &mut self.phase {
            Phase::Handshake(handshake) => {
                *handshake.logs.at(side) = log;
                *handshake.logs_awaited.at(side) = false;
            }
            Phase::Running(_) => self.log_read_again(side, log, now),
            Phase::Ended(_) => {}
        }
        Ok(())
    }

    /// Goes on without a log: there is none to be used, or no database that could hold it, which
    /// the answer about the database will say.
    pub(super) fn greeted_without_log(&mut self, side: Side) -> bool {
        let Phase::Handshake(handshake) = &mut self.phase else { return false };
        *handshake.logs_awaited.at(side) = false;
        true
    }

    pub(super) fn create_target(&mut self) -> bool {
        let Phase::Handshake(handshake) = &mut self.phase else { return false };
        if !self.spec.create_target || handshake.created {
            return false;
        }
        handshake.created = true;
        self.greet(Task::Create);
        true
    }

    /// Begins to read where both sides remember to have been.
    pub(super) fn begin(&mut self, now: Millis) {
        let Phase::Handshake(handshake) = &mut self.phase else { return };
        let logs = std::mem::take(&mut handshake.logs);
        let infos = std::mem::take(&mut handshake.infos);
        let parse = |log: &Option<LocalDocument>| {
            log.as_ref().map(|log| Log::parse(&log.body)).unwrap_or_default()
        };
        let common = checkpoint::compare(&parse(&logs.source), &parse(&logs.target));
        let since = self.spec.since.clone().unwrap_or(common.since);
        tracing::debug!(%since, session = %self.session_id, "replication begins");
        let instance = |info: Option<PeerInfo>| info.and_then(|info| info.instance);
        self.phase = Phase::Running(Box::new(Running {
            reading: Reading::new(since.clone()),
            batches: std::collections::VecDeque::new(),
            batches_begun: 0,
            fetch_docs_max: self.spec.batch_changes_max,
            checkpointing: Checkpointing::new(
                Both { source: instance(infos.source), target: instance(infos.target) },
                logs,
                since,
                common.history,
                now,
            ),
            cancelled: false,
        }));
    }
}
