//! Whether this device is on a network, and whether its addresses and routes change.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

pub use imp::Network;

/// Whether no way leads off this device. Nothing is sent.
pub(crate) fn is_offline() -> bool {
    // Addresses that documents use and nobody has (RFC 5737, RFC 3849): only the way there is looked for.
    let places = [
        (Ipv4Addr::UNSPECIFIED.into(), SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9))),
        (
            Ipv6Addr::UNSPECIFIED.into(),
            SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9)),
        ),
    ];
    let leads = |(own, place): (std::net::IpAddr, SocketAddr)| {
        UdpSocket::bind((own, 0)).is_ok_and(|socket| socket.connect(place).is_ok())
    };
    !places.into_iter().any(leads)
}

#[cfg(target_os = "linux")]
mod imp {
    use std::io;
    use std::os::unix::net::UnixDatagram as StdDatagram;

    use rustix::net::netlink::SocketAddrNetlink;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
    use tokio::net::UnixDatagram;

    /// Links, addresses and routes of both families.
    ///
    /// Source: `RTMGRP_*` in Linux's `rtnetlink.h`.
    const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

    /// What the kernel says of it. Where it says nothing, nothing ever changes.
    #[derive(Debug)]
    pub struct Network(Option<UnixDatagram>);

    impl Network {
        /// Notices what changes from now on.
        pub fn watch() -> Self {
            let listening = listen().inspect_err(|error| {
                tracing::debug!(%error, "changes of the network are not noticed at once");
            });
            Self(listening.ok())
        }

        /// Waits for a change, which stays one until it is forgotten.
        pub async fn changed(&mut self) {
            match &self.0 {
                Some(socket) if socket.readable().await.is_ok() => {}
                _ => std::future::pending().await,
            }
        }

        /// Forgets what has changed so far.
        pub fn forget(&mut self) {
            let Some(socket) = &self.0 else { return };
            // What the messages say is not looked at; too many of them at once are an error, and a
            // change all the same.
            let mut message = [0; 8192];
            while !matches!(socket.try_recv(&mut message), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            {
            }
        }
    }

    fn listen() -> io::Result<UnixDatagram> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // The protocol of routes is the one whose number is 0.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        // Tokio reads from every datagram socket in the same way.
        UnixDatagram::from_std(StdDatagram::from(socket))
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    /// Changes are not noticed here; the hub's own checks find out later.
    #[derive(Debug)]
    pub struct Network;

    impl Network {
        /// Notices nothing.
        pub fn watch() -> Self {
            Self
        }

        /// Waits for ever.
        pub async fn changed(&mut self) {
            std::future::pending().await
        }

        /// Does nothing.
        pub fn forget(&mut self) {}
    }
}
