//! Every hub that the owner has named: kept in `_devices` and `_contacts`, held in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use acl::{Place, Policy, Right, Who};
use arc_swap::ArcSwap;
use identity::{DeviceStanding, HttpKeyUrl, PublicKey};
use serde_json::{Map, Value};
use store::{Database, DbName, DocId, Error, Millis, Store};
use tokio::sync::watch;

use super::record::{Kind, Record};
use super::vouched::Opened;
use crate::access::{self, AclError, Change, LivePolicies};
use crate::app::App;
use crate::http::HttpError;

/// Hubs that are heeded; a person has a few devices and some hundred friends.
const PEERS_MAX: usize = 2000;

/// Before what is no record, in ids of `_contacts`.
pub(super) const OWN_PREFIX: &str = "me/";

/// A hub that the owner has named, or one that a friend's key vouches for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Peer {
    /// Whose it is.
    pub(crate) kind: Kind,
    /// The noted key of the friend whose device it is; its own where it is noted itself.
    pub(crate) person: PublicKey,
    /// What its owner calls it, where a friend says so.
    pub(crate) label: String,
    /// What is noted of it. A device that a friend vouches for is called as the friend is.
    pub(crate) record: Record,
}

impl Peer {
    fn noted(kind: Kind, record: Record) -> Self {
        Self { kind, person: record.key, label: String::new(), record }
    }

    /// A device of the owner's, or one that was.
    pub(super) fn device(record: Record) -> Self {
        Self::noted(Kind::Device, record)
    }

    /// Whether it is noted itself, and no further device of a friend's.
    pub(crate) fn is_noted(&self) -> bool {
        self.person == self.record.key
    }
}

/// All of them, by their keys.
pub(crate) type Peers = BTreeMap<PublicKey, Arc<Peer>>;

/// The hubs of whoever has this noted key, that one first.
pub(crate) fn devices_of(peers: &Peers, person: PublicKey) -> Vec<(PublicKey, Arc<Peer>)> {
    let own = peers.get(&person).map(|peer| (person, Arc::clone(peer)));
    let others = peers.iter().filter(|(_, peer)| peer.person == person && !peer.is_noted());
    own.into_iter().chain(others.map(|(key, peer)| (*key, Arc::clone(peer)))).collect()
}

/// All of them, as of now.
#[derive(Debug)]
pub(crate) struct LivePeers {
    /// This hub's own key: what its owner's other devices note of it is not for itself.
    hub: PublicKey,
    current: ArcSwap<Peers>,
    /// Counts up when `current` is replaced.
    changes: watch::Sender<u64>,
    /// Held over a whole reading, so that an older one never replaces a newer one: what friends say.
    reading: Mutex<Opened>,
    /// When the first of what friends say runs out.
    runs_out: watch::Sender<Option<Millis>>,
}

impl LivePeers {
    /// Nobody until [`Self::reload`].
    pub(super) fn new(hub: PublicKey) -> Self {
        let changes = watch::Sender::new(0);
        let (current, reading) = (ArcSwap::default(), Mutex::default());
        Self { hub, current, changes, reading, runs_out: watch::Sender::new(None) }
    }

    /// As they are now.
    pub(crate) fn now(&self) -> Arc<Peers> {
        self.current.load_full()
    }

    /// The noted one that a word of the owner's means: a name, a key or an httpkey URL.
    pub(crate) fn find(&self, word: &str, kind: Option<Kind>) -> Option<Arc<Peer>> {
        let peers = self.now();
        let of_kind =
            |peer: &&Arc<Peer>| kind.is_none_or(|kind| peer.kind == kind) && peer.is_noted();
        peers.values().filter(of_kind).find(|peer| peer.record.is_meant_by(word)).cloned()
    }

    /// Told whenever they may have changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// When the first of what friends say runs out; told whenever that may be another time.
    pub(super) fn runs_out(&self) -> watch::Receiver<Option<Millis>> {
        self.runs_out.subscribe()
    }

    /// Reads them anew, with those devices that are the owner's and those that friends vouch for, which have
    /// their rights or none when this returns. What cannot be read is nobody. Hands back whom friends vouch
    /// for no longer. May block.
    pub(super) fn reload(
        &self,
        store: &Store,
        policies: &LivePolicies,
        now: Millis,
    ) -> Result<Vec<PublicKey>, Error> {
        let mut opened = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let devices = policies.devices();
        let mut peers = Peers::new();
        let listed = devices.listings().iter();
        let listed = listed.filter(|(_, listing)| listing.standing == DeviceStanding::Listed);
        for (key, _) in listed.take(PEERS_MAX) {
            peers.insert(*key, Arc::new(Peer::device(devices.record(*key))));
        }
        let contacts = read_contacts(store)?;
        // Whoever is, or was, a device of the owner's is no friend.
        let is_friend =
            |record: &Record| record.key != self.hub && devices.listing(record.key).is_none();
        let friends = contacts.into_iter().filter(is_friend);
        for record in friends.take(PEERS_MAX.saturating_sub(peers.len())) {
            peers.insert(record.key, Arc::new(Peer::noted(Kind::Friend, record.bounded())));
        }
        let friends = || peers.values().filter(|peer| peer.kind == Kind::Friend);
        opened.open(friends().map(|peer| &peer.record));
        let room = PEERS_MAX.saturating_sub(peers.len());
        let keys = friends().map(|peer| peer.record.key);
        let (vouched, runs_out) = opened.vouched(keys, room, now);
        policies.vouch(store, vouched)?;
        self.runs_out.send_if_modified(|before| std::mem::replace(before, runs_out) != runs_out);
        for peer in peers.values_mut().filter(|peer| peer.kind == Kind::Friend) {
            let said = opened.device(peer.person, peer.person, now);
            if let Some(said) = said {
                let label = said.label.clone();
                *peer = Arc::new(Peer { label, ..Peer::clone(peer) });
            }
        }
        for (key, friend) in policies.now().people().devices() {
            let said = opened.device(*friend, *key, now);
            let (Some(said), Some(of)) = (said, peers.get(friend)) else { continue };
            let record = of.record.further_device(said);
            let (person, label) = (*friend, said.label.clone());
            let peer = Peer { kind: Kind::Friend, person, label, record };
            peers.insert(*key, Arc::new(peer));
        }
        let before = self.now();
        let was_vouched_for = before.iter().filter(|(_, peer)| !peer.is_noted());
        let is_gone = |key: &PublicKey| peers.get(key).is_none_or(|peer| peer.is_noted());
        let gone = was_vouched_for.map(|(key, _)| *key).filter(is_gone).collect();
        if *before != peers {
            self.current.store(Arc::new(peers));
            self.changes.send_modify(|count| *count += 1);
        }
        Ok(gone)
    }
}

/// The records in `_contacts`. May block.
fn read_contacts(store: &Store) -> Result<Vec<Record>, Error> {
    let Some(database) = database(store, Kind::Friend) else { return Ok(Vec::new()) };
    let mut records = Vec::new();
    for (id, body) in database.read(access::documents)? {
        let record = serde_json::from_str::<Record>(&body).ok();
        match record.filter(|record| record.key.to_string() == id) {
            Some(record) => records.push(record),
            None if id.starts_with(OWN_PREFIX) => {}
            None => tracing::warn!(database = "_contacts", "a record is ignored"),
        }
    }
    Ok(records)
}

/// A database that is shared with a friend from the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    /// Which one.
    pub(crate) database: Arc<Database>,
    /// What the friend may do there.
    pub(crate) right: Right,
}

impl Share {
    /// The database of this name.
    ///
    /// # Errors
    /// What is not there, and what no policy opens.
    pub(crate) fn find(app: &App, database: &str, right: Right) -> Result<Self, HttpError> {
        let name = DbName::of_existing(database).ok().filter(|name| !name.is_system());
        let found = name.and_then(|name| app.store.database(&name));
        match found {
            Some(database) => Ok(Self { database, right }),
            None => Err(HttpError::BadRequest(format!(
                "there is no database {database} that could be shared"
            ))),
        }
    }
}

/// Notes a friend's hub, which may do what lists say. May block.
///
/// What is noted of the key and what it is given are one commit in `_acl`; the contact, by which it is
/// followed, comes after that. So no contact is without a name and what it was given, and what a crash leaves
/// gives nothing to anybody whom the owner did not mean.
pub(super) fn add_friend(
    store: &Store,
    hub: PublicKey,
    record: &Record,
    shares: &[Share],
    now: Millis,
) -> Result<(), AclError> {
    let noting = |notes: &mut Map<String, Value>| {
        notes.insert("name".into(), record.name.clone().into());
        notes.remove("blocked");
        notes.remove("removed");
        notes.remove("own");
    };
    let noting: Change<'_> = Box::new(move |before| noted(before, noting));
    let mut changes = vec![(note_id(record.key), noting)];
    for Share { database, right } in shares {
        let (name, who) = (database.name().to_string(), Who::Key(record.key));
        let granting = move |before: Option<&str>| {
            let mut policy = match before {
                Some(body) => Policy::parse(body, Some(hub))?,
                None => Policy::from_security("{}", &name, Some(hub))?,
            };
            policy.grant(&who, *right, Place::Database)?;
            Ok(Some(policy.document()))
        };
        changes.push((access::policy_id(database), Box::new(granting)));
    }
    access::change_all(store, now, changes)?;
    set_record(store, Kind::Friend, record, now)
}

/// Notes what a device is called, and where it is reached. That alone makes it no device. May block.
pub(super) fn note_device(store: &Store, record: &Record, now: Millis) -> Result<(), AclError> {
    set_record(store, Kind::Device, record, now)?;
    // Earlier releases go by what is noted here.
    note(store, record.key, now, |notes| {
        notes.insert("name".into(), record.name.clone().into());
        notes.insert("own".into(), true.into());
        notes.remove("blocked");
        notes.remove("removed");
    })
}

/// Notes that a device is removed, for earlier releases. May block.
pub(super) fn note_removed(store: &Store, key: PublicKey, now: Millis) -> Result<(), AclError> {
    note(store, key, now, |notes| {
        notes.remove("own");
        notes.insert("blocked".into(), true.into());
    })
}

/// Takes a friend away, who is refused at the door from now on, whatever lists say, but for being paired
/// with anew; not so whoever was blocked before. May block.
pub(super) fn remove_friend(store: &Store, key: PublicKey, now: Millis) -> Result<(), AclError> {
    note(store, key, now, |notes| {
        if notes.insert("blocked".into(), true.into()) != Some(true.into()) {
            notes.insert("removed".into(), true.into());
        }
    })?;
    let database = database(store, Kind::Friend).ok_or(Error::NoDatabase)?;
    access::change_in(&database, &key.to_string(), now, |_| Ok(None))
}

/// Refuses a friend at the door, or does so no longer. May block.
pub(super) fn block(
    store: &Store,
    key: PublicKey,
    blocked: bool,
    now: Millis,
) -> Result<(), AclError> {
    note(store, key, now, |notes| {
        notes.remove("removed");
        match blocked {
            true => _ = notes.insert("blocked".into(), true.into()),
            false => _ = notes.remove("blocked"),
        }
    })
}

/// Gives a device or a friend another name. May block.
pub(super) fn rename(
    store: &Store,
    kind: Kind,
    record: &Record,
    now: Millis,
) -> Result<(), AclError> {
    let database = database(store, kind).ok_or(Error::NoDatabase)?;
    access::change_in(&database, &record.key.to_string(), now, |before| {
        let before = before.and_then(|body| serde_json::from_str::<Record>(body).ok());
        let mut changed = before.unwrap_or_else(|| record.clone());
        changed.name.clone_from(&record.name);
        Ok(Some(serde_json::to_string(&changed).map_err(acl::DocumentError::from)?))
    })?;
    note(store, record.key, now, |notes| {
        notes.insert("name".into(), record.name.clone().into());
    })
}

/// Notes in a device's record, where there is one, where it is reached, as it says itself. May block.
pub(super) fn announce(
    store: &Store,
    key: PublicKey,
    urls: &[HttpKeyUrl],
    now: Millis,
) -> Result<(), AclError> {
    let database = database(store, Kind::Device).ok_or(Error::NoDatabase)?;
    access::change_in(&database, &key.to_string(), now, |before| {
        let Some(before) = before else { return Ok(None) };
        let mut changed: Record = serde_json::from_str(before).map_err(acl::DocumentError::from)?;
        changed.announce(urls.to_vec());
        Ok(Some(serde_json::to_string(&changed).map_err(acl::DocumentError::from)?))
    })
}

/// Whether there is a record of this key. May block.
pub(super) fn is_noted(store: &Store, kind: Kind, key: PublicKey) -> Result<bool, Error> {
    let Some(database) = database(store, kind) else { return Ok(false) };
    let Ok(id) = key.to_string().parse::<DocId>() else { return Ok(false) };
    Ok(database.read(|snapshot| snapshot.head(&id))?.is_some_and(|head| !head.deleted))
}

/// Adds what a record says to the one that there is. May block.
fn set_record(store: &Store, kind: Kind, record: &Record, now: Millis) -> Result<(), AclError> {
    let database = database(store, kind).ok_or(Error::NoDatabase)?;
    access::change_in(&database, &record.key.to_string(), now, |before| {
        let before = before.and_then(|body| serde_json::from_str::<Record>(body).ok());
        let record = match before {
            Some(before) => before.renewed_by(record.clone()),
            None => record.clone(),
        };
        Ok(Some(serde_json::to_string(&record).map_err(acl::DocumentError::from)?))
    })
}

/// Changes what is noted of a principal.
fn note(
    store: &Store,
    key: PublicKey,
    now: Millis,
    change: impl Fn(&mut Map<String, Value>),
) -> Result<(), AclError> {
    access::change(store, &note_id(key), now, |before| noted(before, &change))
}

fn note_id(key: PublicKey) -> String {
    format!("{}{key}", acl::PRINCIPAL_PREFIX)
}

/// The changed notes of a principal.
fn noted(
    before: Option<&str>,
    change: impl Fn(&mut Map<String, Value>),
) -> Result<Option<String>, AclError> {
    let before = before.map(serde_json::from_str::<Map<String, Value>>);
    let mut notes = before.transpose().map_err(acl::DocumentError::from)?.unwrap_or_default();
    change(&mut notes);
    Ok(Some(Value::Object(notes).to_string()))
}

/// The database of one kind of records.
pub(super) fn database(store: &Store, kind: Kind) -> Option<Arc<Database>> {
    store.database(&kind.database().parse().ok()?)
}
