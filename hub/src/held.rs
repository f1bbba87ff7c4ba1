//! Revisions that are stamped too far ahead: they wait in their databases until their time has come. What
//! is shown of them is how far the clock of whoever brought them is ahead.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use store::stamp::{Stamp, stamp_of};
use store::{Database, DbUuid, Error, Held, Millis};
use tokio::time::sleep;

use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, reply};

/// Time between two looks while databases are written to, so that many writes cost one.
const PAUSE: Duration = Duration::from_secs(1);

/// Time between two databases that are opened after the start to see whether they hold anything.
const SWEEP: Duration = Duration::from_millis(20);

/// Longest time between two looks: a clock may be set.
const LOOK_EVERY: Duration = Duration::from_secs(15 * 60);

const UNKNOWN: HttpError = HttpError::NotFound("no revision that is held is called so");

/// Lets revisions into their documents whose time has come, as long as the hub runs.
pub(crate) async fn follow(app: Arc<App>) {
    let mut looked: HashSet<DbUuid> = HashSet::new();
    loop {
        // Listening begins before looking, so that nothing falls between.
        let written = app.store.written();
        let mut next: Option<Millis> = None;
        for database in app.store.databases() {
            let is_new = looked.insert(database.uuid());
            if !is_new && database.held_count() == 0 {
                continue;
            }
            if is_new {
                sleep(SWEEP).await;
            }
            let due = tokio::task::spawn_blocking(move || release(&database, clock::now())).await;
            match due {
                Ok(Ok(due)) => next = earlier(next, due),
                Ok(Err(Error::Closing)) => return,
                // It answers with what is wrong with it to whoever asks.
                Ok(Err(_)) | Err(_) => {}
            }
        }
        sleep(PAUSE).await;
        let wait = next.map_or(u64::MAX, |due| due.0.saturating_sub(clock::now().0));
        tokio::select! {
            () = written => {}
            () = sleep(Duration::from_millis(wait).min(LOOK_EVERY)) => {}
        }
    }
}

/// Lets in what is due; when the next is.
fn release(database: &Database, now: Millis) -> Result<Option<Millis>, Error> {
    let due = database.next_due()?;
    if due.is_none_or(|due| due > now) {
        return Ok(due);
    }
    let count = database.release_due(now)?;
    tracing::info!(database = %database.uuid(), count, "revisions were let in whose time has come");
    database.next_due()
}

fn earlier(one: Option<Millis>, other: Option<Millis>) -> Option<Millis> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// How many revisions of each deliverer are held, and how far its clock is ahead. May block.
pub(crate) fn describe(app: &App, now: Millis) -> Value {
    let mut by: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (_, held) in all(app) {
        let (count, ahead_ms) = by.entry(held.by.clone()).or_default();
        *count += 1;
        *ahead_ms = (*ahead_ms).max(ahead_ms_of(&held, now));
    }
    let rows = by.into_iter().map(
        |(by, (count, ahead_ms))| json!({"by": by, "revisions": count, "clock_ahead_ms": ahead_ms}),
    );
    rows.collect()
}

/// How far ahead of us the clock is that a revision was stamped by; of a tombstone that waits for another
/// revision, how long that is.
fn ahead_ms_of(held: &Held, now: Millis) -> u64 {
    let stamped = stamp_of(&held.rev).map_or(held.due, Stamp::millis);
    stamped.0.saturating_sub(now.0)
}

fn all(app: &App) -> Vec<(Arc<Database>, Held)> {
    let mut found = Vec::new();
    for database in app.store.databases() {
        if database.held_count() == 0 {
            continue;
        }
        // One that cannot be read says so to whoever asks it.
        let held = database.held().unwrap_or_default();
        found.extend(held.into_iter().map(|held| (Arc::clone(&database), held)));
    }
    found
}

/// `GET /_hub/held`: every revision that is held.
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    let shown = blocking(move || {
        let now = clock::now();
        let rows = all(&app).into_iter().map(|(database, held)| {
            json!({
                "id": format!("{}:{}", database.uuid(), held.id),
                "database": database.name().as_str(),
                "document": held.doc.as_str(),
                "revision": held.rev.to_string(),
                "deleted": held.deleted,
                "bytes": held.bytes,
                "by": held.by,
                "due": held.due.0,
                "clock_ahead_ms": ahead_ms_of(&held, now),
            })
        });
        Ok(json!({"held": rows.collect::<Value>()}))
    });
    Ok(reply::json(StatusCode::OK, &shown.await?))
}

/// `POST /_hub/held/ID/release`: the owner has one now, whatever the clock says: as a new edit.
pub(crate) async fn let_in(call: Call) -> Result<Reply, HttpError> {
    let (app, word) = (call.app, call.captures.doc);
    let (uuid, id) = word.split_once(':').ok_or(UNKNOWN)?;
    let uuid = DbUuid::parse(uuid).ok_or(UNKNOWN)?;
    let id: u64 = id.parse().map_err(|_| UNKNOWN)?;
    let released = blocking(move || {
        let database = app.store.database_of(uuid).ok_or(UNKNOWN)?;
        Ok(database.release(id, clock::now())?)
    });
    match released.await? {
        true => Ok(reply::ok(StatusCode::OK)),
        false => Err(UNKNOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_counts() {
        let at = |ms| Some(Millis(ms));
        assert_eq!(earlier(None, None), None);
        assert_eq!(earlier(at(1), None), at(1));
        assert_eq!(earlier(None, at(2)), at(2));
        assert_eq!(earlier(at(3), at(2)), at(2));
    }
}
