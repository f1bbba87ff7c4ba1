//! How far one database of one peer is.

use store::Millis;

use super::{PullEnd, Rank};

/// What a peer says it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What the peer calls the database.
    pub name: String,
    /// Its update sequence there, as the peer wrote it.
    pub seq: String,
    /// How much there is at most: edits ever made.
    pub size: u64,
    /// What it is to the hubs.
    pub rank: Rank,
}

/// Whether what a peer offers may be pulled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Permit {
    /// Nobody has looked.
    #[default]
    Unknown,
    /// Yes.
    Granted,
    /// No, because of this.
    Withheld(Trouble),
}

/// Why something does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What programs tell it by.
    pub code: &'static str,
    /// What people read.
    pub text: String,
}

/// What is being done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Run {
    /// Nothing.
    #[default]
    Idle,
    /// A pull, since then.
    Running {
        /// When it began.
        since: Millis,
    },
    /// A pull failed; the next one is not begun before then.
    Waiting {
        /// When it may be begun.
        until: Millis,
        /// How many have failed in a row.
        failures: u32,
        /// Why the last one has.
        trouble: Trouble,
    },
}

/// One database of one peer.
#[derive(Clone, Debug)]
pub struct Standing {
    offer: Option<Offer>,
    permit: Permit,
    /// The peer's update sequence up to which all is here.
    reached: Option<String>,
    run: Run,
    /// Failures before the pull that runs.
    failures: u32,
    /// When a pull ended last.
    since: Millis,
    /// Whether the peer has yet to repeat the offer.
    doubted: bool,
    /// What the peer offered when the pull that runs began.
    asked: Option<String>,
    /// Whether what the pull that runs will have reached counts for nothing.
    outdated: bool,
    /// Whether the pull that runs has been told to stop.
    stopping: bool,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            offer: None,
            permit: Permit::Unknown,
            reached: None,
            run: Run::Idle,
            failures: 0,
            since: Millis(0),
            doubted: false,
            asked: None,
            outdated: false,
            stopping: false,
        }
    }
}

impl Standing {
    /// What the peer has, where it offers it.
    #[must_use]
    pub fn offered(&self) -> Option<&Offer> {
        self.offer.as_ref()
    }

    /// Whether it may be pulled.
    #[must_use]
    pub fn permitted(&self) -> &Permit {
        &self.permit
    }

    /// The peer's update sequence up to which all is here.
    #[must_use]
    pub fn reached(&self) -> Option<&str> {
        self.reached.as_deref()
    }

    /// What is being done.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Whether all that the peer offers is here.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        self.offer.as_ref().is_some_and(|offer| Some(&offer.seq) == self.reached.as_ref())
    }

    /// Whether nothing was ever pulled.
    #[must_use]
    pub fn is_first_copy(&self) -> bool {
        self.reached.is_none()
    }

    pub(super) fn rank(&self) -> Option<Rank> {
        self.offer.as_ref().map(|offer| offer.rank)
    }

    pub(super) fn size(&self) -> u64 {
        self.offer.as_ref().map_or(0, |offer| offer.size)
    }

    pub(super) fn since(&self) -> Millis {
        self.since
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.run, Run::Running { .. })
    }

    /// Whether nobody has to wait for it: it is in step, or cannot be for now.
    pub(super) fn is_settled(&self) -> bool {
        self.is_in_step()
            || self.permit != Permit::Granted
            || matches!(self.run, Run::Waiting { .. })
    }

    pub(super) fn is_due(&self, now: Millis) -> bool {
        self.due_at().is_some_and(|due| due <= now)
    }

    /// When a pull may begin, where there is anything to pull.
    pub(super) fn due_at(&self) -> Option<Millis> {
        if self.offer.is_none() || self.permit != Permit::Granted || self.is_in_step() {
            return None;
        }
        match self.run {
            Run::Idle => Some(Millis(0)),
            Run::Running { .. } => None,
            Run::Waiting { until, .. } => Some(until),
        }
    }

    pub(super) fn doubt(&mut self) {
        self.doubted = self.offer.is_some();
    }

    pub(super) fn is_doubted(&self) -> bool {
        self.doubted
    }

    pub(super) fn offer(&mut self, offer: Offer) {
        self.offer = Some(offer);
        self.doubted = false;
    }

    /// Whether a pull has to be stopped for it.
    pub(super) fn withdraw(&mut self) -> bool {
        self.offer = None;
        self.doubted = false;
        self.stop()
    }

    /// Whether a pull has to be stopped for it.
    pub(super) fn permit(&mut self, permit: Permit) -> bool {
        let withheld = matches!(permit, Permit::Withheld(_));
        self.permit = permit;
        withheld && self.stop()
    }

    /// Whether a pull has to be stopped, which is said once.
    pub(super) fn stop(&mut self) -> bool {
        self.is_running() && !std::mem::replace(&mut self.stopping, true)
    }

    pub(super) fn know_reached(&mut self, seq: String) {
        if !self.is_running() && self.reached.is_none() {
            self.reached = Some(seq);
        }
    }

    pub(super) fn rescan(&mut self) {
        self.reached = None;
        self.outdated = self.is_running();
        self.retry(|_| true);
    }

    pub(super) fn retry(&mut self, because: impl FnOnce(&Trouble) -> bool) {
        if let Run::Waiting { trouble, .. } = &self.run
            && because(trouble)
        {
            self.run = Run::Idle;
            self.failures = 0;
        }
    }

    pub(super) fn start(&mut self, now: Millis) {
        self.failures = match self.run {
            Run::Waiting { failures, .. } => failures,
            Run::Idle | Run::Running { .. } => 0,
        };
        self.run = Run::Running { since: now };
        self.asked = self.offer.as_ref().map(|offer| offer.seq.clone());
        (self.outdated, self.stopping) = (false, false);
    }

    pub(super) fn ended(&mut self, end: PullEnd, wait: impl FnOnce(u32) -> Millis) {
        let Run::Running { since } = self.run else { return };
        self.since = since;
        self.run = match end {
            PullEnd::Reached(seq) => {
                if !self.outdated {
                    // What is offered may count what is no change to any document.
                    let offered = self.offer.as_ref().map(|offer| &offer.seq);
                    let all = self.asked.clone().filter(|asked| Some(asked) == offered);
                    self.reached = Some(all.unwrap_or(seq));
                }
                Run::Idle
            }
            PullEnd::Stopped => Run::Idle,
            PullEnd::Failed(trouble) => {
                let failures = self.failures.saturating_add(1);
                Run::Waiting { until: wait(failures), failures, trouble }
            }
        };
    }
}
