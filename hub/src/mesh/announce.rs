//! Tells the owner's other devices where this hub is reached, in its record of `_devices`, and looks again
//! whenever this machine's network has changed.

use std::time::Duration;

use identity::DeviceStanding;
use onion::Network;
use store::Millis;

use super::peers;
use super::reach::{announced, is_loopback};
use crate::access::AclError;
use crate::app::App;

/// How long to wait for more of the same: an interface that comes up says so many times.
const SETTLE: Duration = Duration::from_secs(1);

/// Notes in this device's record where it is reached, where that is not what is noted. May block.
pub(super) fn to_own_devices(app: &App, now: Millis) -> Result<(), AclError> {
    let (devices, hub) = (app.access.policies().devices(), app.device.public());
    let mut urls = announced(app);
    // What leads nowhere from elsewhere need not be written down.
    urls.retain(|url| !is_loopback(url));
    let mut listed = devices.listings().values();
    let is_read = listed.any(|listing| listing.standing == DeviceStanding::Listed);
    // A record that whoever has added this device wrote is on its way, with a name.
    if !is_read || !devices.is_noted(hub) || !devices.record(hub).announce(urls.clone()) {
        return Ok(());
    }
    peers::announce(&app.store, hub, &urls, now)
}

/// Changes of this machine's network, as far as they count.
pub(super) struct Networks(Option<Network>);

impl Networks {
    /// Those of hubs that have opted in to being reached there; others need not wake up for it.
    pub(super) fn watch(app: &App) -> Self {
        Self(app.mesh.lan.then(Network::watch))
    }

    /// Waits for the next one. Nothing is lost when it is not waited for to the end.
    pub(super) async fn changed(&mut self) {
        let Some(network) = &mut self.0 else { return std::future::pending().await };
        network.changed().await;
        tokio::time::sleep(SETTLE).await;
        network.forget();
    }
}
