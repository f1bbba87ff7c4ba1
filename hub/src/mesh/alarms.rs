//! What the owner should look at of devices and friends.

use identity::{Alarm, PublicKey};
use serde::Serialize;

use super::devices::Devices;
use super::record::Kind;
use crate::app::App;

/// Something that the owner should look at.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    /// What programs tell it by; `docs/devices.md` has all of them.
    pub(crate) code: &'static str,
    /// What people read.
    pub(crate) sentence: String,
    /// Whom it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<PublicKey>,
}

/// What a device is called, this one as well.
pub(crate) fn device_name(app: &App, devices: &Devices, key: PublicKey) -> String {
    let name = devices.record(key).name;
    if key == app.device.public() && !devices.is_noted(key) { "this device".into() } else { name }
}

/// What the owner should look at: a word for programs, a sentence for people, and whom it is about.
pub(crate) fn alarms(app: &App) -> Vec<Shown> {
    let devices = &*app.access.policies().devices();
    let name = |key| device_name(app, devices, key);
    let alarm = |code, sentence, about| Shown { code, sentence, about };
    let of_list = devices.list().alarms().iter().map(|known| match *known {
        Alarm::Fork(key) => {
            let name = name(key);
            let sentence = format!(
                "Two hubs have the key of {name}: it has said two different things at once. Remove it, and add \
                 it again with a new key."
            );
            alarm("fork", sentence, Some(key))
        }
        Alarm::Mutual(first, second) => {
            let (first_name, second_name) = (name(first), name(second));
            let sentence = format!(
                "{first_name} and {second_name} have removed each other, so both are suspended here. Say which one \
                 is no longer yours: `larder device confirm`."
            );
            alarm("mutual_removal", sentence, Some(first))
        }
        Alarm::RemovedHere(key) => {
            let sentence = format!("{} says that this device is not yours any more.", name(key));
            alarm("removed_here", sentence, Some(key))
        }
        Alarm::Flood(key) => {
            let sentence = format!(
                "{} has said more of other devices than any device has to say; nothing of it counts.",
                name(key)
            );
            alarm("flood", sentence, Some(key))
        }
    });
    let peers = app.mesh.peers().now();
    let twins = app.mesh.boots().twins().into_iter().filter_map(|key| {
        let peer = peers.get(&key)?;
        let word = match peer.kind {
            Kind::Device => "device keep",
            Kind::Friend => "friend unblock",
        };
        let name = &peer.record.name;
        let sentence = format!(
            "Two hubs have the key of {name}, or its data directory was put back to an earlier state; it is \
             refused until you say that all is well: `larder {word}`."
        );
        Some(alarm("twin", sentence, Some(key)))
    });
    let mut all: Vec<Shown> = of_list.chain(twins).collect();
    if let count @ 1.. = app.access.policies().now().people().contested() {
        let sentence = match count {
            1 => {
                "Two friends name the same key as a device of theirs: it stands for neither.".into()
            }
            _ => format!(
                "{count} keys are each named by two friends as a device of theirs: they stand for nobody."
            ),
        };
        all.push(alarm("contested_device", sentence, None));
    }
    if let (count @ 1.., _) = devices.problems() {
        let sentence = match count {
            1 => "A document of _devices says nothing that is understood.".into(),
            _ => format!("{count} documents of _devices say nothing that is understood."),
        };
        all.push(alarm("statements", sentence, None));
    }
    all
}
