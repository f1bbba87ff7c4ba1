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
                return Ok(Arc::clone(engine));
            }
            let engine = self.core.backend.open(self.uuid, slot.generation)?;
            slot.engine = Some(Arc::clone(&engine));
            engine
        };
        self.core.tally.opened();
        self.core.opened(&self.me)?;
        Ok(engine)
    }

    /// To be called before a commit: after a crash, the file must be asked for its last sequence.
    pub(super) fn mark_dirty(&self) -> Result<(), Error> {
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
        let Some(engine) = &slot.engine else { return Ok(true) };
        if Arc::strong_count(engine) > 1 {
            return Ok(false);
        }
        if !slot.clean {
            self.core.catalog.mark_clean(self.uuid, self.update_seq.load(Ordering::Acquire))?;
            slot.clean = true;
        }
        slot.engine = None;
        Ok(true)
    }

    /// Asks the file for the last sequence when the catalog's may be wrong.
    pub(crate) fn recover(&self) -> Result<(), Error> {
        if lock(&self.slot).clean {
            return Ok(());
        }
        let mut counters = None;
        self.engine()?.read(&mut |rows| {
            counters = Some(rows.counters()?);
            Ok(())
        })?;
        let update_seq = counters.unwrap_or_default().update_seq;
        self.update_seq.store(update_seq, Ordering::Release);
        self.visible_seq.fetch_max(update_seq, Ordering::AcqRel);
        Ok(())
    }

    /// Deleted: lets go of the file, and wakes whoever waits for changes; `true` when somebody else
    /// deleted it before.
    pub(crate) fn let_go(&self) -> bool {
        let before = {
            let mut slot = lock(&self.slot);
            slot.engine = None;
            self.deleted.swap(true, Ordering::AcqRel)
        };
        self.updated.notify(usize::MAX);
        before
    }

    pub(crate) fn last_use(&self) -> u64 {
        self.last_use.load(Ordering::Relaxed)
    }

    pub(crate) fn weak(&self) -> std::sync::Weak<Self> {
        self.me.clone()
    }
}
