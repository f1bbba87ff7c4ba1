//! A thread, its sandbox, and what it keeps compiled.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::Builder;

use super::super::error::Error;
use super::super::functions::Functions;
use super::super::runtime::Sandbox;
use super::DesignKey;
use super::queue::{Job, Queue};

/// What Rust needs of a thread's stack beside the engine.
const STACK_BYTES: usize = 1 << 20;

/// Starts a thread that has been counted already.
pub(super) fn start(queue: &Arc<Queue>) -> Result<(), Error> {
    let of_thread = Arc::clone(queue);
    let stack_bytes = queue.options().limits.stack_bytes + STACK_BYTES;
    let started = Builder::new()
        .name("functions".into())
        .stack_size(stack_bytes)
        .spawn(move || work(&of_thread));
    started.map(drop).map_err(|error| {
        queue.thread_failed();
        Error::Engine(format!("starting a thread of functions: {error}"))
    })
}

/// The functions of a job's design document, compiled or not yet.
pub(super) struct Compiled<'a> {
    worker: &'a mut Worker,
    key: DesignKey,
}

impl Compiled<'_> {
    pub(super) fn with<T, E: From<Error>>(
        self,
        load: impl FnOnce() -> Result<String, E>,
        work: impl FnOnce(&mut Functions) -> Result<T, E>,
    ) -> Result<T, E> {
        let kept = &mut self.worker.kept;
        let functions = match kept.iter().position(|(key, _)| *key == self.key) {
            Some(at) => kept.remove(at).1,
            None => Functions::new(&self.worker.sandbox, &load()?)?,
        };
        kept.push((self.key, functions));
        if kept.len() > self.worker.kept_max {
            kept.remove(0);
        }
        match kept.last_mut() {
            Some((_, functions)) => work(functions),
            None => Err(Error::Busy.into()),
        }
    }
}

struct Worker {
    // What is compiled goes before the sandbox; the one used last is the last.
    kept: Vec<(DesignKey, Functions)>,
    kept_max: usize,
    sandbox: Sandbox,
}

fn work(queue: &Queue) {
    let log = queue.log();
    let options = queue.options();
    let sandbox = Sandbox::new(options.limits.clone(), move |line| log(line));
    let mut worker = Worker { kept: Vec::new(), kept_max: options.compiled_max.max(1), sandbox };
    while let Some(job) = queue.next() {
        let Job { key, pulse, work } = job;
        let database = Arc::clone(&key.database);
        let Some(pulse) = pulse.upgrade().filter(|pulse| pulse.begin()) else {
            queue.done(&database);
            continue;
        };
        worker.sandbox.set_pulse(Some(Arc::clone(&pulse)));
        // Nothing that a panic may have left half done is used again.
        let compiled = Compiled { worker: &mut worker, key };
        let panicked = catch_unwind(AssertUnwindSafe(|| work(compiled))).is_err();
        worker.sandbox.set_pulse(None);
        if panicked || worker.sandbox.is_broken() {
            // Whoever used all memory may still hold it.
            worker.kept.clear();
        }
        queue.done(&database);
        if pulse.is_given_up() {
            queue.lost_thread_ended();
            return;
        }
    }
}
