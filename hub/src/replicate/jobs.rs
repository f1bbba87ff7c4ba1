//! The replications that are running.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use replication::{
    Canceller, Failure, HttpClient, HttpPeer, Job, LocalPeer, Outcome, Peer, PeerError, Progress,
    Side, Surroundings, Timeouts,
};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::connect::Tcp;
use super::endpoint::Endpoint;
use super::request::Replicate;
use crate::access::Principal;
use crate::app::App;
use crate::clock;
use crate::http::HttpError;
use crate::tasks::Task;

/// Replications at a time; CouchDB's `max_jobs`. Each holds some connections and a batch.
const RUNNING_MAX: usize = 500;

/// How often a running replication's rights and progress are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// The replications that are running, by job id.
pub(crate) struct Replications {
    client: HttpClient,
    running: Mutex<HashMap<String, Arc<Running>>>,
}

impl fmt::Debug for Replications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replications").finish_non_exhaustive()
    }
}

impl Default for Replications {
    fn default() -> Self {
        let client = HttpClient::new(Arc::new(Tcp), Timeouts::default());
        Self { client, running: Mutex::default() }
    }
}

/// A replication that is running.
pub(super) struct Running {
    id: String,
    principal: Principal,
    canceller: Canceller,
    ended: watch::Receiver<Option<Ended>>,
}

/// What came of a replication, for everybody who waits for it.
#[derive(Clone, Debug)]
pub(super) enum Ended {
    /// CouchDB's answer, as JSON text.
    Completed(String),
    /// Somebody cancelled it, or the hub stops.
    Cancelled,
    /// It cannot go on.
    Failed { status: StatusCode, word: &'static str, reason: String },
}

impl Running {
    /// Its job id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Asks it to remember what it has done, and to end.
    pub(super) fn cancel(&self) {
        self.canceller.cancel();
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await.map(|ended| ended.clone()) {
            Ok(Some(ended)) => ended,
            // Whoever would have told is gone: the hub stops.
            Ok(None) | Err(_) => Ended::Cancelled,
        }
    }
}

impl Replications {
    /// The replication of that job id, if whoever asks may know of it.
    pub(super) fn find(&self, id: &str, principal: &Principal) -> Option<Arc<Running>> {
        let running = self.lock().get(id).cloned()?;
        let own = running.principal.name() == principal.name();
        (own || principal.is_admin()).then_some(running)
    }

    /// Begins a replication, or joins the same one where it runs already.
    pub(super) fn start(
        &self,
        app: &Arc<App>,
        principal: Principal,
        request: Replicate,
    ) -> Result<Arc<Running>, HttpError> {
        let id = request.spec.job_id();
        let random = random()?;
        let mut jobs = self.lock();
        if let Some(running) = jobs.get(&id) {
            if running.principal.name() != principal.name() {
                return Err(HttpError::Exists("somebody else runs this replication".into()));
            }
            return Ok(Arc::clone(running));
        }
        if *app.shutdown.borrow() {
            return Err(HttpError::Store(store::Error::Closing));
        }
        if jobs.len() >= RUNNING_MAX {
            return Err(HttpError::Store(store::Error::Busy));
        }
        let Replicate { source, target, spec } = request;
        let task = begin_task(app, &principal, &source, &target, &id, spec.continuous);
        let names = (source.to_string(), target.to_string());
        let surroundings = Surroundings { clock: Arc::new(clock::now), random };
        let job = Job::start(spec, self.peer(app, source), self.peer(app, target), surroundings);
        let (told, ended) = watch::channel(None);
        let running =
            Arc::new(Running { id: id.clone(), principal, canceller: job.canceller(), ended });
        jobs.insert(id, Arc::clone(&running));
        let supervised = Supervised { app: Arc::clone(app), task, names, told };
        tokio::spawn(supervised.run(job, Arc::clone(&running)));
        Ok(running)
    }

    /// Lets every replication remember what it has done and end, at most so long.
    pub(crate) async fn stop(&self, grace: Duration) {
        let running: Vec<_> = self.lock().values().cloned().collect();
        running.iter().for_each(|running| running.cancel());
        let all = async {
            for running in &running {
                running.ended().await;
            }
        };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!("some replications did not end in time; they repeat a little next time");
        }
    }

    fn peer(&self, app: &App, endpoint: Endpoint) -> Arc<dyn Peer> {
        match endpoint {
            Endpoint::Local(name) => {
                let limits = (&app.limits()).into();
                let clock = Arc::new(clock::now);
                Arc::new(LocalPeer::new(Arc::clone(&app.store), name, limits, clock))
            }
            Endpoint::Remote(url, headers) => {
                Arc::new(HttpPeer::new(self.client.clone(), url, headers))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What watches over a running replication.
struct Supervised {
    app: Arc<App>,
    task: Task,
    /// Source and target as they may be shown.
    names: (String, String),
    told: watch::Sender<Option<Ended>>,
}

impl Supervised {
    async fn run(self, job: Job, running: Arc<Running>) {
        let progress = job.progress();
        let mut outcome = std::pin::pin!(job.outcome());
        let outcome = loop {
            show(&self.task, &progress.borrow());
            tokio::select! {
                outcome = &mut outcome => break outcome,
                () = tokio::time::sleep(LOOK) => {
                    if !running.principal.is_current() {
                        running.cancel();
                    }
                }
            }
        };
        let ended = ended(outcome, &self.names);
        if let Ended::Failed { word, reason, .. } = &ended {
            // The reason names databases and servers, which are for whoever asked, not for the log.
            tracing::warn!(id = running.id, error = word, "replication failed");
            tracing::debug!(id = running.id, reason, "replication failed");
        }
        // Out of the list first: whoever is told may ask for the same one again.
        self.app.replications.lock().remove(&running.id);
        drop(self.task);
        self.told.send_replace(Some(ended));
    }
}

fn begin_task(
    app: &App,
    principal: &Principal,
    source: &Endpoint,
    target: &Endpoint,
    id: &str,
    continuous: bool,
) -> Task {
    let databases = [source, target].into_iter().filter_map(|side| side.local());
    let databases = databases.map(ToString::to_string).collect();
    let now = clock::now();
    let task = app.tasks.start("replication", databases, now);
    let members = [
        ("replication_id", json!(id)),
        ("source", json!(source.to_string())),
        ("target", json!(target.to_string())),
        ("continuous", json!(continuous)),
        ("user", json!(principal.name())),
        ("doc_id", Value::Null),
    ];
    task.set(members, now);
    task
}

fn show(task: &Task, progress: &Progress) {
    let Progress { state: _, stats, changes_pending, .. } = progress;
    let seq =
        |seq: &replication::PeerSeq| serde_json::from_str(seq.as_json()).unwrap_or(Value::Null);
    let members = [
        ("docs_read", json!(stats.docs_read)),
        ("docs_written", json!(stats.docs_written)),
        ("doc_write_failures", json!(stats.doc_write_failures)),
        ("missing_revisions_found", json!(stats.missing_found)),
        ("revisions_checked", json!(stats.missing_checked)),
        ("bulk_get_attempts", json!(stats.bulk.attempts)),
        ("bulk_get_docs", json!(stats.bulk.docs)),
        ("changes_pending", json!(changes_pending)),
        ("checkpointed_source_seq", seq(&progress.checkpointed_source_seq)),
        ("source_seq", seq(&progress.source_seq)),
        ("through_seq", seq(&progress.through_seq)),
    ];
    task.set(members, clock::now());
}

fn ended(outcome: Outcome, (source, target): &(String, String)) -> Ended {
    let Failure { side, error } = match outcome {
        Outcome::Completed(report) => return Ended::Completed(report.to_json()),
        Outcome::Cancelled => return Ended::Cancelled,
        Outcome::Failed(failure) => failure,
    };
    let name = match side {
        Side::Source => source,
        Side::Target => target,
    };
    // CouchDB's words where it has them.
    let (status, word, reason) = match &error {
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
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(error = %error.chain(), "replication failed at this hub");
    }
    Ended::Failed { status, word, reason }
}

fn random() -> Result<u128, HttpError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| HttpError::Internal {
        action: "draw random bytes",
        cause: error.to_string(),
    })?;
    Ok(u128::from_le_bytes(bytes))
}
