//! Listeners and their connections: who may connect, how long, and how many.

mod connection;
mod door;
mod guest;
mod request_line;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::App;
use crate::config::HttpConfig;
use connection::serve;
use door::Door;
use guest::Guests;

/// Connections open on the control socket, which has its own so that the owner always gets in.
const CONTROL_CONNECTIONS_MAX: usize = 64;

/// How long one that was sent away may take to leave before the next one is asked.
const LEAVE_MAX: Duration = Duration::from_millis(50);

/// How long to wait when the system has no more file handles to accept with.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The sockets of a hub.
#[derive(Debug)]
pub(crate) struct Listeners {
    local: Vec<TcpListener>,
    local_door: Door,
    control: UnixListener,
}

/// A port could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// Another program has it.
    #[error("port {0} is in use (by another hub or CouchDB?); use --http 127.0.0.1:0")]
    InUse(u16),
    /// The system refused.
    #[error("could not listen on {address}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// The reason.
        #[source]
        source: io::Error,
    },
}

impl Listeners {
    /// Binds what the configuration names, beside the control socket.
    pub(crate) async fn bind(
        config: &HttpConfig,
        control: std::os::unix::net::UnixListener,
    ) -> Result<Self, BindError> {
        let wanted = config.address.first();
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(wanted.port()),
            _ => BindError::Io { address: wanted, source },
        };
        let first = TcpListener::bind(wanted).await.map_err(failed)?;
        let bound = first.local_addr().map_err(failed)?;
        let mut local = vec![first];
        if let Some(second) = config.address.second(bound.port()) {
            match TcpListener::bind(second).await {
                Ok(second) => local.push(second),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    tracing::warn!(address = %second, "another program listens here; use 127.0.0.1");
                }
                Err(_no_ipv6) => {}
            }
        }
        let local_door = Door::local(config, bound.port());
        let control = UnixListener::from_std(control).map_err(failed)?;
        Ok(Self { local, local_door, control })
    }

    /// Where programs reach the hub, the best first.
    pub(crate) fn urls(&self) -> Vec<String> {
        let addresses = self.local.iter().filter_map(|listener| listener.local_addr().ok());
        addresses.map(|address| format!("http://{address}/")).collect()
    }
}

/// All connections of a hub.
#[derive(Debug)]
pub(crate) struct Connections {
    local: Arc<Semaphore>,
    local_max: u32,
    guests: Arc<Guests>,
    control: Arc<Semaphore>,
}

impl Connections {
    /// At most so many at a time; for the next one the one that has waited longest for a request
    /// has to leave.
    pub(crate) fn new(connections_max: usize) -> Self {
        let local_max = u32::try_from(connections_max.clamp(1, Semaphore::MAX_PERMITS / 2));
        let local_max = local_max.unwrap_or(u32::MAX);
        Self {
            local: Arc::new(Semaphore::new(local_max as usize)),
            local_max,
            guests: Arc::default(),
            control: Arc::new(Semaphore::new(CONTROL_CONNECTIONS_MAX)),
        }
    }

    /// Accepts and serves until the hub is told to stop.
    pub(crate) async fn accept(&self, app: &Arc<App>, listeners: Listeners) {
        let Listeners { local, local_door, control } = listeners;
        let mut loops = tokio::task::JoinSet::new();
        for listener in local {
            let socket = Socket::Tcp(listener);
            let room = Room { permits: Arc::clone(&self.local), guests: Arc::clone(&self.guests) };
            loops.spawn(accept(Arc::clone(app), socket, local_door.clone(), room));
        }
        let room = Room { permits: Arc::clone(&self.control), guests: Arc::default() };
        let socket = Socket::Unix(control);
        loops.spawn(accept(Arc::clone(app), socket, Door::Control, room));
        while loops.join_next().await.is_some() {}
    }

    /// Waits until every connection has ended, at most so long; whether they have.
    pub(crate) async fn drain(&self, grace: Duration) -> bool {
        let local = self.local.acquire_many(self.local_max);
        let control = self.control.acquire_many(CONTROL_CONNECTIONS_MAX as u32);
        let all = async { tokio::join!(local, control) };
        tokio::time::timeout(grace, all).await.is_ok()
    }
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Small answers leave at once. A stream that refuses is as good as any other.
                let _refused = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
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

async fn accept(app: Arc<App>, socket: Socket, door: Door, room: Room) {
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
            Some((permit, Ok(Stream::Tcp(stream)))) => begin(&app, &door, &room, permit, stream),
            Some((permit, Ok(Stream::Unix(stream)))) if is_ours(&stream) => {
                begin(&app, &door, &room, permit, stream);
            }
            Some((_, Ok(Stream::Unix(_)))) => {
                tracing::warn!("another user tried the control socket; refused");
            }
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
fn begin<S>(app: &Arc<App>, door: &Door, room: &Room, permit: OwnedSemaphorePermit, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let entered = room.guests.enter();
    tokio::spawn(serve(Arc::clone(app), door.clone(), stream, entered, permit));
}

/// Whether the program at the other end runs as our own user, or as root, who can be any.
fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}
