//! A Tor that runs on this machine anyway, controlled by its control port.

mod authenticate;
mod control;
mod dialler;
mod door;
mod inspect;
mod notice;
mod onion;
mod place;
mod reply;
#[cfg(test)]
mod script;
mod session;
mod socks;
#[cfg(test)]
mod tests;
mod version;
mod words;

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use inspect::{Finding, inspect_system_tor};

use crate::hall::Hall;
use crate::supervised::Supervised;
use crate::way::{EVENTS_MAX, Live, Way};
use crate::{OnionTransport, Pending, Settings, SystemTorSettings};
use dialler::{REQUESTS_MAX, SystemDialler};
use door::Doors;
use place::{Found, find};
use session::{Channels, Session};

/// Orders that wait.
const ORDERS_MAX: usize = 16;

/// Begins to publish by way of a Tor that runs on this machine. Must be called within a runtime of Tokio.
pub fn system_tor(settings: Settings, system: SystemTorSettings) -> Box<dyn OnionTransport> {
    let way = |hall: &Arc<Hall>| Arc::new(SystemTor { system, hall: Arc::clone(hall) }) as _;
    Box::new(Supervised::begin(settings, way))
}

struct SystemTor {
    system: SystemTorSettings,
    hall: Arc<Hall>,
}

impl SystemTor {
    async fn begin_now(&self) -> Result<Live, String> {
        let Found { control, version, place } =
            find(self.system.control.as_ref()).await.map_err(|error| error.to_string())?;
        tracing::info!(%version, place, "a Tor of this machine is used");
        let (events, heard) = mpsc::channel(EVENTS_MAX);
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let (requests, requested) = mpsc::channel(REQUESTS_MAX);
        let doors = Doors::open(&self.hall.settings, &events).await;
        let doors = doors.map_err(|error| format!("no port for streams from Tor: {error}"))?;
        let channels = Channels { events, orders: ordered, requests: requested };
        let session = Session::begin(control, Arc::clone(&self.hall), doors, channels).await;
        let session = session.map_err(|error| error.to_string())?;
        // It is aborted when this is dropped, and with it go the doors and the control connection.
        let mut held = JoinSet::new();
        held.spawn(session.run());
        let dialler = Arc::new(SystemDialler { requests });
        Ok(Live { events: heard, orders, dialler, child: None, held: Box::new(held) })
    }
}

impl Way for SystemTor {
    fn begin(&self) -> Pending<'_, Result<Live, String>> {
        Box::pin(self.begin_now())
    }
}

impl fmt::Debug for SystemTor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemTor").field("control", &self.system.control).finish_non_exhaustive()
    }
}
