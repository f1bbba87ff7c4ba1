//! Every hub that the owner has named: kept in `_devices` and `_contacts`, held in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use identity::PublicKey;
use serde_json::{Map, Value};
use store::{Database, Error, Millis, Store};
use tokio::sync::watch;

use super::record::{Kind, Record};
use super::rules;
use crate::access::{self, AclError};

/// Hubs that are heeded; a person has a few devices and some hundred friends.
const PEERS_MAX: usize = 2000;

/// A hub that the owner has named.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Peer {
    /// Whose it is.
    pub(crate) kind: Kind,
    /// What is noted of it.
    pub(crate) record: Record,
}

/// All of them, by their keys.
pub(crate) type Peers = BTreeMap<PublicKey, Arc<Peer>>;

/// All of them, as of now.
#[derive(Debug)]
pub(crate) struct LivePeers {
    /// This hub's own key: what its owner's other devices note of it is not for itself.
    hub: PublicKey,
    current: ArcSwap<Peers>,
    /// Counts up when `current` is replaced.
    changes: watch::Sender<u64>,
    /// Held over a whole reading, so that an older one never replaces a newer one.
    reading: Mutex<()>,
}

impl LivePeers {
    /// Nobody until [`Self::reload`].
    pub(super) fn new(hub: PublicKey) -> Self {
        let changes = watch::Sender::new(0);
        Self { hub, current: ArcSwap::default(), changes, reading: Mutex::default() }
    }

    /// As they are now.
    pub(crate) fn now(&self) -> Arc<Peers> {
        self.current.load_full()
    }

    /// The one that a word of the owner's means: a name, a key or an httpkey URL.
    pub(crate) fn find(&self, word: &str, kind: Option<Kind>) -> Option<Arc<Peer>> {
        let peers = self.now();
        let of_kind = |peer: &&Arc<Peer>| kind.is_none_or(|kind| peer.kind == kind);
        peers.values().filter(of_kind).find(|peer| peer.record.is_meant_by(word)).cloned()
    }

    /// Told whenever they may have changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Reads them anew. What cannot be read is nobody. May block.
    pub(crate) fn reload(&self, store: &Store) -> Result<(), Error> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let mut peers = Peers::new();
        // Whoever is a device of the owner's and a friend is a device.
        for kind in [Kind::Friend, Kind::Device] {
            let Some(database) = database(store, kind) else { continue };
            for (id, body) in database.read(access::documents)? {
                if id.starts_with(rules::PREFIX) {
                    continue;
                }
                let record = serde_json::from_str::<Record>(&body).ok();
                match record.filter(|record| record.key.to_string() == id) {
                    Some(record) if record.key == self.hub => {}
                    Some(record) if peers.len() < PEERS_MAX => {
                        peers.insert(record.key, Arc::new(Peer { kind, record }));
                    }
                    _ => tracing::warn!(database = kind.database(), "a record is ignored"),
                }
            }
        }
        if *self.now() != peers {
            self.current.store(Arc::new(peers));
            self.changes.send_modify(|count| *count += 1);
        }
        Ok(())
    }
}

/// Notes a hub, and what it may do: a device of the owner's whatever the owner may, a friend what lists
/// say. May block.
pub(crate) fn add(store: &Store, kind: Kind, record: &Record, now: Millis) -> Result<(), AclError> {
    let missing = || AclError::Store(Error::NoDatabase);
    let other = match kind {
        Kind::Device => Kind::Friend,
        Kind::Friend => Kind::Device,
    };
    let id = record.key.to_string();
    let elsewhere = database(store, other).ok_or_else(missing)?;
    let is_other = elsewhere.read(access::documents)?.iter().any(|(known, _)| *known == id);
    if is_other {
        let noun = other.noun();
        return Err(AclError::Refused(format!(
            "this key is that of a {noun}; `larder {noun} remove` takes it away"
        )));
    }
    let database = database(store, kind).ok_or_else(missing)?;
    access::change_in(&database, &id, now, |before| {
        let before = before.and_then(|body| serde_json::from_str::<Record>(body).ok());
        let record = match before {
            Some(before) => before.renewed_by(record.clone()),
            None => record.clone(),
        };
        Ok(Some(serde_json::to_string(&record).map_err(acl::DocumentError::from)?))
    })?;
    note(store, record.key, now, |notes| {
        notes.insert("name".into(), record.name.clone().into());
        notes.remove("blocked");
        match kind {
            Kind::Device => notes.insert("own".into(), true.into()),
            Kind::Friend => notes.remove("own"),
        };
    })
}

/// Takes a hub away: it is refused at the door from now on, whatever lists name it. May block.
pub(crate) fn remove(store: &Store, peer: &Peer, now: Millis) -> Result<(), AclError> {
    let key = peer.record.key;
    note(store, key, now, |notes| {
        notes.remove("own");
        notes.insert("blocked".into(), true.into());
    })?;
    let database = database(store, peer.kind).ok_or(Error::NoDatabase)?;
    access::change_in(&database, &key.to_string(), now, |_| Ok(None))
}

/// Changes what is noted of a principal.
fn note(
    store: &Store,
    key: PublicKey,
    now: Millis,
    change: impl Fn(&mut Map<String, Value>),
) -> Result<(), AclError> {
    access::change(store, &format!("{}{key}", acl::PRINCIPAL_PREFIX), now, |before| {
        let before = before.map(serde_json::from_str::<Map<String, Value>>);
        let mut notes = before.transpose().map_err(acl::DocumentError::from)?.unwrap_or_default();
        change(&mut notes);
        Ok(Some(Value::Object(notes).to_string()))
    })
}

fn database(store: &Store, kind: Kind) -> Option<Arc<Database>> {
    store.database(&kind.database().parse().ok()?)
}
