//! `/_hub/devices`: the owner's devices, and what they have said of each other.

use http::StatusCode;
use identity::{DeviceStanding, Listing, PublicKey};
use serde_json::{Value, json};

use super::apps::parsed;
use super::peers::Renamed;
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};
use crate::mesh::{self, Devices, Kind};
use crate::pairing;

/// `GET /_hub/devices`: every device, this one last, and what the owner should look at.
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let app = &call.app;
    let devices = app.access.policies().devices();
    let hub = app.device.public();
    let others = devices.listings().iter();
    let mut shown: Vec<Value> =
        others.map(|(key, listing)| describe(app, &devices, *key, listing)).collect();
    let mut this = json!(devices.record(hub));
    this["reach"] = json!(mesh::own_reach(app));
    if !devices.is_noted(hub) {
        // For its owner alone, who may take it.
        this["suggested_name"] = pairing::suggested_name(hub).into();
    }
    this["this"] = true.into();
    this["standing"] = "listed".into();
    shown.push(this);
    let answer = json!({"devices": shown, "alarms": mesh::alarms(app)});
    Ok(reply::json(StatusCode::OK, &answer))
}

fn describe(app: &App, devices: &Devices, key: PublicKey, listing: &Listing) -> Value {
    let mut shown = json!(devices.record(key));
    shown["this"] = false.into();
    shown["added_by"] = mesh::device_name(app, devices, listing.added_by).into();
    let is_twin = app.mesh.boots().is_twin(key);
    shown["standing"] = match listing.standing {
        DeviceStanding::Listed if !is_twin => "listed",
        DeviceStanding::Listed | DeviceStanding::Suspended => "suspended",
        DeviceStanding::Removed => "removed",
    }
    .into();
    if listing.standing != DeviceStanding::Listed {
        let by = listing.removals.iter().map(|removal| mesh::device_name(app, devices, removal.by));
        let at = listing.removals.iter().map(|removal| removal.at).min();
        shown["removal"] =
            json!({"by": by.collect::<Vec<_>>(), "at": at, "mutual": listing.mutual});
    }
    shown
}

/// `PUT /_hub/devices/{doc}`: gives a device, this one included, another name.
pub(crate) async fn rename(call: Call) -> Result<Reply, HttpError> {
    let Call { app, captures, headers, body, .. } = call;
    let key = named(&app, &captures.doc)?;
    let Renamed { name } = parsed(json_body::object(&headers, body).await?)?;
    let record = blocking(move || {
        let record = app.access.policies().devices().record(key);
        mesh::rename(&app, Kind::Device, record, name, clock::now())
    });
    Ok(reply::json(StatusCode::OK, &json!({"ok": true, "device": record.await?})))
}

/// `DELETE /_hub/devices/{doc}`: removes a device, by its name or key: it is refused from now on. Answers what
/// it holds of what is here, as far as it has said so.
pub(crate) async fn remove(call: Call) -> Result<Reply, HttpError> {
    remove_if(call, |standing| standing != Some(DeviceStanding::Removed)).await
}

/// `POST /_hub/devices/{doc}/confirm-removal`: makes the removal of a device by another one final here.
pub(crate) async fn confirm(call: Call) -> Result<Reply, HttpError> {
    remove_if(call, |standing| standing == Some(DeviceStanding::Suspended)).await
}

async fn remove_if(
    call: Call,
    is_right: fn(Option<DeviceStanding>) -> bool,
) -> Result<Reply, HttpError> {
    let Call { app, captures, .. } = call;
    let key = named(&app, &captures.doc)?;
    let holds = blocking(move || {
        let holds = mesh::holdings(&app, key);
        let devices = app.access.policies().devices();
        let known = devices.listing(key).map(|listing| listing.standing);
        if key != app.device.public() && !is_right(known) {
            return Err(NOTHING_TO_DO);
        }
        mesh::remove_device(&app, key, clock::now())?;
        Ok(holds)
    });
    Ok(reply::json(StatusCode::OK, &json!({"ok": true, "holds": holds.await?})))
}

/// `POST /_hub/devices/{doc}/keep`: goes on with a device that another one has removed, or this one, or whose
/// key two hubs had.
pub(crate) async fn keep(call: Call) -> Result<Reply, HttpError> {
    let Call { app, captures, .. } = call;
    let key = named(&app, &captures.doc)?;
    blocking(move || mesh::keep_device(&app, key, clock::now())).await?;
    Ok(reply::ok(StatusCode::OK))
}

/// What is said where a device does not stand as it would have to.
const NOTHING_TO_DO: HttpError =
    HttpError::NotFound("this device is removed already, or nobody else has removed it");

/// What is said where a word names no device.
const MISSING: HttpError = HttpError::NotFound("there is no device of that name or key");

/// The device that a word means; this one too.
fn named(app: &App, word: &str) -> Result<PublicKey, HttpError> {
    let devices = app.access.policies().devices();
    devices.find(app.device.public(), word).ok_or(MISSING)
}
