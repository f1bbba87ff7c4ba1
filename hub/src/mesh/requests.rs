//! Strangers who would like to be friends: a bounded queue, closed unless the owner has opened it.
//!
//! One request for each key. Who is a person and who a flood cannot be told, so that both have their part: the
//! first half of the queue is of those who asked first, and nobody pushes them out; the other half is of those
//! who came later, each of whom takes the place of one of them by chance where the queue is full. What a request
//! costs is bounded: so many in a time, from all together, and fewer where the queue is full, so that whoever
//! has a place there keeps it for a while.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use identity::{HttpKeyUrl, PublicKey};
use serde::{Deserialize, Serialize};
use store::Millis;

use super::bucket::Bucket;
use super::reach::may_be_named_by_others;
use super::record::{Record, RecordError};
use crate::file_error::FileError;
use crate::small_file;

/// Requests that wait for an answer.
pub(crate) const WAITING_MAX: usize = 200;

/// Of those, the ones who asked first: they wait until their time is over, or the owner answers.
const FIRST_MAX: usize = WAITING_MAX / 2;

/// Requests that may take the place of another at once, and how long it takes until there is room for one more.
const REPLACING_MAX: u64 = 5;
const REPLACING_EVERY_MS: u64 = 60_000;

/// How long one waits.
const WAITING_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// Longest message, in bytes, and most ways to whoever asks.
const MESSAGE_BYTES_MAX: usize = 500;
const REACH_MAX: usize = 8;

/// Longest name that is suggested, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Longest request, in bytes.
pub(crate) const REQUEST_BYTES_MAX: usize = 8 * 1024;

/// Longest file.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What a stranger says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Asking {
    /// What they suggest to be called.
    pub(crate) name: String,
    /// What they have to say.
    pub(crate) message: String,
    /// Where they are reached.
    pub(crate) reach: Vec<HttpKeyUrl>,
}

/// A request that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Who asks: the key that they have proven.
    pub(crate) key: PublicKey,
    /// What they suggest to be called.
    pub(crate) name: String,
    /// What they have to say.
    pub(crate) message: String,
    /// Where they say that they are reached.
    pub(crate) reach: Vec<HttpKeyUrl>,
    /// When they asked first, in Unix milliseconds.
    pub(crate) at: u64,
}

/// A request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Nobody may ask.
    Closed,
    /// There are too many, or too many came lately.
    Busy,
}

/// What the file says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// Whether anybody may ask, where the owner has said so.
    #[serde(default)]
    open: Option<bool>,
    #[serde(default)]
    requests: Vec<Request>,
}

/// All requests.
#[derive(Debug)]
pub(crate) struct Requests {
    file: PathBuf,
    /// Whether anybody may ask where the owner has not said.
    open_by_default: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    open: Option<bool>,
    waiting: BTreeMap<PublicKey, Request>,
    bucket: Bucket,
    /// Room for those who take somebody's place.
    replacing: Bucket,
}

impl Requests {
    /// What was kept. May block.
    pub(crate) fn read(file: PathBuf, open_by_default: bool) -> Self {
        let kept = match small_file::read(&file, FILE_BYTES_MAX) {
            Ok(text) => serde_json::from_str::<Kept>(text.as_deref().unwrap_or("{}")).ok(),
            Err(_) => None,
        };
        let kept = kept.unwrap_or_else(|| {
            tracing::warn!(
                "requests of strangers cannot be read; none is taken until that is said anew"
            );
            Kept { open: Some(false), requests: Vec::new() }
        });
        let waiting = kept.requests.into_iter().take(WAITING_MAX);
        let waiting = waiting.map(|request| (request.key, request)).collect();
        let replacing = Bucket::new(REPLACING_MAX, REPLACING_EVERY_MS);
        let state = State { open: kept.open, waiting, bucket: Bucket::default(), replacing };
        Self { file, open_by_default, state: Mutex::new(state) }
    }

    /// Whether anybody may ask.
    pub(crate) fn is_open(&self) -> bool {
        self.state().open.unwrap_or(self.open_by_default)
    }

    /// Lets anybody ask, or nobody. May block.
    pub(crate) fn set_open(&self, open: bool) -> Result<(), FileError> {
        let mut state = self.state();
        state.open = Some(open);
        self.write(&state)
    }

    /// Those that wait, the oldest first.
    pub(crate) fn all(&self, now: Millis) -> Vec<Request> {
        let state = self.state();
        let is_due = |request: &&Request| request.at.saturating_add(WAITING_MS) > now.0;
        let mut all: Vec<_> = state.waiting.values().filter(is_due).cloned().collect();
        all.sort_by_key(|request| request.at);
        all
    }

    /// Takes a request. One whose key waits already changes nothing, and costs nothing. `chance` is any number,
    /// another one each time. May block.
    pub(crate) fn ask(
        &self,
        key: PublicKey,
        asking: Asking,
        now: Millis,
        chance: u64,
    ) -> Result<(), NotTaken> {
        let mut state = self.state();
        if !state.open.unwrap_or(self.open_by_default) {
            return Err(NotTaken::Closed);
        }
        if state.waiting.contains_key(&key) {
            return Ok(());
        }
        // What a flood costs, nearly all of it.
        if !state.bucket.take(now) {
            return Err(NotTaken::Busy);
        }
        state.waiting.retain(|_, request| request.at.saturating_add(WAITING_MS) > now.0);
        let is_full = state.waiting.len() >= WAITING_MAX;
        if is_full && !state.replacing.take(now) {
            return Err(NotTaken::Busy);
        }
        if is_full {
            state.make_room(chance);
        }
        state.waiting.insert(key, Request::new(key, asking, now));
        self.write(&state).map_err(|_| NotTaken::Busy)
    }

    /// Takes a request out of the queue. May block.
    pub(crate) fn take(&self, key: PublicKey) -> Result<Option<Request>, FileError> {
        let mut state = self.state();
        let taken = state.waiting.remove(&key);
        if taken.is_some() {
            self.write(&state)?;
        }
        Ok(taken)
    }

    fn write(&self, state: &State) -> Result<(), FileError> {
        let requests = state.waiting.values().cloned().collect();
        let kept = Kept { open: state.open, requests };
        // It always serialises: no maps with other keys than strings.
        small_file::replace(&self.file, &serde_json::to_string(&kept).unwrap_or_default())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops one of those who did not ask first.
    fn make_room(&mut self, chance: u64) {
        let mut order: Vec<_> =
            self.waiting.iter().map(|(key, request)| (request.at, *key)).collect();
        order.sort_unstable();
        let later = order.get(FIRST_MAX..).unwrap_or_default();
        let at = chance.checked_rem(later.len() as u64).and_then(|at| usize::try_from(at).ok());
        if let Some((_, key)) = at.and_then(|at| later.get(at)) {
            self.waiting.remove(key);
        }
    }
}

impl Request {
    /// What is kept of what a stranger says: nothing that is too long, or does something to a terminal, no way
    /// to anybody else, and none that would show this hub's address elsewhere.
    fn new(key: PublicKey, asking: Asking, now: Millis) -> Self {
        let is_taken = |url: &HttpKeyUrl| url.key() == key && may_be_named_by_others(url);
        let reach = asking.reach.into_iter().filter(is_taken).take(REACH_MAX).collect();
        let name = shown(&asking.name, NAME_BYTES_MAX);
        Self { key, name, message: shown(&asking.message, MESSAGE_BYTES_MAX), reach, at: now.0 }
    }

    /// What is noted of whoever asks once they are a friend.
    pub(crate) fn record(&self, name: String, now: Millis) -> Result<Record, RecordError> {
        Record::of_key(self.key, name, self.reach.clone(), now)
    }
}

/// A text without what is not to be shown, and not too long.
fn shown(text: &str, bytes_max: usize) -> String {
    let mut text = text.replace(is_not_shown, " ").trim().to_owned();
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

/// Control characters, and those that turn the order of what stands around them.
fn is_not_shown(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use identity::DeviceKey;

    use super::*;

    fn key(number: u16) -> PublicKey {
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&number.to_be_bytes());
        DeviceKey::from_seed(&seed).public()
    }

    fn asking(message: &str) -> Asking {
        Asking { message: message.into(), ..Asking::default() }
    }

    #[test]
    fn nobody_asks_before_the_owner_opens() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("requests.json");
        let requests = Requests::read(file.clone(), false);
        assert_eq!(requests.ask(key(1), asking("hi"), Millis(1), 0), Err(NotTaken::Closed));
        requests.set_open(true).unwrap();
        requests.ask(key(1), asking("hi"), Millis(1), 0).unwrap();
        requests.ask(key(1), asking("again"), Millis(2), 0).unwrap();
        let requests = Requests::read(file.clone(), false);
        assert!(requests.is_open());
        assert_eq!(requests.all(Millis(3))[0].message, "hi");
        assert_eq!(requests.all(Millis(WAITING_MS + 2)), []);
        assert!(requests.take(key(1)).unwrap().is_some());
        assert!(Requests::read(file.clone(), true).all(Millis(3)).is_empty());
        std::fs::write(&file, "{").unwrap();
        assert!(!Requests::read(file, true).is_open(), "what cannot be read opens nothing");
    }

    /// Asks of a flood, and as many keys as take a moment to make; a key that was pushed out comes as a new one.
    const FLOOD: u64 = 1_000_000;
    const KEYS: u16 = 3000;

    /// How far apart they are.
    const FLOOD_EVERY_MS: u64 = 20;

    #[test]
    fn a_million_requests_cost_little_and_leave_everybody_a_chance() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("requests.json");
        let requests = Requests::read(file.clone(), true);
        let waits = |of: &PublicKey, now| requests.all(now).iter().any(|asks| asks.key == *of);
        let keys: Vec<_> = (0..KEYS).map(key).collect();
        let [early, during, after] = [KEYS, KEYS + 1, KEYS + 2].map(key);
        requests.ask(early, asking("before it"), Millis(1), 0).unwrap();
        // Whoever asks in the middle of it needs many tries, and has some.
        let (long, mut taken, mut tries, mut is_in) = ("é".repeat(300), 0_u64, 0, false);
        for at in 0..FLOOD {
            let now = Millis(10 + at * FLOOD_EVERY_MS);
            let number = blake3::hash(&at.to_le_bytes());
            let chance = u64::from_le_bytes(number.as_bytes()[..8].try_into().unwrap());
            let of = keys[usize::try_from(at).unwrap() % keys.len()];
            let count = requests.state().waiting.len();
            let was_there = requests.state().waiting.contains_key(&of);
            let asked = requests.ask(of, asking(&long), now, chance);
            taken += u64::from(asked.is_ok() && !was_there);
            assert!(requests.state().waiting.len() <= WAITING_MAX);
            assert!(requests.state().waiting.len() >= count, "nobody is dropped for nothing");
            if at > FLOOD / 2 && !is_in && chance % 20 == 0 {
                tries += 1;
                is_in = requests.ask(during, asking("in the middle"), now, chance).is_ok();
            }
        }
        let end = Millis(10 + FLOOD * FLOOD_EVERY_MS);
        // No more than the rates let in: the bound on what is written, too.
        let passed = end.0;
        let most = 20 + WAITING_MAX as u64 + passed / REPLACING_EVERY_MS + REPLACING_MAX;
        assert!(taken <= most, "{taken} of {most}");
        assert!(is_in, "after {tries} tries");
        assert_eq!(requests.all(end).len(), WAITING_MAX);
        assert!(file.metadata().unwrap().len() < 400_000);
        assert!(waits(&early, end), "who asked before it still waits");
        // Once it is over there is room in a minute, by chance at the cost of one of those who came late.
        let later = Millis(end.0 + REPLACING_EVERY_MS);
        requests.ask(after, asking("after it"), later, 7).unwrap();
        assert!(waits(&after, later) && waits(&early, later));
        assert_eq!(requests.all(later).len(), WAITING_MAX);
        let first: Vec<_> =
            requests.all(later).iter().take(FIRST_MAX).map(|asks| asks.key).collect();
        let read = Requests::read(file, true);
        let all = read.all(later);
        assert!(first.iter().eq(all.iter().take(FIRST_MAX).map(|asks| &asks.key)));
        assert!(all.iter().all(|request| request.message.len() <= MESSAGE_BYTES_MAX));
        assert_eq!(read.all(Millis(later.0 + WAITING_MS)), []);
    }

    #[test]
    fn many_in_one_moment_cost_what_few_do() {
        let folder = tempfile::tempdir().unwrap();
        let requests = Requests::read(folder.path().join("requests.json"), true);
        let taken =
            (0..1000).filter(|at| requests.ask(key(*at), asking("x"), Millis(5), 0).is_ok());
        assert!(taken.count() < 50);
    }

    #[test]
    fn what_is_kept_does_nothing_to_a_terminal_and_leads_to_nobody_else() {
        let url_at =
            |host, key| format!("httpkey://{host}:1/ed25519publickey:{key}/").parse().unwrap();
        let url = |key| url_at("10.0.0.1", key);
        let asking = Asking {
            name: " An\u{1b}[2Jna\u{202e} ".into(),
            message: "a\nb".into(),
            reach: vec![url(key(2)), url_at("203.0.113.7", key(1)), url(key(1))],
        };
        let request = Request::new(key(1), asking, Millis(1));
        assert_eq!((&*request.name, &*request.message), ("An [2Jna", "a b"));
        assert_eq!(request.reach, [url(key(1))]);
    }
}
