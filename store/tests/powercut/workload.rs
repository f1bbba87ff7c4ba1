//! Steps that write everything a store writes, the same for the same seed.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use store::stamp::{EditContent, Stamp, stamped};
use store::{
    ConflictPolicy, ConflictRule, Content, CopyFile, Database, DbName, DocId, Edit, Error, Lineage,
    Millis, NewAttachment, Purge, Store,
};

use super::support::{Random, options, put};

/// A step; databases and documents are picked by number.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Create(u64),
    Delete(u64),
    /// Deletes a database, which can be brought back.
    SetAside(u64),
    /// Brings it back.
    Restore(u64),
    /// Gives a database another name, or its own again.
    Rename {
        database: u64,
        away: bool,
    },
    /// Edits documents, one commit for all.
    Edit {
        database: u64,
        docs: Vec<u64>,
        bytes: usize,
        attachment: Option<usize>,
    },
    Tombstone {
        database: u64,
        doc: u64,
    },
    /// Purges the winner of a document, whether it is a tombstone or not, and of another.
    Purge {
        database: u64,
        docs: [u64; 2],
    },
    /// Gives a document a second leaf.
    Branch {
        database: u64,
        doc: u64,
    },
    /// Has it decide conflicts from now on.
    Rule(u64),
    /// Brings a revision that is in conflict with what is there, or from the future.
    Deliver {
        database: u64,
        doc: u64,
        ahead: bool,
    },
    /// Takes in what is due.
    ReleaseDue(u64),
    /// Forgets some of what lost.
    Trim(u64),
    Local {
        database: u64,
        id: u64,
    },
    PurgesLimit(u64),
    RevsLimit(u64),
    Compact(u64),
    /// Begins a compaction that goes on during the steps after it.
    CompactBehind(u64),
    Copy(u64),
    /// Closes the store and opens it again.
    Reopen,
}

/// Databases that steps are about; one that is deleted is made anew.
const DATABASES: u64 = 3;

const DOCS: u64 = 12;

/// More than a revision may be ahead of us to be seen at once.
const AHEAD_MS: u64 = 11 * 60 * 1000;

/// From this size on attachments have files of their own.
const LARGE: u64 = 64 * 1024;

/// The steps; `filling` has enough bytes written for a checkpoint of the write-ahead log.
pub(crate) fn steps(seed: u64, count: u64, filling: bool) -> Vec<Step> {
    let mut random = Random::new(seed);
    let mut steps: Vec<_> = (0..DATABASES).map(Step::Create).collect();
    steps.extend((1..DATABASES).map(Step::Rule));
    for number in 0..count {
        let database = random.below(DATABASES);
        let step = match random.below(37) {
            0 => {
                steps.push(Step::Delete(database));
                Step::Create(database)
            }
            1 => Step::Reopen,
            2 | 3 => Step::Compact(database),
            4 | 5 => Step::CompactBehind(database),
            6 => Step::Copy(database),
            7 => Step::PurgesLimit(database),
            8 => Step::RevsLimit(database),
            9 | 10 => Step::Local { database, id: random.below(4) },
            11 => Step::Tombstone { database, doc: random.below(DOCS) },
            24..27 => Step::Purge { database, docs: [random.below(DOCS), random.below(DOCS)] },
            27 => Step::Branch { database, doc: random.below(DOCS) },
            28..32 => {
                Step::Deliver { database, doc: random.below(DOCS), ahead: random.below(3) == 0 }
            }
            32 => Step::ReleaseDue(database),
            33 => Step::Trim(database),
            34 | 35 => {
                steps.push(Step::SetAside(database));
                Step::Restore(database)
            }
            36 => {
                steps.push(Step::Rename { database, away: true });
                Step::Rename { database, away: false }
            }
            kind => {
                let docs = (0..1 + random.below(3)).map(|_| random.below(DOCS)).collect();
                let attachment = match kind {
                    12..15 => Some(1 + random.below(LARGE)),
                    15..18 => Some(LARGE + 1 + random.below(LARGE)),
                    _ => None,
                };
                let attachment = attachment.map(|length| length as usize);
                Step::Edit { database, docs, bytes: random.below(6000) as usize, attachment }
            }
        };
        steps.push(step);
        if filling && number == count / 2 {
            let edit = |at: u64| Step::Edit {
                database: 0,
                docs: (0..60).map(|doc| 1000 + at * 100 + doc).collect(),
                bytes: 64 * 1024,
                attachment: None,
            };
            steps.extend((0..6).map(edit));
        }
    }
    steps
}

/// A store that takes steps.
pub(crate) struct Runner<'a> {
    folder: Option<&'a Path>,
    store: Arc<Store>,
    behind: Option<JoinHandle<()>>,
}

impl<'a> Runner<'a> {
    /// On a data directory, or in memory where there is none.
    pub(crate) fn new(folder: Option<&'a Path>) -> Self {
        Self { folder, store: open(folder), behind: None }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Takes the step of this number.
    pub(crate) fn take(&mut self, number: u64, step: &Step) {
        match step {
            Step::Create(database) => {
                self.store.create(&name(*database), Millis(1)).expect("created");
            }
            Step::Delete(database) => self.store.delete(&name(*database)).expect("deleted"),
            Step::SetAside(database) => {
                // What began before would keep it from coming back.
                self.join();
                let uuid = self.database(*database).uuid();
                self.store.set_aside(uuid, Millis(1)).expect("deleted");
            }
            Step::Restore(database) => {
                let trash = self.store.trash().expect("the trash");
                let [deleted] = &trash[..] else { panic!("one is in the trash") };
                self.store.restore(deleted.uuid, &name(*database)).expect("restored");
            }
            Step::Rename { database, away } => {
                let own = name(*database);
                let (from, to) = match away {
                    true => (own.clone(), own.of_device("elsewhere")),
                    false => (own.of_device("elsewhere"), own.clone()),
                };
                let uuid = self.store.database(&from).expect("it was created").uuid();
                self.store.rename(uuid, &to).expect("renamed");
            }
            Step::Edit { database, docs, bytes, attachment } => {
                let database = self.database(*database);
                let mut docs = docs.clone();
                docs.sort_unstable();
                docs.dedup();
                let edits = docs.iter().map(|doc| {
                    let mut edit = edit(&database, *doc, &body(number + doc, *bytes));
                    let staged = attachment.map(|length| stage(&database, number + doc, length));
                    edit.attachments.extend(staged);
                    edit
                });
                write(&database, edits.collect(), number);
            }
            Step::Tombstone { database, doc } => {
                let database = self.database(*database);
                let mut edit = edit(&database, *doc, "{}");
                edit.deleted = matches!(&edit.lineage, Lineage::Child(Some(_)));
                write(&database, vec![edit], number);
            }
            Step::Purge { database, docs } => {
                let database = self.database(*database);
                let purges = docs.iter().filter_map(|doc| {
                    let id = doc_id(*doc);
                    let head = database.read(|snapshot| snapshot.head(&id)).expect("read")?;
                    Some(Purge { id, revs: vec![head.rev] })
                });
                database.purge(purges.collect()).expect("purged");
            }
            Step::Branch { database, doc } => {
                let path = vec![format!("1-{number}").parse().expect("a revision")];
                let mut edit = put(doc_id(*doc).as_str(), None, &body(number, 100));
                edit.lineage = Lineage::Path(path);
                write(&self.database(*database), vec![edit], number);
            }
            Step::Rule(database) => {
                let rule = ConflictRule { policy: ConflictPolicy::Newest, version: 1 };
                self.database(*database).set_conflict_rule(rule).expect("written");
            }
            Step::Deliver { database, doc, ahead } => {
                let now = Millis(1_000_000 + number);
                let then = Millis(now.0 + if *ahead { AHEAD_MS } else { 3 });
                let body = body(number, 200);
                let hash = blake3::hash(body.as_bytes());
                let content = EditContent {
                    parent: None,
                    body: hash.as_bytes(),
                    attachments: &[],
                    device: &[9; 32],
                };
                let path = vec![stamped(Stamp::at(then), &content)];
                let mut edit = put(doc_id(*doc).as_str(), None, &body);
                edit.lineage = Lineage::Path(path);
                let database = self.database(*database);
                let outcomes = database.deliver(vec![edit], now, "elsewhere").expect("written");
                outcomes.into_iter().for_each(|outcome| drop(outcome.expect("taken")));
            }
            Step::ReleaseDue(database) => {
                let now = Millis(1_000_000 + number + AHEAD_MS);
                self.database(*database).release_due(now).expect("taken in");
            }
            Step::Trim(database) => {
                let before = Millis((1_000_000 + number).saturating_sub(5));
                self.database(*database).trim_overwritten(before, 1000).expect("forgotten");
            }
            Step::Local { database, id } => {
                let id = format!("_local/{id}").parse().expect("a local id");
                let body = body(number, 20);
                self.database(*database).write_local(id, number, Some(body)).expect("written");
            }
            Step::PurgesLimit(database) => {
                let limit = 10_000 + number;
                self.database(*database).set_purged_infos_limit(limit).expect("written");
            }
            Step::RevsLimit(database) => {
                self.database(*database).set_revs_limit(3 + number % 7).expect("written");
            }
            Step::Compact(database) => {
                self.join();
                self.database(*database).compact(&mut |_, _| {}).expect("compacted");
            }
            Step::CompactBehind(database) => {
                self.join();
                let database = self.database(*database);
                self.behind = Some(std::thread::spawn(move || {
                    match database.compact(&mut |_, _| {}) {
                        // Deleted meanwhile: its files went.
                        Ok(()) | Err(Error::NoDatabase) => {}
                        Err(error) => panic!("compaction: {error}"),
                    }
                }));
            }
            Step::Copy(database) => {
                self.join();
                let Some(folder) = self.folder else { return };
                let scratch = folder.join("scratch");
                std::fs::create_dir_all(&scratch).expect("a folder");
                let take = |_: CopyFile, _: &Path| Ok::<_, Error>(());
                self.database(*database).copy(&scratch, take).expect("copied");
            }
            Step::Reopen => {
                self.join();
                if self.folder.is_some() {
                    self.store.close();
                    // Two stores cannot hold one directory.
                    self.store = Store::in_memory(&options()).expect("a store");
                    self.store = open(self.folder);
                }
            }
        }
    }

    /// Waits for the compaction that goes on.
    pub(crate) fn join(&mut self) {
        if let Some(behind) = self.behind.take() {
            behind.join().expect("compaction ends");
        }
    }

    fn database(&self, number: u64) -> Arc<Database> {
        self.store.database(&name(number)).expect("it was created")
    }
}

fn open(folder: Option<&Path>) -> Arc<Store> {
    match folder {
        Some(folder) => Store::open(folder, &options()).expect("a store"),
        None => Store::in_memory(&options()).expect("a store"),
    }
}

fn name(number: u64) -> DbName {
    format!("db-{number}").parse().expect("a name")
}

fn doc_id(number: u64) -> DocId {
    format!("doc-{number}").parse().expect("an id")
}

fn edit(database: &Database, doc: u64, body: &str) -> Edit {
    let id = doc_id(doc);
    let head = database.read(|snapshot| snapshot.head(&id)).expect("read");
    put(id.as_str(), head.filter(|head| !head.deleted).map(|head| head.rev), body)
}

fn write(database: &Database, edits: Vec<Edit>, number: u64) {
    for outcome in database.write(edits, Millis(1_000_000 + number)).expect("written") {
        outcome.expect("no conflict");
    }
}

/// Bytes that nothing can pack.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..length).map(|_| random.next() as u8).collect()
}

fn body(seed: u64, length: usize) -> String {
    let text: String = noise(seed, length).iter().map(|byte| (b'0' + byte % 64) as char).collect();
    // The range holds two characters that JSON would escape.
    format!("{{\"text\":\"{}\"}}", text.replace(['"', '\\'], "-"))
}

fn stage(database: &Database, seed: u64, length: usize) -> NewAttachment {
    let mut writer = database.stage(u64::MAX, store::Intake::Plain).expect("a place");
    for chunk in noise(seed, length).chunks(16 * 1024) {
        writer.write_all(chunk).expect("taken");
    }
    NewAttachment {
        name: "a".into(),
        content_type: None,
        revpos: None,
        content: Content::Staged(writer.finish().expect("synced")),
    }
}
