//! What a way into Tor has to do, and what whoever supervises it makes of that.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::{Blocked, Dial, DialError, Discovery, Effective, OnionStream, Pending, Service};

/// Events that wait to be looked at.
pub(crate) const EVENTS_MAX: usize = 64;

/// A way into Tor, which can be begun again whenever it has broken.
pub(crate) trait Way: fmt::Debug + Send + Sync + 'static {
    /// Begins: starts a program, or connects to one. It does not wait for Tor.
    ///
    /// # Errors
    /// Why that is not possible, for a person to read.
    fn begin(&self) -> Pending<'_, Result<Live, String>>;
}

/// A way that has been begun; dropped, it ends at once.
pub(crate) struct Live {
    /// What happens. Its end is that of the way.
    pub(crate) events: mpsc::Receiver<Event>,
    /// What it is told.
    pub(crate) orders: mpsc::Sender<Order>,
    /// How streams are opened.
    pub(crate) dialler: Arc<dyn Dialler>,
    /// The process, where it is our own.
    pub(crate) child: Option<u32>,
    /// What ends it when dropped.
    pub(crate) held: Box<dyn Any + Send>,
}

/// Opens streams.
pub(crate) trait Dialler: fmt::Debug + Send + Sync {
    /// Opens one over circuits that only streams with the same word for them share.
    fn dial(
        &self,
        dial: Dial,
        circuits: String,
    ) -> Pending<'static, Result<OnionStream, DialError>>;
}

/// What a way tells.
#[derive(Debug)]
pub(crate) enum Event {
    /// Tor is connecting to its network.
    Bootstrapping { percent: u8, blocked: Option<Blocked> },
    /// Streams can be opened; the service is not published yet.
    Bootstrapped,
    /// The descriptor is published.
    Published,
    /// Who can find the service now.
    Effective(Effective),
    /// Somebody has opened a stream.
    Incoming { stream: OnionStream, service: Service, port: u16 },
    /// Something went wrong, and it goes on.
    Trouble(String),
    /// It is over, and why.
    Broken(String),
}

/// What a way is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Who can find the main service from now on.
    Discovery(Discovery),
    /// Accept nothing more, and end when what is open has ended, or after so long.
    Drain(Duration),
}
