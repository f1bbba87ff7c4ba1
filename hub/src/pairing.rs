//! Pairing: this hub and another learn each other's keys, as `identity::pairing` says.
//!
//! A session is one pairing as its owner sees it, of the side that waits (`host`) or the one that comes
//! (`guest`). They are held in memory, since nobody pairs over a restart; a few at a time, each for minutes.

mod dial;
mod finding;
mod finish;
mod guest;
mod host;
mod name;
mod rate;
mod returning;
pub(crate) mod serve;
mod session;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::PublicKey;
use identity::pairing::{Chance, LinkSecret, SpokenCode};
use store::Millis;

pub(crate) use self::finding::{comes_by, may_come};
pub(crate) use self::host::receive;
pub(crate) use self::name::suggested as suggested_name;
use self::rate::Rate;
pub(crate) use self::returning::{may_return, returns_by};
use self::session::Session;
use crate::access::Attempts;
use crate::clock;
use crate::http::HttpError;

/// Pairings that may go on at a time.
const GOING_ON_MAX: usize = 16;

/// Pairings that are remembered, those that are over included.
const REMEMBERED_MAX: usize = 64;

/// How long a pairing is remembered once its time is over, so that the other side can be told how it ended.
const REMEMBERED_MS: u64 = 10 * 60 * 1000;

/// How long a window is open where nobody says, and at most, in minutes.
const MINUTES: u64 = 10;
const MINUTES_MAX: u64 = 60;

/// All pairings.
#[derive(Debug, Default)]
pub(crate) struct Pairings {
    sessions: Mutex<BTreeMap<String, Arc<Session>>>,
    /// What others may send.
    rate: Mutex<Rate>,
    /// Wrong codes; after some, windows for codes and digits open less often.
    attempts: Mutex<Attempts>,
}

impl Pairings {
    /// All that are remembered, those that were begun first first.
    fn all(&self, now: Millis) -> Vec<Arc<Session>> {
        let mut sessions: Vec<_> = self.sessions(now).values().cloned().collect();
        sessions.sort_by_key(|session| session.begun);
        sessions
    }

    /// The one with this id.
    fn get(&self, id: &str, now: Millis) -> Result<Arc<Session>, HttpError> {
        let found = self.sessions(now).get(id).cloned();
        found.ok_or(HttpError::NotFound("there is no pairing with this id, or it is long over"))
    }

    /// Remembers one, where there are not too many.
    fn add(&self, session: Arc<Session>, now: Millis) -> Result<(), HttpError> {
        let mut sessions = self.sessions(now);
        let going_on = |session: &&Arc<Session>| !session.is_over(now);
        if sessions.values().filter(going_on).count() >= GOING_ON_MAX {
            return Err(HttpError::Exists("too many pairings at a time; end some".into()));
        }
        if sessions.values().filter(going_on).any(|other| other.has_same_window(&session)) {
            let reason = "a window for this is open already; say no to that one first";
            return Err(HttpError::Exists(reason.into()));
        }
        while sessions.len() >= REMEMBERED_MAX {
            let over = sessions.values().filter(|session| session.is_over(now));
            let Some(oldest) = over.min_by_key(|session| session.begun) else { break };
            let id = oldest.id.clone();
            sessions.remove(&id);
        }
        sessions.insert(session.id.clone(), session);
        Ok(())
    }

    /// The host's session behind the window of this name.
    fn behind(&self, window: &str, now: Millis) -> Option<Arc<Session>> {
        let sessions = self.sessions(now);
        let of_window = |session: &&Arc<Session>| session.is_behind(window);
        // Of those that had the same name one after the other, the one that is open, or was last.
        sessions.values().filter(of_window).max_by_key(|session| session.begun).cloned()
    }

    /// Whether somebody waits for whoever has this key, or has met it, behind one of these windows.
    fn waits_for(&self, key: PublicKey, is_meant: impl Fn(&Session) -> bool, now: Millis) -> bool {
        let sessions = self.sessions(now);
        sessions.values().any(|session| is_meant(session) && session.waits_for(key, now))
    }

    fn sessions(&self, now: Millis) -> MutexGuard<'_, BTreeMap<String, Arc<Session>>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| now.0 < session.until.0.saturating_add(REMEMBERED_MS));
        sessions
    }

    fn rate(&self) -> MutexGuard<'_, Rate> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody came with a wrong code.
    fn note_wrong_code(&self) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.failed(CODES, clock::instant());
    }

    /// Refuses to open a window for codes while too many of them were guessed at.
    fn check_attempts(&self) -> Result<(), HttpError> {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        match attempts.held(CODES, clock::instant()) {
            Some(left) => Err(HttpError::TooManyAttempts(left.as_secs().max(1))),
            None => Ok(()),
        }
    }
}

/// By what name wrong codes are counted.
const CODES: &str = "pairing";

/// So many random bytes.
fn random<const N: usize>() -> Result<[u8; N], HttpError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| HttpError::Internal {
        action: "draw at random",
        cause: error.to_string(),
    })?;
    Ok(bytes)
}

fn chance() -> Result<Chance, HttpError> {
    Ok(Chance::from_bytes(random()?))
}

fn new_secret() -> Result<LinkSecret, HttpError> {
    Ok(LinkSecret::from_bytes(random()?))
}

fn new_code() -> Result<SpokenCode, HttpError> {
    Ok(SpokenCode::of(random()?))
}

/// An id for a session: what only the owner sees.
fn new_id() -> Result<String, HttpError> {
    Ok(random::<8>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}
