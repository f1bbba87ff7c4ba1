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
}

impl Site {
    pub(crate) fn local(address: Ipv4Addr) -> Self {
        Self { address, namespace: None }
    }

    pub(crate) fn inside(namespace: &Namespace, address: Ipv4Addr) -> Self {
        Self { address, namespace: Some(namespace.name().to_owned()) }
    }

    /// A command that runs there.
    pub(crate) fn command(&self, program: &str) -> Command {
        match &self.namespace {
            None => Command::new(program),
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name, program]);
                command
            }
        }
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
