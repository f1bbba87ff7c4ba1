//! What the owner has paused: being in step with other hubs, and Tor. It stays so until it is resumed, over
//! restarts too.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use store::{Database, Error, LocalId, Store};
use tokio::sync::watch;

use crate::registry::DBS;

/// Where it is kept: a local document of `_dbs`, which no other device has.
const ID: &str = "_local/paused";

/// What is paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Paused {
    /// Nothing is fetched from other hubs, and none is answered.
    pub(crate) sync: bool,
    /// Tor does not run: nobody comes by it and nothing is dialled.
    pub(crate) onion: bool,
}

/// What is paused now, and whoever has to know.
#[derive(Debug)]
pub(crate) struct Pause {
    now: watch::Sender<Paused>,
    /// Held while something is paused or resumed.
    changing: tokio::sync::Mutex<()>,
}

impl Pause {
    /// As it was kept; what cannot be read pauses nothing. May block.
    pub(crate) fn read(store: &Store) -> Result<Self, Error> {
        let local = match database(store) {
            Some(database) => {
                let id = id()?;
                database.read(|snapshot| snapshot.local(&id))?
            }
            None => None,
        };
        let text = local.map(|local| local.json).unwrap_or_default();
        let now = serde_json::from_str(&text).unwrap_or_default();
        Ok(Self { now: watch::Sender::new(now), changing: tokio::sync::Mutex::default() })
    }

    /// What is paused.
    pub(crate) fn now(&self) -> Paused {
        *self.now.borrow()
    }

    /// Told when that changes.
    pub(crate) fn changes(&self) -> watch::Receiver<Paused> {
        self.now.subscribe()
    }

    /// Lets one pause or resume at a time.
    pub(crate) async fn alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Keeps what is paused, then has it take effect. May block.
    pub(crate) fn set(&self, store: &Store, paused: Paused) -> Result<(), Error> {
        let database = database(store).ok_or(Error::NoDatabase)?;
        // It always serialises.
        let text = serde_json::to_string(&paused).unwrap_or_default();
        database.write_local(id()?, 0, Some(text))?;
        self.now.send_if_modified(|now| std::mem::replace(now, paused) != paused);
        Ok(())
    }
}

fn id() -> Result<LocalId, Error> {
    ID.parse().map_err(|_| Error::NoDatabase)
}

fn database(store: &Store) -> Option<Arc<Database>> {
    store.database(&DBS.parse().ok()?)
}
