//! Which start of each peer this hub has seen last: a key whose count goes back, or that has two starts
//! with one count, is that of two hubs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use identity::PublicKey;
use serde::{Deserialize, Serialize};
use store::Millis;

use super::bucket::Bucket;
use crate::app::App;
use crate::boot::Boot;
use crate::clock;
use crate::small_file;

/// Longest file.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What was seen of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// Its start, as text.
    boot: String,
    /// Whether two hubs have its key.
    #[serde(default)]
    twin: bool,
}

/// What was seen of each peer.
#[derive(Debug, Default)]
pub(crate) struct Boots {
    file: PathBuf,
    seen: Mutex<BTreeMap<PublicKey, Seen>>,
    /// How often it is written down that peers have started: one could say so all the time.
    writes: Mutex<Bucket>,
}

/// What a start that was heard of means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing new.
    Known,
    /// A later start.
    Later,
    /// Two hubs have the key.
    Twin,
}

fn judge(before: Option<Boot>, now: Boot) -> Verdict {
    match before {
        Some(before) if before == now => Verdict::Known,
        Some(before) if now.count <= before.count => Verdict::Twin,
        _ => Verdict::Later,
    }
}

impl Boots {
    /// What was kept. May block.
    pub(crate) fn read(file: PathBuf) -> Self {
        let text = small_file::read(&file, FILE_BYTES_MAX);
        let seen = match text.map(|text| text.map(|text| serde_json::from_str(&text))) {
            Ok(Some(Ok(seen))) => seen,
            Ok(None) => BTreeMap::new(),
            Ok(Some(Err(_))) | Err(_) => {
                tracing::warn!("which starts of other hubs were seen cannot be read");
                BTreeMap::new()
            }
        };
        Self { file, seen: Mutex::new(seen), writes: Mutex::default() }
    }

    /// The keys that two hubs have.
    pub(crate) fn twins(&self) -> Vec<PublicKey> {
        let seen = self.seen();
        seen.iter().filter(|(_, seen)| seen.twin).map(|(key, _)| *key).collect()
    }

    /// Whether two hubs have this key.
    pub(crate) fn is_twin(&self, key: PublicKey) -> bool {
        self.seen().get(&key).is_some_and(|seen| seen.twin)
    }

    /// The owner says that the key is in order; whatever start comes next is the one to go by. Whether it
    /// was not. May block.
    pub(crate) fn forgive(&self, key: PublicKey) -> bool {
        let mut seen = self.seen();
        if !seen.get(&key).is_some_and(|seen| seen.twin) {
            return false;
        }
        seen.remove(&key);
        self.write(&seen);
        true
    }

    /// Whatever was seen of a key counts for nothing.
    pub(super) fn forget(&self, key: PublicKey) {
        self.seen().remove(&key);
    }

    /// A peer says which of its starts this is; whether two hubs are found to have its key. May block,
    /// shortly.
    fn heed(&self, key: PublicKey, now: Boot, at: Millis) -> bool {
        let mut seen = self.seen();
        let before = seen.get(&key);
        if before.is_some_and(|seen| seen.twin) {
            return false;
        }
        let verdict = judge(before.and_then(|seen| seen.boot.parse().ok()), now);
        if verdict == Verdict::Known {
            return false;
        }
        let twin = verdict == Verdict::Twin;
        seen.insert(key, Seen { boot: now.to_string(), twin });
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        if twin || writes.take(at) {
            self.write(&seen);
        }
        twin
    }

    fn write(&self, seen: &BTreeMap<PublicKey, Seen>) {
        // It always serialises: its keys are strings.
        let text = serde_json::to_string(seen).unwrap_or_default();
        if let Err(error) = small_file::replace(&self.file, &text) {
            tracing::warn!(%error, cause = %error.source, "which starts were seen cannot be kept");
        }
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<PublicKey, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A peer says which of its starts this is, in its feed or where it follows. Where two hubs have its key
/// it is not followed and refused from now on, until the owner says otherwise.
pub(super) fn heed(app: &App, key: PublicKey, text: &str) {
    let Ok(boot) = text.parse::<Boot>() else { return };
    if app.mesh.peers().now().contains_key(&key) && app.mesh.boots().heed(key, boot, clock::now()) {
        tracing::warn!(peer = ?key, "two hubs have one key; neither is followed any more");
        app.access.policies().suspend(app.mesh.boots().twins());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(count: u64, id: u8) -> Boot {
        Boot { count, id: [id; 16] }
    }

    #[test]
    fn a_count_only_goes_on() {
        for (before, now, verdict) in [
            (None, boot(5, 1), Verdict::Later),
            (Some(boot(5, 1)), boot(5, 1), Verdict::Known),
            (Some(boot(5, 1)), boot(6, 2), Verdict::Later),
            (Some(boot(5, 1)), boot(9, 2), Verdict::Later),
            (Some(boot(5, 1)), boot(5, 2), Verdict::Twin),
            (Some(boot(5, 1)), boot(4, 1), Verdict::Twin),
        ] {
            assert_eq!(judge(before, now), verdict, "{before:?} {now:?}");
        }
    }

    #[test]
    fn a_twin_is_remembered_until_it_is_forgiven() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("starts.json");
        let key = identity::DeviceKey::from_seed(&[1; 32]).public();
        let boots = Boots::read(file.clone());
        assert!(!boots.heed(key, boot(5, 1), Millis(1)));
        assert!(Boots::read(file.clone()).heed(key, boot(4, 2), Millis(1)));
        let boots = Boots::read(file.clone());
        assert_eq!(boots.twins(), [key]);
        assert!(!boots.heed(key, boot(9, 9), Millis(1)), "it is known already");
        assert!(boots.forgive(key) && !boots.forgive(key));
        assert!(!boots.heed(key, boot(2, 2), Millis(1)) && Boots::read(file).twins().is_empty());
    }
}
