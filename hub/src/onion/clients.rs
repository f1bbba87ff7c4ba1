//! Whose devices may find this hub's onion service where its discovery is restricted.
//!
//! Kept in a local document of `_acl`, and not in what the owner notes of a principal: those notes
//! are for all the owner's devices, while such a key finds one service; and who tells its key must
//! not come in the way of an edit that blocks it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acl::Policies;
use identity::PublicKey;
use onion::DiscoveryKey;
use serde::{Deserialize, Serialize};
use store::{Database, DbName, Error, LocalId, Store};

use crate::access::ACL_DATABASE;
use crate::app::App;

/// Most keys: a descriptor has room for few more.
const KEYS_MAX: usize = 128;

/// The document.
const DOCUMENT: &str = "_local/onion-clients";

/// What the document says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// By the key of the device that looks.
    keys: Keys,
}

/// By which key a device looks, by the key that it proves.
pub(crate) type Keys = BTreeMap<PublicKey, DiscoveryKey>;

/// Devices that may find the service.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    keys: Mutex<Keys>,
}

/// A device is not let find the service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientsError {
    /// The hub has nothing to do with it.
    #[error("the hub does not know this key: give it a right, or note whose it is, first")]
    Unknown,
    /// There are as many as there can be.
    #[error("at most {KEYS_MAX} devices can find an onion service whose discovery is restricted")]
    TooMany,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Clients {
    /// Those that were let. May block.
    pub(super) fn read(store: &Store) -> Result<Self, Error> {
        let Some((database, id)) = place(store) else { return Ok(Self::default()) };
        let local = database.read(|snapshot| snapshot.local(&id))?;
        let kept = local.map(|local| serde_json::from_str::<Kept>(&local.json));
        let kept = kept.unwrap_or_else(|| Ok(Kept::default())).unwrap_or_else(|error| {
            // It comes from this hub, or from an owner who can write it anew.
            tracing::warn!(%error, "who may find the onion service cannot be read; nobody may");
            Kept::default()
        });
        Ok(Self { keys: Mutex::new(kept.keys) })
    }

    /// All of them, also those whom the hub does not know any more.
    pub(crate) fn all(&self) -> Keys {
        self.keys().clone()
    }

    /// Lets a device find the service by a key, in place of one before. May block.
    pub(super) fn allow(
        &self,
        store: &Store,
        policies: &Policies,
        device: PublicKey,
        key: DiscoveryKey,
    ) -> Result<(), ClientsError> {
        if !policies.knows(device) {
            return Err(ClientsError::Unknown);
        }
        self.change(store, |keys| {
            if !keys.contains_key(&device) && keys.len() >= KEYS_MAX {
                return Err(ClientsError::TooMany);
            }
            keys.insert(device, key);
            Ok(())
        })
    }

    /// Lets a device find the service no longer; whether it could. May block.
    pub(super) fn remove(&self, store: &Store, device: PublicKey) -> Result<bool, ClientsError> {
        let mut found = false;
        self.change(store, |keys| {
            found = keys.remove(&device).is_some();
            Ok(())
        })?;
        Ok(found)
    }

    /// Forgets those with whom the owner has nothing to do any more. May block.
    pub(super) fn prune(&self, store: &Store, policies: &Policies) -> Result<(), ClientsError> {
        let blocked = |device: &PublicKey| {
            policies.principals().get(device).is_some_and(|notes| notes.blocked)
        };
        // What cannot be read may have named them.
        let sure = policies.problems().is_empty();
        self.change(store, |keys| {
            keys.retain(|device, _| !blocked(device) && (!sure || policies.knows(*device)));
            Ok(())
        })
    }

    /// The keys of those that may find the service now.
    pub(super) fn known(&self, policies: &Policies) -> BTreeSet<DiscoveryKey> {
        let keys = self.keys();
        let known = keys.iter().filter(|(device, _)| policies.knows(**device));
        known.map(|(_, key)| *key).collect()
    }

    fn change(
        &self,
        store: &Store,
        change: impl FnOnce(&mut Keys) -> Result<(), ClientsError>,
    ) -> Result<(), ClientsError> {
        let mut keys = self.keys();
        let mut changed = keys.clone();
        change(&mut changed)?;
        if changed == *keys {
            return Ok(());
        }
        let (database, id) = place(store).ok_or(Error::NoDatabase)?;
        let before = database.read(|snapshot| snapshot.local(&id))?;
        let kept = Kept { keys: changed };
        // Keys and text always serialise.
        let json = serde_json::to_string(&kept).unwrap_or_default();
        database.write_local(id, before.map_or(0, |local| local.rev), Some(json))?;
        *keys = kept.keys;
        Ok(())
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(store: &Store) -> Option<(Arc<Database>, LocalId)> {
    let database = store.database(&ACL_DATABASE.parse::<DbName>().ok()?)?;
    Some((database, DOCUMENT.parse().ok()?))
}

/// Keeps up with what the owner has to do with whom, for as long as the hub runs.
pub(crate) async fn follow(app: Arc<App>) {
    let mut changes = app.access.policies().changes();
    loop {
        changes.mark_unchanged();
        let pruning = Arc::clone(&app);
        let pruned = tokio::task::spawn_blocking(move || pruning.onion.prune_clients(&pruning));
        if let Ok(Err(error)) = pruned.await {
            tracing::warn!(%error, "could not forget who may find the onion service no longer");
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use onion::DiscoverySecret;
    use store::{Millis, Options};

    use super::*;

    fn device(seed: u8) -> PublicKey {
        identity::DeviceKey::from_seed(&[seed; 32]).public()
    }

    fn key(seed: u8) -> DiscoveryKey {
        let service = onion::ServiceKey::main(&[9; 32]).address();
        DiscoverySecret::of(&[seed; 32], &service).public()
    }

    fn policies(documents: &[(String, &str)]) -> Policies {
        let documents = documents.iter().map(|(id, body)| acl::Document { id, body });
        Policies::read(None, documents)
    }

    #[test]
    fn devices_come_and_go_with_what_the_owner_notes_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { writer_threads: 1, open_databases_max: 2, device: [0; 32] };
        let store = Store::open(folder.path(), &options).unwrap();
        store.create(&ACL_DATABASE.parse().unwrap(), Millis(0)).unwrap();
        let note = |seed, body| (format!("principal/{}", device(seed)), body);
        let both = policies(&[note(1, "{}"), note(2, "{}")]);
        let clients = Clients::read(&store).unwrap();
        clients.allow(&store, &both, device(1), key(1)).unwrap();
        clients.allow(&store, &both, device(2), key(2)).unwrap();
        let stranger = clients.allow(&store, &both, device(3), key(3));
        assert!(matches!(stranger, Err(ClientsError::Unknown)));
        assert_eq!(clients.known(&both), [key(1), key(2)].into());

        let blocked = policies(&[note(1, r#"{"blocked": true}"#), note(2, "{}")]);
        // At once, whatever can be written.
        assert_eq!(clients.known(&blocked), [key(2)].into());
        clients.prune(&store, &blocked).unwrap();
        assert_eq!(Clients::read(&store).unwrap().all(), Keys::from([(device(2), key(2))]));

        let unreadable = policies(&[("group/ ".into(), "{}")]);
        clients.prune(&store, &unreadable).unwrap();
        assert_eq!(clients.all().len(), 1, "what cannot be read may have named it");
        assert!(clients.known(&unreadable).is_empty());
        clients.prune(&store, &policies(&[])).unwrap();
        assert!(Clients::read(&store).unwrap().all().is_empty());
        assert!(!clients.remove(&store, device(2)).unwrap());
    }
}
