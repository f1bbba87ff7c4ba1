//! What the owner notes of another hub: who it is, what it is called, where it is reached.

use identity::{Host, HttpKeyUrl, ProfileDevice, PublicKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::Millis;

use super::profile::Said;
use super::reach::is_loopback;

/// Most ways to one hub that are kept; the one that was named longest ago goes first.
const REACH_MAX: usize = 8;

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Whose another hub is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The owner's: a device of the same person.
    Device,
    /// Somebody else's.
    Friend,
}

impl Kind {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Device, Self::Friend];

    /// The database that has the records of this kind.
    pub(crate) fn database(self) -> &'static str {
        match self {
            Self::Device => "_devices",
            Self::Friend => "_contacts",
        }
    }

    /// What people call it.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Friend => "friend",
        }
    }
}

/// What a document of `_devices` or `_contacts` says; its id is the key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Who it is.
    pub(crate) key: PublicKey,
    /// What it is called here.
    #[serde(default)]
    pub(crate) name: String,
    /// Where it is reached, the way that was named last first.
    #[serde(default)]
    pub(crate) reach: Vec<HttpKeyUrl>,
    /// When it was added, in Unix milliseconds.
    #[serde(default)]
    pub(crate) added_at: u64,
    /// How it was made sure whose key it is; by nothing but a URL where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verified: Option<Verified>,
    /// Where it says itself that it is reached; another profile, other ways.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    announced: Vec<HttpKeyUrl>,
    /// What a friend says of themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<Said>,
    /// What other releases note.
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// How the owner made sure whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verified {
    /// Its code was scanned from its own screen.
    Scanned,
    /// Both saw the same digits.
    Compared,
    /// A code was told.
    Spoken,
    /// By a link, which is as good as the way that it came.
    Link,
}

impl Verified {
    /// As records and sessions write it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Scanned => "scanned",
            Self::Compared => "compared",
            Self::Spoken => "spoken",
            Self::Link => "link",
        }
    }
}

/// Why a name or a URL is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    /// Nobody could be called so.
    #[error(
        "a name has 1 to {NAME_BYTES_MAX} bytes, no control characters, and is no key and no URL"
    )]
    Name,
    /// The URL does not lead anywhere.
    #[error("the URL cannot be used: {0}")]
    Url(#[from] identity::HttpKeyUrlError),
}

impl Record {
    /// A hub that is reached by this URL, whatever path it names.
    pub(crate) fn new(url: &HttpKeyUrl, name: String, now: Millis) -> Result<Self, RecordError> {
        Self::of_key(url.key(), name, vec![url.clone()], now)
    }

    /// A hub that this one was paired with; ways that lead to another key are left out.
    pub(crate) fn paired(
        key: PublicKey,
        name: String,
        reach: Vec<HttpKeyUrl>,
        verified: Verified,
        now: Millis,
    ) -> Result<Self, RecordError> {
        Ok(Self { verified: Some(verified), ..Self::of_key(key, name, reach, now)? })
    }

    /// A hub with this key that is reached by these URLs of it, maybe none.
    pub(super) fn of_key(
        key: PublicKey,
        name: String,
        urls: Vec<HttpKeyUrl>,
        now: Millis,
    ) -> Result<Self, RecordError> {
        let urls = urls.into_iter().filter(|url| url.key() == key).take(REACH_MAX);
        let roots = urls.map(|url| HttpKeyUrl::new(url.authority().clone(), key, ""));
        let reach = roots.collect::<Result<_, _>>()?;
        let name = checked(name)?;
        Ok(Self { name, reach, added_at: now.0, ..Self::unnamed(key) })
    }

    /// The number of what it says of itself; 0 where it has said nothing.
    pub(super) fn profile_seq(&self) -> u64 {
        self.profile.as_ref().map_or(0, |said| said.seq)
    }

    /// Notes what it says of itself, and the ways to it that it announces with that; what the owner has
    /// given by hand stays.
    pub(super) fn hear(&mut self, said: Said, mut announced: Vec<HttpKeyUrl>) {
        announced.retain(|url| url.key() == self.key);
        announced.truncate(REACH_MAX);
        self.announced = announced;
        self.profile = Some(said);
    }

    /// Notes the ways that it announces to the owner's other devices; whether those are others than before.
    pub(super) fn announce(&mut self, mut announced: Vec<HttpKeyUrl>) -> bool {
        announced.retain(|url| url.key() == self.key);
        announced.truncate(REACH_MAX);
        std::mem::replace(&mut self.announced, announced) != self.announced
    }

    /// A hub of which nothing is noted but its key.
    pub(super) fn unnamed(key: PublicKey) -> Self {
        let name = format!("device-{}", key.shortened());
        Self {
            key,
            name,
            reach: Vec::new(),
            added_at: 0,
            verified: None,
            announced: Vec::new(),
            profile: None,
            more: Map::new(),
        }
    }

    /// A further device of the same friend's, as the friend says it: called as the friend is, and reached where it
    /// is announced to be.
    pub(super) fn further_device(&self, said: &ProfileDevice) -> Self {
        let mut further = Self::unnamed(said.key);
        further.name.clone_from(&self.name);
        further.added_at = self.added_at;
        further.announced = said.urls.clone();
        further.bounded()
    }

    /// The same as others may have written it, within bounds: with few ways, and a name that can be
    /// shown and typed.
    pub(super) fn bounded(mut self) -> Self {
        self.reach.truncate(REACH_MAX);
        self.announced.truncate(REACH_MAX);
        if checked(self.name.clone()).is_err() {
            let mut name = self.name.replace(|c: char| c.is_control() || "/:".contains(c), "");
            name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
            let name = checked(name.trim().to_owned());
            self.name = name.unwrap_or_else(|_| Self::unnamed(self.key).name);
        }
        self
    }

    /// The same under another name.
    pub(super) fn renamed(self, name: String) -> Result<Self, RecordError> {
        Ok(Self { name: checked(name)?, ..self })
    }

    /// Adds what a newer record of the same hub says to an older one: its name, and its ways first.
    pub(crate) fn renewed_by(mut self, newer: Self) -> Self {
        self.name = newer.name;
        self.verified = newer.verified.or(self.verified);
        self.reach.retain(|url| !newer.reach.contains(url));
        self.reach.splice(0..0, newer.reach);
        self.reach.truncate(REACH_MAX);
        self
    }

    /// The ways to it in the order in which they are tried: in the same network, then through Tor. Of those
    /// that it announces, only what may be dialled is one.
    pub(crate) fn ways(&self, may_dial: impl Fn(&HttpKeyUrl) -> bool) -> Vec<HttpKeyUrl> {
        let mut ways: Vec<HttpKeyUrl> = Vec::new();
        let announced = self.announced.iter().filter(|url| may_dial(url));
        for url in self.reach.iter().chain(announced).filter(|url| url.key() == self.key) {
            if !ways.contains(url) {
                ways.push(url.clone());
            }
        }
        ways.sort_by_key(is_onion);
        ways
    }

    /// The ways to a device of the owner's that friends are told: those that it announces, which are of its
    /// network only where it has opted in to that, and what else leads through Tor or nowhere.
    pub(super) fn told(&self) -> Vec<HttpKeyUrl> {
        let reach = self.reach.iter().filter(|url| is_onion(url) || is_loopback(url));
        let mut told = self.announced.clone();
        told.extend(reach.filter(|url| !self.announced.contains(url)).cloned());
        told
    }

    /// Whether a word of the owner's means it.
    pub(crate) fn is_meant_by(&self, word: &str) -> bool {
        let key = word.parse::<PublicKey>().ok();
        let key = key.or_else(|| Some(word.parse::<HttpKeyUrl>().ok()?.key()));
        self.name == word || key == Some(self.key)
    }
}

/// Whether the way leads through Tor.
pub(crate) fn is_onion(url: &HttpKeyUrl) -> bool {
    matches!(url.authority().host, Host::Onion(_))
}

fn checked(name: String) -> Result<String, RecordError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name.contains(char::is_control)
        && name.trim() == name
        && !name.contains(['/', ':'])
        && name.parse::<PublicKey>().is_err();
    if fits { Ok(name) } else { Err(RecordError::Name) }
}

#[cfg(test)]
mod tests {
    use identity::DeviceKey;

    use super::*;

    const ONION: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

    fn url(host: &str) -> HttpKeyUrl {
        let key = DeviceKey::from_seed(&[7; 32]).public();
        format!("httpkey://{host}/ed25519publickey:{key}/notes").parse().unwrap()
    }

    fn record(host: &str, name: &str) -> Record {
        Record::new(&url(host), name.into(), Millis(5)).unwrap()
    }

    #[test]
    fn the_nearest_way_is_tried_first() {
        let record =
            record("10.0.0.7:6984", "phone").renewed_by(record(&format!("{ONION}:9898"), "phone"));
        assert!(is_onion(&record.reach[0]) && !is_onion(&record.ways(|_| true)[0]));
        assert_eq!(record.ways(|_| true)[0].path(), "/");
        let again = record.clone().renewed_by(self::record("10.0.0.7:6984", "mobile"));
        assert_eq!((again.name.as_str(), again.reach.len(), again.added_at), ("mobile", 2, 5));
        let many = (1..20u8)
            .fold(record, |all, n| all.renewed_by(self::record(&format!("10.0.0.{n}:1"), "x")));
        assert_eq!(many.reach.len(), REACH_MAX);
    }

    #[test]
    fn what_is_announced_replaces_only_what_was_announced() {
        let mut record = record("10.0.0.7:6984", "Anna");
        let said = |seq| {
            let profile = identity::Profile::new(DeviceKey::from_seed(&[7; 32]).public(), seq);
            Said { seq, signed: profile.sign(&DeviceKey::from_seed(&[7; 32])).unwrap() }
        };
        record.hear(said(1), vec![url("10.0.0.8:1"), url("10.0.0.7:6984")]);
        assert_eq!(record.ways(|_| true).len(), 3);
        let foreign = DeviceKey::from_seed(&[8; 32]).public();
        let foreign = format!("httpkey://10.0.0.6:1/ed25519publickey:{foreign}/").parse().unwrap();
        record.hear(said(2), vec![url("10.0.0.9:1"), foreign]);
        let hosts: Vec<_> =
            record.ways(|_| true).iter().map(|url| url.authority().to_string()).collect();
        assert_eq!(
            (hosts, record.profile_seq()),
            (vec!["10.0.0.7:6984".into(), "10.0.0.9:1".into()], 2)
        );
    }

    #[test]
    fn friends_are_told_addresses_that_the_device_announces_itself() {
        let onion = format!("{ONION}:9898");
        let mut record = record("10.0.0.7:6984", "phone").renewed_by(record(&onion, "phone"));
        let hosts = |record: &Record| -> Vec<String> {
            record.told().iter().map(|url| url.authority().to_string()).collect()
        };
        assert_eq!(hosts(&record), std::slice::from_ref(&onion));
        let told = vec![url("10.0.0.8:6984"), url(&onion)];
        let told: Vec<_> = told.into_iter().chain([record.reach[0].clone()]).collect();
        assert!(record.announce(told.clone()) && !record.announce(told));
        assert_eq!(hosts(&record)[0], "10.0.0.8:6984");
        assert!(!hosts(&record).contains(&"10.0.0.7:6984".to_owned()));
    }

    #[test]
    fn what_other_releases_note_is_kept() {
        let mut value = serde_json::to_value(record("10.0.0.7:6984", "phone")).unwrap();
        value["paired"] = true.into();
        let record: Record = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(record).unwrap(), value);
    }

    #[test]
    fn what_others_wrote_is_bounded() {
        let mut record = record("10.0.0.7:6984", "phone");
        assert_eq!(record.clone().bounded(), record);
        record.name = "ev\u{1b}[2J/il\n".into();
        record.reach = vec![record.reach[0].clone(); 20];
        let bounded = record.clone().bounded();
        assert_eq!((bounded.name.as_str(), bounded.reach.len()), ("ev[2Jil", REACH_MAX));
        record.name = " ".into();
        assert!(record.bounded().name.starts_with("device-"));
    }

    #[test]
    fn names() {
        let key = url("h:1").key().to_string();
        for bad in ["", " a", "a/b", "group:x", "a\nb", &key, &"x".repeat(65)] {
            let made = Record::new(&url("h:1"), bad.into(), Millis(0));
            assert_eq!(made, Err(RecordError::Name), "{bad}");
        }
        let record = record("h:1", "Anna's phone");
        for word in ["Anna's phone", &key, &url("other:2").to_string()] {
            assert!(record.is_meant_by(word), "{word}");
        }
        assert!(!record.is_meant_by("Anna"));
    }
}
