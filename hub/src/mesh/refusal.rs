//! Why one of the owner's devices is refused, in a sentence: for itself, and for the owner.

use identity::{DeviceStanding, Listing, PublicKey};

use super::Devices;
use crate::app::App;

/// Why a device that is, or was, the owner's is refused; none where it is not. A device of earlier days
/// knows what the others are called, so this tells it nothing new.
pub(crate) fn refusal(app: &App, key: PublicKey) -> Option<String> {
    let policies = app.access.policies();
    if !policies.is_blocked(key) {
        return None;
    }
    let devices = policies.devices();
    let listing = devices.listing(key)?;
    let why = match listing.standing {
        DeviceStanding::Removed => "it was removed here".into(),
        DeviceStanding::Suspended => suspension(&devices, listing),
        DeviceStanding::Listed => "two hubs have its key".into(),
    };
    let how = match listing.standing {
        DeviceStanding::Listed => {
            "`larder device keep` on the device that says this lets it in again"
        }
        DeviceStanding::Removed | DeviceStanding::Suspended => {
            "its owner takes it back by pairing with it anew, or by `larder device keep`, on the device that \
             says this"
        }
    };
    Some(format!("This device is refused: {why}; {how}."))
}

/// Why a device is suspended.
pub(super) fn suspension(devices: &Devices, listing: &Listing) -> String {
    let names: Vec<_> =
        listing.removals.iter().map(|removal| devices.record(removal.by).name).collect();
    let each_other = if listing.mutual { ", and they have removed each other" } else { "" };
    match names.is_empty() {
        true => "only a device that was removed has added it".into(),
        false => format!("it was removed by {}{each_other}", names.join(", ")),
    }
}
