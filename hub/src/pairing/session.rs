//! One pairing as its owner sees it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::pairing::{Card, Host, Kind, PairingError, Proof, Share, WindowName};
use identity::{HttpKeyUrl, OnionAddress, PublicKey};
use serde::Serialize;
use serde_json::{Value, json};
use store::{DbName, Millis};
use tokio::sync::Notify;

use super::{name, returning};
use crate::app::App;
use crate::mesh::{self, Verified};

/// Which side this hub is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// It waits.
    Host,
    /// It comes.
    Guest,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Nobody has come.
    Waiting,
    /// Somebody is being reached, or has come and not yet said who it is.
    Connecting,
    /// The owner has to compare digits, and to say yes or no.
    Compare,
    /// The owner has to say yes or no.
    Confirm,
    /// The owner has said yes; the other side has not yet, or has not been told.
    Confirmed,
    /// Each knows the other.
    Done,
    /// One of the two has said no.
    Refused,
    /// Something has gone wrong.
    Failed,
    /// The time was over.
    Expired,
}

impl State {
    /// Whether nothing happens any more.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Refused | Self::Failed | Self::Expired)
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Trouble {
    /// What programs tell it by.
    pub(super) code: &'static str,
    /// What people read.
    pub(super) sentence: String,
}

impl Trouble {
    pub(super) fn new(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into() }
    }
}

/// What the guest's owner has decided, for the task that talks to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Yes,
    No,
}

/// The other side.
#[derive(Clone, Debug)]
pub(super) struct Other {
    pub(super) key: PublicKey,
    pub(super) card: Card,
}

/// One pairing.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) role: Role,
    pub(super) proof: Proof,
    /// Which of the windows of the same name is the newer one.
    pub(super) begun: Millis,
    pub(super) until: Millis,
    /// Whether its link holds what finds the host, which few find otherwise.
    pub(super) finds: bool,
    /// The window that the host waits behind.
    window: Option<WindowName>,
    inner: Mutex<Inner>,
    /// Told when the owner has decided.
    pub(super) decided: Notify,
}

/// What changes of it.
pub(super) struct Inner {
    pub(super) kind: Kind,
    pub(super) state: State,
    /// What the host waits with.
    pub(super) host: Option<Host>,
    /// What is shown to whoever is to come: secrets, until somebody has.
    pub(super) link: Option<String>,
    pub(super) code: Option<String>,
    /// The host's onion service, which the guest will look for by its own key once it is known there.
    pub(super) looks_for: Option<OnionAddress>,
    /// Where this hub is reached, or where the guest looks for the host.
    pub(super) reach: Vec<HttpKeyUrl>,
    pub(super) digits: Option<String>,
    /// What the owner calls the other, where that was said.
    pub(super) name: Option<String>,
    /// What this hub calls itself.
    pub(super) me: String,
    pub(super) share: Vec<Share>,
    pub(super) other: Option<Other>,
    /// Whether the link was scanned from the other's screen.
    pub(super) scanned: bool,
    /// Whether the owner has compared the digits.
    pub(super) compared: bool,
    pub(super) decision: Option<Decision>,
    /// Whether what both agreed to is being written down.
    pub(super) writing: bool,
    pub(super) trouble: Option<Trouble>,
    /// Told when it is over.
    ended: Arc<Notify>,
}

impl Inner {
    /// One that begins.
    pub(super) fn new(kind: Kind, state: State, me: String) -> Self {
        Self {
            kind,
            state,
            host: None,
            link: None,
            code: None,
            looks_for: None,
            reach: Vec::new(),
            digits: None,
            name: None,
            me,
            share: Vec::new(),
            other: None,
            scanned: false,
            compared: false,
            decision: None,
            writing: false,
            trouble: None,
            ended: Arc::default(),
        }
    }

    /// It ends so.
    pub(super) fn end(&mut self, state: State, trouble: Option<Trouble>) {
        self.state = state;
        self.trouble = trouble;
        (self.link, self.code) = (None, None);
        self.ended.notify_one();
    }

    /// The other side has said who it is: the owner is asked.
    pub(super) fn introduce(&mut self, proof: Proof, other: Other) {
        self.other = Some(other);
        // It came by them, so that nobody else does.
        (self.link, self.code) = (None, None);
        if self.state == State::Connecting {
            self.state = if proof == Proof::Compare { State::Compare } else { State::Confirm };
        }
    }

    /// How it was made sure who the other is.
    pub(super) fn verified(&self, proof: Proof) -> Verified {
        match proof {
            Proof::Spoken => Verified::Spoken,
            Proof::Compare => Verified::Compared,
            Proof::Link if self.compared => Verified::Compared,
            Proof::Link if self.scanned => Verified::Scanned,
            Proof::Link => Verified::Link,
        }
    }

    /// What the owner calls the other: what was said, or what the other suggests, made harmless.
    pub(super) fn petname(&self, app: &App) -> Option<String> {
        if self.name.is_some() {
            return self.name.clone();
        }
        let Other { key, card } = self.other.as_ref()?;
        // Somebody who is known keeps the name.
        if let Some(known) = app.mesh.peers().now().get(key).filter(|peer| peer.is_noted()) {
            return Some(known.record.name.clone());
        }
        let suggested = name::cleaned(&card.name, self.kind, *key);
        Some(name::free(suggested, |name| mesh::is_taken(app, name, *key)))
    }
}

impl Session {
    pub(super) fn new(
        id: String,
        role: Role,
        (proof, finds): (Proof, bool),
        (begun, until): (Millis, Millis),
        inner: Inner,
    ) -> Self {
        let window = inner.host.as_ref().map(Host::window);
        let (inner, decided) = (Mutex::new(inner), Notify::new());
        Self { id, role, proof, begun, until, finds, window, inner, decided }
    }

    /// What changes of it. Where the time is over, that shows.
    pub(super) fn at(&self, now: Millis) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= self.until && !inner.state.is_over() && !inner.writing {
            let told = inner.state == State::Confirmed && self.role == Role::Guest;
            let sentence = match told {
                // It may have been the answer that was lost.
                true => {
                    "The time was over before the other side had answered. Look there whether it has \
                         noted this hub; pairing once more does no harm."
                }
                false => {
                    "The time was over before both sides had said yes. Nothing was written down."
                }
            };
            inner.end(State::Expired, Some(Trouble::new("expired", sentence)));
        }
        inner
    }

    /// What one task waits on to hear that it is over.
    pub(super) fn ended(&self) -> Arc<Notify> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&inner.ended)
    }

    pub(super) fn is_over(&self, now: Millis) -> bool {
        self.at(now).state.is_over()
    }

    /// Whether it is the host's behind this window.
    pub(super) fn is_behind(&self, window: &str) -> bool {
        // Names that follow from secrets are compared: which are nearly right cannot be told, since they
        // are hashes.
        self.window.as_ref().is_some_and(|name| name.as_str() == window)
    }

    /// Whether it is the host's and open to whoever has this key, or has to tell it how it ended.
    pub(super) fn waits_for(&self, key: PublicKey, now: Millis) -> bool {
        let inner = self.at(now);
        let Some(host) = &inner.host else { return false };
        match host.guest() {
            Some(guest) => guest == key,
            None => !inner.state.is_over(),
        }
    }

    /// Whether both wait behind a window of one name.
    pub(super) fn has_same_window(&self, other: &Self) -> bool {
        self.window.is_some() && self.window == other.window
    }

    /// As programs read it. May look at who is known.
    pub(super) fn describe(&self, app: &App, now: Millis) -> Value {
        let inner = self.at(now);
        let other = inner.other.as_ref().map(|other| self.describe_other(app, &inner, other));
        let sure = inner.other.is_some() || inner.state == State::Done;
        let mut shown = json!({
            "id": self.id,
            "role": self.role,
            "proof": self.proof,
            "kind": inner.kind,
            "state": inner.state,
            "expires_at": self.until.0,
            "reach": inner.reach,
            "name": inner.petname(app),
            "me": inner.me,
            "share": inner.share,
        });
        let more = [
            ("link", json!(inner.link)),
            ("code", json!(inner.code)),
            ("digits", json!(inner.digits)),
            ("peer", json!(other)),
            ("verified", json!(sure.then(|| inner.verified(self.proof).word()))),
            ("error", json!(inner.trouble)),
        ];
        for (member, value) in more.into_iter().filter(|(_, value)| !value.is_null()) {
            shown[member] = value;
        }
        shown
    }

    fn describe_other(&self, app: &App, inner: &Inner, other: &Other) -> Value {
        let Other { key, card } = other;
        let peers = app.mesh.peers().now();
        let others = peers.values().filter(|peer| peer.record.key != *key);
        let mut warnings = name::warnings(&card.name, others.map(|peer| peer.record.name.as_str()));
        if let Some(known) = peers.get(key).filter(|_| inner.state != State::Done) {
            let (noun, name) = (known.kind.noun(), &known.record.name);
            warnings.push(format!("This key is known already: the {noun} {name}."));
        }
        if inner.state != State::Done {
            warnings.extend(returning::warning(app, *key));
        }
        if inner.kind == Kind::Device && self.proof == Proof::Link && !inner.scanned {
            // Whoever has read the link on its way could have come first.
            if self.role == Role::Guest {
                warnings.push(
                    "A device of yours may read and change everything. Say yes only where the link came \
                     from your own device."
                        .to_owned(),
                );
            }
        }
        // What is no name of a database is nothing that could be taken.
        let named = |share: &&Share| DbName::of_existing(&share.database).is_ok();
        json!({
            "key": key,
            "name": name::cleaned(&card.name, inner.kind, *key),
            "reach": card.reach,
            "share": card.share.iter().filter(named).collect::<Vec<_>>(),
            "warnings": warnings,
        })
    }
}

/// Shows how far it is, and no secret.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("role", &self.role).finish_non_exhaustive()
    }
}

/// What people read of what ended a session.
pub(super) fn trouble_of(error: PairingError) -> Trouble {
    let sentence = match error {
        PairingError::WrongCode => {
            "The code was wrong, or somebody stands between the two hubs. A code is good for one try: \
             make a new one."
                .to_owned()
        }
        PairingError::Transcript | PairingError::Commitment | PairingError::Seal => {
            "The two sides do not see the same: somebody stands between the two hubs, or one of them is \
             broken. Nothing was written down."
                .to_owned()
        }
        other => format!("{other}."),
    };
    Trouble::new(error.code(), sentence)
}
