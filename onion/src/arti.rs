//! Arti, in a child process of this program: when the network retires what it speaks, when it wedges or
//! panics, the child ends and the parent begins another one.

mod child;
mod control;
mod copy;
mod echo;
mod gathered;
mod log;
mod message;
mod session;
mod settings;
mod tor;

use std::process::ExitCode;
use std::sync::Arc;

use self::message::{Secret, Start, keys_of};
use crate::hall::Hall;
use crate::self_dial;
use crate::supervised::Supervised;
use crate::way::{Live, Way};
use crate::{ArtiSettings, OnionTransport, Pending, Settings};

/// Begins to publish by way of a child process. Must be called within a runtime of Tokio.
pub fn arti(settings: Settings, arti: ArtiSettings) -> Box<dyn OnionTransport> {
    Box::new(Supervised::begin(settings, |hall| Arc::new(Arti { arti, hall: Arc::clone(hall) })))
}

/// What the program is when it is called `larder onion-child`: its standard input is the socket by which
/// its parent talks to it. It has nothing to say to people.
pub fn onion_child() -> ExitCode {
    child::run::<tor::Tor>()
}

/// The same without Tor: whatever is dialled answers what it is told. For measuring what the way through a
/// child costs, and for tests of what a parent does with one.
pub fn echo_child() -> ExitCode {
    child::run::<echo::Echo>()
}

#[derive(Debug)]
struct Arti {
    arti: ArtiSettings,
    hall: Arc<Hall>,
}

impl Arti {
    fn start(&self) -> Result<Start, String> {
        let settings = &self.hall.settings;
        Ok(Start {
            settings: settings::of(&self.arti)?,
            state_dir: self.arti.state_dir.clone(),
            main: Secret::of(settings.main.seed()),
            strangers: settings.strangers.as_ref().map(|key| Secret::of(key.seed())),
            ports: vec![settings.port, self_dial::PORT],
            strangers_port: settings.port,
            discovery: keys_of(&self.hall.discovery().borrow()),
            own_secret: Secret::of(settings.own_secret.bytes()),
            streams_max: settings.streams_max,
        })
    }
}

impl Way for Arti {
    fn begin(&self) -> Pending<'_, Result<Live, String>> {
        Box::pin(async move { session::start(&self.arti, self.start()?) })
    }
}
