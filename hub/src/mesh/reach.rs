//! Where this hub is reached.

use std::net::SocketAddr;

use identity::{Authority, DEFAULT_PORT, Host, HttpKeyUrl};

use crate::app::App;

/// The ways to this hub that others may be told, those of its network first; where there is no other,
/// those of this machine alone.
pub(crate) fn own(app: &App) -> Vec<HttpKeyUrl> {
    let urls = app.urls.get().into_iter().flatten();
    let secure =
        urls.filter_map(|url| url.strip_prefix("https://")?.trim_end_matches('/').parse().ok());
    let (here, near): (Vec<SocketAddr>, Vec<SocketAddr>) =
        secure.partition(|address: &SocketAddr| address.ip().is_loopback());
    // Where any address is listened on, which ones there are is for the owner to say.
    let near = near.into_iter().filter(|address| !address.ip().is_unspecified());
    let mut all: Vec<_> = near.map(authority).collect();
    if !app.onion.is_off() {
        let host = Host::Onion(app.onion.address().clone());
        all.push(Authority { host, port: DEFAULT_PORT });
    }
    if all.is_empty() {
        all.extend(here.into_iter().map(authority));
    }
    let key = app.device.public();
    all.into_iter().filter_map(|authority| HttpKeyUrl::new(authority, key, "").ok()).collect()
}

fn authority(address: SocketAddr) -> Authority {
    Authority { host: Host::Ip(address.ip()), port: address.port() }
}
