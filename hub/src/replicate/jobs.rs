//! The jobs: begun when the plan says so, watched while they run.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use replication::{
    Create, Filter, HttpClient, HttpPeer, Job, LocalPeer, Peer, PeerError, PeerUrl, Progress,
    Surroundings, Timeouts,
};
use serde_json::json;
use store::Millis;
use tokio::sync::{Notify, watch};

use super::check_rights;
use super::connect::{Network, ToKey};
use super::document::write_end;
use super::endpoint::Endpoint;
use super::filtered::{Filtered, Selected};
use super::options::Means;
use super::outcome::{Ended, info};
use super::plan::{Plan, Round, next_due, plan};
use super::request::Replicate;
use super::settings::Settings;
use super::table::{JOBS_MAX, Run, RunEnded, RunsAs, Table, Writing};
use crate::access::Principal;
use crate::app::App;
use crate::clock;
use crate::http::HttpError;
use crate::onion::Onion;
use crate::registry::{NewDatabase, RegistryError};
use crate::tasks::Task;
use crate::validate::Author;

/// How often a running replication's rights and progress are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Longest time for which a peer is waited for between two parts of an answer; more than the ten
/// seconds between two heartbeats.
const IDLE_S_MIN: u64 = 30;

/// Shortest time for which an answer of an onion service is waited for: dialling it may take half a
/// minute, and TLS a few round trips of a second each.
const ONION_ANSWER_S_MIN: u64 = 90;

/// The replications of the hub.
pub(crate) struct Replications {
    client: HttpClient,
    table: Mutex<Table>,
    /// Something happened that the plan has to know.
    wake: Notify,
    /// Runs that have not ended.
    live: watch::Sender<usize>,
}

impl fmt::Debug for Replications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replications").finish_non_exhaustive()
    }
}

/// A job that somebody waits for.
pub(crate) struct Waiting {
    /// Its id.
    pub(crate) id: String,
    ended: watch::Receiver<Option<Ended>>,
}

impl Waiting {
    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Ended {
        match self.ended.wait_for(Option::is_some).await.map(|ended| ended.clone()) {
            Ok(Some(ended)) => ended,
            // Whoever would have told is gone: the hub stops.
            Ok(None) | Err(_) => Ended::Cancelled,
        }
    }
}

impl Replications {
    /// None yet; those to come trust the certificate authorities of a file beside the platform's.
    pub(crate) fn new(ca_file: Option<PathBuf>, onion: &Arc<Onion>) -> Self {
        let network = Network::new(ca_file, Arc::clone(onion));
        let client = HttpClient::new(Arc::new(network), Timeouts::default());
        let live = watch::Sender::new(0);
        Self { client, table: Mutex::default(), wake: Notify::new(), live }
    }

    /// Ends the job of that id, if there is one that whoever asks may know of.
    pub(crate) fn cancel(&self, id: &str, principal: &Principal) -> Option<Waiting> {
        let mut table = self.table();
        let entry = table.jobs.get(id)?;
        let own = entry.runs_as.name() == principal.name();
        // A job that a document asks for is ended by taking the document away.
        if entry.place.is_some() || !(own || principal.is_admin()) {
            return None;
        }
        let ended = table.remove(id)?;
        self.wake.notify_one();
        Some(Waiting { id: id.into(), ended })
    }

    /// Begins a replication, or joins the same one where it runs already.
    pub(super) fn start(
        &self,
        app: &App,
        principal: Principal,
        request: Replicate,
    ) -> Result<Waiting, HttpError> {
        let id = request.spec.job_id();
        let mut table = self.table();
        if let Some(entry) = table.jobs.get(&id) {
            if entry.runs_as.name() != principal.name() {
                return Err(HttpError::Exists("somebody else runs this replication".into()));
            }
            if entry.place.is_some() && entry.run.is_none() {
                return Err(HttpError::Exists("a document asks for this replication".into()));
            }
            return Ok(Waiting { id, ended: entry.told() });
        }
        if table.closed || *app.shutdown.borrow() {
            return Err(HttpError::Store(store::Error::Closing));
        }
        if table.jobs.len() >= JOBS_MAX {
            return Err(HttpError::Store(store::Error::Busy));
        }
        let runs_as = RunsAs::Principal(principal);
        let ended = table.add(id.clone(), Arc::new(request), runs_as, clock::now());
        self.wake.notify_one();
        Ok(Waiting { id, ended })
    }

    /// Revisions that a running job has written, and how many changes are to come.
    pub(crate) fn counted(&self, id: &str) -> Option<(u64, Option<u64>)> {
        let table = self.table();
        let progress = table.jobs.get(id)?.run.as_ref()?.progress.borrow();
        Some((progress.stats.docs_written, progress.changes_pending))
    }

    /// What sends requests to other servers.
    pub(crate) fn client(&self) -> HttpClient {
        self.client.clone()
    }

    /// Every job and document.
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that something happened that the plan has to know.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Lets every replication remember what it has done and end, at most so long.
    pub(crate) async fn stop(&self, grace: Duration) {
        {
            let mut table = self.table();
            table.closed = true;
            let runs = table.jobs.values().filter_map(|entry| entry.run.as_ref());
            runs.for_each(|run| run.canceller.cancel());
        }
        let mut live = self.live.subscribe();
        if tokio::time::timeout(grace, live.wait_for(|runs| *runs == 0)).await.is_err() {
            tracing::warn!("some replications did not end in time; they repeat a little next time");
        }
    }

    fn peer(
        &self,
        (app, principal): (&Arc<App>, &Principal),
        (endpoint, other): (&Endpoint, &Endpoint),
        request: &Replicate,
    ) -> Arc<dyn Peer> {
        let means = &request.means;
        match endpoint {
            Endpoint::Local(name) => {
                let limits = (&app.limits()).into();
                let clock = Arc::new(clock::now);
                let author = Author::new(app, principal);
                let judge = Arc::new(match other {
                    Endpoint::OfKey(of_key) => author.fetching_from(of_key.key),
                    _ => author,
                });
                let peer = LocalPeer::new(Arc::clone(&app.store), name.clone(), limits, clock)
                    .judged_by(judge)
                    .created_by(create(app));
                let peer = match other.local() {
                    // What a database here has is as this device wrote it, or has let it in.
                    Some(_) => peer,
                    None => match other {
                        Endpoint::OfKey(of_key) => {
                            let person = app.access.policies().person(of_key.key);
                            peer.delivered_by(&person.to_string())
                        }
                        _ => peer.delivered_by(&other.shown()),
                    },
                };
                match &request.spec.filter {
                    Filter::Selector(selector) => match Selected::parse(selector) {
                        Ok(selected) => Arc::new(peer.selecting(Arc::new(selected))),
                        // A database elsewhere understands it, and filters.
                        Err(_) => Arc::new(peer),
                    },
                    Filter::Function(function) => {
                        let filtered = Filtered::new(app, principal, name, function);
                        Arc::new(peer.selecting(Arc::new(filtered)))
                    }
                    Filter::All | Filter::DocIds(_) => Arc::new(peer),
                }
            }
            Endpoint::Remote(url, headers) => {
                let client = self.client.with_timeouts(timeouts(endpoint, means));
                Arc::new(over_http(client, url, headers.clone(), means))
            }
            Endpoint::OfKey(of_key) => {
                // Connections to one key are never used for another.
                let way = ToKey::new(&app.device, of_key.key, Arc::clone(&app.onion));
                let client = HttpClient::new(Arc::new(way), timeouts(endpoint, means));
                Arc::new(over_http(client, &of_key.place, HeaderMap::new(), means))
            }
        }
    }
}

/// Makes targets as apps make databases: they are noted, and conflicts in them decided as is set for apps.
fn create(app: &Arc<App>) -> Create {
    let app = Arc::clone(app);
    Arc::new(move |name| {
        let wanted = NewDatabase::named(name.clone(), app.databases.app_conflicts.0.clone());
        match app.registry.create(&wanted, clock::now()) {
            Ok(_) | Err(RegistryError::Store(store::Error::DatabaseExists(_))) => Ok(()),
            Err(RegistryError::Store(error)) => Err(error.into()),
            Err(error) => Err(PeerError::Unavailable { status: 503, reason: error.to_string() }),
        }
    })
}

fn timeouts(endpoint: &Endpoint, means: &Means) -> Timeouts {
    let least_s = if endpoint.is_onion() { ONION_ANSWER_S_MIN } else { 0 };
    let answer_s = means.answer_s.max(least_s);
    Timeouts { answer_s, idle_s: answer_s.max(IDLE_S_MIN) }
}

fn over_http(client: HttpClient, url: &PeerUrl, headers: HeaderMap, means: &Means) -> HttpPeer {
    let options = means.create.iter().map(|(name, value)| (&**name, &**value));
    let peer = HttpPeer::new(client, url.clone(), headers).created_with(options);
    if means.bulk_get { peer } else { peer.without_bulk_get() }
}

/// Begins and stops jobs, for as long as the hub runs.
pub(crate) async fn schedule(app: Arc<App>) {
    let replications = &app.replications;
    let mut rotated = clock::now();
    loop {
        let now = clock::now();
        let settings = Settings::of(&app.couch_config);
        // A clock that was set back must not hold the turns up.
        let since = now.0.checked_sub(rotated.0).unwrap_or(settings.interval_ms);
        let round = if since >= settings.interval_ms {
            rotated = now;
            Round::Rotate
        } else {
            Round::Fill
        };
        let wait = pass(&app, &settings, round, now);
        let left = settings.interval_ms.saturating_sub(now.0.saturating_sub(rotated.0));
        let sleep = Duration::from_millis(wait.unwrap_or(u64::MAX).min(left.max(1)));
        tokio::select! {
            () = replications.wake.notified() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// Makes a plan and follows it; how long until there is another reason for one, in milliseconds.
fn pass(app: &Arc<App>, settings: &Settings, round: Round, now: Millis) -> Option<u64> {
    let mut table = app.replications.table();
    if table.closed {
        return None;
    }
    for place in table.due(now) {
        let rev = table.documents.get(&place).map(|document| document.rev.clone());
        if let (Err(reason), Some(rev)) = (table.schedule(&place, settings, now), rev) {
            let end = super::document::End::Failed { reason };
            keep(app, Writing { place, rev, end });
        }
    }
    let standings = table.standings();
    let Plan { start, stop } = plan(&standings, settings, round, now);
    stop.iter().for_each(|id| table.stop(id));
    for id in start {
        launch(app, &mut table, &id, settings, now);
    }
    let next = [next_due(&table.standings()), table.next_due()].into_iter().flatten().min()?;
    // One whose time has come and that finds no place waits for one to become free.
    (next > now).then(|| next.0 - now.0)
}

/// Begins to run a job.
fn launch(app: &Arc<App>, table: &mut Table, id: &str, settings: &Settings, now: Millis) {
    let Some(entry) = table.jobs.get(id) else { return };
    let request = Arc::clone(&entry.request);
    let principal = entry.runs_as.now(app);
    let place = entry.place.clone();
    let rights = check_rights(app, &principal, &request.source, &request.target, &request.spec);
    let random = random().and_then(|random| rights.map(|()| random));
    let random = match random {
        Ok(random) => random,
        Err(error) => {
            let (status, word, reason) = error.parts();
            if place.is_some() {
                let chance = now.0;
                table.crashed(id, format!("{word}: {reason}"), settings, (now, chance));
            } else {
                table.finish(id, Ended::Failed { status, word: "forbidden", reason });
            }
            return;
        }
    };
    let replications = &app.replications;
    let (from, to) = (&request.source, &request.target);
    let source = replications.peer((app, &principal), (from, to), &request);
    let target = replications.peer((app, &principal), (to, from), &request);
    let surroundings = Surroundings { clock: Arc::new(clock::now), random };
    let job = Job::start(request.spec.clone(), source, target, surroundings);
    let number = table.next_run();
    let run = Run { number, canceller: job.canceller(), progress: job.progress() };
    let task = begin_task(app, &principal, &request, id, number, place.as_ref());
    table.started(id, run, settings, now);
    replications.live.send_modify(|runs| *runs += 1);
    let names = (request.source.to_string(), request.target.to_string());
    let watched = Watched { app: Arc::clone(app), task, names, principal, id: id.into(), number };
    tokio::spawn(watched.run(job));
}

/// A run that is watched over.
struct Watched {
    app: Arc<App>,
    task: Task,
    /// Source and target as they may be shown.
    names: (String, String),
    principal: Principal,
    id: String,
    number: u64,
}

impl Watched {
    async fn run(self, job: Job) {
        let progress = job.progress();
        let canceller = job.canceller();
        let mut outcome = std::pin::pin!(job.outcome());
        let mut forbidden = false;
        let outcome = loop {
            show(&self.task, &progress.borrow());
            tokio::select! {
                outcome = &mut outcome => break outcome,
                () = tokio::time::sleep(LOOK) => {
                    if !self.principal.is_current() && !forbidden {
                        forbidden = true;
                        canceller.cancel();
                    }
                }
            }
        };
        let ended = match Ended::of(outcome, &self.names) {
            Ended::Cancelled if forbidden => {
                Ended::forbidden("whoever asked for this may no longer do it".into())
            }
            ended => ended,
        };
        if let Ended::Failed { word, reason, .. } = &ended {
            // The reason names databases and servers, which are for whoever asked, not for the log.
            tracing::warn!(id = self.id, error = word, "replication failed");
            tracing::debug!(id = self.id, reason, "replication failed");
        }
        drop(self.task);
        let progress = progress.borrow().clone();
        let replications = &self.app.replications;
        let settings = Settings::of(&self.app.couch_config);
        let now = (clock::now(), random().map_or(0, |random| random as u64));
        let end = RunEnded { ended, progress };
        let writing = replications.table().ended(&self.id, self.number, end, &settings, now);
        replications.live.send_modify(|runs| *runs -= 1);
        replications.wake();
        if let Some(writing) = writing {
            keep(&self.app, writing);
        }
    }
}

/// Writes into a document how its replication ended.
pub(super) fn keep(app: &Arc<App>, writing: Writing) {
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || {
        let Writing { place, rev, end } = writing;
        let Some(database) = app.store.database(&place.db) else { return };
        if let Err(error) = write_end(&database, &place.doc, &rev, &end, clock::now()) {
            let error = error.unnamed();
            tracing::error!(error, "could not write the end of a replication into its document");
        }
    });
}

fn begin_task(
    app: &App,
    principal: &Principal,
    request: &Replicate,
    id: &str,
    number: u64,
    place: Option<&super::table::Place>,
) -> Task {
    let Replicate { source, target, spec, .. } = request;
    let databases = [source, target].into_iter().filter_map(|side| side.local());
    let databases = databases.map(ToString::to_string).collect();
    let now = clock::now();
    let task = app.tasks.start("replication", databases, now);
    let members = [
        ("replication_id", json!(id)),
        ("source", json!(source.shown())),
        ("target", json!(target.shown())),
        ("continuous", json!(spec.continuous)),
        ("checkpoint_interval", json!(spec.checkpoint_interval_ms)),
        ("user", json!(principal.name())),
        ("database", json!(place.map(|place| place.db.as_str()))),
        ("doc_id", json!(place.map(|place| place.doc.as_str()))),
        ("pid", json!(pid(number))),
    ];
    task.set(members, now);
    task
}

/// A run's number, as CouchDB shows processes.
pub(super) fn pid(number: u64) -> String {
    format!("<0.{number}.1>")
}

fn show(task: &Task, progress: &Progress) {
    task.extend(info(progress), clock::now());
}

fn random() -> Result<u128, HttpError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| HttpError::Internal {
        action: "draw random bytes",
        cause: error.to_string(),
    })?;
    Ok(u128::from_le_bytes(bytes))
}
