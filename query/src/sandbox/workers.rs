//! Threads for functions that are called now and then.

mod queue;
mod thread;

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use self::queue::{Job, Queue, Refusal};
use super::error::Error;
use super::functions::Functions;
use super::limits::Limits;
use super::pulse::Pulse;

/// Whose functions are called. Equal keys mean equal design documents.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DesignKey {
    /// The database; none has all threads for itself while there is more than one.
    pub database: Arc<str>,
    /// The design document and its revision.
    pub design: Arc<str>,
}

/// How many threads there are, and what waits for them.
#[derive(Clone, Debug)]
pub struct WorkersOptions {
    /// Threads, each with a sandbox; they are started when they are needed.
    pub threads_max: usize,
    /// Calls that wait for a thread. Those of one database take half of the places at most.
    pub waiting_max: usize,
    /// How long a call waits for a thread.
    pub wait_max: Duration,
    /// Design documents that each thread keeps compiled.
    pub compiled_max: usize,
    /// After so long without a call a thread ends, and its sandbox with it.
    pub idle: Duration,
    /// How much longer than [`Limits::call`] a call may take before its thread is given up: the
    /// engine's own code does not look at the time everywhere.
    pub grace: Duration,
    /// What each sandbox may use.
    pub limits: Limits,
}

impl Default for WorkersOptions {
    fn default() -> Self {
        Self {
            threads_max: 2,
            waiting_max: 64,
            wait_max: Duration::from_secs(30),
            compiled_max: 16,
            idle: Duration::from_secs(30),
            grace: Duration::from_secs(5),
            limits: Limits::default(),
        }
    }
}

/// Calls functions of design documents on threads of its own, which keep them compiled.
pub struct Workers {
    queue: Arc<Queue>,
}

impl Workers {
    /// Makes the pool; it has no thread until something is called. `log` is given what functions log.
    #[must_use]
    pub fn new(options: WorkersOptions, log: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { queue: Arc::new(Queue::new(options, Arc::new(log))) }
    }

    /// Calls functions of a design document and waits for the answer. `load` gives its JSON when no
    /// thread has it compiled.
    ///
    /// # Errors
    /// What `load` and `work` answer; [`Error::Busy`] when too much waits already, and
    /// [`Error::Timeout`] when the thread had to be given up.
    pub fn run<T, E>(
        &self,
        key: &DesignKey,
        load: impl FnOnce() -> Result<String, E> + Send + 'static,
        work: impl FnOnce(&mut Functions) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (sender, receiver) = sync_channel(1);
        let pulse = Arc::new(Pulse::default());
        let job = Job {
            key: key.clone(),
            pulse: Arc::downgrade(&pulse),
            work: Box::new(move |compiled| answer(compiled.with(load, work), &sender)),
        };
        match self.queue.push(job) {
            Ok(true) => thread::start(&self.queue).map_err(E::from)?,
            Ok(false) => {}
            Err(Refusal) => return Err(Error::Busy.into()),
        }
        self.wait(&pulse, &receiver).unwrap_or_else(|error| Err(error.into()))
    }

    /// Threads that there are now.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.queue.threads()
    }

    fn wait<T>(&self, pulse: &Arc<Pulse>, receiver: &Receiver<T>) -> Result<T, Error> {
        let options = self.queue.options();
        let asked = Instant::now();
        loop {
            match receiver.recv_timeout(options.grace.min(Duration::from_secs(1))) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::Engine("a thread of functions has ended".into()));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if pulse.is_older(options.limits.call + options.grace) && pulse.give_up() {
                if self.queue.forget_thread() {
                    thread::start(&self.queue)?;
                }
                return Err(Error::Timeout);
            }
            if asked.elapsed() > options.wait_max && pulse.cancel() {
                return Err(Error::Busy);
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn answer<T>(answer: T, sender: &SyncSender<T>) {
    // Whoever asked may have stopped waiting.
    drop(sender.send(answer));
}

type WeakPulse = Weak<Pulse>;
