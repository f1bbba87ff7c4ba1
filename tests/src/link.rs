//! A slow line between two programs of this machine: TCP passed on late, and not faster than the line is.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes read at a time.
const PIECE_BYTES: usize = 4096;

/// Pieces on their way in one direction at a time: what a sender may have unacknowledged.
const PIECES_MAX: usize = 64;

/// What a line is like, in each direction.
#[derive(Clone, Copy, Debug)]
pub struct LinkOptions {
    /// From one end to the other: half a round trip.
    pub delay: Duration,
    /// What all connections together may carry; `None` for as much as comes.
    pub bytes_per_second: Option<u64>,
}

/// A port that leads to another one, over a line. Dropping it cuts every connection.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    line: Arc<Line>,
}

#[derive(Debug)]
struct Line {
    options: Mutex<LinkOptions>,
    to: SocketAddr,
    is_cut: AtomicBool,
    connections: AtomicU64,
    there: Direction,
    back: Direction,
    open: Mutex<Vec<TcpStream>>,
}

/// One direction of a line, which all its connections share.
#[derive(Debug)]
struct Direction {
    bytes: AtomicU64,
    /// When it has carried what it was given.
    free: Mutex<Instant>,
}

impl Direction {
    fn new() -> Self {
        Self { bytes: AtomicU64::new(0), free: Mutex::new(Instant::now()) }
    }

    /// Takes so many bytes; when they will have arrived.
    fn take(&self, bytes: usize, options: LinkOptions) -> Instant {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = options.bytes_per_second.map_or(0.0, |rate| bytes as f64 / rate as f64);
        *free = (*free).max(Instant::now()) + Duration::from_secs_f64(seconds);
        *free + options.delay
    }
}

impl Link {
    /// A line to this address.
    ///
    /// # Panics
    /// When there is no free port.
    #[track_caller]
    pub fn to(to: SocketAddr, options: LinkOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let line = Arc::new(Line {
            options: Mutex::new(options),
            to,
            is_cut: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            there: Direction::new(),
            back: Direction::new(),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&line);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if accepting.is_cut.load(Ordering::Acquire) {
                    return;
                }
                let line = Arc::clone(&accepting);
                thread::spawn(move || line.carry(near));
            }
        });
        Self { address, line }
    }

    /// What it is like from now on; what is on its way arrives as it would have.
    pub fn become_like(&self, options: LinkOptions) {
        *self.line.options.lock().unwrap_or_else(PoisonError::into_inner) = options;
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes carried so far to where it leads.
    pub fn bytes_there(&self) -> u64 {
        self.line.there.bytes.load(Ordering::Relaxed)
    }

    /// Bytes carried so far from where it leads.
    pub fn bytes_back(&self) -> u64 {
        self.line.back.bytes.load(Ordering::Relaxed)
    }

    /// Connections opened so far.
    pub fn connections(&self) -> u64 {
        self.line.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.line.is_cut.store(true, Ordering::Release);
        for stream in self.line.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may have ended by itself.
            let _ended = stream.shutdown(Shutdown::Both);
        }
        // Wakes whoever accepts.
        let _woken = TcpStream::connect(self.address);
    }
}

impl Line {
    fn options(&self) -> LinkOptions {
        *self.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries one connection to its end, both ways. A handshake takes a round trip.
    fn carry(self: Arc<Self>, near: TcpStream) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        thread::sleep(2 * self.options().delay);
        let Ok(far) = TcpStream::connect(self.to) else { return };
        let streams = [&near, &far].map(|stream| {
            let _slower = stream.set_nodelay(true);
            stream.try_clone()
        });
        let [Ok(from_near), Ok(from_far)] = streams else { return };
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.extend([&near, &far].into_iter().filter_map(|stream| stream.try_clone().ok()));
        }
        let back = Arc::clone(&self);
        thread::spawn(move || back.pass(from_far, near, |line| &line.back));
        self.pass(from_near, far, |line| &line.there);
    }

    fn pass(&self, mut from: TcpStream, to: TcpStream, of: fn(&Self) -> &Direction) {
        let (sender, receiver) = sync_channel(PIECES_MAX);
        let arriving = thread::spawn(move || arrive(&receiver, to));
        self.depart(&mut from, &sender, of(self));
        drop(sender);
        // It has shown what went wrong by ending the connection.
        let _ended = arriving.join();
    }

    fn depart(
        &self,
        from: &mut TcpStream,
        sender: &SyncSender<(Instant, Vec<u8>)>,
        direction: &Direction,
    ) {
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(read @ 1..) = from.read(&mut piece) {
            let arrives = direction.take(read, self.options());
            if sender.send((arrives, piece[..read].into())).is_err() {
                return;
            }
        }
    }
}

fn arrive(receiver: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
    for (arrives, piece) in receiver {
        thread::sleep(arrives.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            return;
        }
    }
    let _ended = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers everything with itself.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || {
                    let mut copy = stream.try_clone().unwrap();
                    std::io::copy(&mut stream, &mut copy)
                });
            }
        });
        address
    }

    #[test]
    fn a_round_trip_takes_its_time_and_bytes_are_counted() {
        let delay = Duration::from_millis(50);
        let link = Link::to(echo(), LinkOptions { delay, bytes_per_second: Some(100_000) });
        let mut stream = TcpStream::connect(link.address()).unwrap();
        let began = Instant::now();
        stream.write_all(&[7; 10_000]).unwrap();
        let mut answer = vec![0; 10_000];
        stream.read_exact(&mut answer).unwrap();
        // A handshake, a round trip, and what the line needs for the first and the last piece.
        assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
        assert_eq!((link.bytes_there(), link.bytes_back()), (10_000, 10_000));
        assert_eq!(link.connections(), 1);
        drop(link);
        assert!(matches!(stream.read(&mut answer), Ok(0) | Err(_)));
    }
}
