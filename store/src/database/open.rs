//! The file of a database: opened when it is used, closed when others need the room.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Database;
use crate::Error;
use crate::core::lock;
use crate::engine::Engine;

/// A database's file, or where it will be.
#[derive(Debug)]
pub(super) struct Slot {
    engine: Option<Arc<dyn Engine>>,
    pub(super) generation: u64,
    /// Whether the catalog's last sequence is right.
    clean: bool,
}

impl Slot {
    pub(super) fn closed(generation: u64, clean: bool) -> Self {
        Self { engine: None, generation, clean }
    }

    /// Whether this is the open file.
    pub(super) fn is_on(&self, engine: &Arc<dyn Engine>) -> bool {
        self.engine.as_ref().is_some_and(|open| Arc::ptr_eq(open, engine))
    }
}

impl Database {
    /// The open file; whoever holds it keeps it open.
    pub(crate) fn engine(&self) -> Result<Arc<dyn Engine>, Error> {
        self.last_use.store(self.core.next_use(), Ordering::Relaxed);
        let engine = {
            let mut slot = lock(&self.slot);
            if self.is_deleted() {
                return Err(Error::NoDatabase);
            }
            if let Some(engine) = &slot.engine {
                return self.trusted(engine);
            }
            let engine = self.core.backend.open(self.uuid, slot.generation)?;
            self.compare(&*engine)?;
            slot.engine = Some(Arc::clone(&engine));
            engine
        };
        self.core.tally.opened();
        self.core.opened(&self.me)?;
        // What is wrong with the file shows where it is used.
        let _shown_there = engine.read(&mut |rows| {
            self.note_waste(&rows.counters()?);
            Ok(())
        });
        Ok(engine)
    }

    /// The file for somebody who only reads: on a full disk, where a file cannot be opened as usual,
    /// one that is closed again right after.
    pub(crate) fn reading(&self) -> Result<Arc<dyn Engine>, Error> {
        match self.engine() {
            Err(Error::DiskFull) => {
                let generation = lock(&self.slot).generation;
                self.core.backend.open_without_room(self.uuid, generation)
            }
            opened => opened,
        }
    }

    /// The same for somebody who looks for damage.
    pub(crate) fn suspected(&self) -> Result<Arc<dyn Engine>, Error> {
        let open = lock(&self.slot).engine.clone();
        open.map_or_else(|| self.reading(), Ok)
    }

    /// A file in which damage was met is refused as a whole: who wrote on would make it worse.
    fn trusted(&self, engine: &Arc<dyn Engine>) -> Result<Arc<dyn Engine>, Error> {
        if engine.is_damaged() {
            if !self.refused.swap(true, Ordering::Relaxed) {
                tracing::error!(database = %self.uuid, "is damaged, and refused from now on");
            }
            return Err(Error::Damaged(format!("a page of {} cannot be right", self.name())));
        }
        Ok(Arc::clone(engine))
    }

    /// A file that knows less than was committed has lost something: half its log, or it is a copy of
    /// an earlier day.
    fn compare(&self, engine: &dyn Engine) -> Result<(), Error> {
        let known = self.update_seq.load(Ordering::Acquire);
        let mut found = 0;
        engine.read(&mut |rows| {
            found = rows.counters()?.update_seq;
            Ok(())
        })?;
        if found < known {
            return Err(Error::Damaged(format!(
                "the file ends at {found}, the database at {known}"
            )));
        }
        Ok(())
    }

    /// To be called before a commit: after a crash, the file must be asked for its last sequence.
    pub(super) fn mark_dirty(&self) -> Result<(), Error> {
        self.core.catalog.confirm()?;
        let mut slot = lock(&self.slot);
        if slot.clean {
            self.core.catalog.mark_dirty(self.uuid)?;
            slot.clean = false;
        }
        Ok(())
    }

    /// Puts a compacted file in the place of the present one, by one commit in the catalog.
    pub(super) fn switch(&self, generation: u64, engine: Arc<dyn Engine>) -> Result<(), Error> {
        let mut slot = lock(&self.slot);
        if self.is_deleted() {
            return Err(Error::NoDatabase);
        }
        self.core.catalog.switch_generation(self.uuid, generation)?;
        slot.generation = generation;
        slot.engine = Some(engine);
        Ok(())
    }

    /// Closes the file unless somebody uses it; `true` when it is closed.
    pub(crate) fn close_if_idle(&self) -> Result<bool, Error> {
        let mut slot = lock(&self.slot);
        let Some(engine) = &slot.engine else {
            self.close_idle_indexes();
            return Ok(true);
        };
        if Arc::strong_count(engine) > 1 {
            return Ok(false);
        }
        if !slot.clean {
            self.core.catalog.mark_clean(self.uuid, self.update_seq.load(Ordering::Acquire))?;
            slot.clean = true;
        }
        slot.engine = None;
        self.close_idle_indexes();
        Ok(true)
    }

    /// Asks the file for the last sequence when the catalog's may be wrong.
    pub(crate) fn recover(&self) -> Result<(), Error> {
        if lock(&self.slot).clean {
            return Ok(());
        }
        let mut counters = None;
        self.reading()?.read(&mut |rows| {
            counters = Some(rows.counters()?);
            Ok(())
        })?;
        let update_seq = counters.unwrap_or_default().update_seq;
        self.update_seq.store(update_seq, Ordering::Release);
        self.visible_seq.fetch_max(update_seq, Ordering::AcqRel);
        Ok(())
    }

    /// Deletes it: has its files taken away, lets go of them, and wakes whoever waits for changes.
    ///
    /// # Errors
    /// [`Error::NoDatabase`] when somebody else has done so before, and what `files` returns.
    pub(crate) fn take_away(&self, files: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        {
            let mut slot = lock(&self.slot);
            if self.is_deleted() {
                return Err(Error::NoDatabase);
            }
            files()?;
            slot.engine = None;
            self.deleted.store(true, Ordering::Release);
        }
        self.retire_indexes();
        self.updated.notify(usize::MAX);
        Ok(())
    }

    /// The error, unless the reason is that the files were taken away. Waits for a deletion that is under
    /// way: its files go before it is called deleted.
    pub(super) fn unless_deleted(&self, error: Error) -> Error {
        let _deleting = lock(&self.slot);
        if self.is_deleted() { Error::NoDatabase } else { error }
    }

    pub(crate) fn last_use(&self) -> u64 {
        self.last_use.load(Ordering::Relaxed)
    }

    pub(crate) fn weak(&self) -> std::sync::Weak<Self> {
        self.me.clone()
    }
}
