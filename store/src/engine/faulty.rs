//! An engine that fails on cue, around one that does not: for tests of what callers then do.

mod rows;
mod tests;
mod transactions;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::rows::FaultyRows;
use super::{DiskEngine, Engine, Rows, RowsMut};
use crate::Error;

/// When operations fail: each n-th of them, whatever it is, or the n-th with a row in each write.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// 0 fails none.
    every: AtomicU64,
    operations: AtomicU64,
    /// Which one with a row fails; 0 fails none.
    row: AtomicU64,
    struck: AtomicU64,
}

impl Faults {
    /// From now on each operation of that number fails; 0 ends it.
    pub(crate) fn fail_every(&self, every: u64) {
        self.every.store(every, Ordering::Relaxed);
    }

    /// From now on the operation of this number with a row fails in each write; 0 ends it.
    pub(crate) fn fail_at_row(&self, row: u64) {
        self.row.store(row, Ordering::Relaxed);
    }

    /// How many operations have failed.
    pub(crate) fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    /// An operation begins.
    pub(crate) fn strike(&self) -> Result<(), Error> {
        let number = self.operations.fetch_add(1, Ordering::Relaxed) + 1;
        match self.every.load(Ordering::Relaxed) {
            0 => Ok(()),
            every if number.is_multiple_of(every) => self.fail(),
            _ => Ok(()),
        }
    }

    /// An operation with a row begins, the n-th of its write.
    fn strike_row(&self, number: u64) -> Result<(), Error> {
        if self.row.load(Ordering::Relaxed) == number { self.fail() } else { Ok(()) }
    }

    fn fail(&self) -> Result<(), Error> {
        self.struck.fetch_add(1, Ordering::Relaxed);
        let source = std::io::Error::other("a fault on cue");
        Err(Error::Io { action: "do what was asked", source })
    }
}

/// An engine whose operations fail on cue: reading, beginning a write, each row of it, making it durable,
/// settling.
#[derive(Debug)]
pub(crate) struct FaultyEngine {
    engine: DiskEngine,
    faults: Arc<Faults>,
}

impl FaultyEngine {
    pub(crate) fn new(engine: DiskEngine, faults: &Arc<Faults>) -> Self {
        Self { engine, faults: Arc::clone(faults) }
    }
}

impl Engine for FaultyEngine {
    fn read(&self, look: &mut dyn FnMut(&dyn Rows) -> Result<(), Error>) -> Result<(), Error> {
        self.faults.strike()?;
        self.engine.read(look)
    }

    fn write(
        &self,
        change: &mut dyn FnMut(&mut dyn RowsMut) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.faults.strike()?;
        self.engine.write(&mut |rows| {
            change(&mut FaultyRows::new(rows, &self.faults))?;
            self.faults.strike()
        })
    }

    fn bytes_on_disk(&self) -> u64 {
        self.engine.bytes_on_disk()
    }

    fn attachment_folder(&self) -> Option<&Path> {
        self.engine.attachment_folder()
    }

    fn settle(&self) -> Result<(), Error> {
        self.faults.strike()?;
        self.engine.settle()
    }

    fn retire(&self) {
        self.engine.retire();
    }

    fn is_damaged(&self) -> bool {
        self.engine.is_damaged()
    }

    fn check(&self) -> Result<Vec<String>, Error> {
        self.faults.strike()?;
        self.engine.check()
    }

    fn copy_into(&self, path: &Path) -> Result<(), Error> {
        self.faults.strike()?;
        self.engine.copy_into(path)
    }
}
