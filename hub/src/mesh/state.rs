//! What is known of every peer beside what the owner noted: kept in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use identity::PublicKey;
use replication::sync::SyncProgress;
use replication::{Budget, Manager, ManagerLimits};
use store::{DbUuid, Millis};
use tokio::sync::watch;

use super::permit::Rights;
use super::remembered::Remembered;
use super::way::Way;

/// Documents that could not be taken that are remembered of each database and peer.
const SKIPPED_MAX: usize = 100;

/// What is known of every peer.
pub(super) struct State {
    /// What is pulled when.
    pub(super) manager: Manager,
    /// How much may come, where that is limited.
    pub(super) budget: Option<Budget>,
    /// The ways to every peer that is followed.
    pub(super) ways: BTreeMap<PublicKey, Way>,
    /// What is being pulled.
    pub(super) pulls: BTreeMap<(PublicKey, DbUuid), Pulling>,
    /// Documents that could not be taken.
    pub(super) skipped: BTreeMap<(PublicKey, DbUuid), Vec<Skipped>>,
    /// How far peers say that they have what is here.
    pub(super) acknowledged: BTreeMap<(PublicKey, DbUuid), Acknowledged>,
    /// What decides conflicts at peers.
    pub(super) rules: BTreeMap<(PublicKey, DbUuid), Rule>,
    /// What friends say that this hub may do with what they share.
    pub(super) shared: BTreeMap<(PublicKey, DbUuid), SharedRight>,
    /// How much there is of what friends share, as they said last.
    pub(super) sizes: BTreeMap<(PublicKey, DbUuid), Size>,
    /// At which update sequence, and when, friends were asked that last.
    pub(super) sizes_asked: BTreeMap<(PublicKey, DbUuid), (String, Millis)>,
    /// What peers may do here, as of the last look.
    pub(super) rights: BTreeMap<(PublicKey, DbUuid), Rights>,
    /// What is taken of databases, as of the last look.
    pub(super) selections: BTreeMap<(PublicKey, DbUuid), String>,
    /// What was reached before this run.
    pub(super) remembered: Remembered,
    /// Databases of which there was no room for something, and how many bytes the least of that has.
    pub(super) postponed: BTreeMap<(PublicKey, DbUuid), u64>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            manager: Manager::new(ManagerLimits::default()),
            budget: None,
            ways: BTreeMap::new(),
            pulls: BTreeMap::new(),
            skipped: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            rules: BTreeMap::new(),
            shared: BTreeMap::new(),
            sizes: BTreeMap::new(),
            sizes_asked: BTreeMap::new(),
            rights: BTreeMap::new(),
            selections: BTreeMap::new(),
            postponed: BTreeMap::new(),
            remembered: Remembered::default(),
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

/// A pull that runs.
pub(super) struct Pulling {
    /// Tells it to stop.
    pub(super) stop: watch::Sender<bool>,
    /// How far it is, once it has begun to ask.
    pub(super) progress: Option<watch::Receiver<SyncProgress>>,
    /// Closed when it is over.
    pub(super) over: watch::Receiver<()>,
}

/// What a pull has of the entry of its own.
#[derive(Debug)]
pub(super) struct Turn {
    /// Told to stop.
    pub(super) stopped: watch::Receiver<bool>,
    /// Dropped when it is over.
    pub(super) over: watch::Sender<()>,
    /// Closed when the one before it is over, of the same database and peer: a peer that was forgotten and is
    /// known again is pulled from anew while what was stopped comes to its end.
    before: Option<watch::Receiver<()>>,
}

impl Turn {
    /// Waits until the one before it is over.
    pub(super) async fn come(&mut self) {
        if let Some(mut before) = self.before.take() {
            while before.changed().await.is_ok() {}
        }
    }
}

/// A document that a peer has and that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Skipped {
    pub(super) doc: String,
    /// What programs tell the reason by, and people.
    pub(super) code: &'static str,
    pub(super) text: String,
}

/// What a peer says that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// All up to this update sequence.
    pub(super) seq: String,
    /// When it said so.
    pub(super) at: Millis,
}

/// What decides conflicts at a peer, as it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) policy: String,
    pub(super) version: u64,
}

/// What a friend lets this hub do with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SharedRight {
    /// To read.
    Read,
    /// To write, too: what is written here is fetched.
    Write,
}

impl SharedRight {
    /// What a line of the feed says; nothing where another release says something else.
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "read" => Some(Self::Read),
            "write" => Some(Self::Write),
            _ => None,
        }
    }

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// How much there is of a database that a friend shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// At this update sequence, as the friend offered it.
    pub(super) seq: String,
    /// Documents, and bytes that they take.
    pub(crate) documents: u64,
    pub(crate) bytes: u64,
}

impl State {
    /// A peer offers a database no longer.
    pub(super) fn withdrawn(&mut self, of: (PublicKey, DbUuid)) {
        self.rules.remove(&of);
        self.shared.remove(&of);
        self.sizes.remove(&of);
        self.sizes_asked.remove(&of);
    }

    /// Notes what could not be taken by a pull that came to its end.
    pub(super) fn note_skipped(&mut self, of: (PublicKey, DbUuid), skipped: Vec<Skipped>) {
        if skipped.is_empty() {
            return;
        }
        let known = self.skipped.entry(of).or_default();
        known.retain(|before| !skipped.iter().any(|now| now.doc == before.doc));
        known.extend(skipped);
        let surplus = known.len().saturating_sub(SKIPPED_MAX);
        known.drain(..surplus);
    }

    /// Notes a pull that begins, and has one stopped that is still there.
    pub(super) fn begin_pull(&mut self, of: (PublicKey, DbUuid)) -> Turn {
        let (stop, stopped) = watch::channel(false);
        let (over, is_over) = watch::channel(());
        let before = self.pulls.insert(of, Pulling { stop, progress: None, over: is_over });
        let before = before.map(|before| {
            before.stop.send_replace(true);
            before.over
        });
        Turn { stopped, over, before }
    }

    /// Whether this is the pull that was begun last of those of the database and the peer.
    pub(super) fn is_last(&self, of: (PublicKey, DbUuid), over: &watch::Sender<()>) -> bool {
        self.pulls.get(&of).is_some_and(|pull| pull.over.same_channel(&over.subscribe()))
    }

    /// Forgets a peer.
    pub(super) fn forget(&mut self, key: PublicKey) {
        self.ways.remove(&key);
        self.skipped.retain(|(of, _), _| *of != key);
        self.acknowledged.retain(|(of, _), _| *of != key);
        self.rights.retain(|(of, _), _| *of != key);
        self.rules.retain(|(of, _), _| *of != key);
        self.selections.retain(|(of, _), _| *of != key);
        self.postponed.retain(|(of, _), _| *of != key);
        self.shared.retain(|(of, _), _| *of != key);
        self.sizes.retain(|(of, _), _| *of != key);
        self.sizes_asked.retain(|(of, _), _| *of != key);
        self.manager.forget(super::id_of(key));
    }

    /// The key of a peer that the manager speaks of.
    pub(super) fn key_of(&self, peer: replication::PeerId) -> Option<PublicKey> {
        self.ways.keys().find(|key| key.bytes() == &peer.0).copied()
    }
}

/// The nudge of one way.
pub(super) type Nudge = Arc<tokio::sync::Notify>;
