//! Programs that ask to be let in by their key, and codes that let one in: held in memory, since nobody
//! waits for an answer over a restart.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use acl::Grant;
use identity::PublicKey;
use serde::Serialize;
use store::Millis;

use super::app::AppName;
use super::token::TokenHash;

/// Programs that may wait for an answer at a time.
const WAITING_MAX: usize = 32;

/// Codes that may be good at a time.
const CODES_MAX: usize = 32;

/// How long a program waits for an answer, and a refusal is remembered.
const WAITING_MS: u64 = 24 * 60 * 60 * 1000;

/// Longest life of a code.
pub(crate) const CODE_MINUTES_MAX: u64 = 24 * 60;

/// How often a wrong code may be tried for a name before the right one is none.
const TRIES_MAX: u32 = 5;

/// Programs that ask, and codes that are good.
#[derive(Default)]
pub(crate) struct Enrolments {
    asked: Mutex<BTreeMap<AppName, Enrolment>>,
    codes: Mutex<BTreeMap<AppName, Invitation>>,
}

/// What a program asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Enrolment {
    /// The key that it will prove.
    pub(crate) key: PublicKey,
    /// The databases that it wants to use.
    pub(crate) databases: Vec<Grant>,
    /// When it asked, in Unix milliseconds.
    pub(crate) asked: u64,
    /// What became of it so far.
    pub(crate) state: EnrolmentState,
}

/// What became of a program's question; one that was let in is an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EnrolmentState {
    /// The owner has not answered.
    Waiting,
    /// The owner does not want it.
    Refused,
}

impl EnrolmentState {
    /// As programs read it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Refused => "refused",
        }
    }
}

/// What a code is good for.
struct Invitation {
    code: TokenHash,
    databases: Vec<Grant>,
    until: Millis,
    tries_left: u32,
}

/// A program cannot ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnrolmentError {
    /// Another key asks under the same name.
    #[error("another program asks to be let in under this name")]
    NameTaken,
    /// Too many ask, or too many codes are good.
    #[error("too many programs ask to be let in; the owner has to answer some of them first")]
    TooMany,
    /// The code is not, or no longer, one for this name.
    #[error("the code is wrong, has run out, or was used")]
    WrongCode,
}

impl Enrolments {
    /// A program asks. Asking again for the same key changes nothing.
    pub(crate) fn ask(
        &self,
        name: &AppName,
        key: PublicKey,
        databases: Vec<Grant>,
        now: Millis,
    ) -> Result<EnrolmentState, EnrolmentError> {
        let mut asked = self.asked();
        asked.retain(|_, enrolment| now.0.saturating_sub(enrolment.asked) < WAITING_MS);
        match asked.get(name) {
            Some(known) if known.key == key => return Ok(known.state),
            Some(_) => return Err(EnrolmentError::NameTaken),
            None if asked.len() >= WAITING_MAX => return Err(EnrolmentError::TooMany),
            None => {}
        }
        let state = EnrolmentState::Waiting;
        asked.insert(name.clone(), Enrolment { key, databases, asked: now.0, state });
        Ok(state)
    }

    /// What a program asked for, and what became of that.
    pub(crate) fn get(&self, name: &AppName) -> Option<Enrolment> {
        self.asked().get(name).cloned()
    }

    /// Every program that asked.
    pub(crate) fn all(&self) -> BTreeMap<AppName, Enrolment> {
        self.asked().clone()
    }

    /// The owner refuses a program; whether there was one.
    pub(crate) fn refuse(&self, name: &AppName) -> bool {
        let mut asked = self.asked();
        let enrolment = asked.get_mut(name);
        enrolment.map(|enrolment| enrolment.state = EnrolmentState::Refused).is_some()
    }

    /// A program was let in, or the owner has forgotten it.
    pub(crate) fn forget(&self, name: &AppName) {
        self.asked().remove(name);
    }

    /// Makes a code good for one program of this name; one that was made before is not any more.
    pub(crate) fn invite(
        &self,
        name: &AppName,
        code: TokenHash,
        databases: Vec<Grant>,
        until: Millis,
        now: Millis,
    ) -> Result<(), EnrolmentError> {
        let mut codes = self.codes();
        codes.retain(|_, invitation| invitation.until > now);
        if codes.len() >= CODES_MAX && !codes.contains_key(name) {
            return Err(EnrolmentError::TooMany);
        }
        codes.insert(name.clone(), Invitation { code, databases, until, tries_left: TRIES_MAX });
        Ok(())
    }

    /// Uses a code up; the databases that it is good for.
    pub(crate) fn redeem(
        &self,
        name: &AppName,
        code: &[u8],
        now: Millis,
    ) -> Result<Vec<Grant>, EnrolmentError> {
        let mut codes = self.codes();
        let invitation = codes.get_mut(name).filter(|invitation| invitation.until > now);
        let invitation = invitation.ok_or(EnrolmentError::WrongCode)?;
        if invitation.code.matches(code) {
            let used = codes.remove(name);
            return used.map(|used| used.databases).ok_or(EnrolmentError::WrongCode);
        }
        invitation.tries_left -= 1;
        if invitation.tries_left == 0 {
            codes.remove(name);
        }
        Err(EnrolmentError::WrongCode)
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<AppName, Enrolment>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn codes(&self) -> MutexGuard<'_, BTreeMap<AppName, Invitation>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use identity::DeviceKey;

    use super::*;

    const NOW: Millis = Millis(1_795_255_200_000);

    fn key(seed: u8) -> PublicKey {
        DeviceKey::from_seed(&[seed; 32]).public()
    }

    fn name(text: &str) -> AppName {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_is_asked_for_by_one_key() {
        let enrolments = Enrolments::default();
        let ask = |name: &AppName, seed| enrolments.ask(name, key(seed), Vec::new(), NOW);
        assert_eq!(ask(&name("a"), 1), Ok(EnrolmentState::Waiting));
        assert_eq!(ask(&name("a"), 1), Ok(EnrolmentState::Waiting));
        assert_eq!(ask(&name("a"), 2), Err(EnrolmentError::NameTaken));
        assert!(enrolments.refuse(&name("a")) && !enrolments.refuse(&name("b")));
        assert_eq!(ask(&name("a"), 1), Ok(EnrolmentState::Refused));
        enrolments.forget(&name("a"));
        assert_eq!(ask(&name("a"), 2), Ok(EnrolmentState::Waiting));
    }

    #[test]
    fn few_wait_and_not_for_ever() {
        let enrolments = Enrolments::default();
        let ask = |n: usize, now| enrolments.ask(&name(&format!("a{n}")), key(1), Vec::new(), now);
        for n in 0..WAITING_MAX {
            assert!(ask(n, NOW).is_ok());
        }
        assert_eq!(ask(WAITING_MAX, NOW), Err(EnrolmentError::TooMany));
        assert!(ask(WAITING_MAX, Millis(NOW.0 + WAITING_MS)).is_ok());
        assert_eq!(enrolments.all().len(), 1);
    }

    #[test]
    fn a_code_is_good_once_for_a_while_and_not_guessed() {
        let enrolments = Enrolments::default();
        let grants: Vec<Grant> = vec!["notes:rw".parse().unwrap()];
        let until = Millis(NOW.0 + 1000);
        let invite = || {
            let code = TokenHash::of("right").unwrap();
            enrolments.invite(&name("a"), code, grants.clone(), until, NOW).unwrap();
        };
        let redeem =
            |name: &AppName, code: &str, now| enrolments.redeem(name, code.as_bytes(), now);
        invite();
        assert_eq!(redeem(&name("b"), "right", NOW), Err(EnrolmentError::WrongCode));
        assert_eq!(redeem(&name("a"), "wrong", NOW), Err(EnrolmentError::WrongCode));
        assert_eq!(redeem(&name("a"), "right", NOW), Ok(grants.clone()));
        assert_eq!(redeem(&name("a"), "right", NOW), Err(EnrolmentError::WrongCode));
        invite();
        assert_eq!(redeem(&name("a"), "right", until), Err(EnrolmentError::WrongCode));
        invite();
        for _ in 0..TRIES_MAX {
            assert_eq!(redeem(&name("a"), "wrong", NOW), Err(EnrolmentError::WrongCode));
        }
        assert_eq!(redeem(&name("a"), "right", NOW), Err(EnrolmentError::WrongCode));
    }
}
