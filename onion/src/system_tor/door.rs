//! Where a Tor brings the streams that somebody has opened to an onion service.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::way::Event;
use crate::{OnionStream, Service, Settings, self_dial};

/// Waits after a stream could not be taken in, for want of file handles for instance.
const PAUSE: Duration = Duration::from_millis(100);

/// Incoming streams that can be counted.
const OPEN_MAX: usize = u16::MAX as usize;

/// One listener of its own for each port of each service, so that it is known what a stream is for.
///
/// Any program of this machine may connect to them. They stand for the onion service and nothing else:
/// whatever comes in counts as a stream from somebody unknown at the other end of a circuit, never as
/// one from this machine.
#[derive(Debug)]
pub(super) struct Doors {
    targets: Vec<Target>,
    /// The streams that may still be opened.
    free: Arc<Semaphore>,
    open_max: u32,
    listening: JoinSet<()>,
}

/// Where a port of a service leads.
#[derive(Clone, Copy, Debug)]
struct Target {
    service: Service,
    port: u16,
    address: SocketAddr,
}

impl Doors {
    /// Opens all of them. They close when this is dropped.
    pub(super) async fn open(
        settings: &Settings,
        events: &mpsc::Sender<Event>,
    ) -> io::Result<Self> {
        let open_max = settings.streams_max.clamp(1, OPEN_MAX);
        let free = Arc::new(Semaphore::new(open_max));
        let mut doors = Self {
            targets: Vec::new(),
            free,
            open_max: u32::try_from(open_max).unwrap_or(u32::MAX),
            listening: JoinSet::new(),
        };
        for port in [settings.port, self_dial::PORT] {
            doors.add(Service::Main, port, events).await?;
        }
        if settings.strangers.is_some() {
            doors.add(Service::Strangers, settings.port, events).await?;
        }
        Ok(doors)
    }

    async fn add(
        &mut self,
        service: Service,
        port: u16,
        events: &mpsc::Sender<Event>,
    ) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let target = Target { service, port, address: listener.local_addr()? };
        self.targets.push(target);
        // Whoever fills the hub with streams shall not keep it from reaching itself; those that come to
        // that port are few and short anyway.
        let free = (port != self_dial::PORT).then(|| Arc::clone(&self.free));
        self.listening.spawn(listen(listener, target, free, events.clone()));
        Ok(())
    }

    /// The ports of a service, and where each leads.
    pub(super) fn of(&self, service: Service) -> impl Iterator<Item = (u16, SocketAddr)> {
        let targets = self.targets.iter().filter(move |target| target.service == service);
        targets.map(|target| (target.port, target.address))
    }

    /// Lets nobody in any more.
    pub(super) fn close(&mut self) {
        self.listening.abort_all();
    }

    /// Waits until all streams that came in have ended.
    pub(super) async fn empty(&self) {
        // It is never closed, so that this waits for every permit.
        let _all = self.free.acquire_many(self.open_max).await;
    }
}

async fn listen(
    listener: TcpListener,
    target: Target,
    free: Option<Arc<Semaphore>>,
    events: mpsc::Sender<Event>,
) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a stream could not be taken in");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Some(stream) = take_in(stream, free.as_ref()) else { continue };
        let Target { service, port, .. } = target;
        if events.send(Event::Incoming { stream, service, port }).await.is_err() {
            return;
        }
    }
}

/// `None` where there are too many already: what is closed at once is refused to the other end.
fn take_in(stream: TcpStream, free: Option<&Arc<Semaphore>>) -> Option<OnionStream> {
    // Without it, small messages wait for each other; the stream works all the same.
    let _slower = stream.set_nodelay(true);
    let stream = OnionStream::from(stream);
    let Some(free) = free else { return Some(stream) };
    match Arc::clone(free).try_acquire_owned() {
        Ok(permit) => Some(stream.counted_by(permit)),
        Err(_none) => {
            tracing::debug!("too many streams are open; one is refused");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::time::timeout;

    use super::super::tests::settings;
    use super::*;

    #[tokio::test]
    async fn streams_come_in_where_they_were_sent() {
        let settings = Settings { streams_max: 1, ..settings() };
        let (events, mut incoming) = mpsc::channel(8);
        let mut doors = Doors::open(&settings, &events).await.unwrap();
        assert_eq!(doors.of(Service::Strangers).count(), 1);
        let ports: Vec<_> = doors.of(Service::Main).collect();
        assert_eq!(ports.len(), 2);
        for (expected, address) in ports {
            let _caller = TcpStream::connect(address).await.unwrap();
            let Some(Event::Incoming { service, port, .. }) = incoming.recv().await else {
                panic!()
            };
            assert_eq!((service, port), (Service::Main, expected));
        }
        doors.close();
    }

    #[tokio::test]
    async fn streams_past_the_bound_are_refused_and_waited_for() {
        let settings = Settings { streams_max: 1, ..settings() };
        let (events, mut incoming) = mpsc::channel(8);
        let doors = Doors::open(&settings, &events).await.unwrap();
        let (_, address) = doors.of(Service::Main).next().unwrap();
        let _one = TcpStream::connect(address).await.unwrap();
        let Some(Event::Incoming { stream, .. }) = incoming.recv().await else { panic!() };
        let mut two = TcpStream::connect(address).await.unwrap();
        assert_eq!(two.read(&mut [0]).await.unwrap_or(0), 0);
        let soon = Duration::from_millis(50);
        assert!(timeout(soon, doors.empty()).await.is_err());
        drop(stream);
        doors.empty().await;
    }
}
