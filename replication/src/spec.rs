//! What a replication is to do.

use crate::{Filter, Leaves, PeerSeq, ReplicationId};

/// What a replication is to do; the two databases come with the peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// What its checkpoints are filed under.
    pub id: ReplicationId,
    /// Whether it goes on when the target has caught up.
    pub continuous: bool,
    /// Whether a target that does not exist is created.
    pub create_target: bool,
    /// Which documents.
    pub filter: Filter,
    /// Which of their revisions: CouchDB's `winning_revs_only`.
    pub leaves: Leaves,
    /// Where to begin, whatever the checkpoints say.
    pub since: Option<PeerSeq>,
    /// Whether checkpoints are read and written.
    pub use_checkpoints: bool,
    /// Least time between two checkpoints while documents move.
    pub checkpoint_interval_ms: u64,
    /// Changes per batch: CouchDB's `worker_batch_size`.
    pub batch_changes_max: usize,
    /// Batches under way at once: CouchDB's `worker_processes`.
    pub batches_max: usize,
    /// How often a failed request is tried again before the replication gives up; `None` is for
    /// ever.
    pub retries_max: Option<u32>,
}

impl Spec {
    /// Everything once, with CouchDB's settings.
    #[must_use]
    pub fn new(id: ReplicationId) -> Self {
        Self {
            id,
            continuous: false,
            create_target: false,
            filter: Filter::All,
            leaves: Leaves::All,
            since: None,
            use_checkpoints: true,
            checkpoint_interval_ms: 30_000,
            batch_changes_max: 500,
            batches_max: 4,
            retries_max: Some(5),
        }
    }

    /// The id under which the job is known: CouchDB's `replication_id` in `_active_tasks`.
    #[must_use]
    pub fn job_id(&self) -> String {
        let continuous = if self.continuous { "+continuous" } else { "" };
        let create_target = if self.create_target { "+create_target" } else { "" };
        format!("{}{continuous}{create_target}", self.id)
    }
}
