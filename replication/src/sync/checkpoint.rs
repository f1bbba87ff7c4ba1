//! How far a target has come with one source: a local document of the target's.

use serde::{Deserialize, Serialize};
use store::{LocalId, UpdateSeq};

use super::{Mode, SyncFilter};

/// How far a target has come with one source, and how it goes on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Position at the source up to which the target has everything.
    pub through: UpdateSeq,
    /// How to go on: with the first copy, with comparing, or, once that is over, with what is new.
    pub stage: Mode,
    /// Something before it was left out for want of room. When there is room, the target begins anew.
    pub postponed: bool,
}

/// The document as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    through: String,
    stage: Mode,
    /// The target's own position at that time.
    own: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    postponed: bool,
}

impl Checkpoint {
    /// The document in which a target remembers this peer, under this filter: whoever asks for more
    /// begins anew.
    #[must_use]
    pub fn id(peer: &str, filter: &SyncFilter) -> LocalId {
        let mut hasher = blake3::Hasher::new_derive_key("larder-sync-1 checkpoint");
        for part in [peer, filter.selector.as_deref().unwrap_or_default()] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        hasher.update(&filter.attachment_bytes_max.unwrap_or(u64::MAX).to_le_bytes());
        let hash = hasher.finalize().to_hex();
        // Hexadecimal digits behind `_local/` always make an id.
        let id = format!("_local/larder-sync-{}", &hash[..32]);
        id.parse().unwrap_or_else(|_| unreachable!("not a local id"))
    }

    /// The document's body; `own` is the target's position.
    pub(super) fn to_json(self, own: UpdateSeq) -> String {
        let Self { through, stage, postponed } = self;
        let (through, own) = (through.to_string(), own.to_string());
        let stored = Stored { through, stage, own, postponed };
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Reads a document's body; `None` when it makes no sense. With it the target's position then.
    pub(super) fn parse(json: &str) -> Option<(Self, UpdateSeq)> {
        let stored: Stored = serde_json::from_str(json).ok()?;
        let through = stored.through.parse().ok()?;
        let checkpoint = Self { through, stage: stored.stage, postponed: stored.postponed };
        Some((checkpoint, stored.own.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let (through, own) = ("7-abababababababab", "9-cdcdcdcdcdcdcdcd");
        let (through, own): (UpdateSeq, UpdateSeq) =
            (through.parse().unwrap(), own.parse().unwrap());
        for stage in [Mode::Copy, Mode::Offer, Mode::Send] {
            for postponed in [false, true] {
                let checkpoint = Checkpoint { through, stage, postponed };
                let json = checkpoint.to_json(own);
                assert_eq!(Checkpoint::parse(&json), Some((checkpoint, own)));
                assert_eq!(json.contains("postponed"), postponed);
            }
        }
        for bad in ["", "{}", r#"{"through":"7","stage":"send","own":"9-cdcdcdcdcdcdcdcd"}"#] {
            assert_eq!(Checkpoint::parse(bad), None);
        }
    }

    #[test]
    fn each_peer_and_filter_has_its_own() {
        let all = SyncFilter::default();
        let small = SyncFilter { attachment_bytes_max: Some(0), ..all.clone() };
        let some = SyncFilter { selector: Some("{}".into()), ..all.clone() };
        let ids = [
            Checkpoint::id("a", &all),
            Checkpoint::id("b", &all),
            Checkpoint::id("a", &small),
            Checkpoint::id("a", &some),
        ];
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert!(ids[0].to_string().starts_with("_local/larder-sync-"));
    }
}
