//! Functions of design documents, run by workers that keep them compiled.

use std::fmt;
use std::sync::Arc;

use query::{DesignKey, Functions, Limits, SandboxError, Workers, WorkersOptions};
use store::Database;

use crate::designs::DesignDoc;

/// Calls that wait for a worker: as many as there are connections, for each may bring a document
/// that a function judges.
const WAITING_MAX: usize = 4096;

/// List functions that run at a time, and that wait: one lives as long as its answer is read.
const LISTS_MAX: usize = 8;
const LISTS_WAITING_MAX: usize = 64;

/// Where functions run.
pub(crate) struct FunctionRunner {
    workers: Workers,
    /// For what waits for clients: it must not hold up who writes documents.
    long: Workers,
    limits: Limits,
}

impl FunctionRunner {
    /// As many workers as there are processors; none before a function is called.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let limits = Limits::default();
        let options = WorkersOptions {
            threads_max: processors.max(2),
            waiting_max: WAITING_MAX,
            limits: limits.clone(),
            ..WorkersOptions::default()
        };
        let long = WorkersOptions {
            threads_max: LISTS_MAX,
            waiting_max: LISTS_WAITING_MAX,
            ..options.clone()
        };
        Self { workers: Workers::new(options, log), long: Workers::new(long, log), limits }
    }

    /// What functions may use, wherever they run.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Lets `work` call functions of a design document. Blocks until it is done.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        database: &Database,
        design: &DesignDoc,
        work: impl FnOnce(&mut Functions) -> T + Send + 'static,
    ) -> Result<T, SandboxError> {
        call(&self.workers, database, design, work)
    }

    /// The same for work that takes as long as a client takes.
    pub(crate) fn run_long<T: Send + 'static>(
        &self,
        database: &Database,
        design: &DesignDoc,
        work: impl FnOnce(&mut Functions) -> T + Send + 'static,
    ) -> Result<T, SandboxError> {
        call(&self.long, database, design, work)
    }
}

fn call<T: Send + 'static>(
    workers: &Workers,
    database: &Database,
    design: &DesignDoc,
    work: impl FnOnce(&mut Functions) -> T + Send + 'static,
) -> Result<T, SandboxError> {
    let key = DesignKey {
        database: database.uuid().to_string().into(),
        design: format!("{}@{}", design.id, design.rev).into(),
    };
    let text = Arc::clone(&design.text);
    let load = move || Ok::<_, SandboxError>(text.as_ref().to_owned());
    workers.run(&key, load, move |functions| Ok(work(functions)))
}

/// Notes what a function logs, which is mostly about documents.
pub(crate) fn log(line: &str) {
    tracing::debug!(target: "larder::functions", "{line}");
}

impl fmt::Debug for FunctionRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionRunner").finish_non_exhaustive()
    }
}
