//! Networks of one's own: namespaces of Linux joined by a bridge, where a test decides who reaches whom and
//! sees every packet.
//!
//! ```no_run
//! use tests::{Finished, Incoming, Namespaces};
//!
//! let network = Namespaces::new();
//! let hub = network.join("hub", Incoming::Refused);
//! let capture = hub.capture();
//! let mut curl = hub.command("curl");
//! Finished::of(curl.arg(format!("http://{}:8080/", network.bridge().address()))).expect_success();
//! assert!(capture.stop().iter().all(|packet| packet.dns_name().is_none()));
//! ```

mod capture;
pub use capture::Capture;
mod namespace;
pub(crate) use namespace::inside;
pub use namespace::{Incoming, Namespace};
mod packet;
pub use packet::{Packet, Protocol};

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::Finished;

/// The address of the bridge of every namespace.
const BRIDGE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// What the names of all our namespaces begin with; then comes our process id.
const PREFIX: &str = "larder-test-";

/// A bridge in a namespace of its own, and the namespaces that join it; all in one subnet, which is nobody
/// else's.
///
/// Dropping it takes the bridge down; a [`Namespace`] goes when it is dropped itself. What a killed process
/// left behind goes when the next one makes some.
pub struct Namespaces {
    bridge: Namespace,
    joined: AtomicU8,
}

impl Namespaces {
    /// A bridge that nobody has joined yet.
    ///
    /// # Panics
    /// When it cannot be made, as without root's rights.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "making namespaces is no default of anything")]
    pub fn new() -> Self {
        delete_abandoned();
        let bridge = Namespace::create(&unique_name("bridge"), BRIDGE);
        let own = format!("{}/24", bridge.address());
        // What it does not listen for, it does not ask about: captures show no words of its own.
        bridge.ip(&["link", "add", "bridge0", "type", "bridge", "mcast_snooping", "0"]);
        bridge.silence("bridge0");
        // Else it takes over the least of its ports', and connections stall whenever that changes.
        bridge.ip(&["link", "set", "bridge0", "address", "02:00:00:00:00:01"]);
        bridge.ip(&["link", "set", "bridge0", "addrgenmode", "none"]);
        bridge.ip(&["address", "add", &own, "dev", "bridge0"]);
        bridge.ip(&["link", "set", "bridge0", "up"]);
        Self { bridge, joined: AtomicU8::new(1) }
    }

    /// The namespace of the bridge, which every other one reaches, and which is their way to anywhere else.
    pub fn bridge(&self) -> &Namespace {
        &self.bridge
    }

    /// A new namespace, joined to the bridge.
    ///
    /// # Panics
    /// When it cannot be made.
    #[track_caller]
    pub fn join(&self, name: &str, incoming: Incoming) -> Namespace {
        let number = self.joined.fetch_add(1, Ordering::Relaxed) + 1;
        let joined = Namespace::create(&unique_name(name), address(number));
        joined.plug_into(&self.bridge, number);
        if incoming == Incoming::Refused {
            joined.refuse_incoming();
        }
        joined
    }
}

/// The address of this number; the first is the bridge's.
fn address(number: u8) -> Ipv4Addr {
    let [a, b, c, _] = BRIDGE.octets();
    Ipv4Addr::new(a, b, c, number)
}

fn unique_name(name: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{count}-{name}", std::process::id())
}

/// Deletes the namespaces of processes that are no more.
#[track_caller]
fn delete_abandoned() {
    let listed = Finished::of(Command::new("ip").args(["netns", "list"])).expect_success();
    for name in listed.lines().filter_map(|line| line.split(' ').next()) {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another test may be doing the same.
            let _ = Finished::of(Command::new("ip").args(["netns", "delete", name]));
        }
    }
}
