//! One run from its seed to its end.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bug::{self, Bug};
use crate::trace::Sink;
use crate::world::World;

/// What must not happen, and by which seed it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// In plain words.
    pub what: String,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Revisions that people wrote.
    pub written: u64,
    /// Transfers from device to device.
    pub transfers: u64,
    /// Milliseconds that passed in the world.
    pub elapsed_ms: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.what)
    }
}

impl std::error::Error for Failure {}

/// Makes the world of a seed, lets its people live, brings it to rest and checks it.
///
/// # Errors
/// [`Failure`] when the hubs do not agree, lost something, let something cross, or stay busy.
pub fn run(seed: u64, bug: Option<Bug>, sink: Option<Sink>) -> Result<Summary, Failure> {
    let failed = |what| Failure { seed, what };
    let ran = catch_unwind(AssertUnwindSafe(|| ran(seed, bug, sink)));
    let outcome = ran.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    });
    outcome.map_err(failed)
}

fn ran(seed: u64, bug: Option<Bug>, sink: Option<Sink>) -> Result<Summary, String> {
    bug::set(bug)?;
    let mut world = World::new(seed, bug, sink).map_err(|error| error.to_string())?;
    let begin = world.now;
    world.live();
    if world.failure.is_none() {
        world.settle();
    }
    if world.failure.is_none() {
        world.check();
    }
    let summary = Summary {
        written: world.ledger.all().len() as u64,
        transfers: world.transfers_begun,
        elapsed_ms: world.now - begin,
    };
    world.failure.map_or(Ok(summary), Err)
}
