//! Conflicts that no policy decides: which documents are in one, so that their owner can decide.

mod decision;
pub(crate) mod serve;
mod undecided;
mod verdict;

use std::sync::{Arc, MutexGuard, PoisonError};

use serde_json::{Value, json};
use store::{ConflictPolicy, Database, Error};

pub(crate) use self::undecided::Undecided;
use crate::app::App;

/// Changes read by one request for the list, in all databases together.
const LIST_CHANGES_MAX: usize = 100_000;

/// Changes read whenever it is asked how the hub is.
const STATUS_CHANGES_MAX: usize = 5_000;

/// What opening a database counts for, in changes.
const OPENING: usize = 50;

/// How many documents need a decision in databases whose policy decides the rest, and whether all of their
/// feeds have been read. May block; reads only what was written since the last time.
pub(crate) fn describe(app: &App) -> Value {
    let databases = of_policies(app, |policy| *policy != ConflictPolicy::Keep);
    let complete = look(app, databases.iter().map(|(database, _)| database), STATUS_CHANGES_MAX);
    let known = known(app);
    let documents: usize = databases.iter().map(|(database, _)| known.count(database)).sum();
    json!({"undecided": documents, "complete": complete})
}

/// Databases of the owner's and of apps whose policy is one of these, by name.
fn of_policies(
    app: &App,
    wanted: impl Fn(&ConflictPolicy) -> bool,
) -> Vec<(Arc<Database>, ConflictPolicy)> {
    let databases = app.store.databases().into_iter();
    let databases = databases.filter(|database| !database.name().is_system());
    let with_policy = databases.map(|database| {
        let policy = app.registry.rule(&database).policy;
        (database, policy)
    });
    let mut found: Vec<_> = with_policy.filter(|(_, policy)| wanted(policy)).collect();
    found.sort_by_cached_key(|(database, _)| database.name().to_string());
    found
}

/// Reads on in the feeds of these databases, so many changes at most; whether they were read to their ends.
fn look<'a>(
    app: &App,
    databases: impl Iterator<Item = &'a Arc<Database>>,
    changes_max: usize,
) -> bool {
    let (mut left, mut complete) = (changes_max, true);
    for database in databases {
        if known(app).is_current(database) {
            continue;
        }
        left = left.saturating_sub(OPENING);
        complete &= read_on(app, database, &mut left);
    }
    complete
}

fn read_on(app: &App, database: &Database, left: &mut usize) -> bool {
    while *left > 0 {
        // Held for one page, so that nobody who asks how the hub is waits for the whole list.
        let page = known(app).read_page(database);
        match page {
            Ok(0) if known(app).is_current(database) => return true,
            // There is more by now.
            Ok(0) => *left -= 1,
            Ok(read) => *left = left.saturating_sub(read),
            // It answers with what is wrong with it to whoever asks.
            Err(Error::NoDatabase | Error::Closing) => return true,
            Err(error) => {
                let (uuid, error) = (database.uuid(), error.unnamed());
                tracing::warn!(database = %uuid, error, "it is not known what is in conflict");
                return true;
            }
        }
    }
    known(app).is_current(database)
}

fn known(app: &App) -> MutexGuard<'_, Undecided> {
    // Whatever panicked with it, what was noted was read.
    app.undecided.lock().unwrap_or_else(PoisonError::into_inner)
}
