//! Compaction: giving the space of superseded revisions back to the disk, when asked to and unasked.

mod automatic;

use std::ops::ControlFlow;
use std::sync::Arc;

use store::{Database, Error};

use crate::clock;
use crate::tasks::{Task, Tasks};

pub(crate) use automatic::supervise;

/// Compacts a database and shows it as a task. Between slices `pace` is asked, which may take its
/// time, and ends the compaction by [`ControlFlow::Break`]. May block.
pub(crate) fn compact(
    database: &Database,
    tasks: &Arc<Tasks>,
    mut pace: impl FnMut() -> ControlFlow<()>,
) -> Result<(), Error> {
    let name = database.name().to_string();
    // Begun with the first word of the store, so that a compaction that never began shows none.
    let mut task: Option<Task> = None;
    let outcome = database.compact_while(&mut |done, total| {
        let now = clock::now();
        let begin = || tasks.start("database_compaction", vec![name.clone()], now);
        task.get_or_insert_with(begin).progress(done, total, now);
        pace()
    });
    match &outcome {
        Ok(()) => tracing::info!(database = %database.uuid(), "compacted"),
        Err(Error::CompactionRunning | Error::NoDatabase | Error::Closing) => {}
        Err(error) => {
            let (uuid, error) = (database.uuid(), error.unnamed());
            tracing::error!(database = %uuid, error, "compaction failed");
        }
    }
    outcome
}
