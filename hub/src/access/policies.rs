//! Policies, groups and what is noted of keys: kept in the database `_acl`, held in memory.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use acl::{Document, DocumentError, Policies, Policy};
use arc_swap::ArcSwap;
use identity::PublicKey;
use store::{
    Database, DbName, DbUuid, Direction, DocId, Edit, Error, IdRange, Lineage, Millis, RevId,
    Snapshot, Store,
};
use tokio::sync::watch;

/// Where they are kept.
pub(crate) const DATABASE: &str = "_acl";

/// Documents read at a time.
const PAGE_DOCUMENTS: usize = 500;

/// What `_acl` says now.
pub(crate) struct LivePolicies {
    /// This hub's own key: groups of other hubs name nobody here.
    hub: PublicKey,
    current: ArcSwap<Policies>,
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
            changes: watch::Sender::new(0),
            reading: Mutex::default(),
        }
    }

    /// This hub's own key.
    pub(crate) fn hub(&self) -> PublicKey {
        self.hub
    }

    /// As they are now.
    pub(crate) fn now(&self) -> Arc<Policies> {
        self.current.load_full()
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
        let policies = Policies::read(Some(self.hub), documents);
        if let Some(problem) = policies.problems().first() {
            let count = policies.problems().len();
            tracing::warn!(count, "documents in _acl say nothing that is understood; ignored");
            tracing::debug!(%problem, "ignored in _acl");
        }
        self.current.store(Arc::new(policies));
        self.told();
        Ok(())
    }

    /// Says that a right may be another: an app's, for instance.
    pub(crate) fn told(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

/// Ids and bodies of all documents that count.
fn read(store: &Store) -> Result<Vec<(String, String)>, Error> {
    let name: DbName = DATABASE.parse().map_err(|_| Error::NoDatabase)?;
    match store.database(&name) {
        Some(database) => database.read(documents),
        None => Ok(Vec::new()),
    }
}

fn documents(snapshot: &Snapshot<'_>) -> Result<Vec<(String, String)>, Error> {
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

/// The id of the document that is a database's policy.
fn policy_id(database: &Database) -> String {
    format!("{}{}", acl::DATABASE_PREFIX, database.uuid())
}

/// The policy of a database could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// It is none.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Somebody else wrote it at the same time, again and again.
    #[error("the policy was changed by somebody else at the same time")]
    Conflict,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
}

/// How often a policy is written again that somebody else wrote meanwhile.
const TRIES: usize = 5;

impl LivePolicies {
    /// Makes another policy of a database's; nobody has it before this returns, and everybody after. May
    /// block.
    pub(crate) fn change(
        &self,
        store: &Store,
        database: &Database,
        now: Millis,
        mut change: impl FnMut(&mut Policy) -> Result<(), DocumentError>,
    ) -> Result<(), PolicyError> {
        let id: DocId = policy_id(database).parse().map_err(|_| Error::NoDatabase)?;
        let acl = self.database(store)?;
        for _ in 0..TRIES {
            let (base, mut policy) = acl.read(|snapshot| self.stored(snapshot, &id))?;
            change(&mut policy)?;
            let edit = Edit {
                id: id.clone(),
                lineage: Lineage::Child(base),
                deleted: false,
                body: policy.document().into(),
                attachments: Vec::new(),
            };
            if let Some(Ok(_)) = acl.write(vec![edit], now)?.pop() {
                self.reload(store)?;
                return Ok(());
            }
        }
        Err(PolicyError::Conflict)
    }

    /// Takes the policy of a database that is gone out of `_acl`. May block.
    pub(crate) fn forget(&self, store: &Store, database: DbUuid, now: Millis) -> Result<(), Error> {
        let id = format!("{}{database}", acl::DATABASE_PREFIX);
        let id: DocId = id.parse().map_err(|_| Error::NoDatabase)?;
        let acl = self.database(store)?;
        let head = acl.read(|snapshot| snapshot.head(&id))?;
        let Some(head) = head.filter(|head| !head.deleted) else { return Ok(()) };
        let edit = Edit {
            id,
            lineage: Lineage::Child(Some(head.rev)),
            deleted: true,
            body: "{}".to_owned().into(),
            attachments: Vec::new(),
        };
        // One that somebody writes at this moment grants nothing either: the database is gone.
        let _outcome = acl.write(vec![edit], now)?;
        self.reload(store)
    }

    fn database(&self, store: &Store) -> Result<Arc<Database>, Error> {
        let name: DbName = DATABASE.parse().map_err(|_| Error::NoDatabase)?;
        store.database(&name).ok_or(Error::NoDatabase)
    }

    fn stored(
        &self,
        snapshot: &Snapshot<'_>,
        id: &DocId,
    ) -> Result<(Option<RevId>, Policy), PolicyError> {
        let Some(head) = snapshot.head(id)?.filter(|head| !head.deleted) else {
            return Ok((None, Policy::default()));
        };
        let body = snapshot.body(head.body)?.map(|body| body.json).unwrap_or_default();
        // What cannot be read grants nothing, and may be replaced.
        Ok((Some(head.rev), Policy::parse(&body, Some(self.hub)).unwrap_or_default()))
    }
}
