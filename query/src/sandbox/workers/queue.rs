//! What waits for a thread, and which of it is next.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::thread::Compiled;
use super::{DesignKey, WeakPulse, WorkersOptions};

pub(super) type Log = Arc<dyn Fn(&str) + Send + Sync>;

pub(super) struct Job {
    pub(super) key: DesignKey,
    pub(super) pulse: WeakPulse,
    pub(super) work: Box<dyn FnOnce(Compiled<'_>) + Send>,
}

/// As much waits as may.
pub(super) struct Refusal;

pub(super) struct Queue {
    options: WorkersOptions,
    log: Log,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// How many threads work for a database.
    working: HashMap<Arc<str>, usize>,
    threads: usize,
    idle: usize,
    /// Threads given up that have not ended yet.
    lost: usize,
    closed: bool,
}

impl Queue {
    pub(super) fn new(options: WorkersOptions, log: Log) -> Self {
        Self { options, log, state: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn options(&self) -> &WorkersOptions {
        &self.options
    }

    pub(super) fn log(&self) -> Log {
        Arc::clone(&self.log)
    }

    pub(super) fn threads(&self) -> usize {
        let state = self.state();
        state.threads + state.lost
    }

    /// Puts a job at the end; true when a thread has to be started for it, which is counted.
    pub(super) fn push(&self, job: Job) -> Result<bool, Refusal> {
        let mut state = self.state();
        let database = &job.key.database;
        // Nobody waits any more for some of them.
        state.waiting.retain(|job| job.pulse.strong_count() > 0);
        let of_database = state.waiting.iter().filter(|job| job.key.database == *database).count();
        let full = state.waiting.len() >= self.options.waiting_max
            || of_database >= self.options.waiting_max.div_ceil(2);
        if full {
            return Err(Refusal);
        }
        state.waiting.push_back(job);
        let start = self.counts_another(&mut state);
        if !start {
            self.changed.notify_all();
        }
        Ok(start)
    }

    /// Counts another thread if one is needed and may be started.
    fn counts_another(&self, state: &mut State) -> bool {
        let threads_max = self.options.threads_max.max(1);
        // As many threads may be lost as there are, then no more are risked.
        let threads_max = threads_max.min((2 * threads_max).saturating_sub(state.lost));
        let start = state.waiting.len() > state.idle && state.threads < threads_max;
        if start {
            state.threads += 1;
        }
        start
    }

    /// The next job for a thread, which waits for it; none when it is to end, which is counted.
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if let Some(job) = self.take(&mut state) {
                return Some(job);
            }
            if state.closed {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            let waited = self.changed.wait_timeout(state, self.options.idle);
            let timeout;
            (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            if timeout.timed_out() && state.waiting.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }

    /// The first job whose database leaves a thread to others.
    fn take(&self, state: &mut State) -> Option<Job> {
        let most = self.options.threads_max.saturating_sub(1).max(1);
        let working = &state.working;
        let free = |job: &Job| working.get(&job.key.database).is_none_or(|&working| working < most);
        let at = state.waiting.iter().position(free)?;
        let job = state.waiting.remove(at)?;
        *state.working.entry(Arc::clone(&job.key.database)).or_default() += 1;
        Some(job)
    }

    /// A thread has done with a job of that database.
    pub(super) fn done(&self, database: &Arc<str>) {
        let mut state = self.state();
        if let Some(working) = state.working.get_mut(database) {
            *working -= 1;
            if *working == 0 {
                state.working.remove(database);
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// A thread is given up; true when another has to be started in its place, which is counted.
    pub(super) fn forget_thread(&self) -> bool {
        let mut state = self.state();
        state.threads -= 1;
        state.lost += 1;
        self.counts_another(&mut state)
    }

    /// A thread that was given up has ended after all.
    pub(super) fn lost_thread_ended(&self) {
        self.state().lost -= 1;
    }

    /// A thread that was counted could not be started.
    pub(super) fn thread_failed(&self) {
        self.state().threads -= 1;
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
