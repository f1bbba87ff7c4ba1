//! Where this hub is reached, and which ways to others may be dialled.

use std::net::{IpAddr, SocketAddr};

use identity::{Authority, DEFAULT_PORT, Host, HttpKeyUrl};
use if_addrs::IfAddr;

use super::record::is_onion;
use crate::app::App;

/// Addresses of this machine that are told.
const ADDRESSES_MAX: usize = 8;

/// The ways to this hub that others may be told, those of its network first; where there is no other,
/// those of this machine alone.
pub(crate) fn own(app: &App) -> Vec<HttpKeyUrl> {
    let urls = app.urls.get().into_iter().flatten();
    let secure =
        urls.filter_map(|url| url.strip_prefix("https://")?.trim_end_matches('/').parse().ok());
    let (here, near): (Vec<SocketAddr>, Vec<SocketAddr>) =
        secure.partition(|address: &SocketAddr| address.ip().is_loopback());
    let (any, near): (Vec<_>, Vec<_>) =
        near.into_iter().partition(|address| address.ip().is_unspecified());
    let mut all: Vec<_> = near.into_iter().map(authority).collect();
    // Where any address is listened on, which ones there are is told where the owner wants that.
    if app.mesh.lan && !any.is_empty() {
        let found = if_addrs::get_if_addrs().unwrap_or_default();
        let found: Vec<IpAddr> = found.iter().map(|interface| interface.ip()).collect();
        let told = any.into_iter().flat_map(|any| told(any, &found));
        all.extend(told.take(ADDRESSES_MAX).map(authority));
    }
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

/// Those of them that this hub announces by itself: the ones of its network only where the owner has opted in.
pub(super) fn announced(app: &App) -> Vec<HttpKeyUrl> {
    let mut all = own(app);
    all.retain(|url| match url.authority().host {
        Host::Ip(address) => app.mesh.lan || address.is_loopback(),
        Host::Onion(_) | Host::Name(_) => true,
    });
    all
}

/// Whether a way leads nowhere but on the machine that has it.
pub(super) fn is_loopback(url: &HttpKeyUrl) -> bool {
    matches!(url.authority().host, Host::Ip(address) if address.to_canonical().is_loopback())
}

/// Whether a way that another hub *announces* is one at all: one through Tor, and one to an address of a
/// private network where both sides have opted in, the other one by announcing it. What the owner named, by
/// hand or by pairing, always is. Whether it may be dialled now, [`leads_into_own_network`] says.
pub(super) fn may_dial(announced: &HttpKeyUrl, lan: bool) -> bool {
    // A name would be looked up, and an address elsewhere has nothing to do with this network.
    let is_in_network =
        || matches!(announced.authority().host, Host::Ip(address) if is_near(address));
    is_onion(announced) || lan && is_in_network()
}

/// Whether a way leads through Tor, or into a network that this machine is in now: at an address of another one
/// there is somebody else, or whoever the other hub likes. May block for a moment.
pub(super) fn leads_into_own_network(url: &HttpKeyUrl) -> bool {
    let Host::Ip(address) = url.authority().host else { return is_onion(url) };
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    found.iter().any(|interface| !interface.is_loopback() && contains(&interface.addr, address))
}

/// Whether an address is of the network that an interface is in.
fn contains(interface: &IfAddr, address: IpAddr) -> bool {
    match (interface, address.to_canonical()) {
        (IfAddr::V4(own), IpAddr::V4(address)) => {
            (own.ip.to_bits() ^ address.to_bits()) & own.netmask.to_bits() == 0
        }
        (IfAddr::V6(own), IpAddr::V6(address)) => {
            (own.ip.to_bits() ^ address.to_bits()) & own.netmask.to_bits() == 0
        }
        _ => false,
    }
}

/// Whether a way to somebody's hub is taken though nobody but that hub names it: through Tor, or to an address of
/// this machine or of a network around it. Else whoever becomes a friend could have this hub show its address
/// wherever they like.
pub(crate) fn may_be_named_by_others(url: &HttpKeyUrl) -> bool {
    match url.authority().host {
        Host::Onion(_) => true,
        Host::Ip(address) => is_here_or_near(address),
        Host::Name(_) => false,
    }
}

/// Whether an address is of this machine or of a network around it.
fn is_here_or_near(address: IpAddr) -> bool {
    let more = match address.to_canonical() {
        // RFC 6598: networks that providers and VPNs make.
        IpAddr::V4(address) => {
            address.octets()[0] == 100 && (64..128).contains(&address.octets()[1])
        }
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    more || address.to_canonical().is_loopback() || is_near(address)
}

/// The addresses of these that a listener on any address is reached by in its network.
fn told(any: SocketAddr, found: &[IpAddr]) -> Vec<SocketAddr> {
    // One for IPv6 takes what comes by IPv4 too.
    let fits = |address: &&IpAddr| any.is_ipv6() || address.is_ipv4();
    let near = found.iter().filter(fits).filter(|address| is_near(**address));
    near.map(|address| SocketAddr::new(*address, any.port())).collect()
}

/// Whether an address is one of a private network, or of those that devices give themselves without one. Those
/// of IPv6 that go with an interface cannot be told to anybody.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

fn authority(address: SocketAddr) -> Authority {
    Authority { host: Host::Ip(address.ip()), port: address.port() }
}

#[cfg(test)]
mod tests {
    use identity::DeviceKey;

    use super::*;

    const ONION: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

    #[test]
    fn announced_ways_are_dialled_in_private_networks_only_and_where_both_want_it() {
        let key = DeviceKey::from_seed(&[7; 32]).public();
        for (host, near) in [
            ("192.168.1.7:6984", true),
            ("10.0.0.7:6984", true),
            ("169.254.3.4:6984", true),
            ("[fd00::7]:6984", true),
            ("[::ffff:10.0.0.7]:6984", true),
            ("127.0.0.1:6984", false),
            ("[::1]:6984", false),
            ("0.0.0.0:6984", false),
            ("93.184.216.34:443", false),
            ("[2001:db8::1]:6984", false),
            ("router.test:80", false),
        ] {
            let url: HttpKeyUrl =
                format!("httpkey://{host}/ed25519publickey:{key}/").parse().unwrap();
            assert_eq!(may_dial(&url, true), near, "{host}");
            assert!(!may_dial(&url, false), "{host}");
        }
        let onion = format!("httpkey://{ONION}:9898/ed25519publickey:{key}/").parse().unwrap();
        assert!(may_dial(&onion, false));
    }

    #[test]
    fn networks_end_where_their_masks_say() {
        let v4 = |ip: [u8; 4], netmask: [u8; 4]| {
            let (ip, netmask) = (ip.into(), netmask.into());
            IfAddr::V4(if_addrs::Ifv4Addr { ip, netmask, prefixlen: 0, broadcast: None })
        };
        let v6 = IfAddr::V6(if_addrs::Ifv6Addr {
            ip: "fd00:0:0:1::7".parse().unwrap(),
            netmask: "ffff:ffff:ffff:ffff::".parse().unwrap(),
            prefixlen: 64,
            broadcast: None,
        });
        let home = v4([192, 168, 1, 7], [255, 255, 255, 0]);
        let alone = v4([10, 8, 0, 2], [255; 4]);
        for (interface, address, is_inside) in [
            (&home, "192.168.1.9", true),
            (&home, "::ffff:192.168.1.9", true),
            (&home, "192.168.2.9", false),
            (&home, "10.0.0.9", false),
            (&home, "fd00::9", false),
            (&alone, "10.8.0.2", true),
            (&alone, "10.8.0.1", false),
            (&v6, "fd00:0:0:1:2::9", true),
            (&v6, "fd00:0:0:2::9", false),
            (&v6, "192.168.1.9", false),
        ] {
            assert_eq!(contains(interface, address.parse().unwrap()), is_inside, "{address}");
        }
        let key = DeviceKey::from_seed(&[7; 32]).public();
        let here = format!("httpkey://127.0.0.1:1/ed25519publickey:{key}/").parse().unwrap();
        assert!(!leads_into_own_network(&here) && is_loopback(&here));
    }

    #[test]
    fn addresses_of_the_network_are_told() {
        let found = ["127.0.0.1", "192.168.1.7", "::1", "fe80::1", "fd00::7", "93.184.216.34"];
        let found = found.map(|address| address.parse().unwrap());
        let told = |any: &str| -> Vec<String> {
            let told = told(any.parse().unwrap(), &found);
            told.iter().map(ToString::to_string).collect()
        };
        assert_eq!(told("0.0.0.0:6984"), ["192.168.1.7:6984"]);
        assert_eq!(told("[::]:6984"), ["192.168.1.7:6984", "[fd00::7]:6984"]);
    }
}
