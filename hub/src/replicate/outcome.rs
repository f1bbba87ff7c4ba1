//! What came of a replication, in CouchDB's words.

use http::StatusCode;
use replication::{Failure, Outcome, PeerError, PeerSeq, Progress, Side};
use serde_json::{Map, Value, json};

/// What came of a replication, for everybody who waits for it.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    /// It has replicated everything.
    Completed {
        /// CouchDB's answer, as JSON text.
        answer: String,
        /// Revisions that could not be read or written.
        failures: u64,
    },
    /// Somebody cancelled it, or the hub stops.
    Cancelled,
    /// It cannot go on.
    Failed {
        /// Status to answer with.
        status: StatusCode,
        /// CouchDB's error word.
        word: &'static str,
        /// What a person can do something with; holds no credentials.
        reason: String,
    },
}

impl Ended {
    /// Says what came of a replication between sides that may be shown under these names.
    pub(super) fn of(outcome: Outcome, (source, target): &(String, String)) -> Self {
        match outcome {
            Outcome::Completed(report) => Self::Completed {
                answer: report.to_json(),
                failures: report.stats.doc_write_failures,
            },
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Failed(failure) => failed(&failure, (source, target)),
        }
    }

    /// Whoever asked for it may no longer do it.
    pub(super) fn forbidden(reason: String) -> Self {
        Self::Failed { status: StatusCode::FORBIDDEN, word: "forbidden", reason }
    }
}

fn failed(Failure { side, error }: &Failure, (source, target): (&String, &String)) -> Ended {
    let name = match side {
        Side::Source => source,
        Side::Target => target,
    };
    let (status, word, reason) = failure(error, name);
    Ended::Failed { status, word, reason }
}

/// Status, CouchDB's error word and a reason without credentials, for what went wrong with the
/// database that may be shown under this name.
pub(crate) fn failure(error: &PeerError, name: &str) -> (StatusCode, &'static str, String) {
    // CouchDB's words where it has them.
    let (status, word, reason) = match error {
        PeerError::NoDatabase => {
            (StatusCode::NOT_FOUND, "db_not_found", format!("could not open {name}"))
        }
        PeerError::Unauthorized(_) => (
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            format!("unauthorized to access or create database {name}"),
        ),
        PeerError::Forbidden(reason) => {
            (StatusCode::FORBIDDEN, "forbidden", format!("{name}: {reason}"))
        }
        PeerError::Unsupported(what) => (
            StatusCode::NOT_IMPLEMENTED,
            "not_implemented",
            format!("{what} is not in this release"),
        ),
        PeerError::Store(store::Error::DiskFull) => {
            (StatusCode::INSUFFICIENT_STORAGE, "insufficient_storage", error.chain())
        }
        PeerError::Store(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_server_error",
            format!("could not replicate {name}; the hub's log says why"),
        ),
        PeerError::Conflict
        | PeerError::UnknownSeq(_)
        | PeerError::TooLarge(_)
        | PeerError::Refused { .. }
        | PeerError::Unavailable { .. }
        | PeerError::Unreachable(_)
        | PeerError::TimedOut { .. }
        | PeerError::Answer(_) => {
            (StatusCode::BAD_GATEWAY, "replication_failed", format!("{name}: {}", error.chain()))
        }
    };
    if let (StatusCode::INTERNAL_SERVER_ERROR, PeerError::Store(error)) = (status, error) {
        tracing::error!(error = error.unnamed(), "replication failed at this hub");
    }
    (status, word, reason)
}

/// How far a replication is, as `_active_tasks` and `_scheduler` show it.
pub(super) fn info(progress: &Progress) -> Map<String, Value> {
    let Progress { state: _, stats, changes_pending, .. } = progress;
    let seq = |seq: &PeerSeq| serde_json::from_str(seq.as_json()).unwrap_or(Value::Null);
    let members = [
        ("revisions_checked", json!(stats.missing_checked)),
        ("missing_revisions_found", json!(stats.missing_found)),
        ("docs_read", json!(stats.docs_read)),
        ("docs_written", json!(stats.docs_written)),
        ("doc_write_failures", json!(stats.doc_write_failures)),
        ("bulk_get_attempts", json!(stats.bulk.attempts)),
        ("bulk_get_docs", json!(stats.bulk.docs)),
        ("changes_pending", json!(changes_pending)),
        ("checkpointed_source_seq", seq(&progress.checkpointed_source_seq)),
        ("source_seq", seq(&progress.source_seq)),
        ("through_seq", seq(&progress.through_seq)),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
