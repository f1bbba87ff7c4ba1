//! Naming other hubs, and taking them away: by hand, or by pairing.

use identity::{DeviceStanding, PublicKey, StatementKind};
use store::{DbUuid, Millis};

use super::peers::{self, Share};
use super::record::{Kind, Record};
use super::rules::{self, DeviceRule};
use crate::app::App;
use crate::http::HttpError;

/// Notes another hub, with what follows from whose it is; it takes effect before this returns. One that
/// is known already gets this name, and these ways before those that it had. May block.
///
/// A device is one once this hub has signed that it is, which comes last; a friend is followed once it has
/// a name and its notes. Whatever a crash leaves unfinished is finished by doing it again.
///
/// # Errors
/// This hub's own key, the name of somebody else, a key that is noted as the other kind, and as a friend
/// the key of a device that was removed.
pub(crate) fn introduce(
    app: &App,
    kind: Kind,
    record: Record,
    now: Millis,
) -> Result<Record, HttpError> {
    introduce_with(app, kind, record, &[], now)
}

/// The same, and shares databases with a friend in the same commit; a device has everything anyway. May
/// block.
pub(crate) fn introduce_with(
    app: &App,
    kind: Kind,
    record: Record,
    shares: &[Share],
    now: Millis,
) -> Result<Record, HttpError> {
    check(app, kind, &record)?;
    let key = record.key;
    match kind {
        Kind::Device => {
            peers::note_device(&app.store, &record, now)?;
            let devices = app.access.policies().devices();
            let is_ours = devices.listing(key).is_some_and(|listing| {
                listing.standing == DeviceStanding::Listed
                    && listing.added_by == app.device.public()
            });
            if !is_ours {
                say(app, StatementKind::Add, key, now)?;
            }
        }
        Kind::Friend => peers::add_friend(&app.store, app.device.public(), &record, shares, now)?,
    }
    app.mesh.boots().forgive(key);
    heed(app)?;
    Ok(record)
}

/// Whether [`introduce`] would take it, as things stand. May block.
///
/// # Errors
/// As there.
pub(crate) fn check(app: &App, kind: Kind, record: &Record) -> Result<(), HttpError> {
    let key = record.key;
    if key == app.device.public() {
        return Err(HttpError::BadRequest("this is the hub's own key".into()));
    }
    check_name(app, &record.name, key)?;
    let devices = app.access.policies().devices();
    let listing = devices.listing(key);
    match kind {
        Kind::Device if peers::is_noted(&app.store, Kind::Friend, key)? => {
            Err(taken_by(Kind::Friend))
        }
        Kind::Device => Ok(()),
        Kind::Friend => match listing {
            Some(listing) if listing.standing == DeviceStanding::Listed => {
                Err(taken_by(Kind::Device))
            }
            Some(_) => Err(HttpError::BadRequest(
                "this key was one of your devices and was removed; whoever has it now needs a new one, \
                 which a new data directory makes"
                    .into(),
            )),
            None => Ok(()),
        },
    }
}

fn taken_by(other: Kind) -> HttpError {
    let noun = other.noun();
    HttpError::BadRequest(format!(
        "this key is that of a {noun}; `larder {noun} remove` takes it away"
    ))
}

/// Removes a device: this hub refuses it from now on, and others until their owner decides. May block.
///
/// # Errors
/// This hub itself.
pub(crate) fn remove_device(app: &App, key: PublicKey, now: Millis) -> Result<(), HttpError> {
    if key == app.device.public() {
        return Err(HttpError::BadRequest(
            "this is the device that you ask; remove it by another one of yours".into(),
        ));
    }
    // What counts first.
    say(app, StatementKind::Remove, key, now)?;
    heed(app)?;
    peers::note_removed(&app.store, key, now)?;
    heed(app)
}

/// Lets a device be the owner's that others, or this hub, have removed, or whose key two hubs had. May
/// block.
pub(crate) fn keep_device(app: &App, key: PublicKey, now: Millis) -> Result<(), HttpError> {
    let was_twin = app.mesh.boots().forgive(key);
    let devices = app.access.policies().devices();
    if devices.refused(key).is_some() {
        peers::note_device(&app.store, &devices.record(key), now)?;
        say(app, StatementKind::Keep, key, now)?;
    } else if !was_twin {
        return Err(HttpError::BadRequest("nobody has removed this device".into()));
    }
    heed(app)
}

/// Takes a friend away, who is refused from now on. May block.
pub(crate) fn remove_friend(app: &App, key: PublicKey, now: Millis) -> Result<(), HttpError> {
    peers::remove_friend(&app.store, key, now)?;
    app.mesh.boots().forgive(key);
    heed(app)
}

/// Refuses a friend, or does so no longer. May block.
pub(crate) fn block_friend(
    app: &App,
    key: PublicKey,
    blocked: bool,
    now: Millis,
) -> Result<(), HttpError> {
    peers::block(&app.store, key, blocked, now)?;
    if !blocked {
        let devices = peers::devices_of(&app.mesh.peers().now(), key);
        let others = devices.into_iter().map(|(device, _)| device);
        std::iter::once(key).chain(others).for_each(|key| _ = app.mesh.boots().forgive(key));
    }
    heed(app)
}

/// Gives a device, this one included, or a friend another name. May block.
///
/// # Errors
/// The name of somebody else, or one that nobody can have.
pub(crate) fn rename(
    app: &App,
    kind: Kind,
    record: Record,
    name: String,
    now: Millis,
) -> Result<Record, HttpError> {
    let record = record.renamed(name);
    let record = record.map_err(|error| HttpError::BadRequest(error.to_string()))?;
    check_name(app, &record.name, record.key)?;
    peers::rename(&app.store, kind, &record, now)?;
    heed(app)?;
    Ok(record)
}

/// Signs what this hub says of a device. May block.
fn say(app: &App, kind: StatementKind, subject: PublicKey, now: Millis) -> Result<(), HttpError> {
    // One after the other: each has the number after the one before.
    let _one = app.mesh.saying();
    let policies = app.access.policies();
    let file = app.data_dir.statements();
    policies.reload_devices(&app.store, &file)?;
    Ok(policies.devices().say(&app.store, (&app.device, &file), kind, subject, now)?)
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
    Ok(app.mesh.reload(&app.store, app.access.policies())?)
}

/// Refuses the name of somebody else.
fn check_name(app: &App, name: &str, key: PublicKey) -> Result<(), HttpError> {
    match is_taken(app, name, key) {
        true => Err(HttpError::Exists(format!("somebody else is called {name}"))),
        false => Ok(()),
    }
}

/// Whether somebody but this one is called so; whoever was removed or blocked has given the name away.
pub(crate) fn is_taken(app: &App, name: &str, key: PublicKey) -> bool {
    let policies = app.access.policies().now();
    let mut others = policies.principals().iter().filter(|(known, _)| **known != key);
    let hub = app.device.public();
    let own = app.access.policies().devices().record(hub).name;
    key != hub && own == name
        || others.any(|(known, notes)| notes.name == name && !notes.blocked && *known != hub)
}

/// What was written takes effect. May block.
fn heed(app: &App) -> Result<(), HttpError> {
    let policies = app.access.policies();
    policies.suspend(app.mesh.boots().twins());
    policies.reload_devices(&app.store, &app.data_dir.statements())?;
    policies.reload(&app.store)?;
    Ok(app.mesh.reload(&app.store, policies)?)
}

/// The same where `_devices` or `_contacts` has changed by whatever way; what was taken from `_devices`
/// that counts is written there again. May block.
pub(crate) fn heed_databases(app: &App) -> Result<(), store::Error> {
    let policies = app.access.policies();
    policies.reload_devices(&app.store, &app.data_dir.statements())?;
    let devices = policies.devices();
    if let Err(error) = devices.mend(&app.store, crate::clock::now()) {
        tracing::warn!(%error, "statements of devices could not be written to _devices again");
    }
    app.mesh.reload(&app.store, policies)
}

/// The same where `_acl` has changed: whom it names, nobody else vouches for. May block.
pub(crate) fn heed_rights(app: &App) -> Result<(), store::Error> {
    let policies = app.access.policies();
    policies.reload(&app.store)?;
    app.mesh.reload_peers(&app.store, policies)
}
