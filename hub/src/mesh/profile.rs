//! What this hub says of its owner to friends, and what friends say of themselves.
//!
//! What the owner has set is the document `me/profile` of `_contacts`, the same on all devices; each device
//! signs it with the devices there are, under a number of its own that only rises. Friends are told the
//! number by the feed and fetch the rest.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use http_body_util::{BodyExt as _, Limited};
use identity::{
    DeviceStanding, HttpKeyUrl, PROFILE_BYTES_MAX, Profile, ProfileDevice, ProfileError, PublicKey,
    SignedProfile,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{DocId, Millis};
use tokio::sync::watch;
use tokio::time::timeout;

use super::announce::{self, Networks};
use super::bucket::Bucket;
use super::peers::{OWN_PREFIX, database};
use super::record::{Kind, Record};
use crate::access::{self, AclError};
use crate::app::App;
use crate::clock;
use crate::small_file;

/// How long a friend's profile may take to come.
const FETCH_MAX: Duration = Duration::from_secs(60);

/// How often the clock is looked at while something runs out.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Ways to each device that friends are told.
const URLS_MAX: usize = 8;

/// Windows of this device that friends are told, where its owner has not put them in words.
const WINDOWS_MAX: usize = 16;

/// Longest file.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What the owner has set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// What the owner suggests to be called.
    pub(crate) name: String,
    /// Where messages may be left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inbox: Option<String>,
    /// When this person's devices can be reached, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) windows: Vec<String>,
}

/// What a friend has said of themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Its number.
    pub(crate) seq: u64,
    /// As it came.
    pub(crate) signed: SignedProfile,
}

impl Said {
    /// What it says, where that still counts.
    pub(crate) fn shown(&self, key: PublicKey, now: Millis) -> Option<Value> {
        let profile = self.signed.open(key, now.0).ok()?;
        let windows = profile.devices.first().map(|device| device.windows.clone());
        Some(json!({
            "name": profile.name,
            "seq": profile.seq,
            "devices": profile.devices,
            "windows": windows.unwrap_or_default(),
            "inbox": profile.inbox,
        }))
    }
}

/// Profiles that were refused of a friend.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Refusals {
    count: u64,
    last: String,
}

/// What this hub says, and what it has refused.
#[derive(Debug)]
pub(crate) struct Profiles {
    file: PathBuf,
    own: Mutex<Option<SignedProfile>>,
    /// The number of what this hub says.
    seq: watch::Sender<u64>,
    refused: Mutex<BTreeMap<PublicKey, Refusals>>,
    fetches: Mutex<BTreeMap<PublicKey, Bucket>>,
}

impl Profiles {
    /// What was said last. May block.
    pub(crate) fn read(file: PathBuf) -> Self {
        let text = small_file::read(&file, FILE_BYTES_MAX).ok().flatten();
        let own = text.and_then(|text| SignedProfile::parse(text.as_bytes()).ok());
        let (refused, fetches) = (Mutex::default(), Mutex::default());
        Self { file, own: Mutex::new(own), seq: watch::Sender::new(0), refused, fetches }
    }

    /// Told when what this hub says has changed.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.seq.subscribe()
    }

    /// What was refused of a friend.
    pub(crate) fn refused(&self, key: PublicKey) -> Option<Refusals> {
        lock(&self.refused).get(&key).cloned()
    }

    fn refuse(&self, key: PublicKey, why: &ProfileError) {
        let mut all = lock(&self.refused);
        let refusals = all.entry(key).or_default();
        refusals.count += 1;
        refusals.last = why.to_string();
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What this hub says now, signed anew where it has changed. May block.
pub(crate) fn own(app: &App) -> Result<(Profile, SignedProfile), ProfileError> {
    let profiles = app.mesh.profiles();
    let key = app.device.public();
    let mut own = lock(&profiles.own);
    let before = own.as_ref().and_then(|signed| Some((signed.open(key, 0).ok()?, signed)));
    let last = before.as_ref().map_or(0, |(profile, _)| profile.seq);
    let now = clock::now().0;
    let mut profile = composed(app, last);
    if let Some((before, signed)) = before
        && before == profile
    {
        profiles.seq.send_if_modified(|seq| std::mem::replace(seq, last) != last);
        return Ok((profile, signed.clone()));
    }
    // By the clock, so that it rises also where the file was lost.
    profile.seq = now.max(last.saturating_add(1));
    let signed = profile.sign(&app.device)?;
    if let Err(error) = small_file::replace(&profiles.file, &signed.text()) {
        tracing::warn!(%error, cause = %error.source, "what friends are told could not be kept");
    }
    *own = Some(signed.clone());
    profiles.seq.send_replace(profile.seq);
    Ok((profile, signed))
}

fn composed(app: &App, seq: u64) -> Profile {
    let Settings { name, inbox, windows } = settings(app);
    let devices = app.access.policies().devices();
    let hub = app.device.public();
    let device = |key: PublicKey, urls: Vec<HttpKeyUrl>| ProfileDevice {
        key,
        label: devices.record(key).name,
        urls: urls.into_iter().filter(|url| url.key() == key).take(URLS_MAX).collect(),
        windows: windows.clone(),
    };
    let listed = devices.listings().iter();
    let listed = listed.filter(|(_, listing)| listing.standing == DeviceStanding::Listed);
    let others = listed.map(|(key, _)| device(*key, devices.record(*key).told()));
    // Whoever asks has reached this one.
    let mut own = device(hub, super::reach::announced(app));
    if own.windows.is_empty() {
        // Of its own times it knows itself, where the owner has not said when people's devices are reached.
        let windows = app.mesh.config.windows.iter().take(WINDOWS_MAX);
        own.windows = windows.map(|window| window.0.words()).collect();
    }
    let all = std::iter::once(own).chain(others).take(32).collect();
    Profile { name, inbox, devices: all, ..Profile::new(hub, seq) }
}

/// What the owner has set. May block.
pub(crate) fn settings(app: &App) -> Settings {
    let read = || {
        let id: DocId = format!("{OWN_PREFIX}profile").parse().ok()?;
        let database = database(&app.store, Kind::Friend)?;
        let body = database.read(|snapshot| {
            let head = snapshot.head(&id)?.filter(|head| !head.deleted);
            Ok::<_, store::Error>(head.map(|head| snapshot.body(head.body)).transpose()?.flatten())
        });
        serde_json::from_str(&body.ok()??.json).ok()
    };
    read().unwrap_or_default()
}

/// Sets what friends are told. May block.
///
/// # Errors
/// What cannot be told, for its length.
pub(crate) fn set(app: &App, settings: &Settings, now: Millis) -> Result<(), AclError> {
    let key = app.device.public();
    let sample = ProfileDevice {
        key,
        label: String::new(),
        urls: Vec::new(),
        windows: settings.windows.clone(),
    };
    let (name, inbox) = (settings.name.clone(), settings.inbox.clone());
    let tried = Profile { name, inbox, devices: vec![sample; 4], ..Profile::new(key, 1) };
    tried.sign(&app.device).map_err(|error| AclError::Refused(error.to_string()))?;
    let database = database(&app.store, Kind::Friend).ok_or(store::Error::NoDatabase)?;
    let text = serde_json::to_string(settings).map_err(acl::DocumentError::from)?;
    access::change_in(&database, &format!("{OWN_PREFIX}profile"), now, |_| Ok(Some(text.clone())))
}

/// A friend says by which number goes what they say of themselves: it is fetched where that is new.
pub(super) fn heed(app: &Arc<App>, key: PublicKey, seq: u64) {
    let peers = app.mesh.peers().now();
    // What further devices say of themselves adds nothing to what the noted one says.
    let friend = peers.get(&key).filter(|peer| peer.kind == Kind::Friend && peer.is_noted());
    if friend.is_none_or(|friend| friend.record.profile_seq() >= seq) {
        return;
    }
    if !lock(&app.mesh.profiles().fetches).entry(key).or_default().take(clock::now()) {
        return;
    }
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let Some(text) = fetched(&app, key).await else { return };
        let taken = tokio::task::spawn_blocking(move || take(&app, key, &text));
        if let Ok(Err(error)) = taken.await {
            tracing::debug!(%error, "a friend's profile could not be noted");
        }
    });
}

async fn fetched(app: &App, key: PublicKey) -> Option<Vec<u8>> {
    let link = app.mesh.state().ways.get(&key)?.link.clone()?;
    let asking = async {
        let answer = link.ask(Method::GET, "/_hub/profile/signed", None).await.ok()?;
        let body = Limited::new(answer.into_body(), PROFILE_BYTES_MAX).collect().await;
        match body {
            Ok(body) => Some(body.to_bytes().to_vec()),
            Err(_) => {
                app.mesh.profiles().refuse(key, &ProfileError::TooLong);
                None
            }
        }
    };
    timeout(FETCH_MAX, asking).await.ok()?
}

/// Notes what a friend says of themselves, where they have signed it and it is newer than what is noted.
fn take(app: &App, key: PublicKey, text: &[u8]) -> Result<(), AclError> {
    let now = clock::now();
    let opened =
        SignedProfile::parse(text).and_then(|signed| Ok((signed.open(key, now.0)?, signed)));
    let (profile, signed) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            app.mesh.profiles().refuse(key, &error);
            return Ok(());
        }
    };
    let database = database(&app.store, Kind::Friend).ok_or(store::Error::NoDatabase)?;
    access::change_in(&database, &key.to_string(), now, |before| {
        let known = before.map(serde_json::from_str::<Record>).transpose();
        let Some(mut record) = known.map_err(acl::DocumentError::from)? else {
            // Taken away meanwhile.
            return Ok(None);
        };
        if profile.seq > record.profile_seq() {
            // What it says of other devices takes effect with the next reading.
            record.hear(Said { seq: profile.seq, signed: signed.clone() }, profile.own_urls());
        }
        Ok(Some(serde_json::to_string(&record).map_err(acl::DocumentError::from)?))
    })?;
    app.mesh.reload_peers(&app.store, app.access.policies())?;
    Ok(())
}

/// Lets nothing count that has run out, for as long as the hub runs.
pub(crate) async fn let_run_out(app: Arc<App>) {
    let mut runs_out = app.mesh.peers().runs_out();
    loop {
        let due = *runs_out.borrow_and_update();
        let now = clock::now();
        let wait = async {
            match due {
                // Clocks are set, and devices sleep.
                Some(due) => {
                    let left = Duration::from_millis(due.0.saturating_sub(now.0) + 1);
                    tokio::time::sleep(left.min(LOOK_EVERY)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => {}
            changed = runs_out.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        }
        if due.is_none_or(|due| due >= clock::now()) {
            continue;
        }
        let looking = Arc::clone(&app);
        let looked = tokio::task::spawn_blocking(move || {
            looking.mesh.reload_peers(&looking.store, looking.access.policies())
        });
        if let Ok(Err(error)) = looked.await {
            tracing::warn!(error = error.unnamed(), "could not look at what has run out");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Signs anew what has changed, for as long as the hub runs.
pub(crate) async fn keep(app: Arc<App>) {
    let mut peers = app.mesh.peers().changes();
    let mut rights = app.access.policies().changes();
    let mut networks = Networks::watch(&app);
    let Some(contacts) = database(&app.store, Kind::Friend) else { return };
    loop {
        let changed = contacts.updated();
        let renewing = Arc::clone(&app);
        let renewed = tokio::task::spawn_blocking(move || {
            if let Err(error) = announce::to_own_devices(&renewing, clock::now()) {
                tracing::warn!(%error, "the owner's devices are not told where this one is reached");
            }
            own(&renewing).map(|_| ())
        });
        if let Ok(Err(error)) = renewed.await {
            tracing::warn!(%error, "friends are not told what has changed");
        }
        tokio::select! {
            () = changed => {}
            _ = peers.changed() => {}
            _ = rights.changed() => {}
            () = networks.changed() => app.mesh.try_again(),
        }
    }
}
