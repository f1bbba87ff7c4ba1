//! The owner's devices: what the statements in `_devices` come to, and what its records say of each.
//!
//! Statements that count are kept in a file of their own as well: a device that deletes or overwrites one
//! in `_devices` takes nothing back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use identity::{
    Claim, DeviceKey, DeviceList, DeviceStanding, Listing, PublicKey, STATEMENT_BYTES_MAX,
    Statement, StatementHash, StatementKind,
};
use store::{Error, Millis, Store};

use super::peers::database;
use super::record::{Kind, Record};
use super::rules;
use crate::access::{self, AclError};
use crate::small_file;

/// Before a statement's hash, in the id of its document.
const STATEMENT_PREFIX: &str = "statement-";

/// Longest file of statements, and most statements in it.
const FILE_BYTES_MAX: u64 = 160 * 1024 * 1024;
const STATEMENTS_MAX: usize = 50_000;

/// Documents that cannot be read of which the ids are shown.
const PROBLEMS_MAX: usize = 20;

/// The owner's devices, as of one moment.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    list: DeviceList,
    /// What is noted of keys, this hub's own included; a record alone makes nobody a device.
    records: BTreeMap<PublicKey, Record>,
    statements: BTreeMap<StatementHash, Statement>,
    /// Statements that count and that `_devices` does not have.
    lacking: Vec<StatementHash>,
    /// Documents of `_devices` that say nothing: how many, and the ids of some.
    problem_count: usize,
    problems: Vec<String>,
}

impl PartialEq for Devices {
    fn eq(&self, other: &Self) -> bool {
        // What follows from the statements, not which of them are where.
        self.list == other.list
            && self.records == other.records
            && self.problem_count == other.problem_count
            && self.problems == other.problems
    }
}

impl Devices {
    /// Reads `_devices` and the file. May block.
    pub(crate) fn read(store: &Store, hub: PublicKey, file: &Path) -> Result<Self, Error> {
        let mut devices = Self::default();
        for statement in kept(file) {
            devices.statements.insert(statement.hash(), statement);
        }
        let filed: BTreeSet<_> = devices.statements.keys().copied().collect();
        let mut there = BTreeSet::new();
        let documents = match database(store, Kind::Device) {
            Some(database) => database.read(access::documents)?,
            None => Vec::new(),
        };
        // Rules of devices lie here too, and are read by themselves.
        let said = documents.into_iter().filter(|(id, _)| !id.starts_with(rules::PREFIX));
        for (id, body) in said {
            if let Some(statement) = statement_of(&id, &body) {
                there.insert(statement.hash());
                devices.statements.insert(statement.hash(), statement);
            } else if let Some(record) = record_of(&id, &body) {
                devices.records.insert(record.key, record);
            } else {
                devices.problem_count += 1;
                if devices.problems.len() < PROBLEMS_MAX {
                    devices.problems.push(id.replace(char::is_control, " "));
                }
            }
        }
        devices.list = DeviceList::resolve(hub, devices.statements.values());
        // Of others nothing is kept beyond what `_devices` holds anyway.
        let list = &devices.list;
        devices.statements.retain(|hash, _| list.heeds(*hash));
        let counts = devices.statements.keys().copied();
        devices.lacking = counts.filter(|hash| !there.contains(hash)).collect();
        if devices.statements.keys().any(|hash| !filed.contains(hash)) {
            keep(file, devices.statements.values());
        }
        devices.name_apart();
        Ok(devices)
    }

    /// Writes to `_devices` again what was taken from it. May block.
    pub(crate) fn mend(&self, store: &Store, now: Millis) -> Result<(), AclError> {
        let mut lacking = self.lacking.iter().filter_map(|hash| self.statements.get(hash));
        lacking.try_for_each(|statement| publish(store, statement, now))
    }

    /// How every known key stands but this hub's own.
    pub(crate) fn listings(&self) -> &BTreeMap<PublicKey, Listing> {
        self.list.devices()
    }

    /// How a key stands.
    pub(crate) fn listing(&self, key: PublicKey) -> Option<&Listing> {
        self.list.devices().get(&key)
    }

    /// How a key stands that is refused.
    pub(crate) fn refused(&self, key: PublicKey) -> Option<&Listing> {
        self.listing(key).filter(|listing| listing.standing != DeviceStanding::Listed)
    }

    /// What follows from the statements.
    pub(crate) fn list(&self) -> &DeviceList {
        &self.list
    }

    /// What is noted of a key; of one of which nothing is noted, that.
    pub(crate) fn record(&self, key: PublicKey) -> Record {
        let unknown = || Record::unnamed(key);
        self.records.get(&key).cloned().unwrap_or_else(unknown)
    }

    /// Whether anything is noted of a key.
    pub(crate) fn is_noted(&self, key: PublicKey) -> bool {
        self.records.contains_key(&key)
    }

    /// Documents of `_devices` that say nothing: how many, and the ids of some.
    pub(crate) fn problems(&self) -> (usize, &[String]) {
        (self.problem_count, &self.problems)
    }

    /// The key that a word of the owner's means: a name, a key or an httpkey URL; this hub's own counts.
    pub(crate) fn find(&self, hub: PublicKey, word: &str) -> Option<PublicKey> {
        let meant = |key: &PublicKey| self.record(*key).is_meant_by(word);
        let others = self.list.devices().iter();
        // One that was removed gives its name away.
        let (gone, others): (Vec<_>, Vec<_>) =
            others.partition(|(_, listing)| listing.standing == DeviceStanding::Removed);
        let keys = others.into_iter().map(|(key, _)| *key).chain([hub]);
        keys.chain(gone.into_iter().map(|(key, _)| *key)).find(meant)
    }

    /// Gives each device another name: of two that are called the same the one that was added first keeps
    /// it, the same one on every hub.
    fn name_apart(&mut self) {
        let mut order: Vec<_> =
            self.records.values().map(|record| (record.added_at, record.key)).collect();
        order.sort_unstable();
        let mut taken = BTreeSet::new();
        for (_, key) in order {
            let is_gone =
                self.listing(key).is_some_and(|known| known.standing == DeviceStanding::Removed);
            let Some(record) = self.records.get_mut(&key).filter(|_| !is_gone) else { continue };
            if !taken.insert(record.name.clone()) {
                record.name = format!("{}~{}", record.name, key.shortened());
                taken.insert(record.name.clone());
            }
        }
    }

    /// Signs what this hub says of a device, keeps it and writes it to `_devices`. May block.
    pub(super) fn say(
        &self,
        store: &Store,
        (device, file): (&DeviceKey, &Path),
        kind: StatementKind,
        subject: PublicKey,
        now: Millis,
    ) -> Result<(), AclError> {
        let (seq, prev) = self.list.next();
        let answers = match kind {
            StatementKind::Add | StatementKind::Keep => self.list.removals_of(subject),
            StatementKind::Remove => Vec::new(),
        };
        let claim = Claim { seq, prev, kind, subject, at: now.0, answers };
        let statement = Statement::sign(device, claim);
        // In the file first: what others were told is not said anew with other words.
        keep(file, self.statements.values().chain([&statement]));
        publish(store, &statement, now)
    }
}

/// Writes a statement to `_devices`. May block.
fn publish(store: &Store, statement: &Statement, now: Millis) -> Result<(), AclError> {
    let database = database(store, Kind::Device).ok_or(Error::NoDatabase)?;
    let id = format!("{STATEMENT_PREFIX}{}", statement.hash());
    access::change_in(&database, &id, now, |_| Ok(Some(statement.text())))
}

fn statement_of(id: &str, body: &str) -> Option<Statement> {
    let hash = id.strip_prefix(STATEMENT_PREFIX)?;
    let statement = Statement::parse(body).ok()?;
    (statement.hash().to_string() == hash).then_some(statement)
}

fn record_of(id: &str, body: &str) -> Option<Record> {
    // More than a record can have.
    if body.len() > STATEMENT_BYTES_MAX {
        return None;
    }
    let record = serde_json::from_str::<Record>(body).ok()?;
    (record.key.to_string() == id).then(|| record.bounded())
}

/// What the file has; what cannot be read there is in `_devices` as well, unless somebody took it away.
fn kept(file: &Path) -> Vec<Statement> {
    let text = match small_file::read(file, FILE_BYTES_MAX) {
        Ok(text) => text.unwrap_or_default(),
        Err(error) => {
            tracing::error!(%error, cause = %error.source, "statements of devices cannot be read");
            return Vec::new();
        }
    };
    let lines = text.lines().take(STATEMENTS_MAX);
    lines.filter_map(|line| Statement::parse(line).ok()).collect()
}

/// Keeps statements in the file, one a line.
fn keep<'a>(file: &Path, statements: impl Iterator<Item = &'a Statement>) {
    let text: String = statements.map(|statement| statement.text() + "\n").collect();
    if let Err(error) = small_file::replace(file, &text) {
        tracing::error!(%error, cause = %error.source, "statements of devices cannot be kept");
    }
}

/// Signs an `add` for every device that an earlier release had: those that both `_devices` and `_acl` say
/// are the owner's. May block.
pub(crate) fn adopt(
    store: &Store,
    device: &DeviceKey,
    file: &Path,
    now: Millis,
) -> Result<(), AclError> {
    let hub = device.public();
    let noted = access::noted_as_own(store)?;
    let records = Devices::read(store, hub, file)?.records;
    for key in records.into_keys().filter(|key| *key != hub && noted.contains(key)) {
        let devices = Devices::read(store, hub, file)?;
        devices.say(store, (device, file), StatementKind::Add, key, now)?;
    }
    Ok(())
}
