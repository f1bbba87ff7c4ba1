//! Who needs a database's files to stay where they are.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::Database;
use crate::Error;
use crate::core::lock;

/// A compaction, a copy or a check: one at a time.
#[derive(Debug, Default)]
pub(super) struct Files {
    held: Mutex<bool>,
    freed: Condvar,
}

/// While it lives, no compaction begins and no attachment's file is removed.
#[derive(Debug)]
pub(crate) struct FilesHeld<'a>(&'a Files);

/// How long a wait goes on before it looks whether there is still something to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Database {
    /// Holds the files, unless somebody does.
    pub(super) fn try_hold_files(&self) -> Result<FilesHeld<'_>, Error> {
        let mut held = lock(&self.files.held);
        if std::mem::replace(&mut *held, true) {
            return Err(Error::CompactionRunning);
        }
        Ok(FilesHeld(&self.files))
    }

    /// Whether somebody holds the files.
    pub(crate) fn has_files_held(&self) -> bool {
        *lock(&self.files.held)
    }

    /// Holds the files once whoever holds them lets go.
    pub(crate) fn hold_files(&self) -> Result<FilesHeld<'_>, Error> {
        let Files { held, freed } = &self.files;
        let mut held = lock(held);
        while *held {
            if self.is_deleted() {
                return Err(Error::NoDatabase);
            }
            if self.core.is_closing() {
                return Err(Error::Closing);
            }
            let waited = freed.wait_timeout(held, LOOK_EVERY);
            held = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *held = true;
        Ok(FilesHeld(&self.files))
    }
}

impl Drop for FilesHeld<'_> {
    fn drop(&mut self) {
        *lock(&self.0.held) = false;
        self.0.freed.notify_one();
    }
}
