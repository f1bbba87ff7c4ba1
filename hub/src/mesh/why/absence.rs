//! Why a peer is not there: it is not followed, or there is no connection to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use identity::{DeviceStanding, PublicKey};
use replication::Next;
use store::Millis;

use super::sentence::{self, ago, until};
use super::{Reason, reason};
use crate::app::App;
use crate::mesh::peers::Peer;
use crate::mesh::record::is_onion;
use crate::mesh::refusal::suspension;
use crate::mesh::status::way_word;
use crate::mesh::way::Way;

/// How far clocks may differ before it is worth a word, in milliseconds: what is stamped later than that
/// is held back.
const AHEAD_MAX_MS: u64 = 10 * 60 * 1000;

/// Leaves out hubs of a friend's that there is no connection to where there is one to another: the friend is
/// reached, and what those have comes by it. Where there is none, the noted one is gone by.
pub(super) fn leave_out_absent(app: &App, peers: &mut Vec<(PublicKey, Arc<Peer>)>) {
    let state = app.mesh.state();
    let is_connected = |key: &PublicKey| state.ways.get(key).is_some_and(|way| way.link.is_some());
    let connected: BTreeSet<PublicKey> =
        peers.iter().filter(|(key, _)| is_connected(key)).map(|(_, peer)| peer.person).collect();
    peers.retain(|(key, peer)| match connected.contains(&peer.person) {
        true => is_connected(key),
        false => peer.is_noted(),
    });
}

/// Why a peer is not followed.
pub(super) fn absence(app: &App, key: PublicKey, name: &str) -> Reason {
    let devices = app.access.policies().devices();
    match devices.refused(key) {
        _ if app.mesh.boots().is_twin(key) => reason(
            "twin",
            format!(
                "{name} is not followed: two hubs have its key. `larder device list` says more."
            ),
        ),
        Some(listing) if listing.standing == DeviceStanding::Removed => reason(
            "removed",
            format!("{name} is no device of yours any more: it was removed here."),
        ),
        Some(listing) => {
            let why = suspension(&devices, listing);
            let sentence = format!(
                "{name} is not followed: {why}. `larder device confirm` removes it here as well, and \
                 `larder device keep` keeps it."
            );
            reason("suspended", sentence)
        }
        None => reason("blocked", format!("{name} is blocked on this device.")),
    }
}

/// Why a peer is not reached, or what to know of one that is.
pub(super) fn way_reason(peer: &str, way: &Way, now: Millis) -> Vec<Reason> {
    let mut found = Vec::new();
    let ahead = way.ahead_ms.unwrap_or_default();
    if ahead.unsigned_abs() > AHEAD_MAX_MS {
        let much = sentence::duration(ahead.unsigned_abs());
        let which = if ahead > 0 { "ahead of" } else { "behind" };
        let text = format!("{peer}'s clock is {much} {which} this device's.");
        found.push(reason("skew", text));
    }
    if way.link.is_some() {
        return found;
    }
    let seen = match way.last_seen {
        Some(seen) => format!("was last reached {}", ago(now, seen)),
        None => "has never been reached since this hub was started".into(),
    };
    let again = match way.paths.next(now) {
        Next::At(due) => format!("; tried again {}", until(now, due)),
        Next::Dial(_) => "; being tried now".into(),
        Next::Nowhere => String::new(),
    };
    let Some((at, trouble, _)) = way.trouble() else {
        let code = if way.urls.is_empty() { "nowhere" } else { "dialling" };
        let text = match way.urls.is_empty() {
            true => format!("Nothing says where {peer} is: `larder device add URL` does."),
            false => format!("{peer} {seen}{again}."),
        };
        found.push(reason(code, text));
        return found;
    };
    let path = way.urls.get(at).map_or("", |url| way_word(is_onion(url)));
    let text = sentence::of_way(trouble.code, &trouble.text, peer, path);
    found.push(reason(trouble.code, format!("{text} It {seen}{again}.")));
    found
}
