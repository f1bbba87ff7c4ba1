//! Where a private Tor network, or a part of it, is.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::process::Command;

use crate::Namespace;

/// An address, and the network namespace that has it when it is not our own.
///
/// Of version 4: with another one alone, `tor` has no directory authority.
pub(crate) struct Site {
    pub(crate) address: Ipv4Addr,
    pub(crate) namespace: Option<String>,
    /// By how many seconds its clock is ahead of ours.
    pub(crate) ahead: i64,
}

/// What makes a program see another time, where Debian's `faketime` has it for every architecture.
const FAKETIME: &str = "LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1";

impl Site {
    pub(crate) fn local(address: Ipv4Addr) -> Self {
        Self { address, namespace: None, ahead: 0 }
    }

    pub(crate) fn inside(namespace: &Namespace, address: Ipv4Addr) -> Self {
        Self { address, namespace: Some(namespace.name().to_owned()), ahead: 0 }
    }

    /// A command that runs there.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut words: Vec<String> = Vec::new();
        if let Some(name) = &self.namespace {
            words.extend(["ip", "netns", "exec", name].map(str::to_owned));
        }
        if self.ahead != 0 {
            // Not by the program `faketime`, which would stand between this one and its guardian.
            let ahead = format!("FAKETIME={:+}s", self.ahead);
            words.extend(["env".to_owned(), FAKETIME.to_owned(), ahead]);
        }
        words.push(program.to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }

    /// That many free ports. Somebody may be faster to take one, so starting may have to be tried again.
    ///
    /// # Panics
    /// When there are none.
    #[track_caller]
    pub(crate) fn free_ports<const N: usize>(&self) -> [SocketAddrV4; N] {
        // A namespace has ports of its own, and what is free here is as likely to be free there.
        let probed = if self.namespace.is_some() { Ipv4Addr::LOCALHOST } else { self.address };
        let listeners = [(); N].map(|()| TcpListener::bind((probed, 0)).expect("a free port"));
        let ports = listeners.each_ref().map(TcpListener::local_addr);
        ports.map(|port| SocketAddrV4::new(self.address, port.expect("an address").port()))
    }
}
