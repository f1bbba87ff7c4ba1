//! Whoever was taken away and comes to be paired with anew: refused like everybody who is blocked, but for
//! the messages to a window that is open.

use http::{Method, Request};
use identity::{DeviceStanding, PublicKey};

use crate::app::App;
use crate::clock;

/// Before the name of a window, in the path of a message.
const PATH: &str = "/_hub/pair/";

/// Whether whoever has this key was taken away, and a window is open to it.
pub(crate) fn may_return(app: &App, key: PublicKey) -> bool {
    app.access.policies().is_removed(key) && app.pairings.waits_for(key, |_| true, clock::now())
}

/// Whether this is a message to a window that is open to whoever has this key, who was taken away.
pub(crate) fn returns_by<B>(app: &App, key: PublicKey, request: &Request<B>) -> bool {
    let Some(window) = window_of(request) else { return false };
    app.pairings.waits_for(key, |session| session.is_behind(window), clock::now())
        && app.access.policies().is_removed(key)
}

/// The window that a message is for.
///
/// The path is read as it came: one with anything to be decoded in it names no window.
pub(super) fn window_of<B>(request: &Request<B>) -> Option<&str> {
    let window = request.uri().path().strip_prefix(PATH)?;
    let is_name = window.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_name && request.method() == Method::POST).then_some(window)
}

/// What the owner should know before the yes to a key that was taken away.
pub(super) fn warning(app: &App, key: PublicKey) -> Option<String> {
    let policies = app.access.policies();
    if !policies.is_removed(key) {
        return None;
    }
    let devices = policies.devices();
    let by_others = devices.refused(key).into_iter().flat_map(|listing| &listing.removals);
    let names: Vec<_> = by_others
        .filter(|removal| removal.by != app.device.public())
        .map(|removal| devices.record(removal.by).name)
        .collect();
    let was_removed = match devices.refused(key).map(|listing| listing.standing) {
        Some(DeviceStanding::Suspended) => "This key was removed by a device of yours",
        _ => "This key was removed here before",
    };
    Some(match names.is_empty() {
        true => format!("{was_removed}: your yes takes it back."),
        // Each owner's word counts at home: what others have removed stays so there.
        false => format!(
            "{was_removed}: your yes takes it back on this device. {} removed it too: `larder device keep` \
             takes it back there, and wherever it is still refused.",
            names.join(", ")
        ),
    })
}
