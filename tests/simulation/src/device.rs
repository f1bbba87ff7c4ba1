//! A device: a store on a simulated disk, a clock that may be wrong, and what it keeps in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use acl::{Action, Caller, Policies, Resource};
use replication::sync::Delivered;
use store::{
    Database, DbUuid, DocId, Edit, Error, Millis, Options, RevId, SimulatedDisk, Snapshot, Store,
    UpdateSeq,
};

use crate::content::{Content, Leaf};

/// Databases that every device has, shared by some of them.
pub(crate) const DATABASES: [&str; 2] = ["notes", "photos"];

/// What a device is to the person whose databases they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Own,
    Friend,
    /// It knows CouchDB's protocol, and nothing of stamps or rules.
    Dumb,
    Liar,
}

/// Public keys in text: points of the curve, for `acl` takes no others.
const KEYS: [&str; 7] = [
    "rkeohxlubhyzl7ks3mwtzos5olfgocn7dwkbeg7toseadnapn5oa",
    "qe4xodvipulv6vvdkrtmgtd6ztfy3curwtxdpis56yhvxd6jwoka",
    "5vesrrri2hbmn2xjam4jawmvmeuvsjz2lrr7snrwyfdbjlehg7iq",
    "zkj2yfyfdbyhdvt3qpd76dx6qeeor3cfgblv25zgq6jthw62xz6a",
    "nz5bzxjjwc3y7uj26tcvtd7p6txsvfywny6kn4xe7p6m3acqlpyq",
    "rkdv77y6wocfcv32zvnp5zafivswrxl4rhqjbbr2avl3y6xut4lq",
    "5jfgyy7ctrjavpxvkb5rglwf7gkuo5vox27hxescd3vgsfcg2iwa",
];

/// An edit whose revision id nobody was told before the power failed.
#[derive(Clone, Debug)]
pub(crate) struct Uncertain {
    pub(crate) db: usize,
    pub(crate) doc: DocId,
    /// The revision that it follows, as far as its writer said.
    pub(crate) base: Option<RevId>,
    pub(crate) content: Content,
}

/// What a device remembers of a peer as long as it runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acquaintance {
    /// Position of the peer's database up to which everything is here.
    pub(crate) caught_up: Option<UpdateSeq>,
    pub(crate) failures: u32,
    pub(crate) not_before: u64,
}

/// Who may do what here, shared with streams that are under way.
pub(crate) type SharedPolicies = Arc<Mutex<Arc<Policies>>>;

/// A device.
pub(crate) struct Device {
    pub(crate) role: Role,
    pub(crate) key: &'static str,
    pub(crate) caller: Caller<'static>,
    /// Milliseconds by which its clock is fast.
    pub(crate) skew: i64,
    /// Counts up with every crash: what was under way before is over.
    pub(crate) life: u32,
    pub(crate) disk: SimulatedDisk,
    /// `None` while it is down.
    store: Option<Arc<Store>>,
    databases: Vec<Arc<Database>>,
    pub(crate) uuids: Vec<DbUuid>,
    pub(crate) policies: SharedPolicies,
    /// When its disk has done what it was asked so far.
    pub(crate) disk_free: u64,
    pub(crate) operations_left: u64,
    /// Edits of which nobody was told whether they became durable.
    pub(crate) uncertain: Vec<Uncertain>,
    /// By peer.
    pub(crate) delivered: BTreeMap<usize, Arc<Delivered>>,
    /// By database and peer.
    pub(crate) acquaintances: BTreeMap<(usize, usize), Acquaintance>,
    number: usize,
}

impl Device {
    pub(crate) fn new(
        number: usize,
        role: Role,
        uuids: &[DbUuid],
        seed: u64,
        now: Millis,
    ) -> Result<Self, Error> {
        let key = KEYS[number];
        // Where a test cannot go on, it ends.
        #[expect(clippy::expect_used, reason = "the keys above are keys")]
        let caller = Caller::Key(key.parse().expect("a key"));
        let mut device = Self {
            role,
            key,
            caller,
            skew: 0,
            life: 0,
            disk: SimulatedDisk::new(seed)?,
            store: None,
            databases: Vec::new(),
            uuids: uuids.into(),
            policies: SharedPolicies::default(),
            disk_free: 0,
            operations_left: 0,
            uncertain: Vec::new(),
            delivered: BTreeMap::new(),
            acquaintances: BTreeMap::new(),
            number,
        };
        let store = Store::open_simulated(&device.disk, &device.options())?;
        for (name, uuid) in DATABASES.iter().zip(uuids) {
            device.databases.push(store.create_as(*uuid, &db_name(name), false, now)?);
        }
        device.store = Some(store);
        Ok(device)
    }

    fn options(&self) -> Options {
        let device = [self.number as u8 + 1; 32];
        Options { writer_threads: 0, open_databases_max: 8, device }
    }

    /// Whether it takes part in what all hubs agree about.
    pub(crate) fn is_hub(&self) -> bool {
        matches!(self.role, Role::Own | Role::Friend)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.store.is_some()
    }

    /// What its clock shows.
    pub(crate) fn local(&self, now: u64) -> Millis {
        Millis(now.saturating_add_signed(self.skew))
    }

    /// One of its databases; `None` while it is down.
    pub(crate) fn database(&self, db: usize) -> Option<&Arc<Database>> {
        self.databases.get(db)
    }

    /// Loses all that is not durable.
    pub(crate) fn crash(&mut self) {
        self.life += 1;
        self.databases.clear();
        self.store = None;
        self.acquaintances.clear();
        self.delivered.clear();
    }

    /// Starts again with what was durable.
    pub(crate) fn restart(&mut self, now: u64) -> Result<(), Error> {
        self.disk.turn_power_on();
        let store = Store::open_simulated(&self.disk, &self.options())?;
        let found = DATABASES.map(|name| store.database(&db_name(name)));
        self.databases = found.into_iter().flatten().collect();
        self.store = Some(store);
        self.disk_free = now;
        Ok(())
    }

    /// Whether its policies let a caller do something with a database.
    pub(crate) fn allows(&self, caller: Caller<'_>, action: Action, db: usize) -> bool {
        let policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, uuid) = (db_name(DATABASES[db]), Some(self.uuids[db]));
        policies.decide(caller, action, Resource::Database { name: &name, uuid }).is_allowed()
    }

    /// The leaves of a document, the winner first.
    pub(crate) fn leaves(&self, db: usize, doc: &DocId) -> Result<Vec<Leaf>, Error> {
        let Some(database) = self.database(db) else { return Ok(Vec::new()) };
        database.read(|snapshot| leaves(snapshot, doc, usize::MAX))
    }

    /// The live leaves of a document, or the deletion that is its winner.
    pub(crate) fn live_leaves(&self, db: usize, doc: &DocId) -> Result<Vec<Leaf>, Error> {
        let Some(database) = self.database(db) else { return Ok(Vec::new()) };
        database.read(|snapshot| leaves(snapshot, doc, 1))
    }

    /// Writes revisions as somebody's client does; for each its id, or the reason why not.
    pub(crate) fn write(&self, db: usize, edit: Edit, now: Millis) -> Result<Option<RevId>, Error> {
        let Some(database) = self.database(db) else { return Err(Error::Closing) };
        let written = database.write(vec![edit], now)?;
        Ok(written.into_iter().next().and_then(Result::ok))
    }
}

/// The live leaves of a document and some that are deleted, the winner first.
fn leaves(snapshot: &Snapshot<'_>, doc: &DocId, deleted_max: usize) -> Result<Vec<Leaf>, Error> {
    let Some(document) = snapshot.tree(doc)? else { return Ok(Vec::new()) };
    let tree = document.tree;
    let mut leaves = Vec::new();
    let mut deleted = 0;
    for leaf in tree.leaves() {
        let node = tree.node(leaf);
        deleted += usize::from(node.deleted);
        if deleted > deleted_max {
            break;
        }
        let body = match node.stored {
            Some(stored) => snapshot.body(stored.body)?,
            None => None,
        };
        let body =
            body.ok_or_else(|| Error::Damaged(format!("{doc}: {} has no body", node.rev)))?;
        let content = Content::read(snapshot, node.deleted, body.json, &body.attachments)?;
        let path = tree.ancestry(leaf).map(|node| node.rev.clone()).collect();
        leaves.push(Leaf { path, content });
    }
    Ok(leaves)
}

#[expect(clippy::expect_used, reason = "the names above are names")]
pub(crate) fn db_name(name: &str) -> store::DbName {
    name.parse().expect("a database name")
}
