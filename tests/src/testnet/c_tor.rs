//! C Tor as a client of the network, and as the host of an onion service.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use super::relay::{data_directory, tor};
use super::site::Site;
use crate::{Guarded, Namespace};

/// Far longer than a client takes to learn of so few relays.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What a client logs when its first circuit stands.
const FOUND: &str = "Bootstrapped 100%";

const TRIES_MAX: usize = 3;

/// How programs may steer a C Tor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// Not at all.
    #[default]
    Off,
    /// On a port, for those who can read the cookie file.
    Cookie,
    /// On a port, for everybody.
    Open,
}

/// An onion service that C Tor keeps.
#[derive(Clone, Copy, Debug)]
pub struct OnionService {
    /// Its port on the onion address.
    pub port: u16,
    /// Where its connections go.
    pub target: SocketAddr,
}

/// How a C Tor is set up.
#[derive(Default)]
pub struct CTorOptions<'a> {
    /// Where it runs; beside the test when `None`.
    pub namespace: Option<&'a Namespace>,
    /// Its port for controllers.
    pub control: Control,
    /// Whether it has a Unix socket for controllers too.
    pub has_control_socket: bool,
    /// A service of its own.
    pub service: Option<OnionService>,
    /// Further lines of its `torrc`.
    pub lines: Vec<String>,
}

/// A running C Tor that has found the network; dropping it ends it.
pub struct CTor {
    process: Guarded,
    socks: SocketAddrV4,
    control: SocketAddrV4,
}

impl CTor {
    #[track_caller]
    pub(crate) fn start(network: &str, options: &CTorOptions<'_>) -> Self {
        let local = Ipv4Addr::LOCALHOST;
        let site = match options.namespace {
            Some(namespace) => Site::inside(namespace, local),
            None => Site::local(local),
        };
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::attempt(network, &site, options) {
                Ok(c_tor) => return c_tor,
                // Somebody was faster to take one of its ports.
                Err(reason) if reason.contains("Could not bind") && tries < TRIES_MAX => {}
                Err(reason) => panic!("C Tor does not find the network: {reason}"),
            }
        }
    }

    fn attempt(network: &str, site: &Site, options: &CTorOptions<'_>) -> Result<Self, String> {
        let [socks, control] = site.free_ports();
        let folder = data_directory();
        let path = folder.path().display();

        let mut lines = vec![format!("{network}SocksPort {socks}")];
        match options.control {
            Control::Off => {}
            Control::Cookie => {
                lines.push(format!("ControlPort {control}\nCookieAuthentication 1"));
            }
            Control::Open => lines.push(format!("ControlPort {control}")),
        }
        if options.has_control_socket {
            lines.push(format!("ControlSocket {path}/control"));
        }
        if let Some(OnionService { port, target }) = options.service {
            let service = format!("HiddenServiceDir {path}/service\nHiddenServicePort {port}");
            lines.push(format!("{service} {target}"));
        }
        lines.extend(options.lines.iter().cloned());

        let process = tor(site, folder, &(lines.join("\n") + "\n"));
        process.await_log(FOUND, START_LIMIT)?;
        Ok(Self { process, socks, control })
    }

    /// Its port for SOCKS, in the namespace where it runs.
    pub fn socks(&self) -> SocketAddr {
        self.socks.into()
    }

    /// Its port for controllers, in the namespace where it runs; for those who asked for one.
    pub fn control(&self) -> SocketAddr {
        self.control.into()
    }

    /// The file with the cookie that [`Control::Cookie`] wants to see.
    pub fn cookie(&self) -> PathBuf {
        self.process.path().join("control_auth_cookie")
    }

    /// The Unix socket for controllers.
    pub fn control_socket(&self) -> PathBuf {
        self.process.path().join("control")
    }

    /// The onion address of its service: `….onion`.
    ///
    /// # Panics
    /// When it has no service.
    #[track_caller]
    pub fn onion_address(&self) -> String {
        let name = std::fs::read_to_string(self.process.path().join("service/hostname"));
        name.expect("the address of a service").trim().to_owned()
    }

    /// What it has logged since it was started.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it; [`Self::start_again`] finds the same ports, keys and state.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Starts it again and waits until it has found the network.
    ///
    /// # Panics
    /// With the end of its log, when it does not.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.process.start_again();
        if let Err(reason) = self.process.await_log(FOUND, START_LIMIT) {
            panic!("C Tor does not find the network again: {reason}");
        }
    }
}
