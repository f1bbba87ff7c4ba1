//! Records obeyed as they come, as long as the hub runs.

use std::sync::Arc;
use std::time::Duration;

use store::{Database, UpdateSeq};
use tokio::time::sleep;

use super::RegistryError;
use super::apply::Join;
use crate::access;
use crate::app::App;
use crate::clock;
use crate::replicate;

/// Time between two looks, so that many changes cost one.
const PAUSE: Duration = Duration::from_millis(50);

/// How often documents are copied anew that were written meanwhile.
const ATTEMPTS_MAX: usize = 8;

/// How long it takes until what could not be done is tried again, though nothing has changed.
const AGAIN: Duration = Duration::from_secs(60);

/// Follows `_dbs` and the store, so that what is written there by whatever way takes effect.
pub(crate) async fn follow(app: Arc<App>) {
    loop {
        // Listening begins before reading, so that no change falls between.
        let changed = app.store.changed();
        let written = app.registry.dbs().map(|dbs| dbs.updated());
        let applying = Arc::clone(&app);
        let applied = tokio::task::spawn_blocking(move || applying.registry.apply(clock::now()));
        let joins = match applied.await {
            Ok(Ok(joins)) => joins,
            Ok(Err(RegistryError::Store(store::Error::Closing))) | Err(_) => Vec::new(),
            Ok(Err(error)) => {
                tracing::error!(%error, "the records of databases could not be read");
                Vec::new()
            }
        };
        for join in joins {
            if let Err(error) = carry_out(&app, join).await {
                tracing::warn!(%error, database = %join.from, "could not be joined yet");
            }
        }
        sleep(PAUSE).await;
        match written {
            Ok(written) => tokio::select! {
                () = changed => {}
                () = written => {}
                () = sleep(AGAIN) => {}
            },
            Err(_) => changed.await,
        }
    }
}

/// Copies documents of one database into another, with their history, and lets the first go. What it had
/// of rights the other one has, where it had none of its own.
pub(crate) async fn carry_out(app: &Arc<App>, join: Join) -> Result<(), RegistryError> {
    let gone = || RegistryError::Store(store::Error::NoDatabase);
    let into = app.registry.database(join.into).ok_or_else(gone)?;
    let from = app.registry.database(join.from).ok_or_else(gone)?;
    for _ in 0..ATTEMPTS_MAX {
        let copied = from.update_seq();
        let refused = replicate::copy(app, &from, &into).await.map_err(|reason| {
            RegistryError::Refused(format!("the documents could not be copied: {reason}"))
        })?;
        if refused > 0 {
            return Err(RegistryError::Refused(format!(
                "{refused} revisions are refused by {}: both databases stay as they are",
                into.name()
            )));
        }
        let (joining, from, into) = (Arc::clone(app), Arc::clone(&from), Arc::clone(&into));
        let joined = tokio::task::spawn_blocking(move || finish(&joining, &from, &into, copied));
        match joined.await {
            Ok(Ok(false)) => {}
            Ok(joined) => return joined.map(|_| ()),
            Err(error) => return Err(RegistryError::Refused(error.to_string())),
        }
    }
    Err(RegistryError::Refused(format!("{} is written to without an end", from.name())))
}

/// Lets a database go whose documents were copied up to a position; `false` where there are more.
fn finish(
    app: &App,
    from: &Database,
    into: &Database,
    copied: UpdateSeq,
) -> Result<bool, RegistryError> {
    let now = clock::now();
    if !app.registry.joined((from, into), copied, now)? {
        return Ok(false);
    }
    access::hand_on(&app.store, from, into, now)
        .and_then(|()| Ok(app.access.policies().reload(&app.store)?))
        .map_err(|error| RegistryError::Refused(error.to_string()))?;
    Ok(true)
}
