//! What lost to a later writer, shown to its owner: published in the database `_overwritten`, which a
//! person's devices have in common, of the rows that each database keeps.

mod entry;
mod marks;
mod publish;
mod retain;
pub(crate) mod serve;

use std::sync::Arc;
use std::time::Duration;

use store::{Database, DbName, Error, Millis};
use tokio::time::sleep;

pub(crate) use self::marks::Published;
pub(crate) use self::publish::forget;
use crate::app::App;
use crate::clock;

/// Where it is published.
pub(crate) const DATABASE: &str = "_overwritten";

/// Time between two looks while databases are written to, so that many writes cost one.
const PAUSE: Duration = Duration::from_secs(1);

/// How often it is looked for what is too old.
const RETAIN_EVERY_MS: u64 = 24 * 60 * 60 * 1000;

/// Publishes what databases have lost, and forgets what is dismissed or too old, as long as the hub runs.
pub(crate) async fn follow(app: Arc<App>) {
    let mut retained: Option<Millis> = None;
    loop {
        // Listening begins before looking, so that nothing falls between.
        let (changed, written) = (app.store.changed(), app.store.written());
        let now = clock::now();
        let is_due = retained.is_none_or(|at| now.0.abs_diff(at.0) >= RETAIN_EVERY_MS);
        let working = Arc::clone(&app);
        let worked = tokio::task::spawn_blocking(move || {
            publish::catch_up(&working, now)?;
            if is_due { retain::trim(&working, now) } else { Ok(()) }
        });
        match worked.await {
            Ok(Ok(())) if is_due => retained = Some(now),
            Ok(Err(Error::Closing)) => return,
            Ok(Err(error)) => {
                tracing::error!(error = error.unnamed(), "what was overwritten is not published");
            }
            Ok(Ok(())) | Err(_) => {}
        }
        sleep(PAUSE).await;
        tokio::select! {
            () = changed => {}
            () = written => {}
            () = sleep(Duration::from_millis(RETAIN_EVERY_MS)) => {}
        }
    }
}

/// The database where it is published.
fn database(app: &App) -> Result<Arc<Database>, Error> {
    let name: DbName = DATABASE.parse().map_err(|_| Error::NoDatabase)?;
    app.store.database(&name).ok_or(Error::NoDatabase)
}
