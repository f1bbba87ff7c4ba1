//! One database: what it answers and what it is asked to write.

mod charges;
mod codec;
mod commit;
mod compact;
mod conflicts;
mod files;
mod held;
mod index;
mod lineage;
mod open;
mod overwritten;
mod partition;
mod pending;
mod preview;
mod purge;
mod queue;
mod sizes;
mod snapshot;
mod verify;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use event_listener::{Event, EventListener};

pub use self::charges::Charges;
use self::files::Files;
pub use self::held::Held;
use self::open::Slot;
pub use self::overwritten::Overwritten;
pub use self::partition::PartitionInfo;
use self::pending::Pending;
pub use self::preview::Preview;
pub use self::purge::Purge;
use self::queue::Queue;
pub use self::sizes::Sizes;
pub use self::snapshot::Snapshot;
use crate::catalog::Entry;
use crate::core::Core;
use crate::engine::Counters;
use crate::rev_tree::{BodyId, RevTree};
use crate::{
    Attachment, AttachmentWriter, DbName, DbUuid, Direction, DocId, Epoch, Error, IndexFile,
    IndexFolder, IndexName, Intake, LocalId, MalformedSeq, Millis, RevId, Seq, UpdateSeq,
};

/// Revisions of a leaf's history that are kept unless `_revs_limit` says otherwise.
///
/// Source: CouchDB's `revs_limit`.
const REVS_LIMIT: u64 = 1000;

/// A database of the store; cheap to hold, its file is open only while it is used.
pub struct Database {
    core: Arc<Core>,
    me: Weak<Self>,
    name: RwLock<DbName>,
    uuid: DbUuid,
    epoch: Epoch,
    created: Millis,
    /// Position of the last commit; readable without opening the file.
    update_seq: AtomicU64,
    /// Position of the last commit that a reader can have seen: at times one that is being made, and
    /// is not yet in `update_seq`.
    visible_seq: AtomicU64,
    /// Counts up with every commit that may have changed a design document.
    designs_version: AtomicU64,
    /// Superseded rows of the changes feed as of the last commit.
    stale: AtomicU64,
    /// JSON bytes of leaves and of superseded revisions as of the last commit.
    leaf_bytes: AtomicU64,
    superseded_bytes: AtomicU64,
    /// Revisions that are held as of the last commit.
    held_count: AtomicU64,
    /// Who is charged for what is stored, once that was asked.
    charges: Mutex<Option<Arc<Charges>>>,
    /// Whether it is partitioned, once the file was asked.
    partitioned: OnceLock<bool>,
    /// When it was last used, by [`Core::next_use`].
    last_use: AtomicU64,
    slot: Mutex<Slot>,
    queue: Mutex<Queue>,
    pending: Pending,
    updated: Event,
    deleted: AtomicBool,
    compacting: AtomicBool,
    /// Damage was met, and the log knows.
    refused: AtomicBool,
    files: Files,
    indexes: Mutex<BTreeMap<IndexName, Arc<IndexFile>>>,
    /// The folders of those that keep files of their own.
    search_indexes: Mutex<BTreeMap<IndexName, Arc<IndexFolder>>>,
}

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Documents whose winner is live.
    pub doc_count: u64,
    /// Documents whose winner is deleted.
    pub doc_del_count: u64,
    /// Position of the last edit or purge.
    pub update_seq: UpdateSeq,
    /// How many purges were asked for, as a position in their order.
    pub purge_seq: UpdateSeq,
    /// Sizes in bytes.
    pub sizes: Sizes,
    /// When it was created.
    pub created: Millis,
    /// Whether a compaction is running.
    pub compact_running: bool,
    /// Whether documents are kept in partitions.
    pub partitioned: bool,
}

/// What compaction would find in a database's bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waste {
    /// JSON bytes of leaves: what it would copy.
    pub live_bytes: u64,
    /// JSON bytes of superseded revisions that are still stored: what it would drop.
    pub superseded_bytes: u64,
}

/// A document's winning revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The document.
    pub id: DocId,
    /// Position of its last edit.
    pub seq: Seq,
    /// The winner.
    pub rev: RevId,
    /// Whether the winner is deleted.
    pub deleted: bool,
    /// Where the winner's body lies.
    pub body: BodyId,
}

/// A document's whole tree.
#[derive(Clone, Debug)]
pub struct DocTree {
    /// Position of the document's last edit.
    pub seq: Seq,
    /// Its revisions.
    pub tree: RevTree,
}

/// The contents of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The JSON object without members that begin with an underscore.
    pub json: String,
    /// Its attachments.
    pub attachments: Vec<Attachment>,
}

/// A local document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The document.
    pub id: LocalId,
    /// Its edit count: revision `0-N`.
    pub rev: u64,
    /// The JSON object without members that begin with an underscore.
    pub json: String,
}

/// Which ids a range holds, in byte order; both ends absent is every id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// First end in reading direction, and whether it is part of the range.
    pub start: Option<(String, bool)>,
    /// Last end in reading direction, and whether it is part of the range.
    pub end: Option<(String, bool)>,
    /// Which way to read; descending, `start` is the greater end.
    pub direction: Direction,
}

impl Database {
    pub(crate) fn new(core: Arc<Core>, entry: Entry) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            core,
            me: me.clone(),
            name: RwLock::new(entry.name),
            uuid: entry.uuid,
            epoch: entry.epoch,
            created: entry.created,
            update_seq: AtomicU64::new(entry.update_seq),
            visible_seq: AtomicU64::new(entry.update_seq),
            designs_version: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            leaf_bytes: AtomicU64::new(0),
            superseded_bytes: AtomicU64::new(0),
            held_count: AtomicU64::new(0),
            charges: Mutex::default(),
            partitioned: OnceLock::new(),
            last_use: AtomicU64::new(0),
            slot: Mutex::new(Slot::closed(entry.generation, entry.clean)),
            queue: Mutex::default(),
            pending: Pending::default(),
            updated: Event::new(),
            deleted: AtomicBool::new(false),
            compacting: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            files: Files::default(),
            indexes: Mutex::default(),
            search_indexes: Mutex::default(),
        })
    }

    /// Its name at this moment: it may be renamed.
    #[must_use]
    pub fn name(&self) -> DbName {
        self.name.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives it another name, which the catalog has already.
    pub(crate) fn set_name(&self, name: DbName) {
        *self.name.write().unwrap_or_else(PoisonError::into_inner) = name;
    }

    /// What it is, whatever it is called.
    #[must_use]
    pub fn uuid(&self) -> DbUuid {
        self.uuid
    }

    /// When it was created.
    #[must_use]
    pub fn created(&self) -> Millis {
        self.created
    }

    /// Position of the last committed edit; opens nothing.
    #[must_use]
    pub fn update_seq(&self) -> UpdateSeq {
        self.seq(Seq(self.update_seq.load(Ordering::Acquire)))
    }

    /// Another number whenever design documents may have changed, as long as the store is open: what
    /// was read of them after asking for it is good until it is another. Opens nothing.
    #[must_use]
    pub fn designs_version(&self) -> u64 {
        self.designs_version.load(Ordering::Acquire)
    }

    /// Wakes after the next commit, or when the database is deleted; take it before reading
    /// [`Self::update_seq`], so that nothing is missed between.
    #[must_use]
    pub fn updated(&self) -> EventListener {
        self.updated.listen()
    }

    /// Whether the database was deleted; what holds it should let go.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Reads a `since`: `0`, or what [`UpdateSeq`] prints. A position in another epoch is the start.
    ///
    /// # Errors
    /// [`MalformedSeq`] for anything else, and for a position beyond the last edit.
    pub fn parse_since(&self, text: &str) -> Result<Seq, MalformedSeq> {
        if text == "0" {
            return Ok(Seq(0));
        }
        let since: UpdateSeq = text.parse()?;
        match since.epoch == self.epoch {
            true if since.seq.0 > self.visible_seq.load(Ordering::Acquire) => Err(MalformedSeq),
            true => Ok(since.seq),
            false => Ok(Seq(0)),
        }
    }

    /// A sequence of this database as clients see it.
    #[must_use]
    pub fn seq(&self, seq: Seq) -> UpdateSeq {
        UpdateSeq { seq, epoch: self.epoch }
    }

    /// What compaction would find, as of the last commit; opens nothing, and tells of nothing where
    /// the database has not been used since the store was opened.
    #[must_use]
    pub fn waste(&self) -> Waste {
        Waste {
            live_bytes: self.leaf_bytes.load(Ordering::Relaxed),
            superseded_bytes: self.superseded_bytes.load(Ordering::Relaxed),
        }
    }

    /// How many revisions are held, as of the last commit; opens nothing, and knows of none where the
    /// database has not been used since the store was opened.
    #[must_use]
    pub fn held_count(&self) -> u64 {
        self.held_count.load(Ordering::Relaxed)
    }

    /// Notes what [`Self::waste`] and [`Self::held_count`] tell.
    fn note_waste(&self, counters: &Counters) {
        self.leaf_bytes.store(counters.leaf_bytes, Ordering::Relaxed);
        self.superseded_bytes.store(counters.superseded_bytes, Ordering::Relaxed);
        self.held_count.store(counters.pins.held, Ordering::Relaxed);
    }

    /// Counts and sizes.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn info(&self) -> Result<Info, Error> {
        let engine = self.reading()?;
        let (mut counters, mut used) = (Counters::default(), 0);
        engine.read(&mut |rows| {
            (counters, used) = (rows.counters()?, rows.used_bytes()?);
            Ok(())
        })?;
        Ok(Info {
            doc_count: counters.docs_live,
            doc_del_count: counters.docs_deleted,
            update_seq: self.seq(Seq(counters.update_seq)),
            purge_seq: self.seq(Seq(counters.purge_seq)),
            sizes: Sizes::of(engine.bytes_on_disk(), used, &counters)
                .with_indexes(self.index_bytes()),
            created: self.created,
            compact_running: self.compacting.load(Ordering::Acquire),
            partitioned: self.is_partitioned()?,
        })
    }

    /// Reads from one consistent snapshot. Keep it short: it pins the write-ahead log.
    ///
    /// # Errors
    /// Whatever `f` returns, or that the database could not be opened.
    pub fn read<T, E: From<Error>>(
        &self,
        f: impl FnOnce(&Snapshot<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let engine = self.reading()?;
        let mut look = Some(f);
        let mut outcome = None;
        engine.read(&mut |rows| {
            if let Some(look) = look.take() {
                outcome = Some(look(&Snapshot::new(rows, &self.core.tally, &self.pending)));
            }
            Ok(())
        })?;
        outcome.unwrap_or_else(|| Err(Error::NoDatabase.into()))
    }

    /// A place to put an attachment of at most `bytes_max` bytes, decoded, before a revision refers to it.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn stage(&self, bytes_max: u64, intake: Intake) -> Result<AttachmentWriter, Error> {
        let folder = self.engine()?.attachment_folder().map(Into::into);
        Ok(AttachmentWriter::new(folder, bytes_max, intake))
    }

    /// The security object that a release wrote here which knew no policies; `None` when none did.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn security(&self) -> Result<Option<String>, Error> {
        let stored = self.setting(setting::SECURITY)?;
        let text = stored.map(String::from_utf8).transpose();
        text.map_err(|_| Error::Damaged("security object".into()))
    }

    /// How many revisions of each leaf's history are kept; 1,000 unless set.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn revs_limit(&self) -> Result<u64, Error> {
        Ok(decode_number(self.setting(setting::REVS_LIMIT)?).unwrap_or(REVS_LIMIT))
    }

    fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let mut value = None;
        self.reading()?.read(&mut |rows| {
            value = rows.setting(key)?;
            Ok(())
        })?;
        Ok(value)
    }
}

/// Keys of the table `meta`.
mod setting {
    pub(super) use crate::engine::PARTITIONED;
    use crate::{ConflictRule, Error};

    pub(super) const SECURITY: &str = "security";
    pub(super) const REVS_LIMIT: &str = "revs_limit";
    pub(super) const PURGES_LIMIT: &str = "purged_infos_limit";
    pub(super) const CONFLICT_RULE: &str = "conflict_rule";
    /// Names of those who are charged.
    pub(super) const CHARGED: &str = "charged";
    /// What each of them is charged, which compaction counts anew.
    pub(super) const CHARGES: &str = "charges";

    /// Those that compaction carries over as they are.
    pub(super) const KEPT: [&str; 6] =
        [SECURITY, REVS_LIMIT, PURGES_LIMIT, CONFLICT_RULE, CHARGED, PARTITIONED];

    /// What is stored under [`CONFLICT_RULE`].
    pub(super) fn conflict_rule(stored: Option<&[u8]>) -> Result<ConflictRule, Error> {
        let damaged = || Error::Damaged("conflict rule".into());
        stored.map_or(Ok(ConflictRule::default()), |bytes| {
            ConflictRule::decode(bytes).ok_or_else(damaged)
        })
    }
}

fn decode_number(stored: Option<Vec<u8>>) -> Option<u64> {
    Some(u64::from_be_bytes(stored?.try_into().ok()?))
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("name", &self.name()).finish_non_exhaustive()
    }
}
