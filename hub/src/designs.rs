//! Design documents of databases, read and understood once, and again when they have changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use query::design::{DesignError, Views};
use query::mango::IndexDefinition;
#[cfg(feature = "search")]
use query::search::{SearchIndex, SearchIndexes};
use serde_json::{Map, Value};
use store::{Database, DbUuid, Direction, DocId, Error, IdRange, IndexName, Output, RevId, Show};

/// Databases whose design documents are kept in memory, and their texts' bytes.
const DATABASES_MAX: usize = 1024;
const BYTES_MAX: usize = 32 << 20;

/// Design documents read from one snapshot at a time.
const PAGE: usize = 100;

/// The design documents of the databases that were used last.
#[derive(Debug, Default)]
pub(crate) struct Designs {
    kept: Mutex<Kept>,
    /// Held by whoever reads those of a database; forgotten when nobody does.
    reading: Mutex<HashMap<DbUuid, Weak<Mutex<()>>>>,
}

#[derive(Debug, Default)]
struct Kept {
    databases: HashMap<DbUuid, (u64, Arc<DesignDocs>)>,
    uses: u64,
}

/// The design documents of one database.
#[derive(Debug)]
pub(crate) struct DesignDocs {
    version: u64,
    partitioned: bool,
    /// In the order of their ids.
    all: Vec<Arc<DesignDoc>>,
}

/// One design document: its winner, as long as that is live.
#[derive(Debug)]
pub(crate) struct DesignDoc {
    /// Its id.
    pub(crate) id: DocId,
    /// Its revision.
    pub(crate) rev: RevId,
    /// The whole of it, as JSON text.
    pub(crate) text: Arc<str>,
    /// Its members, where it can be read at all.
    pub(crate) members: Map<String, Value>,
    /// What it defines.
    pub(crate) views: Result<Arc<Views>, DesignError>,
    /// The indexes it defines, where its language is `query`.
    pub(crate) indexes: Vec<Arc<IndexDefinition>>,
    /// The full-text indexes it defines.
    #[cfg(feature = "search")]
    pub(crate) search_indexes: SearchIndexes,
}

impl Designs {
    /// The design documents of a database as they are now; `changed` is told of them where they were
    /// not known, of the newest last. May block.
    pub(crate) fn of(
        &self,
        database: &Database,
        changed: impl FnOnce(&DesignDocs),
    ) -> Result<Arc<DesignDocs>, Error> {
        if let Some(known) = self.known(database) {
            return Ok(known);
        }
        let alone = self.lock_of(database.uuid());
        let _alone = alone.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have read them meanwhile.
        if let Some(known) = self.known(database) {
            return Ok(known);
        }
        let read = Arc::new(DesignDocs::read(database)?);
        self.lock().keep(database.uuid(), &read);
        changed(&read);
        Ok(read)
    }

    /// The same where nothing has to be read for it.
    pub(crate) fn known(&self, database: &Database) -> Option<Arc<DesignDocs>> {
        let mut kept = self.lock();
        kept.uses += 1;
        let uses = kept.uses;
        let (last_use, known) = kept.databases.get_mut(&database.uuid())?;
        *last_use = uses;
        (known.version == database.designs_version()).then(|| Arc::clone(known))
    }

    fn lock_of(&self, database: DbUuid) -> Arc<Mutex<()>> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.retain(|_, lock| lock.strong_count() > 0);
        let known = reading.get(&database).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let lock = Arc::default();
            reading.insert(database, Arc::downgrade(&lock));
            lock
        })
    }

    /// Those of these databases whose design documents have changed since they were read.
    pub(crate) fn outdated(&self, databases: Vec<Arc<Database>>) -> Vec<Arc<Database>> {
        let kept = self.lock();
        let is_outdated = |database: &Arc<Database>| {
            let known = kept.databases.get(&database.uuid());
            known.is_some_and(|(_, known)| known.version != database.designs_version())
        };
        databases.into_iter().filter(is_outdated).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Whoever panicked with the lock left whole entries behind.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, uuid: DbUuid, read: &Arc<DesignDocs>) {
        if read.bytes() > BYTES_MAX {
            // All others would have to go for what is read again anyway.
            self.databases.remove(&uuid);
            return;
        }
        self.databases.insert(uuid, (self.uses, Arc::clone(read)));
        let bytes = |kept: &Self| kept.databases.values().map(|(_, docs)| docs.bytes()).sum();
        let mut bytes: usize = bytes(self);
        while bytes > BYTES_MAX || self.databases.len() > DATABASES_MAX {
            let oldest = self.databases.iter().min_by_key(|(_, (last_use, _))| *last_use);
            let Some(oldest) = oldest.map(|(uuid, _)| *uuid) else { return };
            if let Some((_, removed)) = self.databases.remove(&oldest) {
                bytes -= removed.bytes();
            }
        }
    }
}

impl DesignDocs {
    fn read(database: &Database) -> Result<Self, Error> {
        // Asked first: what changes while it is read is read again.
        let version = database.designs_version();
        let mut range = IdRange {
            start: Some(("_design/".into(), true)),
            end: Some(("_design0".into(), false)),
            direction: Direction::Ascending,
        };
        let partitioned = database.is_partitioned()?;
        let mut all = Vec::new();
        loop {
            let page = database.read::<_, Error>(|snapshot| {
                let heads = snapshot.heads(&range, 0, PAGE)?;
                let read = heads.into_iter().map(|head| {
                    let mut out = Output::new();
                    snapshot.render_winner(&head, &Show::default(), &mut out)?;
                    DesignDoc::parse((head.id, head.rev), std::mem::take(out.text()), partitioned)
                });
                read.collect::<Result<Vec<_>, Error>>()
            })?;
            let Some(last) = page.last() else { break };
            range.start = Some((last.id.as_str().to_owned(), false));
            all.extend(page.into_iter().map(Arc::new));
        }
        Ok(Self { version, partitioned, all })
    }

    /// Whether the database is partitioned.
    pub(crate) fn partitioned(&self) -> bool {
        self.partitioned
    }

    /// All of them, in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<DesignDoc>> {
        self.all.iter()
    }

    /// The design document of this id, which begins with `_design/`.
    pub(crate) fn find(&self, id: &DocId) -> Option<&Arc<DesignDoc>> {
        let at = self.all.binary_search_by(|design| design.id.as_str().cmp(id.as_str()));
        at.ok().map(|at| &self.all[at])
    }

    /// Where the full-text indexes are that any of them defines.
    pub(crate) fn search_indexes(&self) -> Vec<IndexName> {
        #[cfg(feature = "search")]
        let indexes = self.all.iter().flat_map(|design| design.search_indexes.iter());
        #[cfg(feature = "search")]
        return indexes.map(|index| index.signature.clone()).collect();
        #[cfg(not(feature = "search"))]
        Vec::new()
    }

    fn bytes(&self) -> usize {
        // Beside the text its members are kept, which take about as much again.
        self.all.iter().map(|design| 2 * design.text.len()).sum()
    }
}

impl DesignDoc {
    fn parse((id, rev): (DocId, RevId), text: Vec<u8>, partitioned: bool) -> Result<Self, Error> {
        let damaged = || Error::Damaged(format!("{id} is not UTF-8"));
        let text: Arc<str> = String::from_utf8(text).map_err(|_| damaged())?.into();
        // Nested deeper than any design document is: it defines nothing.
        let members: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
        let views = Views::parse(&text, partitioned).map(Arc::new);
        let indexes = IndexDefinition::read_design(&text).into_iter().map(Arc::new).collect();
        #[cfg(feature = "search")]
        let search_indexes = SearchIndex::all_of_design(&members, partitioned);
        Ok(Self {
            id,
            rev,
            text,
            members,
            views,
            indexes,
            #[cfg(feature = "search")]
            search_indexes,
        })
    }

    /// Whether documents are shown to it before they are written.
    pub(crate) fn validates(&self) -> bool {
        self.members.get("validate_doc_update").is_some_and(Value::is_string)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    use store::{Millis, Options, Store};

    use super::*;

    fn designs(bytes: usize) -> Arc<DesignDocs> {
        let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes));
        let names = ("_design/a".parse().unwrap(), "1-a".parse().unwrap());
        let design = DesignDoc::parse(names, text.into_bytes(), false).unwrap();
        Arc::new(DesignDocs { version: 1, partitioned: false, all: vec![Arc::new(design)] })
    }

    #[test]
    fn who_asks_together_reads_once() {
        let options = Options { writer_threads: 0, open_databases_max: 4, device: [7; 32] };
        let store = Store::in_memory(&options).unwrap();
        let database = store.create(&"db".parse().unwrap(), Millis(0)).unwrap();
        let (designs, told, begin) = (Designs::default(), AtomicU32::new(0), Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    begin.wait();
                    let tell = |_: &DesignDocs| _ = told.fetch_add(1, Ordering::Relaxed);
                    designs.of(&database, tell).unwrap();
                });
            }
        });
        assert_eq!(told.into_inner(), 1);
    }

    #[test]
    fn what_is_larger_than_all_room_is_not_kept() {
        let options = Options { writer_threads: 0, open_databases_max: 4, device: [7; 32] };
        let store = Store::in_memory(&options).unwrap();
        let create = |name: &str| store.create(&name.parse().unwrap(), Millis(0)).unwrap().uuid();
        let (small, large) = (create("small"), create("large"));
        let mut kept = Kept::default();
        kept.keep(small, &designs(1));
        kept.keep(large, &designs(1));
        kept.keep(large, &designs(BYTES_MAX / 2));
        assert_eq!(kept.databases.keys().collect::<Vec<_>>(), [&small]);
    }
}
