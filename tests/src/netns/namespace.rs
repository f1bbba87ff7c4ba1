//! One network namespace.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Capture;
use crate::Finished;

/// What behind a home router stays: answers to what went out.
const ONLY_OUTGOING: &str = "\
table inet larder {
    chain input {
        type filter hook input priority filter; policy drop;
        iifname \"lo\" accept
        ct state established,related accept
    }
}
";

/// Whether others may open connections into a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// They may.
    Accepted,
    /// As behind a home router: what nobody inside asked for is dropped without a word.
    Refused,
}

/// A namespace with a loopback device, and `eth0` when it was joined to a bridge; dropping it deletes it.
///
/// Programs that still run in it keep it, nameless, until they end.
pub struct Namespace {
    name: String,
    address: Ipv4Addr,
}

impl Namespace {
    #[track_caller]
    pub(super) fn create(name: &str, address: Ipv4Addr) -> Self {
        Finished::of(Command::new("ip").args(["netns", "add", name])).expect_success();
        let namespace = Self { name: name.to_owned(), address };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// Its name, for `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address that others reach it at.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A command that runs in it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(&self.words()[1..]).arg(program);
        command
    }

    /// The words before a command that make it run here.
    pub(crate) fn words(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// Does something on a thread inside; sockets made there stay there.
    ///
    /// # Panics
    /// When the namespace cannot be entered, or what is done panics.
    #[track_caller]
    pub fn inside<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        inside(&self.name, body)
    }

    /// Begins to capture every packet on all its devices.
    ///
    /// # Panics
    /// When `tcpdump` does not start.
    #[track_caller]
    pub fn capture(&self) -> Capture {
        Capture::start(self)
    }

    /// Runs `ip ARGUMENTS` on its devices.
    #[track_caller]
    pub(super) fn ip(&self, arguments: &[&str]) {
        let mut ip = Command::new("ip");
        Finished::of(ip.args(["-netns", &self.name]).args(arguments)).expect_success();
    }

    /// Lays a cable to the bridge, and sends everything there.
    #[track_caller]
    pub(super) fn plug_into(&self, bridge: &Self, number: u8) {
        let (port, own) = (format!("port{number}"), format!("{}/24", self.address));
        // Made where its ends belong, so that nothing is ever seen outside of the two.
        bridge.ip(&["link", "add", &port, "type", "veth", "peer", "eth0", "netns", &self.name]);
        bridge.ip(&["link", "set", &port, "addrgenmode", "none"]);
        bridge.ip(&["link", "set", &port, "master", "bridge0", "up"]);
        self.ip(&["link", "set", "eth0", "addrgenmode", "none"]);
        self.silence("eth0");
        // A second address stays when the first one goes.
        let promote = "/proc/sys/net/ipv4/conf/eth0/promote_secondaries";
        self.inside(|| std::fs::write(promote, "1")).expect("addresses that stay");
        self.ip(&["address", "add", &own, "dev", "eth0"]);
        self.ip(&["link", "set", "eth0", "up"]);
        self.send_everything_to(bridge.address);
    }

    /// Pulls the cable out, or plugs it in again.
    #[track_caller]
    pub fn set_cable(&self, plugged: bool) {
        self.ip(&["link", "set", "eth0", if plugged { "up" } else { "down" }]);
        if plugged {
            // The way went with the cable.
            self.send_everything_to(super::BRIDGE);
        }
    }

    /// Gives its end of the cable one more address, `10.77.0.9/24` for instance, or takes one away.
    #[track_caller]
    pub fn set_address(&self, address: &str, there: bool) {
        self.ip(&["address", if there { "add" } else { "delete" }, address, "dev", "eth0"]);
        // The way went with the first address, where there is no other of its network.
        self.send_everything_to(super::BRIDGE);
    }

    #[track_caller]
    fn send_everything_to(&self, gateway: Ipv4Addr) {
        self.ip(&["route", "replace", "default", "via", &gateway.to_string()]);
    }

    /// Keeps the kernel from speaking to its neighbours by itself, which captures would show.
    #[track_caller]
    pub(super) fn silence(&self, device: &str) {
        let setting = format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6");
        self.inside(|| std::fs::write(&setting, "1")).expect("a quiet kernel");
    }

    #[track_caller]
    pub(super) fn refuse_incoming(&self) {
        let mut nft = self.command("nft");
        let nft = nft.args(["-f", "-"]).stdin(Stdio::piped()).spawn();
        let mut nft = nft.expect("nft");
        let rules = nft.stdin.take().expect("a pipe").write_all(ONLY_OUTGOING.as_bytes());
        rules.expect("rules for nft");
        assert!(nft.wait().is_ok_and(|status| status.success()), "nft took no rules");
    }
}

/// Does something on a thread inside the namespace of this name.
#[track_caller]
pub(crate) fn inside<T: Send>(name: &str, body: impl FnOnce() -> T + Send) -> T {
    let namespace = File::open(Path::new("/run/netns").join(name)).expect("a namespace");
    let enter = || {
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(namespace.as_fd(), network).expect("a way in");
        body()
    };
    let done = std::thread::scope(|scope| scope.spawn(enter).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}
