//! Listeners and their connections: who may connect, how long, and how many.

mod connection;
mod door;
mod guest;
mod multiplexed;
mod request_line;
mod stream;
pub(crate) mod tally;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Way;
use crate::app::App;
use crate::config::{Config, TlsAddress};
use crate::onion::{Metered, Onion};
use connection::serve;
use door::Door;
use guest::Guests;
use onion::{OnionStream, Service};
use tls::{TlsDoor, way_from};

/// Connections open on the control socket, which has its own so that the owner always gets in.
const CONTROL_CONNECTIONS_MAX: usize = 64;

/// Connections for programs without keys, for each one for keys.
const TLS_SHARE: u32 = 4;

/// How long one that was sent away may take to leave before the next one is asked.
const LEAVE_MAX: Duration = Duration::from_millis(50);

/// How long to wait when the system has no more file handles to accept with.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The sockets of a hub.
#[derive(Debug)]
pub(crate) struct Listeners {
    local: Vec<TcpListener>,
    local_door: Door,
    tls: Vec<TcpListener>,
    tls_door: Arc<TlsDoor>,
    control: UnixListener,
}

/// A port could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// Another program has it.
    #[error("port {port} is in use (by another hub or CouchDB?); use {flag} 127.0.0.1:0")]
    InUse {
        /// The port.
        port: u16,
        /// What chooses another one.
        flag: &'static str,
    },
    /// The system refused.
    #[error("could not listen on {address}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The device key makes no certificate.
    #[error("could not listen for TLS")]
    Tls(#[from] identity::tls::ConfigError),
}

impl Listeners {
    /// Binds what the configuration names, beside the control socket.
    pub(crate) async fn bind(
        config: &Config,
        app: &App,
        control: std::os::unix::net::UnixListener,
    ) -> Result<Self, BindError> {
        let address = config.http.address;
        let local = bind(address.first(), |port| address.second(port), "--http").await?;
        let local_door = Door::local(&config.http, port_of(&local));
        let tls = bind_tls(config.tls.address).await?;
        let server = identity::tls::server_config(&app.device)?;
        let tls_door = Arc::new(TlsDoor::new(server, &config.http, port_of(&tls)));
        let first = address.first();
        let failed = |source| BindError::Io { address: first, source };
        let control = UnixListener::from_std(control).map_err(failed)?;
        Ok(Self { local, local_door, tls, tls_door, control })
    }

    /// Where programs reach the hub, the best first: plain HTTP, then TLS.
    pub(crate) fn urls(&self) -> Vec<String> {
        let urls = |listeners: &[TcpListener], scheme| {
            let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok());
            addresses.map(|address| format!("{scheme}://{address}/")).collect::<Vec<_>>()
        };
        let mut all = urls(&self.local, "http");
        all.extend(urls(&self.tls, "https"));
        all
    }
}

/// Binds an address, and beside it one that is had where that is possible.
async fn bind(
    wanted: SocketAddr,
    second: impl FnOnce(u16) -> Option<SocketAddr>,
    flag: &'static str,
) -> Result<Vec<TcpListener>, BindError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { port: wanted.port(), flag },
        _ => BindError::Io { address: wanted, source },
    };
    let first = TcpListener::bind(wanted).await.map_err(failed)?;
    let port = first.local_addr().map_err(failed)?.port();
    let mut listeners = vec![first];
    if let Some(second) = second(port) {
        match TcpListener::bind(second).await {
            Ok(second) => listeners.push(second),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                tracing::warn!(address = %second, "another program listens here; use 127.0.0.1");
            }
            Err(_no_ipv6) => {}
        }
    }
    Ok(listeners)
}

/// Nobody who has not chosen a port has to care that another program has it: those who look for the
/// hub find it by its discovery file, and know it by its key.
async fn bind_tls(address: TlsAddress) -> Result<Vec<TcpListener>, BindError> {
    let Some(wanted) = address.first() else { return Ok(Vec::new()) };
    match bind(wanted, |port| address.second(port), "--tls").await {
        Err(BindError::InUse { port, .. }) if address == TlsAddress::Unset => {
            tracing::warn!(port, "another program has this port; TLS is on a free one");
            let any = SocketAddr::new(wanted.ip(), 0);
            bind(any, |port| address.second(port), "--tls").await
        }
        bound => bound,
    }
}

fn port_of(listeners: &[TcpListener]) -> u16 {
    let address = listeners.first().and_then(|listener| listener.local_addr().ok());
    address.map_or(0, |address| address.port())
}

/// All connections of a hub.
#[derive(Debug)]
pub(crate) struct Connections {
    local: Arc<Semaphore>,
    guests: Arc<Guests>,
    local_max: u32,
    /// Keys have room of their own, so that strangers never fill that of local programs.
    tls: Arc<Semaphore>,
    tls_guests: Arc<Guests>,
    tls_max: u32,
    /// So do streams through Tor, whose other ends nobody can tell apart.
    onion: Arc<Semaphore>,
    onion_guests: Arc<Guests>,
    onion_max: u32,
    control: Arc<Semaphore>,
}

impl Connections {
    /// At most so many at a time, a quarter as many over TLS, and so many streams through Tor; for the
    /// next one the one that has waited longest for a request has to leave, before it those that have
    /// not even shaken hands.
    pub(crate) fn new(connections_max: usize, streams_max: usize) -> Self {
        let permits = |max: usize| {
            u32::try_from(max.clamp(1, Semaphore::MAX_PERMITS / 2)).unwrap_or(u32::MAX)
        };
        let (local_max, onion_max) = (permits(connections_max), permits(streams_max));
        let tls_max = (local_max / TLS_SHARE).max(1);
        Self {
            local: Arc::new(Semaphore::new(local_max as usize)),
            guests: Arc::default(),
            local_max,
            tls: Arc::new(Semaphore::new(tls_max as usize)),
            tls_guests: Arc::default(),
            tls_max,
            onion: Arc::new(Semaphore::new(onion_max as usize)),
            onion_guests: Arc::default(),
            onion_max,
            control: Arc::new(Semaphore::new(CONTROL_CONNECTIONS_MAX)),
        }
    }

    /// Accepts and serves until the hub is told to stop.
    pub(crate) async fn accept(&self, app: &Arc<App>, listeners: Listeners) {
        let Listeners { local, local_door, tls, tls_door, control } = listeners;
        let mut loops = tokio::task::JoinSet::new();
        for listener in local {
            let socket = Socket::Local(listener, local_door.clone());
            let room = Room { permits: Arc::clone(&self.local), guests: Arc::clone(&self.guests) };
            loops.spawn(accept(Arc::clone(app), socket, room));
        }
        for listener in tls {
            let socket = Socket::Tls(listener, Arc::clone(&tls_door));
            let guests = Arc::clone(&self.tls_guests);
            let room = Room { permits: Arc::clone(&self.tls), guests };
            loops.spawn(accept(Arc::clone(app), socket, room));
        }
        let guests = Arc::clone(&self.onion_guests);
        let room = Room { permits: Arc::clone(&self.onion), guests };
        loops.spawn(accept(Arc::clone(app), Socket::Onion(Arc::clone(&app.onion), tls_door), room));
        let room = Room { permits: Arc::clone(&self.control), guests: Arc::default() };
        loops.spawn(accept(Arc::clone(app), Socket::Control(control), room));
        while loops.join_next().await.is_some() {}
    }

    /// Waits until every connection has ended, at most so long; whether they have.
    pub(crate) async fn drain(&self, grace: Duration) -> bool {
        let local = self.local.acquire_many(self.local_max);
        let tls = self.tls.acquire_many(self.tls_max);
        let onion = self.onion.acquire_many(self.onion_max);
        let control = self.control.acquire_many(CONTROL_CONNECTIONS_MAX as u32);
        let all = async { tokio::join!(local, tls, onion, control) };
        tokio::time::timeout(grace, all).await.is_ok()
    }
}

enum Socket {
    Local(TcpListener, Door),
    Tls(TcpListener, Arc<TlsDoor>),
    Onion(Arc<Onion>, Arc<TlsDoor>),
    Control(UnixListener),
}

/// A connection, and the way it came in.
enum Stream {
    Local(TcpStream, Door),
    Tls(TcpStream, SocketAddr, Arc<TlsDoor>),
    Onion(Metered<OnionStream>, Service, Arc<TlsDoor>),
    Control(UnixStream),
}

impl Socket {
    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Local(listener, door) => {
                let (stream, _) = accept_tcp(listener).await?;
                Ok(Stream::Local(stream, door.clone()))
            }
            Self::Tls(listener, door) => {
                let (stream, address) = accept_tcp(listener).await?;
                Ok(Stream::Tls(stream, address, Arc::clone(door)))
            }
            Self::Onion(onion, door) => {
                let (stream, service) = onion.accept().await;
                Ok(Stream::Onion(stream, service, Arc::clone(door)))
            }
            Self::Control(listener) => Ok(Stream::Control(listener.accept().await?.0)),
        }
    }
}

async fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, address) = listener.accept().await?;
    // Small answers leave at once. A stream that refuses is as good as any other.
    let _refused = stream.set_nodelay(true);
    Ok((stream, address))
}

/// How many more connections there may be.
struct Room {
    permits: Arc<Semaphore>,
    guests: Arc<Guests>,
}

impl Room {
    /// Makes room for one more. Where all are being answered, it waits.
    async fn one_more(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
                return Some(permit);
            }
            let sent = self.guests.send_longest_waiting_away();
            let next = async {
                match sent {
                    true => tokio::time::sleep(LEAVE_MAX).await,
                    false => self.guests.one_waits().await,
                }
            };
            tokio::select! {
                permit = Arc::clone(&self.permits).acquire_owned() => return permit.ok(),
                () = next => {}
            }
        }
    }
}

async fn accept(app: Arc<App>, socket: Socket, room: Room) {
    let mut shutdown = app.shutdown.clone();
    let mut refused = false;
    // Accepted first: nobody has to leave before somebody is there.
    let next = async || {
        let accepted = socket.accept().await;
        Some((room.one_more().await?, accepted))
    };
    loop {
        let accepted = tokio::select! {
            accepted = next() => accepted,
            _ = shutdown.wait_for(|&stop| stop) => return,
        };
        // Said once, not ten times a second.
        let failed = matches!(accepted, Some((_, Err(_))));
        let told = std::mem::replace(&mut refused, failed);
        match accepted {
            None => return,
            Some((permit, Ok(stream))) => begin(&app, &room, permit, stream),
            Some((_, Err(error))) => {
                if !told {
                    tracing::warn!(%error, "cannot accept connections; they wait");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves a connection beside all others.
fn begin(app: &Arc<App>, room: &Room, permit: OwnedSemaphorePermit, stream: Stream) {
    let app = Arc::clone(app);
    match stream {
        Stream::Local(stream, door) => {
            tokio::spawn(serve(app, door, stream, room.guests.enter(), permit));
        }
        Stream::Tls(stream, address, door) => match door.one_more_from(address.ip()) {
            Some(counted) => {
                let (entered, way) = (room.guests.enter_shaking(), way_from(address.ip()));
                tokio::spawn(door.welcome(app, stream, way, entered, (permit, counted)));
            }
            None => tracing::debug!("too many connections from one address; refused"),
        },
        Stream::Onion(stream, service, door) => {
            let (entered, way) = (room.guests.enter_shaking(), Way::Onion(service));
            tokio::spawn(door.welcome(app, stream, way, entered, permit));
        }
        Stream::Control(stream) if is_ours(&stream) => {
            tokio::spawn(serve(app, Door::Control, stream, room.guests.enter(), permit));
        }
        Stream::Control(_) => tracing::warn!("another user tried the control socket; refused"),
    }
}

/// Whether the program at the other end runs as our own user, or as root, who can be any.
fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}
