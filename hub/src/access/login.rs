//! Who sends a request: credentials in, a principal out.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use identity::key_file::{Key, KeyFileError};
use identity::{ProvenKey, PublicKey};
use store::{Error, Millis, Store};

use super::app::{App, OWNER};
use super::apps::Apps;
use super::attempts::Attempts;
use super::enrolments::Enrolments;
use super::links::Links;
use super::page_session::{PageSession, PageSessions};
use super::policies::LivePolicies;
use super::principal::{KeyHolder, Principal};
use super::session::{self, Renewal, Sessions};
use super::token::{Token, TokenHash};
use super::way::Way;
use crate::clock;
use crate::couch_config::CouchConfig;
use crate::http::HttpError;

/// `Authorization` headers remembered as right; past that all are forgotten and checked again.
const VERIFIED_MAX: usize = 1024;

/// CouchDB's words for a wrong name and a wrong token alike.
const WRONG: HttpError = HttpError::Unauthorized("Name or password is incorrect.");

/// What wrong codes of links are counted under, which names no app.
const LINKS: &str = "_links";

/// What whoever follows a link is told that leads nowhere.
const NO_LINK: HttpError =
    HttpError::Unauthorized("This link has been used or has run out; `larder open` makes another.");

/// Tokens, apps and sessions of this hub.
pub(crate) struct Access {
    owner: TokenHash,
    apps: Apps,
    sessions: Sessions,
    attempts: Mutex<Attempts>,
    verified: Verified,
    settings: Arc<CouchConfig>,
    policies: Arc<LivePolicies>,
    enrolments: Enrolments,
    links: Links,
    pages: PageSessions,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// Who sent a request, and how it is known.
#[derive(Debug)]
pub(crate) struct LogIn {
    /// Who.
    pub(crate) principal: Principal,
    /// How.
    pub(crate) proof: Proof,
}

/// How a principal is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing was shown.
    Nothing,
    /// A token, in an `Authorization` header.
    Token,
    /// A session's cookie.
    Cookie(Renewal),
    /// A key, by the connection.
    Key,
    /// A session of the hub's own pages.
    Page(PageSession, Renewal),
}

impl Access {
    /// Nobody but the owner until [`Self::reload`].
    pub(crate) fn new(
        owner: &Key,
        hub: PublicKey,
        settings: Arc<CouchConfig>,
    ) -> Result<Self, KeyFileError> {
        Ok(Self {
            owner: TokenHash::of(&owner.to_text())?,
            apps: Apps::default(),
            sessions: Sessions::new(owner),
            attempts: Mutex::default(),
            verified: Verified::new()?,
            settings,
            policies: Arc::new(LivePolicies::new(hub)),
            enrolments: Enrolments::default(),
            links: Links::default(),
            pages: PageSessions::new(owner),
        })
    }

    /// Who may do what.
    pub(crate) fn policies(&self) -> &Arc<LivePolicies> {
        &self.policies
    }

    /// The groups of a principal, as `userCtx` names them: CouchDB's `_admin` for whoever may do
    /// everything.
    pub(crate) fn roles(&self, principal: &Principal) -> Vec<String> {
        if principal.is_admin() {
            return vec!["_admin".into()];
        }
        if principal.is_stranger() {
            return Vec::new();
        }
        let policies = self.policies.now();
        policies.groups_of(principal.caller()).into_iter().map(str::to_owned).collect()
    }

    /// Who has proven this key. Apps, and whoever has this hub's own key, are programs of this device:
    /// from elsewhere the same key is one among others.
    pub(crate) fn principal_of(&self, key: &ProvenKey, way: Way) -> Principal {
        if way == Way::Local {
            if key.key() == self.policies.hub() {
                return Principal::Owner;
            }
            if let Some(app) = self.apps.of_key(key.key()) {
                return Principal::App(app);
            }
        }
        Principal::Key(Arc::new(KeyHolder::new(key, way, &self.policies)))
    }

    /// Whether the owner wants nothing to do with this key.
    pub(crate) fn is_blocked(&self, key: &ProvenKey) -> bool {
        self.policies.is_blocked(key.key())
    }

    /// Programs that ask to be let in.
    pub(crate) fn enrolments(&self) -> &Enrolments {
        &self.enrolments
    }

    /// Sessions of the pages.
    pub(crate) fn pages(&self) -> &PageSessions {
        &self.pages
    }

    /// The owner, where the headers hold a session of the pages.
    pub(crate) fn of_page(&self, headers: &HeaderMap, now: Millis) -> Option<LogIn> {
        let (session, renewal) = self.pages.find(headers, now)?;
        Some(LogIn { principal: Principal::Owner, proof: Proof::Page(session, renewal) })
    }

    /// The code of a link that begins a session of the pages, once.
    pub(crate) fn make_link(&self) -> Result<Token, KeyFileError> {
        self.links.make(clock::instant())
    }

    /// Uses the code of a link up; what begins by it.
    pub(crate) fn follow_link(&self, code: &[u8]) -> Result<PageSession, HttpError> {
        let followed = || self.links.redeem(code, clock::instant()).then_some(());
        self.look(LINKS, Guess::Hopeless, NO_LINK, followed)?;
        Ok(PageSessions::begin()?)
    }

    /// The apps that may log in.
    pub(crate) fn apps(&self) -> &Apps {
        &self.apps
    }

    /// Reads the apps anew; what an app lost, it has lost when this returns. May block.
    pub(crate) fn reload(&self, store: &Store) -> Result<(), Error> {
        if self.apps.reload(store)? {
            self.verified.forget();
            self.policies.told();
        }
        Ok(())
    }

    /// Whose credentials the headers hold. A valid cookie comes first, as in CouchDB; wrong
    /// credentials are refused even where none are needed.
    pub(crate) fn authenticate(
        &self,
        headers: &HeaderMap,
        now: Millis,
    ) -> Result<LogIn, HttpError> {
        if let Some((principal, renewal)) = self.cookie_in(headers, now) {
            return Ok(LogIn { principal, proof: Proof::Cookie(renewal) });
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Ok(LogIn { principal: Principal::Anonymous, proof: Proof::Nothing });
        };
        if let Some(principal) = self.verified.get(value.as_bytes()) {
            return Ok(LogIn { principal, proof: Proof::Token });
        }
        let principal = match Credentials::parse(value.as_bytes())? {
            Credentials::None => {
                return Ok(LogIn { principal: Principal::Anonymous, proof: Proof::Nothing });
            }
            Credentials::Basic { name, token } => self.log_in(&name, &token)?,
            Credentials::Bearer(token) => self.log_in_with(token)?,
        };
        self.verified.insert(value.as_bytes(), &principal);
        Ok(LogIn { principal, proof: Proof::Token })
    }

    /// Who has this name and this token.
    pub(crate) fn log_in(&self, name: &str, token: &[u8]) -> Result<Principal, HttpError> {
        if name == OWNER {
            let owner = self.owner.matches(token).then_some(Principal::Owner);
            return self.outcome(name, Guess::Hopeless, || owner);
        }
        let app = self.apps.get(name);
        let chosen = app.as_ref().is_some_and(|app| app.document().chosen);
        let guess = if chosen { Guess::Conceivable } else { Guess::Hopeless };
        self.outcome(name, guess, || app.filter(|app| has_token(app, token)).map(Principal::App))
    }

    /// Who has this token.
    fn log_in_with(&self, token: &[u8]) -> Result<Principal, HttpError> {
        if self.owner.matches(token) {
            return Ok(Principal::Owner);
        }
        let apps = self.apps.all();
        let mut ours = apps.values().filter(|app| !app.document().chosen);
        let app = ours.find(|app| has_token(app, token));
        if let Some(app) = app {
            return Ok(Principal::App(Arc::clone(app)));
        }
        let mut chosen = apps.values().filter(|app| app.document().chosen);
        // No name is given, so every guess counts against the same one, which none can have.
        self.outcome("", Guess::Conceivable, || {
            let app = chosen.find(|app| has_token(app, token));
            app.map(|app| Principal::App(Arc::clone(app)))
        })
    }

    /// Looks at a token unless its name is held back, and counts the failure.
    fn outcome(
        &self,
        name: &str,
        guess: Guess,
        look: impl FnOnce() -> Option<Principal>,
    ) -> Result<Principal, HttpError> {
        self.look(name, guess, WRONG, look)
    }

    /// The same for whatever a secret leads to.
    fn look<T>(
        &self,
        name: &str,
        guess: Guess,
        wrong: HttpError,
        look: impl FnOnce() -> Option<T>,
    ) -> Result<T, HttpError> {
        let now = clock::instant();
        let attempts = || self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let held = attempts().held(name, now);
        let found = match (guess, held) {
            (Guess::Conceivable, Some(_)) => None,
            _ => look(),
        };
        match (found, held) {
            (Some(found), _) => {
                attempts().succeeded(name);
                Ok(found)
            }
            (None, Some(hold)) => Err(HttpError::TooManyAttempts(hold.as_secs() + 1)),
            (None, None) => {
                let mut attempts = attempts();
                attempts.failed(name, now);
                if let Some(hold) = attempts.held(name, now) {
                    tracing::warn!(hold_s = hold.as_secs(), "wrong tokens; held back for a while");
                }
                Err(wrong)
            }
        }
    }

    /// How often an `Authorization` header was known already, and how often it was not.
    pub(crate) fn lookups(&self) -> (u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.verified.hits), load(&self.verified.misses))
    }

    /// The `Set-Cookie` that begins or renews a session; nobody has none.
    pub(crate) fn cookie(&self, principal: &Principal, now: Millis) -> Option<String> {
        let (name, token) = match principal {
            // A key is proven by every connection anew.
            Principal::Anonymous | Principal::Unproven | Principal::Key(_) => return None,
            Principal::Owner => (OWNER, &self.owner),
            Principal::App(app) => (app.name(), app.document().token.as_ref()?),
        };
        Some(self.sessions.cookie(name, token, self.settings.obeyed().session, now))
    }

    fn cookie_in(&self, headers: &HeaderMap, now: Millis) -> Option<(Principal, Renewal)> {
        let mut cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
        // Cookies are shared between all ports of a host, so some other server's may be among them.
        cookies.find_map(|cookies| {
            cookies.split(';').find_map(|cookie| {
                let (name, value) = cookie.trim().split_once('=')?;
                if name != session::COOKIE {
                    return None;
                }
                let claim = Sessions::claim(value.trim_matches('"'))?;
                let timeout_s = self.settings.obeyed().session.timeout_s;
                if claim.name == OWNER {
                    let renewal = self.sessions.accept(&claim, &self.owner, timeout_s, now)?;
                    return Some((Principal::Owner, renewal));
                }
                let app = self.apps.get(&claim.name)?;
                let token = app.document().token.as_ref()?;
                let renewal = self.sessions.accept(&claim, token, timeout_s, now)?;
                Some((Principal::App(app), renewal))
            })
        })
    }
}

fn has_token(app: &App, token: &[u8]) -> bool {
    app.document().token.as_ref().is_some_and(|known| known.matches(token))
}

/// Whether a token could be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guess {
    /// 256 random bits.
    Hopeless,
    /// A person chose it.
    Conceivable,
}

/// What an `Authorization` header holds.
pub(crate) enum Credentials<'a> {
    /// Another scheme, or CouchDB's `_:_` of those who logged out.
    None,
    /// A name and a token.
    Basic {
        /// The name.
        name: String,
        /// The token.
        token: Vec<u8>,
    },
    /// A token alone.
    Bearer(&'a [u8]),
}

impl<'a> Credentials<'a> {
    /// Reads the header.
    pub(crate) fn parse(header: &'a [u8]) -> Result<Self, HttpError> {
        let space = header.iter().position(|&b| b == b' ').unwrap_or(header.len());
        let (scheme, rest) = header.split_at(space);
        let rest = rest.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return Ok(Self::Bearer(rest));
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return Ok(Self::None);
        }
        let mut decoded = STANDARD.decode(rest).map_err(|_| {
            HttpError::BadRequest("Authorization header has invalid base64 value".into())
        })?;
        let Some(colon) = decoded.iter().position(|&b| b == b':') else { return Ok(Self::None) };
        let token = decoded.split_off(colon + 1);
        decoded.truncate(colon);
        if decoded == b"_" && token == b"_" {
            return Ok(Self::None);
        }
        // What is not UTF-8 names nobody, and is counted like any other wrong name.
        let name = String::from_utf8(decoded).unwrap_or_default();
        Ok(Self::Basic { name, token })
    }
}

/// `Authorization` headers that were right, by a keyed hash, so that the next request with the same
/// one costs a look-up.
struct Verified {
    key: Key,
    principals: RwLock<HashMap<[u8; 32], Principal>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Verified {
    fn new() -> Result<Self, KeyFileError> {
        Ok(Self {
            key: Key::random()?,
            principals: RwLock::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    fn get(&self, header: &[u8]) -> Option<Principal> {
        let known = self.find(header);
        let counter = if known.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        known
    }

    fn find(&self, header: &[u8]) -> Option<Principal> {
        let principals = self.principals.read().unwrap_or_else(PoisonError::into_inner);
        let principal = principals.get(&self.hash(header))?;
        // An app that changed since has to be looked up again.
        principal.is_current().then(|| principal.clone())
    }

    fn insert(&self, header: &[u8], principal: &Principal) {
        let mut principals = self.principals.write().unwrap_or_else(PoisonError::into_inner);
        if principals.len() >= VERIFIED_MAX {
            principals.clear();
        }
        principals.insert(self.hash(header), principal.clone());
    }

    fn forget(&self) {
        self.principals.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn hash(&self, header: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(self.key.bytes(), header).as_bytes()
    }
}
