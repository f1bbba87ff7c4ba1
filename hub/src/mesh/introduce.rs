//! Naming other hubs, and taking them away: by hand, or by pairing.

use identity::PublicKey;
use store::{DbUuid, Millis};

use super::peers::{self, Peer};
use super::record::{Kind, Record};
use super::rules::{self, DeviceRule};
use crate::app::App;
use crate::http::HttpError;

/// Notes another hub, with what follows from whose it is; it takes effect before this returns. One that
/// is known already gets this name, and these ways before those that it had. May block.
///
/// # Errors
/// This hub's own key, the name of somebody else, or a key that is noted as the other kind.
pub(crate) fn introduce(
    app: &App,
    kind: Kind,
    record: Record,
    now: Millis,
) -> Result<Record, HttpError> {
    check(app, kind, &record)?;
    peers::add(&app.store, kind, &record, now)?;
    heed(app)?;
    Ok(record)
}

/// Whether [`introduce`] would take it, as things stand.
///
/// # Errors
/// As there.
pub(crate) fn check(app: &App, kind: Kind, record: &Record) -> Result<(), HttpError> {
    if record.key == app.device.public() {
        return Err(HttpError::BadRequest("this is the hub's own key".into()));
    }
    if is_taken(app, &record.name, record.key) {
        return Err(HttpError::Exists(format!("somebody else is called {}", record.name)));
    }
    let known = app.mesh.peers().now().get(&record.key).map(|peer| peer.kind);
    match known.filter(|known| *known != kind) {
        None => Ok(()),
        Some(other) => {
            let noun = other.noun();
            Err(HttpError::BadRequest(format!(
                "this key is that of a {noun}; `larder {noun} remove` takes it away"
            )))
        }
    }
}

/// Takes another hub away: it is refused from now on. May block.
pub(crate) fn dismiss(app: &App, peer: &Peer, now: Millis) -> Result<(), HttpError> {
    peers::remove(&app.store, peer, now)?;
    heed(app)
}

/// Notes what a device of the owner's takes of a database, all of it where there is no rule; it takes
/// effect before this returns. May block.
pub(crate) fn set_rule(
    app: &App,
    of: (PublicKey, DbUuid),
    rule: Option<&DeviceRule>,
    now: Millis,
) -> Result<(), HttpError> {
    rules::set(&app.store, of, rule, now)?;
    Ok(app.mesh.reload(&app.store)?)
}

/// Whether somebody but this one is called so.
pub(crate) fn is_taken(app: &App, name: &str, key: PublicKey) -> bool {
    let policies = app.access.policies().now();
    let mut others = policies.principals().iter().filter(|(known, _)| **known != key);
    others.any(|(_, notes)| notes.name == name && !notes.blocked)
}

/// What was written takes effect.
fn heed(app: &App) -> Result<(), HttpError> {
    app.access.policies().reload(&app.store)?;
    Ok(app.mesh.reload(&app.store)?)
}
