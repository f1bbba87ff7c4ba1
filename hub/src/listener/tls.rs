//! Connections over TLS: a handshake first, which proves the peer's key where it shows one.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use identity::{ProvenKey, PublicKey};
use onion::Service;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::serve;
use super::door::{Door, Visit};
use super::guest::Entered;
use super::multiplexed;
use super::tally::{Counted, Tally};
use crate::access::{LocalDoor, Way};
use crate::app::App;
use crate::config::HttpConfig;
use crate::pairing;

/// How long a handshake may take; over a bad line it takes a few seconds.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// The same through Tor, where each round trip takes a second or more.
const ONION_HANDSHAKE_MAX: Duration = Duration::from_secs(30);

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
            Way::Lan | Way::Onion(_) => self.addresses.one_more(address).map(Some),
        }
    }

    /// Shakes hands, then serves the connection until it ends.
    pub(super) async fn welcome<S, H>(
        self: Arc<Self>,
        app: Arc<App>,
        stream: S,
        way: Way,
        entered: Entered,
        held: H,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        H: Send + 'static,
    {
        let Some(stream) = self.shake_hands(&app, stream, way, &entered).await else { return };
        entered.has_shaken_hands();
        let key = ProvenKey::of_server_connection(stream.get_ref().1);
        if let Err(reason) = admit(&app, way, key.as_ref()) {
            // Whoever is not wanted does not fill the log either.
            tracing::debug!(reason, "a connection is refused");
            return;
        }
        let counted = match key.as_ref().map(|key| self.keys.one_more(key.key())) {
            Some(None) => {
                tracing::debug!("too many connections of one key; refused");
                return;
            }
            counted => counted.flatten(),
        };
        let multiplexed = stream.get_ref().1.alpn_protocol() == Some(identity::tls::HTTP_2);
        let known = key.as_ref().map(ProvenKey::key);
        let door = Door::Tls(Arc::new(Visit { way, key, local: Arc::clone(&self.local) }));
        let blocked = until_blocked(Arc::clone(&app), known);
        let serving = async {
            match multiplexed {
                true => multiplexed::serve(app, door, stream, entered, (held, counted)).await,
                false => serve(app, door, stream, entered, (held, counted)).await,
            }
        };
        tokio::select! {
            () = serving => {}
            () = blocked => tracing::debug!("a connection ends: its key is refused from now on"),
        }
    }

    async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        app: &App,
        stream: S,
        way: Way,
        entered: &Entered,
    ) -> Option<TlsStream<S>> {
        let mut shutdown = app.shutdown.clone();
        let limit = match way {
            Way::Local | Way::Lan => HANDSHAKE_MAX,
            Way::Onion(_) => ONION_HANDSHAKE_MAX,
        };
        let handshake = tokio::time::timeout(limit, self.acceptor.accept(stream));
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

/// Whether whoever has shaken hands may ask for anything at all.
fn admit(app: &App, way: Way, key: Option<&ProvenKey>) -> Result<(), &'static str> {
    if let Some(key) = key.filter(|key| app.access.is_blocked(key)) {
        // A device that was removed may hear so, and nothing else.
        if is_told(app, way, key.key()) {
            return Ok(());
        }
        // Whoever was removed may come to a window that is open, and nowhere else.
        if !pairing::may_return(app, key.key()) {
            return Err("a blocked key");
        }
    }
    // A descriptor keeps strangers from finding the service; who has found it nevertheless, or has
    // been forgotten since, is none the wiser. Whoever may have come by a link is heard at its window.
    match key.map(ProvenKey::key) {
        key if !is_closed_to(app, way, key) => Ok(()),
        Some(key) if pairing::may_come(app, key) => Ok(()),
        _ => Err("nobody whom the hub knows, while its discovery is restricted"),
    }
}

/// Whether this way is for those alone whom the hub knows, and this is none of them.
pub(super) fn is_closed_to(app: &App, way: Way, key: Option<PublicKey>) -> bool {
    way == Way::Onion(Service::Main)
        && app.onion.is_restricted()
        && !key.is_some_and(|key| app.access.policies().now().knows(key))
}

/// Whether whoever has this key is told why it is refused: a device that is, or was, the owner's.
fn is_told(app: &App, way: Way, key: PublicKey) -> bool {
    let devices = app.access.policies().devices();
    devices.listing(key).is_some() && way != Way::Onion(Service::Strangers)
}

/// Ends when this key is blocked that was not, or not any more, or when a friend's device is none any more.
async fn until_blocked(app: Arc<App>, key: Option<PublicKey>) {
    let Some(key) = key else { return std::future::pending().await };
    let mut changes = app.access.policies().changes();
    let person = app.access.policies().person(key);
    let is_theirs = || person == key || app.access.policies().person(key) == person;
    // Who comes blocked, and is heard nevertheless, may be let in by what it says.
    for blocked in [true, false] {
        while app.access.policies().is_blocked(key) == blocked && is_theirs() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Where a connection over TCP comes from.
pub(super) fn way_from(address: IpAddr) -> Way {
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
