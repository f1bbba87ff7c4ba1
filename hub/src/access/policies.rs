//! Policies, groups and what is noted of keys: kept in the database `_acl`, held in memory.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use acl::{Device, Document, Policies, Policy, PrincipalNotes, Vouched};
use arc_swap::{ArcSwap, Guard};
use identity::{DeviceStanding, Listing, PublicKey};
use store::{
    Database, DbName, DbUuid, Direction, DocId, Edit, EditError, Error, IdRange, Lineage, LocalId,
    Millis, Snapshot, Store,
};
use tokio::sync::watch;

use crate::mesh::Devices;

/// Where they are kept.
pub(crate) const DATABASE: &str = "_acl";

/// Says that the security objects of earlier releases have been moved.
const MOVED: &str = "_local/security-objects-moved";

/// How often a change is tried anew that somebody else's came before.
const ATTEMPTS_MAX: usize = 8;

/// A document of `_acl` could not be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AclError {
    /// What it was to become is none.
    #[error(transparent)]
    Document(#[from] acl::DocumentError),
    /// What was asked for cannot be.
    #[error("{0}")]
    Refused(String),
    /// There is nothing of that name.
    #[error("{0}")]
    Unknown(&'static str),
    /// It was changed over and over by others at the same time.
    #[error("the rights were changed by somebody else at the same time; try again")]
    Conflict,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Documents read at a time.
const PAGE_DOCUMENTS: usize = 500;

/// What `_acl` says now.
pub(crate) struct LivePolicies {
    /// This hub's own key: groups of other hubs name nobody here.
    hub: PublicKey,
    current: ArcSwap<Policies>,
    /// Which devices are the owner's.
    devices: ArcSwap<Devices>,
    /// Keys that this hub itself does not trust any more, as two hubs have each.
    suspended: ArcSwap<BTreeSet<PublicKey>>,
    /// What friends say of their other devices.
    vouched: ArcSwap<Vouched>,
    /// Counts up when `current` is replaced.
    changes: watch::Sender<u64>,
    /// Held over a whole reading, so that an older one never replaces a newer one.
    reading: Mutex<()>,
}

impl fmt::Debug for LivePolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LivePolicies").finish_non_exhaustive()
    }
}

impl LivePolicies {
    /// Nothing for anybody until [`Self::reload`].
    pub(crate) fn new(hub: PublicKey) -> Self {
        Self {
            hub,
            current: ArcSwap::default(),
            devices: ArcSwap::default(),
            suspended: ArcSwap::default(),
            vouched: ArcSwap::default(),
            changes: watch::Sender::new(0),
            reading: Mutex::default(),
        }
    }

    /// This hub's own key.
    pub(crate) fn hub(&self) -> PublicKey {
        self.hub
    }

    /// As they are now.
    pub(crate) fn now(&self) -> Guard<Arc<Policies>> {
        self.current.load()
    }

    /// Whether this names the key of one of the owner's own devices.
    pub(crate) fn is_own(&self, name: &str) -> bool {
        let key = name.parse::<PublicKey>();
        key.is_ok_and(|key| self.now().principals().get(&key).is_some_and(|notes| notes.own))
    }

    /// Told whenever they may have changed: what goes on has to ask the gate again.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Reads `_acl` anew; whoever lost a right has lost it when this returns. Where it cannot be read,
    /// what was known goes on. May block.
    pub(crate) fn reload(&self, store: &Store) -> Result<(), Error> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let documents = read(store)?;
        let documents = documents.iter().map(|(id, body)| Document { id, body });
        let policies = Policies::read(Some(self.hub), documents)
            .with_devices(self.standings())
            .with_people(self.hub, &self.vouched.load());
        let contested = policies.people().contested();
        if contested > self.now().people().contested() {
            tracing::warn!(contested, "keys that several friends name as theirs stand for nobody");
        }
        if let Some(problem) = policies.problems().first() {
            let count = policies.problems().len();
            tracing::warn!(count, "documents in _acl say nothing that is understood; ignored");
            tracing::debug!(%problem, "ignored in _acl");
        }
        self.current.store(Arc::new(policies));
        self.told();
        Ok(())
    }

    /// Which devices are the owner's, as of now.
    pub(crate) fn devices(&self) -> Arc<Devices> {
        self.devices.load_full()
    }

    /// Reads anew which devices are the owner's, with what follows for everybody's rights; `file` is where
    /// statements are kept. May block.
    pub(crate) fn reload_devices(&self, store: &Store, file: &Path) -> Result<(), Error> {
        let devices = {
            let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
            let devices = Arc::new(Devices::read(store, self.hub, file)?);
            if **self.devices.load() == *devices {
                // The same follows, maybe from more.
                self.devices.store(Arc::clone(&devices));
                return Ok(());
            }
            self.devices.store(Arc::clone(&devices));
            devices
        };
        if let (count @ 1.., ids) = devices.problems() {
            tracing::warn!(count, "documents in _devices say nothing that is understood; ignored");
            tracing::debug!(?ids, "ignored in _devices");
        }
        self.reload(store)
    }

    /// Lets nothing in of those whose keys two hubs have; [`Self::reload`] makes it so for good.
    pub(crate) fn suspend(&self, keys: Vec<PublicKey>) {
        self.suspended.store(Arc::new(keys.into_iter().collect()));
        self.told();
    }

    /// Lets the devices stand for friends that those vouch for, from when this returns, and no others. May
    /// block.
    pub(crate) fn vouch(&self, store: &Store, vouched: Vouched) -> Result<(), Error> {
        if **self.vouched.load() == vouched {
            return Ok(());
        }
        self.vouched.store(Arc::new(vouched));
        self.reload(store)
    }

    /// Whom a key is of: the noted key of a friend whose device it is, else itself.
    pub(crate) fn person(&self, key: PublicKey) -> PublicKey {
        self.now().person(key)
    }

    /// Whether nothing is let in of whoever has this key: the owner has blocked it, the owner's devices have
    /// removed it, or two hubs have it; or that is so of the friend whose device it is.
    pub(crate) fn is_blocked(&self, key: PublicKey) -> bool {
        let (now, suspended) = (self.now(), self.suspended.load());
        let person = now.person(key);
        suspended.contains(&key)
            || suspended.contains(&person)
            || now.principals().get(&person).is_some_and(|notes| notes.blocked)
    }

    /// Whether this key is refused because the owner, or one of the owner's devices, has taken away whoever
    /// has it, and for nothing else: it may be paired with anew.
    pub(crate) fn is_removed(&self, key: PublicKey) -> bool {
        if self.suspended.load().contains(&key) {
            return false;
        }
        match self.devices().listing(key) {
            Some(listing) => listing.standing != DeviceStanding::Listed,
            None => {
                let now = self.now();
                now.principals().get(&key).is_some_and(|notes| notes.blocked && notes.removed)
            }
        }
    }

    /// The owner's devices, as policies see them.
    fn standings(&self) -> Vec<(PublicKey, Device)> {
        let devices = self.devices.load();
        let of = |(key, listing): (&PublicKey, &Listing)| {
            let is_own = listing.standing == DeviceStanding::Listed;
            let name = devices.record(*key).name;
            (*key, Device { name, is_own })
        };
        devices.listings().iter().map(of).collect()
    }

    /// Says that a right may be another: an app's, for instance.
    pub(crate) fn told(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

/// Ids and bodies of all documents that count.
fn read(store: &Store) -> Result<Vec<(String, String)>, Error> {
    database(store).map_or_else(|| Ok(Vec::new()), |database| database.read(documents))
}

/// The keys that the documents say are the owner's devices, as far as they were believed by earlier
/// releases. May block.
pub(crate) fn noted_as_own(store: &Store) -> Result<BTreeSet<PublicKey>, Error> {
    let noted = read(store)?.into_iter().filter_map(|(id, body)| {
        let key = id.strip_prefix(acl::PRINCIPAL_PREFIX)?.parse().ok()?;
        let notes: PrincipalNotes = serde_json::from_str(&body).ok()?;
        (notes.own && !notes.blocked).then_some(key)
    });
    Ok(noted.collect())
}

/// The same of any database, as many as are heeded.
pub(crate) fn documents(snapshot: &Snapshot<'_>) -> Result<Vec<(String, String)>, Error> {
    let mut documents = Vec::new();
    let mut start: Option<(String, bool)> = None;
    loop {
        let range = IdRange { start, end: None, direction: Direction::Ascending };
        let heads = snapshot.heads(&range, 0, PAGE_DOCUMENTS)?;
        let Some(last) = heads.last() else { return Ok(documents) };
        start = Some((last.id.as_str().to_owned(), false));
        for head in heads {
            if head.deleted || head.id.is_design() {
                continue;
            }
            if let Some(body) = snapshot.body(head.body)? {
                documents.push((head.id.as_str().to_owned(), body.json));
            }
        }
        // One more than is heeded is enough for the reader to see that there are too many.
        if documents.len() > acl::DOCUMENTS_MAX {
            return Ok(documents);
        }
    }
}

/// Changes one document of `_acl`: `change` makes the new body of the one before, where there is one;
/// none deletes it. May block.
pub(crate) fn change(
    store: &Store,
    id: &str,
    now: Millis,
    change: impl FnMut(Option<&str>) -> Result<Option<String>, AclError>,
) -> Result<(), AclError> {
    change_in(&*database(store).ok_or(Error::NoDatabase)?, id, now, change)
}

/// The change of one document: its new body, of the one before; none deletes it.
pub(crate) type Change<'a> = Box<dyn FnMut(Option<&str>) -> Result<Option<String>, AclError> + 'a>;

/// Changes several documents of `_acl` by one commit. One that somebody else changes in the same moment is
/// changed by a later one, so that it takes part or nothing is said to be done. May block.
pub(crate) fn change_all(
    store: &Store,
    now: Millis,
    mut changes: Vec<(String, Change<'_>)>,
) -> Result<(), AclError> {
    let database = database(store).ok_or(Error::NoDatabase)?;
    for _ in 0..ATTEMPTS_MAX {
        let mut edits = Vec::new();
        for (id, change) in &mut changes {
            edits.extend(edit_of(&database, id, change)?.map(|edit| (id.clone(), edit)));
        }
        let (ids, edits): (Vec<_>, Vec<_>) = edits.into_iter().unzip();
        let mut lost = BTreeSet::new();
        for (id, written) in ids.into_iter().zip(database.write(edits, now)?) {
            match written {
                Ok(_) => {}
                Err(EditError::Conflict) => _ = lost.insert(id),
                Err(error) => return Err(AclError::Refused(error.to_string())),
            }
        }
        changes.retain(|(id, _)| lost.contains(id));
        if changes.is_empty() {
            return Ok(());
        }
    }
    Err(AclError::Conflict)
}

/// The same in another database whose documents say whom the owner has to do with. May block.
pub(crate) fn change_in(
    database: &Database,
    id: &str,
    now: Millis,
    mut change: impl FnMut(Option<&str>) -> Result<Option<String>, AclError>,
) -> Result<(), AclError> {
    for _ in 0..ATTEMPTS_MAX {
        let Some(edit) = edit_of(database, id, &mut change)? else { return Ok(()) };
        match database.write(vec![edit], now)?.pop() {
            Some(Ok(_)) => return Ok(()),
            Some(Err(EditError::Conflict)) | None => {}
            Some(Err(error)) => return Err(AclError::Refused(error.to_string())),
        }
    }
    Err(AclError::Conflict)
}

/// The edit that a change comes to, of the document as it is now; none where there is nothing to delete.
fn edit_of(
    database: &Database,
    id: &str,
    mut change: impl FnMut(Option<&str>) -> Result<Option<String>, AclError>,
) -> Result<Option<Edit>, AclError> {
    let id: DocId = id.parse().map_err(|_| AclError::Refused(format!("`{id}` names nothing")))?;
    let (head, body) = database.read(|snapshot| {
        let head = snapshot.head(&id)?.filter(|head| !head.deleted);
        let body = head.as_ref().map(|head| snapshot.body(head.body)).transpose()?;
        Ok::<_, Error>((head, body.flatten()))
    })?;
    let changed = change(body.as_ref().map(|body| &*body.json))?;
    if changed.is_none() && head.is_none() {
        return Ok(None);
    }
    Ok(Some(Edit {
        id,
        lineage: Lineage::Child(head.map(|head| head.rev)),
        deleted: changed.is_none(),
        body: changed.unwrap_or_else(|| "{}".into()).into(),
        attachments: Vec::new(),
    }))
}

/// Makes a security object the policy of a database. May block.
pub(crate) fn set_security(
    store: &Store,
    of: &Database,
    security: &str,
    hub: PublicKey,
    now: Millis,
) -> Result<(), AclError> {
    let policy = Policy::from_security(security, of.name().as_str(), Some(hub))?;
    change(store, &policy_id(of), now, |_| Ok(Some(policy.document())))
}

/// Forgets the policy of a database that was deleted. May block.
pub(crate) fn forget(store: &Store, of: DbUuid, now: Millis) -> Result<(), AclError> {
    change(store, &id_of(of), now, |_| Ok(None))
}

/// Makes the policy of one database that of another, where that has none. May block.
pub(crate) fn hand_on(
    store: &Store,
    from: &Database,
    to: &Database,
    now: Millis,
) -> Result<(), AclError> {
    let mut handed = None;
    change(store, &policy_id(from), now, |body| {
        handed = body.map(str::to_owned);
        Ok(handed.clone())
    })?;
    let Some(handed) = handed else { return Ok(()) };
    change(store, &policy_id(to), now, |own| Ok(Some(own.unwrap_or(&handed).to_owned())))?;
    forget(store, from.uuid(), now)
}

/// The id of a database's policy.
pub(crate) fn policy_id(of: &Database) -> String {
    id_of(of.uuid())
}

fn id_of(uuid: DbUuid) -> String {
    format!("{}{uuid}", acl::DATABASE_PREFIX)
}

/// Moves the security objects that earlier releases kept in the databases themselves to `_acl`, once.
/// May block.
pub(crate) fn move_security_objects(
    store: &Store,
    hub: PublicKey,
    now: Millis,
) -> Result<(), Error> {
    let (Some(acl), Ok(mark)) = (database(store), MOVED.parse::<LocalId>()) else { return Ok(()) };
    if acl.read(|snapshot| snapshot.local(&mark))?.is_some() {
        return Ok(());
    }
    for of in store.databases() {
        // A database that cannot be read keeps no hub from starting.
        let moved = of.security().map_err(AclError::from).and_then(|security| {
            let Some(security) = security else { return Ok(()) };
            set_security(store, &of, &security, hub, now)
        });
        if let Err(error) = moved {
            tracing::warn!(%error, "a database's security object could not be moved to _acl");
        }
    }
    acl.write_local(mark, 0, Some("{}".into()))?;
    Ok(())
}

fn database(store: &Store) -> Option<Arc<Database>> {
    store.database(&DATABASE.parse::<DbName>().ok()?)
}
