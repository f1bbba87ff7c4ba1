//! Where a hub and its way into Tor meet: streams that have arrived, the way out, and how it all is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc, watch};
use tokio::time::{Instant, timeout};

use crate::self_dial::{self, SelfDials};
use crate::way::Dialler;
use crate::{
    CheckError, DIAL_MAX, Dial, DialError, Discovery, Effective, Incoming, Noted, OnionStream,
    Service, Settings, Stage, Status,
};

/// Streams that wait to be accepted.
const WAITING_MAX: usize = 64;

/// Groups whose circuits have failed that are remembered.
const GROUPS_MAX: usize = 1024;

/// What a transport shares with the tasks that serve it.
#[derive(Debug)]
pub(crate) struct Hall {
    pub(crate) settings: Settings,
    status: watch::Sender<Status>,
    arrivals: mpsc::Sender<Incoming>,
    arrived: AsyncMutex<mpsc::Receiver<Incoming>>,
    self_dials: SelfDials,
    dialler: watch::Sender<Option<Arc<dyn Dialler>>>,
    discovery: watch::Sender<Discovery>,
    /// How often circuits to a service have failed a group, so that the next ones are fresh.
    failures: Mutex<HashMap<(String, String), u64>>,
    /// Wakes whoever supervises, to check at once.
    pub(crate) doubt: Notify,
}

impl Hall {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        let (arrivals, arrived) = mpsc::channel(WAITING_MAX);
        Arc::new(Self {
            status: watch::Sender::new(Status::new(Stage::Starting)),
            arrivals,
            arrived: AsyncMutex::new(arrived),
            self_dials: SelfDials::new(),
            dialler: watch::Sender::new(None),
            discovery: watch::Sender::new(settings.discovery.clone()),
            failures: Mutex::default(),
            doubt: Notify::new(),
            settings,
        })
    }

    pub(crate) async fn accept(&self) -> Option<Incoming> {
        let next = async { self.arrived.lock().await.recv().await };
        let mut status = self.status.subscribe();
        tokio::select! {
            incoming = next => incoming,
            _ = status.wait_for(|status| status.stage == Stage::Stopped) => None,
        }
    }

    /// Takes in a stream that somebody has opened to this port of a service.
    pub(crate) fn arrive(&self, stream: OnionStream, service: Service, port: u16) {
        if port == self_dial::PORT {
            self.self_dials.answer(stream);
        } else if port == self.settings.port {
            if self.arrivals.try_send(Incoming { stream, service }).is_err() {
                tracing::debug!("too many streams wait to be accepted; one is refused");
            }
        } else {
            tracing::debug!(port, "a stream to a port that is none of ours; refused");
        }
    }

    /// Opens a stream, over circuits that have not failed this group yet.
    pub(crate) async fn dial(&self, dial: Dial) -> Result<OnionStream, DialError> {
        let dialler = self.dialler.borrow().clone();
        let Some(dialler) = dialler else {
            return Err(DialError::NotReady(self.status.borrow().stage.to_string()));
        };
        let pair = (dial.group.clone(), dial.address.full().to_owned());
        let failed = self.failures().get(&pair).copied().unwrap_or_default();
        let circuits = format!("{} {failed}", dial.group);
        let outcome = match timeout(DIAL_MAX, dialler.dial(dial, circuits)).await {
            Ok(outcome) => outcome,
            Err(_late) => Err(DialError::TimedOut),
        };
        // What refuses may be what the service was before, at the end of circuits that are still there.
        let fresh = |error: &DialError| {
            use DialError::{Other, Refused, TimedOut, Unanswered};
            matches!(error, Refused | TimedOut | Unanswered | Other(_))
        };
        if outcome.as_ref().is_err_and(fresh) {
            let mut failures = self.failures();
            if failures.len() >= GROUPS_MAX {
                failures.clear();
            }
            *failures.entry(pair).or_default() = failed + 1;
        }
        outcome
    }

    /// Dials the hub's own service, over circuits that nothing else has.
    pub(crate) async fn check(&self) -> Result<Duration, CheckError> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| DialError::Other(error.to_string()))?;
        let dial = Dial {
            address: self.settings.main.address(),
            port: self_dial::PORT,
            group: format!("self {:016x}", u64::from_be_bytes(nonce)),
            secret: Some(self.settings.own_secret.clone()),
        };
        let outcome = self.self_dials.call(self.dial(dial)).await;
        let check = crate::Check {
            at: Instant::now(),
            outcome: outcome.as_ref().copied().map_err(ToString::to_string),
        };
        self.change(|status| status.last_check = Some(check));
        outcome
    }

    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    pub(crate) fn stage(&self) -> Stage {
        self.status.borrow().stage.clone()
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        self.change(|status| {
            if status.stage != stage {
                // Every percent is news, and none begins a new stage.
                let goes_on = status.stage.word() == stage.word();
                status.since = if goes_on { status.since } else { Instant::now() };
                status.stage = stage;
            }
        });
    }

    pub(crate) fn note(&self, error: impl Into<String>) {
        let noted = Noted { at: Instant::now(), text: error.into() };
        self.change(|status| status.last_error = Some(noted));
    }

    /// There is a way.
    pub(crate) fn enter(&self, dialler: Arc<dyn Dialler>, child: Option<u32>) {
        self.dialler.send_replace(Some(dialler));
        self.change(|status| status.child = child);
    }

    /// The way is not there any more, and is begun anew.
    pub(crate) fn leave(&self) {
        self.dialler.send_replace(None);
        self.change(|status| {
            let restarts = status.restarts.saturating_add(1);
            let (last_error, last_check) = (status.last_error.take(), status.last_check.take());
            *status = Status { restarts, last_error, last_check, ..Status::new(Stage::Starting) };
        });
    }

    /// The hub stops.
    pub(crate) fn stop(&self) {
        self.dialler.send_replace(None);
        self.change(|status| *status = Status::new(Stage::Stopped));
    }

    pub(crate) fn set_effective(&self, effective: Effective) {
        self.change(|status| status.discovery = effective);
    }

    pub(crate) fn discovery(&self) -> watch::Receiver<Discovery> {
        self.discovery.subscribe()
    }

    pub(crate) fn set_discovery(&self, discovery: Discovery) {
        self.discovery.send_if_modified(|now| {
            let changes = *now != discovery;
            *now = discovery;
            changes
        });
    }

    fn change(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_if_modified(|status| {
            let before = status.clone();
            change(status);
            *status != before
        });
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<(String, String), u64>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
