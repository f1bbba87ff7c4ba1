//! Keeps a way into Tor going: begins it, watches over it, checks that the hub can be reached by it, and
//! begins it anew when it cannot.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::hall::Hall;
use crate::network;
use crate::nudge::{Nudge, Nudges};
use crate::way::{Event, Live, Order, Way};
use crate::{Blocked, CheckError, DialError, Stage};

/// How long Tor may stay at one percentage before it is begun anew. A second time it gets twice as long.
const STALL: Duration = Duration::from_secs(60);
const STALL_MAX: Duration = Duration::from_secs(600);

/// What is said then: Tor itself tells neither of the two reasons for sure.
const STALLED: &str = "Tor did not get on; it is begun anew. If this goes on, the clock of this device may be \
                       wrong, or its network does not let Tor through, which a bridge may help with";

/// What is said when the hub does not find itself.
const UNPUBLISHED: &str = "Tor's directories do not say where this hub is found: it has not been published yet, or \
    they refuse its descriptor";

/// How long publishing may take before the hub tries whether it is reachable all the same.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(20);

/// Between a self-dial that failed and the next one, by how many have failed.
const CHECK_PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(20),
];

/// How long Tor may not get on before the hub looks whether there is any network.
const QUIET: Duration = Duration::from_secs(5);

/// A way younger than this has not had the time to notice that the network has changed.
const YOUNG: Duration = Duration::from_secs(5);

/// Supervises until it is told to stop, draining then.
pub(crate) async fn supervise(
    way: Arc<dyn Way>,
    hall: Arc<Hall>,
    stop: watch::Receiver<Option<Duration>>,
) {
    let mut supervisor =
        Supervisor { hall, stop, nudges: Nudges::new(), backoff: Backoff::new(), stall: STALL };
    supervisor.run(way.as_ref()).await;
    supervisor.hall.stop();
}

struct Supervisor {
    hall: Arc<Hall>,
    /// How long open streams are given, once it is to stop.
    stop: watch::Receiver<Option<Duration>>,
    nudges: Nudges,
    backoff: Backoff,
    stall: Duration,
}

/// Why a way was left.
enum Left {
    /// The hub stops.
    Stopped,
    /// It is to be begun anew, at once where something has changed that it may have failed by.
    Again { at_once: bool },
}

impl Supervisor {
    async fn run(&mut self, way: &dyn Way) {
        loop {
            let begun = tokio::select! {
                begun = way.begin() => begun,
                _ = stopping(&mut self.stop) => return,
            };
            let left = match begun {
                Ok(live) => self.watch_over(live).await,
                Err(reason) => {
                    tracing::warn!(%reason, "Tor cannot be started");
                    self.hall.note(reason);
                    Left::Again { at_once: false }
                }
            };
            let Left::Again { at_once } = left else { return };
            self.hall.leave();
            if !at_once && !self.wait().await {
                return;
            }
            self.hall.set_stage(Stage::Starting);
        }
    }

    /// Waits before the next try; whether there is to be one.
    async fn wait(&mut self) -> bool {
        let until = Instant::now() + self.backoff.next();
        self.hall.set_stage(Stage::Waiting { until });
        tokio::select! {
            () = sleep_until(until) => true,
            _ = self.nudges.next() => true,
            _ = stopping(&mut self.stop) => false,
        }
    }

    async fn watch_over(&mut self, mut live: Live) -> Left {
        let hall = Arc::clone(&self.hall);
        hall.enter(Arc::clone(&live.dialler), live.child);
        let mut discovery = hall.discovery();
        discovery.mark_changed();
        let mut watch = Watch::new(Arc::clone(&hall), self.stall);
        loop {
            let due = watch.due();
            tokio::select! {
                event = live.events.recv() => match event {
                    None => return self.broke("Tor has ended"),
                    Some(Event::Broken(reason)) => return self.broke(&reason),
                    Some(event) => watch.heed(event),
                },
                outcome = watch.checked() => {
                    let reachable = outcome.is_ok();
                    if watch.went(outcome) == Verdict::BeginAnew {
                        return self.broke("this hub could not reach itself; Tor is begun anew");
                    }
                    if reachable {
                        self.backoff.reset();
                        self.stall = STALL;
                    }
                }
                () = sleep_until(due) => {
                    if watch.is_stalled() {
                        self.stall = (self.stall * 2).min(STALL_MAX);
                        return self.broke(STALLED);
                    }
                    watch.look();
                    watch.check();
                }
                () = hall.doubt.notified() => watch.check(),
                nudge = self.nudges.next() => {
                    tracing::info!(%nudge, "looking whether Tor still works");
                    if watch.should_begin_anew(nudge) {
                        return Left::Again { at_once: true };
                    }
                    watch.check();
                }
                Ok(()) = discovery.changed() => {
                    let order = Order::Discovery(discovery.borrow_and_update().clone());
                    // One that has ended is heard of above.
                    let _ended = live.orders.send(order).await;
                }
                grace = stopping(&mut self.stop) => {
                    drain(live, grace).await;
                    return Left::Stopped;
                }
            }
        }
    }

    fn broke(&self, reason: &str) -> Left {
        tracing::warn!(reason, "the way into Tor broke");
        self.hall.note(reason);
        Left::Again { at_once: false }
    }
}

async fn drain(mut live: Live, grace: Duration) {
    if live.orders.send(Order::Drain(grace)).await.is_ok() {
        let ended = async { while live.events.recv().await.is_some() {} };
        let _late = tokio::time::timeout(grace + Duration::from_secs(1), ended).await;
    }
    drop(live.held);
}

/// Waits until the hub is to stop; how long streams are given then. A hub that is gone gives none.
async fn stopping(stop: &mut watch::Receiver<Option<Duration>>) -> Duration {
    stop.wait_for(Option::is_some).await.map_or(Duration::ZERO, |grace| grace.unwrap_or_default())
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    BeginAnew,
}

/// What is known of a way that is live.
struct Watch {
    hall: Arc<Hall>,
    begun: Instant,
    stall: Duration,
    /// When Tor last got on, while it is not bootstrapped.
    progress: Option<(Instant, u8)>,
    clock_wrong: bool,
    /// Whether there is no network, once it has been looked at.
    offline: Option<bool>,
    /// When to check next, once it is bootstrapped.
    next_check: Option<Instant>,
    checking: Option<JoinHandle<Result<Duration, CheckError>>>,
    failures: usize,
}

impl Watch {
    fn new(hall: Arc<Hall>, stall: Duration) -> Self {
        let now = Instant::now();
        Self {
            hall,
            begun: now,
            stall,
            progress: Some((now, 0)),
            clock_wrong: false,
            offline: None,
            next_check: None,
            checking: None,
            failures: 0,
        }
    }

    /// When something has to be done if nothing happens before.
    fn due(&self) -> Instant {
        let stall = self.progress.map(|(since, _)| since + self.stall);
        let look = self.progress.filter(|_| self.offline.is_none()).map(|_| self.begun + QUIET);
        let check = self.next_check.filter(|_| self.checking.is_none());
        let far = Instant::now() + STALL_MAX;
        [stall, look, check].into_iter().flatten().min().unwrap_or(far)
    }

    fn is_stalled(&self) -> bool {
        let since = self.progress.map(|(since, _)| since);
        since.is_some_and(|since| since.elapsed() >= self.stall)
    }

    fn heed(&mut self, event: Event) {
        match event {
            // Once Tor has been that far, checks tell whether it works; what it says late is no news.
            Event::Bootstrapping { percent, blocked } => {
                let Some((_, before)) = self.progress else { return };
                let offline = (self.offline == Some(true)).then_some(Blocked::Offline);
                let blocked = blocked.or(offline);
                self.clock_wrong = blocked == Some(Blocked::Clock);
                if percent > before {
                    self.progress = Some((Instant::now(), percent));
                }
                if let Some(blocked) = blocked {
                    self.hall.note(blocked.to_string());
                }
                self.hall.set_stage(Stage::Bootstrapping { percent, blocked });
            }
            Event::Bootstrapped => {
                self.progress = None;
                self.next_check = Some(Instant::now() + PUBLISH_PATIENCE);
                self.hall.set_stage(Stage::Publishing);
            }
            Event::Published => {
                if self.hall.stage() == Stage::Publishing {
                    self.hall.set_stage(Stage::Checking);
                }
                self.check();
            }
            Event::Effective(effective) => self.hall.set_effective(effective),
            Event::Incoming { stream, service, port } => self.hall.arrive(stream, service, port),
            Event::Trouble(text) => self.hall.note(text),
            Event::Broken(_) => {}
        }
    }

    /// Looks whether there is a network at all, where Tor does not get on: it says so late, or never.
    fn look(&mut self) {
        if self.offline.is_some() || self.begun.elapsed() < QUIET {
            return;
        }
        let Some((_, percent)) = self.progress else { return };
        let offline = network::is_offline();
        self.offline = Some(offline);
        if offline {
            self.heed(Event::Bootstrapping { percent, blocked: Some(Blocked::Offline) });
        }
    }

    /// Checks now, unless it is being checked or Tor is not that far.
    fn check(&mut self) {
        if self.checking.is_none() && self.progress.is_none() {
            let hall = Arc::clone(&self.hall);
            self.checking = Some(tokio::spawn(async move { hall.check().await }));
        }
    }

    /// How the check that is going on went; for ever where there is none.
    async fn checked(&mut self) -> Result<Duration, CheckError> {
        let Some(checking) = &mut self.checking else { return std::future::pending().await };
        let outcome = checking.await;
        self.checking = None;
        outcome.unwrap_or(Err(CheckError::Broken))
    }

    fn went(&mut self, outcome: Result<Duration, CheckError>) -> Verdict {
        let now = Instant::now();
        match outcome {
            Ok(_) => {
                self.failures = 0;
                self.hall.set_stage(Stage::Reachable);
            }
            Err(CheckError::Twin) => {
                // Beginning anew would help neither of the two.
                self.failures = 0;
                let twin = Stage::Twin;
                if self.hall.stage() != twin {
                    tracing::error!("another hub answers under this hub's onion address");
                }
                self.hall.note(CheckError::Twin.to_string());
                self.hall.set_stage(twin);
            }
            Err(error) => {
                self.failures += 1;
                tracing::debug!(%error, failures = self.failures, "this hub did not reach itself");
                self.hall.note(match error {
                    CheckError::Dial(DialError::NotFound) => UNPUBLISHED.into(),
                    error => error.to_string(),
                });
                if matches!(self.hall.stage(), Stage::Reachable | Stage::Twin) {
                    self.hall.set_stage(Stage::Unreachable);
                }
                let Some(pause) = CHECK_PAUSES.get(self.failures - 1) else {
                    return Verdict::BeginAnew;
                };
                self.next_check = Some(now + *pause);
                return Verdict::Fine;
            }
        }
        self.next_check = Some(now + self.hall.settings.check_every);
        Verdict::Fine
    }

    /// Whether what has changed is likely to have kept Tor from getting on.
    fn should_begin_anew(&self, nudge: Nudge) -> bool {
        let waits = self.progress.is_some() && self.begun.elapsed() >= YOUNG;
        waits || (self.clock_wrong && nudge == Nudge::ClockSet)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(checking) = &self.checking {
            checking.abort();
        }
    }
}
