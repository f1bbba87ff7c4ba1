//! Every job, and every document that asks for one; what becomes of them, without doing it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use replication::{Canceller, Progress};
use serde_json::Value;
use store::{DbName, DocId, Millis, RevId};
use tokio::sync::watch;

use super::document::End;
use super::history::{History, Kind, backoff_ms};
use super::outcome::Ended;
use super::plan::{Pace, Standing};
use super::request::Replicate;
use super::settings::Settings;
use crate::access::Principal;
use crate::app::App;

/// Jobs that are known at a time, running or not.
pub(super) const JOBS_MAX: usize = 10_000;

/// Where a document stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The replicator database.
    pub(super) db: DbName,
    /// The document.
    pub(super) doc: DocId,
}

/// As whom a job runs.
#[derive(Clone, Debug)]
pub(super) enum RunsAs {
    /// Whoever sent the request.
    Principal(Principal),
    /// Whoever has this name when it begins.
    Named(Option<String>),
}

impl RunsAs {
    /// Who that is now.
    pub(super) fn now(&self, app: &App) -> Principal {
        match self {
            Self::Principal(principal) => principal.clone(),
            Self::Named(name) => match name.as_deref() {
                Some(crate::access::OWNER) => Principal::Owner,
                // What one of the owner's devices asked for is the owner's, as long as it is one.
                Some(name) if app.access.policies().is_own(name) => Principal::Owner,
                Some(name) => {
                    app.access.apps().get(name).map_or(Principal::Anonymous, Principal::App)
                }
                None => Principal::Anonymous,
            },
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Principal(principal) => principal.name(),
            Self::Named(name) => name.as_deref(),
        }
    }
}

/// Everything there is.
#[derive(Default)]
pub(super) struct Table {
    /// By job id.
    pub(super) jobs: BTreeMap<String, Entry>,
    /// Runs of jobs that are no more, by job id; another run of the same id has to wait.
    ending: HashMap<String, Ending>,
    /// Documents that ask for a job and have not come to their end.
    pub(super) documents: BTreeMap<Place, Followed>,
    /// The hub stops: nothing begins any more.
    pub(super) closed: bool,
    runs: u64,
}

/// A job.
pub(super) struct Entry {
    /// What it is to do.
    pub(super) request: Arc<Replicate>,
    /// As whom.
    pub(super) runs_as: RunsAs,
    /// The document that asks for it, if one does.
    pub(super) place: Option<Place>,
    /// When it was asked for.
    pub(super) added: Millis,
    /// What happened to it.
    pub(super) history: History,
    /// How far it came in its last run.
    pub(super) progress: Option<Progress>,
    /// Its run.
    pub(super) run: Option<Run>,
    penalized_until: Millis,
    stopping: bool,
    told: watch::Sender<Option<Ended>>,
}

/// A run of a job.
#[derive(Clone)]
pub(super) struct Run {
    /// Tells it from every other run.
    pub(super) number: u64,
    /// Ends it.
    pub(super) canceller: Canceller,
    /// How far it is.
    pub(super) progress: watch::Receiver<Progress>,
}

struct Ending {
    number: u64,
    told: watch::Sender<Option<Ended>>,
}

/// A document that asks for a job.
pub(super) struct Followed {
    /// As it was read.
    pub(super) rev: RevId,
    /// What it asks for, of whom.
    pub(super) request: Arc<Replicate>,
    /// As whom its job runs.
    pub(super) runs_as: RunsAs,
    /// When it was read first.
    pub(super) added: Millis,
    /// What became of it.
    pub(super) state: State,
}

/// What became of a document.
pub(super) enum State {
    /// It has the job of this id.
    Scheduled(String),
    /// It could not have one yet.
    Error {
        /// Why.
        reason: String,
        /// How often in a row.
        errors: u32,
        /// When that was.
        at: Millis,
        /// When it is tried again.
        until: Millis,
    },
    /// Its job has ended, which is being written into it.
    Ended(End, Millis),
}

/// What is to be written into a document.
pub(super) struct Writing {
    /// Which.
    pub(super) place: Place,
    /// The revision that asked.
    pub(super) rev: RevId,
    /// How it ended.
    pub(super) end: End,
}

/// How a run came to its end.
pub(super) struct RunEnded {
    /// What came of it.
    pub(super) ended: Ended,
    /// How far it was.
    pub(super) progress: Progress,
}

impl Table {
    /// Adds a job that no document asks for; the caller has made sure that there is none of its id.
    pub(super) fn add(
        &mut self,
        id: String,
        request: Arc<Replicate>,
        runs_as: RunsAs,
        now: Millis,
    ) -> watch::Receiver<Option<Ended>> {
        let entry = Entry::new(request, runs_as, None, now);
        let told = entry.told.subscribe();
        self.jobs.insert(id, entry);
        told
    }

    /// Takes a document as it is now. An edit that changes nothing for its job leaves that alone;
    /// any other gives it another.
    ///
    /// # Errors
    /// Why it cannot have a job, for good.
    pub(super) fn follow(
        &mut self,
        place: &Place,
        document: Followed,
        settings: &Settings,
        now: Millis,
    ) -> Result<(), String> {
        if let Some(known) = self.documents.get_mut(place)
            && known.request == document.request
            && known.runs_as.name() == document.runs_as.name()
            && !matches!(known.state, State::Ended(..))
        {
            known.rev = document.rev;
            return Ok(());
        }
        self.forget(place);
        self.documents.insert(place.clone(), document);
        self.schedule(place, settings, now)
    }

    /// Gives a document its job, or says when to try again.
    ///
    /// # Errors
    /// Why it cannot have a job, for good.
    pub(super) fn schedule(
        &mut self,
        place: &Place,
        settings: &Settings,
        now: Millis,
    ) -> Result<(), String> {
        let Some(document) = self.documents.get_mut(place) else { return Ok(()) };
        let id = document.request.spec.job_id();
        let doc = &place.doc;
        let reason = match self.jobs.get(&id).map(|entry| &entry.place) {
            Some(Some(other)) if other != place => {
                self.documents.remove(place);
                return Err(format!(
                    "Replication `{id}` specified by document `{doc}` already started, triggered \
                     by document `{}` from db `{}`",
                    other.doc, other.db
                ));
            }
            Some(Some(_)) => return Ok(()),
            Some(None) => format!(
                "Replication `{id}` specified by document `{doc}` already running as a transient \
                 replication, started via `_replicate` API endpoint"
            ),
            None if self.jobs.len() >= JOBS_MAX => "there are too many replications".to_owned(),
            None => {
                document.state = State::Scheduled(id.clone());
                let (request, runs_as) = (Arc::clone(&document.request), document.runs_as.clone());
                self.jobs.insert(id, Entry::new(request, runs_as, Some(place.clone()), now));
                return Ok(());
            }
        };
        let before = match &document.state {
            State::Error { errors, .. } => *errors,
            State::Scheduled(_) | State::Ended(..) => 0,
        };
        let errors = before.saturating_add(1);
        let until = Millis(now.0 + backoff_ms(errors, settings.min_backoff_penalty_ms, now.0));
        document.state = State::Error { reason, errors, at: now, until };
        Ok(())
    }

    /// Documents whose time to be tried again has come.
    pub(super) fn due(&self, now: Millis) -> Vec<Place> {
        let is_due = |document: &Followed| matches!(&document.state, State::Error { until, .. } if *until <= now);
        let due = self.documents.iter().filter(|(_, document)| is_due(document));
        due.map(|(place, _)| place.clone()).collect()
    }

    /// When the next document is to be tried again.
    pub(super) fn next_due(&self) -> Option<Millis> {
        let until = |document: &Followed| match &document.state {
            State::Error { until, .. } => Some(*until),
            State::Scheduled(_) | State::Ended(..) => None,
        };
        self.documents.values().filter_map(until).min()
    }

    /// The document is gone, or at its end: so is its job.
    pub(super) fn forget(&mut self, place: &Place) {
        if let Some(Followed { state: State::Scheduled(id), .. }) = self.documents.remove(place) {
            self.remove(&id);
        }
    }

    /// The database is gone, and all its documents.
    pub(super) fn forget_database(&mut self, db: &DbName) {
        let places = self.documents.keys().filter(|place| place.db == *db).cloned();
        for place in places.collect::<Vec<_>>() {
            self.forget(&place);
        }
    }

    /// Ends a job; tells when it has ended.
    pub(super) fn remove(&mut self, id: &str) -> Option<watch::Receiver<Option<Ended>>> {
        let entry = self.jobs.remove(id)?;
        let told = entry.told.subscribe();
        match entry.run {
            Some(run) => {
                run.canceller.cancel();
                self.ending.insert(id.into(), Ending { number: run.number, told: entry.told });
            }
            None => {
                entry.told.send_replace(Some(Ended::Cancelled));
            }
        }
        Some(told)
    }

    /// The jobs as the plan sees them.
    pub(super) fn standings(&self) -> Vec<Standing> {
        let standing = |(id, entry): (&String, &Entry)| {
            let pace = match &entry.run {
                Some(_) if entry.stopping => Pace::Stopping,
                Some(_) => Pace::Running,
                // Its forerunner holds a place until it is gone.
                None if self.ending.contains_key(id) => Pace::Stopping,
                None if entry.history.crash().is_some() => Pace::Penalized(entry.penalized_until),
                None => Pace::Waiting,
            };
            Standing {
                id: id.clone(),
                pace,
                continuous: entry.request.spec.continuous,
                last_started: entry.history.last_started(),
            }
        };
        self.jobs.iter().map(standing).collect()
    }

    /// A number for a new run.
    pub(super) fn next_run(&mut self) -> u64 {
        self.runs += 1;
        self.runs
    }

    /// A job began to run.
    pub(super) fn started(&mut self, id: &str, run: Run, settings: &Settings, now: Millis) {
        if let Some(entry) = self.jobs.get_mut(id) {
            entry.run = Some(run);
            entry.stopping = false;
            entry.history.note(Kind::Started, settings.max_history, now);
        }
    }

    /// Asks a run to stop, so that another job has its turn.
    pub(super) fn stop(&mut self, id: &str) {
        if let Some(entry) = self.jobs.get_mut(id)
            && let Some(run) = &entry.run
        {
            entry.stopping = true;
            run.canceller.cancel();
        }
    }

    /// A run has come to its end; what is to be written into a document because of that.
    pub(super) fn ended(
        &mut self,
        id: &str,
        number: u64,
        end: RunEnded,
        settings: &Settings,
        (now, chance): (Millis, u64),
    ) -> Option<Writing> {
        let RunEnded { ended, progress } = end;
        if self.ending.get(id).is_some_and(|ending| ending.number == number) {
            let ending = self.ending.remove(id)?;
            ending.told.send_replace(Some(ended));
            return None;
        }
        let entry = self.jobs.get_mut(id)?;
        entry.run.take_if(|run| run.number == number)?;
        let stopped = std::mem::take(&mut entry.stopping);
        entry.progress = Some(progress);
        match (ended, entry.place.clone()) {
            (ended @ Ended::Completed { .. }, Some(place)) => {
                let stats = entry.stats();
                self.finish(id, ended);
                self.write(place, End::Completed { id: id.into(), stats }, now)
            }
            (Ended::Failed { word, reason, .. }, Some(_)) => {
                self.crashed(id, format!("{word}: {reason}"), settings, (now, chance));
                None
            }
            (Ended::Cancelled, place) if stopped || place.is_some() => {
                entry.history.note(Kind::Stopped, settings.max_history, now);
                None
            }
            (ended, _) => {
                self.finish(id, ended);
                None
            }
        }
    }

    /// A job could not go on, and has to wait.
    pub(super) fn crashed(
        &mut self,
        id: &str,
        reason: String,
        settings: &Settings,
        (now, chance): (Millis, u64),
    ) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        entry.history.note(Kind::Crashed(reason), settings.max_history, now);
        let crashes = entry.history.crashes(settings.health_threshold_ms);
        let wait = backoff_ms(crashes, settings.min_backoff_penalty_ms, chance);
        entry.penalized_until = Millis(now.0.saturating_add(wait));
    }

    /// A job is over, for good.
    pub(super) fn finish(&mut self, id: &str, ended: Ended) {
        if let Some(entry) = self.jobs.remove(id) {
            entry.told.send_replace(Some(ended));
        }
    }

    /// Notes that a document has come to its end.
    fn write(&mut self, place: Place, end: End, now: Millis) -> Option<Writing> {
        let document = self.documents.get_mut(&place)?;
        document.state = State::Ended(end.clone(), now);
        Some(Writing { rev: document.rev.clone(), place, end })
    }
}

impl Entry {
    fn new(request: Arc<Replicate>, runs_as: RunsAs, place: Option<Place>, now: Millis) -> Self {
        Self {
            request,
            runs_as,
            place,
            added: now,
            history: History::new(now),
            progress: None,
            run: None,
            penalized_until: Millis(0),
            stopping: false,
            told: watch::Sender::new(None),
        }
    }

    /// Tells what comes of it.
    pub(super) fn told(&self) -> watch::Receiver<Option<Ended>> {
        self.told.subscribe()
    }

    /// What it has counted, and when it was asked for: what is written into its document.
    fn stats(&self) -> Value {
        let mut stats = self.progress.as_ref().map(super::outcome::info).unwrap_or_default();
        stats.insert("start_time".into(), crate::clock::iso8601(self.added).into());
        stats.into()
    }
}
