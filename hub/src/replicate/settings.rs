//! What is set in CouchDB's section `replicator`.

use std::collections::BTreeMap;

use crate::couch_config::CouchConfig;

/// Jobs that run at a time, whatever is set: each holds some connections and a batch.
const MAX_JOBS_MAX: u64 = 500;

/// Events remembered of each job, whatever is set.
const MAX_HISTORY_MAX: u64 = 100;

/// CouchDB's section `replicator`, as far as it means something here; read anew wherever it counts,
/// so that a change takes effect at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Jobs that run at a time.
    pub(super) max_jobs: usize,
    /// Time between two rounds in which jobs take turns.
    pub(super) interval_ms: u64,
    /// Jobs that are stopped and begun in one round.
    pub(super) max_churn: usize,
    /// Events remembered of each job.
    pub(super) max_history: usize,
    /// Wait after the first crash; it doubles with every further one.
    pub(super) min_backoff_penalty_ms: u64,
    /// A job that ran so long before it crashed was healthy.
    pub(super) health_threshold_ms: u64,
    /// Changes per batch.
    pub(super) worker_batch_size: u64,
    /// Batches at a time.
    pub(super) worker_processes: u64,
    /// Connections at a time.
    pub(super) http_connections: u64,
    /// How long an answer is waited for.
    pub(super) connection_timeout_ms: u64,
    /// How often a failed request is tried again.
    pub(super) retries_per_request: u64,
    /// Least time between two checkpoints.
    pub(super) checkpoint_interval_ms: u64,
    /// Whether checkpoints are kept.
    pub(super) use_checkpoints: bool,
    /// Whether several documents are asked for at once.
    pub(super) use_bulk_get: bool,
}

impl Settings {
    /// What counts now.
    pub(super) fn of(config: &CouchConfig) -> Self {
        Self::read(&config.section("replicator"))
    }

    /// Reads the section; what is no number is as if it were not set.
    pub(super) fn read(set: &BTreeMap<String, String>) -> Self {
        let number = |key: &str, default: u64| {
            set.get(key).and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(default)
        };
        let flag = |key: &str| set.get(key).is_none_or(|text| text.trim() != "false");
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            max_jobs: size(number("max_jobs", 500).min(MAX_JOBS_MAX)),
            interval_ms: number("interval", 60_000).max(100),
            max_churn: size(number("max_churn", 20)),
            max_history: size(number("max_history", 20).clamp(1, MAX_HISTORY_MAX)),
            min_backoff_penalty_ms: number("min_backoff_penalty_sec", 32).saturating_mul(1000),
            health_threshold_ms: number("health_threshold", 120).saturating_mul(1000),
            worker_batch_size: number("worker_batch_size", 500),
            worker_processes: number("worker_processes", 4),
            http_connections: number("http_connections", 20),
            connection_timeout_ms: number("connection_timeout", 30_000),
            retries_per_request: number("retries_per_request", 5),
            checkpoint_interval_ms: number("checkpoint_interval", 30_000),
            use_checkpoints: flag("use_checkpoints"),
            use_bulk_get: flag("use_bulk_get"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_counts_within_bounds() {
        let defaults = Settings::read(&BTreeMap::new());
        assert_eq!((defaults.max_jobs, defaults.max_history), (500, 20));
        let set = [
            ("max_jobs", "9999999"),
            ("interval", "5"),
            ("max_history", "0"),
            ("max_churn", "many"),
            ("min_backoff_penalty_sec", " 2 "),
            ("use_bulk_get", "false"),
        ];
        let set = set.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let expected = Settings {
            interval_ms: 100,
            max_history: 1,
            min_backoff_penalty_ms: 2000,
            use_bulk_get: false,
            ..defaults
        };
        assert_eq!(Settings::read(&BTreeMap::from(set)), expected);
    }
}
