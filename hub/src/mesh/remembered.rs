//! How far each peer's databases were pulled, kept over restarts, so that what is in step need not be
//! opened to know it. The databases' own checkpoints are what counts; this is never ahead of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use identity::PublicKey;
use store::{Database, DbUuid, Direction, Error, IdRange, LocalId, Seq, Store};
use tokio::time::sleep;

use super::Kind;
use crate::app::App;

/// What the ids of the documents begin with; a key follows.
const PREFIX: &str = "_local/mesh-reached-";

/// How often it is written down.
const WRITE_EVERY: Duration = Duration::from_secs(30);

/// Local documents read at a time.
const PAGE: usize = 500;

/// The update sequence of a peer that was reached, and the history of the database here that it was
/// reached in, with what was taken of it: one that was restored from a backup has another.
type Reached = (String, String);

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    reached: BTreeMap<PublicKey, BTreeMap<String, Reached>>,
    changed: BTreeSet<PublicKey>,
}

impl Remembered {
    /// What was reached of a peer's database, where that is about the one that is here now.
    pub(super) fn reached(
        &self,
        key: PublicKey,
        id: DbUuid,
        here: &Database,
        tag: &str,
    ) -> Option<String> {
        let (seq, history) = self.reached.get(&key)?.get(&id.to_string())?;
        (*history == self::history(here, tag)).then(|| seq.clone())
    }

    /// All up to this sequence of the peer's is here, durably.
    pub(super) fn note(
        &mut self,
        key: PublicKey,
        id: DbUuid,
        seq: &str,
        (here, tag): (&Database, &str),
    ) {
        let now = (seq.to_owned(), history(here, tag));
        let of_peer = self.reached.entry(key).or_default();
        if of_peer.insert(id.to_string(), now.clone()) != Some(now) {
            self.changed.insert(key);
        }
    }

    /// Whatever was reached counts for nothing.
    pub(super) fn forget(&mut self, key: PublicKey, id: DbUuid) {
        let of_peer = self.reached.entry(key).or_default();
        if of_peer.remove(&id.to_string()).is_some() {
            self.changed.insert(key);
        }
    }

    /// Whatever was reached of a peer counts for nothing, and no place is kept for it.
    pub(super) fn forget_all(&mut self, key: PublicKey) {
        if self.reached.remove(&key).is_some() {
            self.changed.insert(key);
        }
    }

    /// What has changed since it was written down last; nothing of a peer that was forgotten.
    fn take_changed(&mut self) -> Vec<(PublicKey, Option<String>)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let text = |key| {
            let reached = self.reached.get(&key);
            // It always serialises: its keys are strings.
            (key, reached.map(|reached| serde_json::to_string(reached).unwrap_or_default()))
        };
        changed.map(text).collect()
    }
}

/// The history that a database's sequences count, and what is taken of it.
fn history(database: &Database, tag: &str) -> String {
    format!("{}{tag}", database.seq(Seq(0)))
}

/// Reads what was written down. May block.
pub(super) fn read(store: &Store) -> Result<Remembered, Error> {
    let mut remembered = Remembered::default();
    let Some(database) = place(store) else { return Ok(remembered) };
    let locals = database.read(|snapshot| {
        let start = Some((PREFIX.to_owned(), true));
        let range = IdRange { start, end: None, direction: Direction::Ascending };
        snapshot.locals(&range, 0, PAGE)
    })?;
    for local in locals {
        let Some(key) = local.id.as_str().strip_prefix(PREFIX) else { continue };
        // What cannot be read is looked up in the databases.
        if let (Ok(key), Ok(reached)) = (key.parse(), serde_json::from_str(&local.json)) {
            remembered.reached.insert(key, reached);
        }
    }
    Ok(remembered)
}

/// Writes down what has changed. May block.
pub(super) fn write(app: &App) -> Result<(), Error> {
    let changed = app.mesh.state().remembered.take_changed();
    let Some(database) = place(&app.store).filter(|_| !changed.is_empty()) else { return Ok(()) };
    for (key, text) in changed {
        let Ok(id) = format!("{PREFIX}{key}").parse::<LocalId>() else { continue };
        let before = database.read(|snapshot| snapshot.local(&id))?;
        // Nobody else writes it, so nothing comes in between.
        let base = before.map_or(0, |before| before.rev);
        database.write_local(id, base, text)?;
    }
    Ok(())
}

fn place(store: &Store) -> Option<Arc<Database>> {
    store.database(&Kind::Device.database().parse().ok()?)
}

/// Writes it down every now and then.
pub(super) async fn keep(app: Arc<App>) {
    loop {
        sleep(WRITE_EVERY).await;
        let writing = Arc::clone(&app);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || write(&writing)).await {
            tracing::debug!(error = error.unnamed(), "could not note what was reached");
        }
    }
}
