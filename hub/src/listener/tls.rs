//! Connections over TLS: a handshake first, which proves the peer's key where it shows one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use identity::{ProvenKey, PublicKey};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::serve;
use super::door::{Door, Visit};
use super::guest::Entered;
use super::tally::{Counted, Tally};
use crate::access::{LocalDoor, Way};
use crate::app::App;
use crate::config::HttpConfig;

/// How long a handshake may take; over a bad line it takes a few seconds.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Connections that one key may have open: a replication takes a handful.
const KEY_CONNECTIONS_MAX: usize = 64;

/// Connections from one address of another machine.
const ADDRESS_CONNECTIONS_MAX: usize = 128;

/// What the listeners for TLS share.
pub(super) struct TlsDoor {
    acceptor: TlsAcceptor,
    local: Arc<LocalDoor>,
    addresses: Arc<Tally<IpAddr>>,
    keys: Arc<Tally<PublicKey>>,
}

impl fmt::Debug for TlsDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsDoor").finish_non_exhaustive()
    }
}

impl TlsDoor {
    /// The door of listeners on this port.
    pub(super) fn new(server: Arc<ServerConfig>, config: &HttpConfig, port: u16) -> Self {
        Self {
            acceptor: TlsAcceptor::from(server),
            local: Arc::new(LocalDoor::of_tls(config, port)),
            addresses: Tally::new(ADDRESS_CONNECTIONS_MAX),
            keys: Tally::new(KEY_CONNECTIONS_MAX),
        }
    }

    /// Counts a connection from this address, unless there are too many already. All programs of this
    /// machine have one address, so they are not counted by it.
    pub(super) fn one_more_from(&self, address: IpAddr) -> Option<Option<Counted<IpAddr>>> {
        match way_from(address) {
            Way::Local => Some(None),
            Way::Lan => self.addresses.one_more(address).map(Some),
        }
    }

    /// Shakes hands, then serves the connection until it ends.
    pub(super) async fn welcome<H: Send + 'static>(
        self: Arc<Self>,
        app: Arc<App>,
        stream: TcpStream,
        address: SocketAddr,
        entered: Entered,
        held: H,
    ) {
        let Some(stream) = self.shake_hands(&app, stream, &entered).await else { return };
        let key = ProvenKey::of_server_connection(stream.get_ref().1);
        if key.as_ref().is_some_and(|key| app.access.is_blocked(key)) {
            // Whoever is not wanted does not fill the log either.
            tracing::debug!("a blocked key connected; refused");
            return;
        }
        let counted = match key.as_ref().map(|key| self.keys.one_more(key.key())) {
            Some(None) => {
                tracing::debug!("too many connections of one key; refused");
                return;
            }
            counted => counted.flatten(),
        };
        let way = way_from(address.ip());
        let door = Door::Tls(Arc::new(Visit { way, key, local: Arc::clone(&self.local) }));
        serve(app, door, stream, entered, (held, counted)).await;
    }

    async fn shake_hands(
        &self,
        app: &App,
        stream: TcpStream,
        entered: &Entered,
    ) -> Option<TlsStream<TcpStream>> {
        let mut shutdown = app.shutdown.clone();
        let handshake = tokio::time::timeout(HANDSHAKE_MAX, self.acceptor.accept(stream));
        tokio::select! {
            outcome = handshake => match outcome {
                Ok(Ok(stream)) => Some(stream),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a handshake failed");
                    None
                }
                Err(_late) => {
                    tracing::debug!("a handshake took too long");
                    None
                }
            },
            () = entered.sent_away() => None,
            _ = shutdown.wait_for(|&stop| stop) => None,
        }
    }
}

fn way_from(address: IpAddr) -> Way {
    if address.to_canonical().is_loopback() { Way::Local } else { Way::Lan }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_from_this_machine() {
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(way_from(local.parse().unwrap()), Way::Local, "{local}");
        }
        for other in ["192.168.1.7", "0.0.0.0", "::", "fe80::1", "::ffff:10.0.0.1"] {
            assert_eq!(way_from(other.parse().unwrap()), Way::Lan, "{other}");
        }
    }
}
