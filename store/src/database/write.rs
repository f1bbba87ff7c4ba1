//! Writes: queued, committed together, acknowledged when durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;

use super::commit::Commit;
use super::partition::refusal;
use super::queue::{Edited, Job, LocalWrite, Next, Settle};
use super::{Database, REVS_LIMIT, decode_number, setting};
use crate::activity::Committed;
use crate::core::lock;
use crate::engine::Counters;
use crate::{Edit, EditError, Error, LocalId, Millis, RevId};

/// Superseded rows of the changes feed that may pile up before an idle writer removes them.
const STALE_MAX: u64 = 25_000;

/// How many of them one transaction removes, so that no write waits long for it.
const STALE_AT_ONCE: u64 = 2_000;

/// What became of one job.
enum Outcome {
    Edits(Vec<Result<RevId, EditError>>),
    Local(Option<u64>),
    Setting,
    Purge(Vec<Vec<RevId>>),
    Settled(u64),
}

impl Database {
    /// Queues edits and calls `done` once they are durable, in the order of the edits, or with the
    /// error that kept them all from being written. Committed together with whatever else waits.
    pub fn submit(
        &self,
        edits: Vec<Edit>,
        now: Millis,
        done: impl FnOnce(Edited) + Send + 'static,
    ) {
        self.push(Job::Edits { edits, now, by: None, done: Box::new(done) });
    }

    /// [`Self::submit`], for what somebody else brings, whom `by` names and who is charged for it, see
    /// [`Self::charges`]. A revision of theirs that is stamped
    /// more than ten minutes ahead of `now`, and of all that was written here, is accepted but held:
    /// nobody sees it until its time has come, see [`Self::held`].
    pub fn submit_delivered(
        &self,
        edits: Vec<Edit>,
        now: Millis,
        by: &str,
        done: impl FnOnce(Edited) + Send + 'static,
    ) {
        self.push(Job::Edits { edits, now, by: Some(by.into()), done: Box::new(done) });
    }

    /// [`Self::submit`], committing on this thread where no other is at work on the database: as long as
    /// a commit takes, but sooner, for no thread has to wake up.
    pub fn submit_here(
        &self,
        edits: Vec<Edit>,
        now: Millis,
        done: impl FnOnce(Edited) + Send + 'static,
    ) {
        let job = Job::Edits { edits, now, by: None, done: Box::new(done) };
        if self.enqueue(job) {
            self.commit_next();
            let upkeep = self.stale.load(Ordering::Relaxed) > STALE_MAX;
            if lock(&self.queue).rest(upkeep) {
                self.schedule();
            }
        }
    }

    /// [`Self::submit`], waiting for the outcome.
    ///
    /// # Errors
    /// Any of [`Error`]; then nothing was written.
    pub fn write(&self, edits: Vec<Edit>, now: Millis) -> Edited {
        self.wait(|done| Job::Edits { edits, now, by: None, done })
    }

    /// [`Self::submit_delivered`], waiting for the outcome.
    ///
    /// # Errors
    /// Any of [`Error`]; then nothing was written.
    pub fn deliver(&self, edits: Vec<Edit>, now: Millis, by: &str) -> Edited {
        let by = Some(by.into());
        self.wait(|done| Job::Edits { edits, now, by, done })
    }

    /// Writes a local document over whatever stands there, or deletes it where `json` is `None`;
    /// `base` is the edit count its writer says it had. Returns the new edit count (0 for deleted),
    /// or `None` when there was nothing to delete.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn write_local(
        &self,
        id: LocalId,
        base: u64,
        json: Option<String>,
    ) -> Result<Option<u64>, Error> {
        self.wait(|done| Job::Local { write: LocalWrite { id, base, json }, done })
    }

    /// Sets how many revisions of each leaf's history are kept, at least 1.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn set_revs_limit(&self, limit: u64) -> Result<(), Error> {
        let value = limit.max(1).to_be_bytes().into();
        self.wait(|done| Job::Setting { key: setting::REVS_LIMIT, value, done })
    }

    /// Runs `work` while nothing else writes.
    pub(super) fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = channel();
        self.push(Job::Alone(Box::new(move || {
            // Whoever waited may have gone.
            let _gone = sender.send(work());
        })));
        receiver.recv().unwrap_or(Err(Error::Closing))
    }

    pub(super) fn wait<T: Send + 'static>(
        &self,
        job: impl FnOnce(Box<dyn FnOnce(Result<T, Error>) + Send>) -> Job,
    ) -> Result<T, Error> {
        let (sender, receiver) = channel();
        self.push(job(Box::new(move |outcome| {
            // Whoever waited may have gone.
            let _gone = sender.send(outcome);
        })));
        receiver.recv().unwrap_or(Err(Error::Closing))
    }

    fn push(&self, job: Job) {
        if self.enqueue(job) {
            self.schedule();
        }
    }

    /// Adds a write to those that wait; `true` when a thread must be set to work.
    fn enqueue(&self, job: Job) -> bool {
        if self.core.is_closing() {
            job.fail(Error::Closing);
            return false;
        }
        let pushed = lock(&self.queue).push(job);
        pushed.unwrap_or_else(|job| {
            job.fail(Error::Busy);
            false
        })
    }

    pub(crate) fn schedule(&self) {
        if let Some(me) = self.me.upgrade() {
            self.core.writers.schedule(me);
        }
    }

    /// Does what upkeep is due and commits some of what waits; `true` when there may be more.
    pub(crate) fn commit_waiting(&self) -> bool {
        if self.stale.load(Ordering::Relaxed) > STALE_MAX
            && let Err(error) = self.purge_stale()
        {
            // They are skipped as before; the next commit tries again.
            let error = error.unnamed();
            tracing::warn!(error, database = %self.uuid, "superseded rows stay");
        }
        self.commit_next()
    }

    fn commit_next(&self) -> bool {
        let next = lock(&self.queue).next();
        match next {
            Next::Idle => false,
            Next::Alone(work) => {
                if catch_unwind(AssertUnwindSafe(work)).is_err() {
                    tracing::error!(database = %self.uuid, "work between writes panicked");
                }
                true
            }
            Next::Together(jobs) => {
                let committing = AssertUnwindSafe(|| self.commit(jobs));
                if catch_unwind(committing).is_err() {
                    // Rolled back, and whoever waited sees the channel close; the next write goes on.
                    tracing::error!(database = %self.uuid, "a write panicked");
                }
                true
            }
        }
    }

    fn commit(&self, jobs: Vec<Job>) {
        match self.core.noting_room(self.try_commit(&jobs)) {
            Ok(outcomes) => {
                jobs.into_iter().zip(outcomes).for_each(|(job, outcome)| job.tell(outcome));
            }
            // One job's fault must not become its neighbours'.
            Err(_) if jobs.len() > 1 => jobs.into_iter().for_each(|job| self.commit(vec![job])),
            Err(error) => {
                if let Some(job) = jobs.into_iter().next() {
                    job.fail(error);
                }
            }
        }
    }

    fn try_commit(&self, jobs: &[Job]) -> Result<Vec<Outcome>, Error> {
        let engine = self.engine()?;
        let partitioned = self.is_partitioned()?;
        self.mark_dirty()?;
        let mut outcomes = Vec::with_capacity(jobs.len());
        let (mut counters, mut ledger) = (Counters::default(), None);
        engine.write(&mut |rows| {
            let limit = decode_number(rows.setting(setting::REVS_LIMIT)?).unwrap_or(REVS_LIMIT);
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let mut commit = Commit::begin(rows, limit, &self.core.device)?;
            commit.expect(jobs.iter().flat_map(Job::edits).map(|edit| &edit.id))?;
            for job in jobs {
                outcomes.push(job.decide(&mut commit, partitioned)?);
            }
            (counters, ledger) = commit.finish()?;
            self.visible_seq.fetch_max(counters.update_seq, Ordering::AcqRel);
            Ok(())
        })?;
        if let Some(ledger) = ledger {
            self.note_charges(&ledger);
        }
        if jobs.iter().any(Job::touches_designs) {
            self.designs_version.fetch_add(1, Ordering::AcqRel);
        }
        let before = self.update_seq.swap(counters.update_seq, Ordering::AcqRel);
        if counters.update_seq != before {
            self.updated.notify(usize::MAX);
        }
        if counters.update_seq != before || counters.pins.held != self.held_count() {
            // Noted first: whoever is woken asks for it.
            self.held_count.store(counters.pins.held, Ordering::Relaxed);
            self.core.written.notify(usize::MAX);
        }
        self.stale.store(counters.stale, Ordering::Relaxed);
        self.note_waste(&counters);
        self.core.tally.committed(count(jobs, &outcomes));
        Ok(outcomes)
    }

    /// Removes superseded feed rows as long as nobody waits to write.
    fn purge_stale(&self) -> Result<(), Error> {
        let engine = self.engine()?;
        let mut left = self.stale.load(Ordering::Relaxed);
        while left > 0 && lock(&self.queue).is_empty() {
            engine.write(&mut |rows| {
                let purged = rows.purge_stale(STALE_AT_ONCE)?;
                let mut counters = rows.counters()?;
                counters.stale =
                    if purged == 0 { 0 } else { counters.stale.saturating_sub(purged) };
                left = counters.stale;
                rows.set_counters(&counters)
            })?;
            self.stale.store(left, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// What a commit of these jobs adds to the store's activity.
fn count(jobs: &[Job], outcomes: &[Outcome]) -> Committed {
    let mut committed = Committed::default();
    for (job, outcome) in jobs.iter().zip(outcomes) {
        match (job, outcome) {
            (Job::Edits { edits, .. }, Outcome::Edits(outcomes)) => {
                for (edit, _) in edits.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok()) {
                    committed.documents += 1;
                    committed.attachment_bytes += edit.staged_bytes();
                }
            }
            (Job::Local { .. }, Outcome::Local(Some(_))) => committed.locals += 1,
            _ => {}
        }
    }
    committed
}

impl Job {
    fn decide(&self, commit: &mut Commit<'_>, partitioned: bool) -> Result<Outcome, Error> {
        match self {
            Self::Edits { edits, now, by, .. } => {
                let outcomes = edits.iter().map(|edit| match refusal(partitioned, &edit.id) {
                    Some(refusal) => Ok(Err(refusal)),
                    None => commit.edit(edit, *now, by.as_deref()),
                });
                Ok(Outcome::Edits(outcomes.collect::<Result<_, _>>()?))
            }
            Self::Local { write, .. } => Ok(Outcome::Local(commit.local(write)?)),
            Self::Setting { key, value, .. } => {
                commit.setting(key, value)?;
                Ok(Outcome::Setting)
            }
            Self::Purge { purges, .. } => {
                let purged = purges.iter().map(|purge| commit.purge(purge));
                Ok(Outcome::Purge(purged.collect::<Result<_, _>>()?))
            }
            Self::Settle { settle, .. } => Ok(Outcome::Settled(settle.decide(commit)?)),
            Self::Alone(_) => Ok(Outcome::Setting),
        }
    }

    fn tell(self, outcome: Outcome) {
        match (self, outcome) {
            (Self::Edits { done, .. }, Outcome::Edits(outcomes)) => done(Ok(outcomes)),
            (Self::Local { done, .. }, Outcome::Local(rev)) => done(Ok(rev)),
            (Self::Setting { done, .. }, Outcome::Setting) => done(Ok(())),
            (Self::Purge { done, .. }, Outcome::Purge(purged)) => done(Ok(purged)),
            (Self::Settle { done, .. }, Outcome::Settled(count)) => done(Ok(count)),
            (job, _) => job.fail(Error::Closing),
        }
    }
}

impl Settle {
    fn decide(&self, commit: &mut Commit<'_>) -> Result<u64, Error> {
        match self {
            Self::Resolve { ids, now } => {
                let mut changed = 0;
                for id in ids {
                    changed += u64::from(commit.resolve(id, *now)?);
                }
                Ok(changed)
            }
            Self::Dismiss(id) => commit.dismiss(*id).map(u64::from),
            Self::Trim { before, bytes_max } => commit.trim(*before, *bytes_max),
            Self::ReleaseDue(now) => commit.release_due(*now),
            Self::Release { id, now } => commit.release(*id, *now).map(u64::from),
        }
    }
}
