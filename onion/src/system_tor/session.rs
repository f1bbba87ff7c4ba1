//! A run of a hub's onion services in a Tor that is controlled, until the connection ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use zeroize::Zeroizing;

use super::control::{Control, ControlError};
use super::dialler::Request;
use super::door::Doors;
use super::notice::{Notice, Problem, SUBSCRIBE};
use super::onion::{Onion, OnionError, delete, service_id};
use super::socks::SocksPlace;
use crate::hall::Hall;
use crate::way::{Event, Order};
use crate::{
    Blocked, DialError, Discovery, DiscoveryKey, DiscoverySecret, Effective, Service, Settings,
};

/// Between two descriptors of our own making. Directories refuse those that come too often.
const PUBLISH_EVERY: Duration = Duration::from_secs(60);

/// How long a service that is taken may take to become free.
const FREE_PAUSES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(500)];

/// Services whose secrets Tor was told, as far as that is remembered.
const KNOWN_MAX: usize = 1024;

/// Everything that a run needs.
pub(super) struct Session {
    control: Control,
    hall: Arc<Hall>,
    doors: Doors,
    events: mpsc::Sender<Event>,
    orders: mpsc::Receiver<Order>,
    requests: mpsc::Receiver<Request>,
    network: Network,
    main: Published,
    /// The keys with which Tor looks for services.
    known: HashMap<String, DiscoveryKey>,
    socks: Vec<SocksPlace>,
}

/// How far Tor is on its way into its network.
#[derive(Debug, Default)]
struct Network {
    percent: u8,
    blocked: Option<Blocked>,
    /// Whether it was told that Tor is there.
    is_told: bool,
}

/// What is published of the main service.
#[derive(Debug)]
struct Published {
    discovery: Discovery,
    since: Instant,
    /// A descriptor that says so is on its way, or has arrived.
    is_uploading: bool,
    has_arrived: bool,
    /// What is to be published next.
    next: Option<Discovery>,
}

/// Where a session is given what it hears and has to do.
pub(super) struct Channels {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) requests: mpsc::Receiver<Request>,
}

impl Session {
    /// Adds the services to a Tor that lets us control it.
    ///
    /// # Errors
    /// When Tor does not take them.
    pub(super) async fn begin(
        mut control: Control,
        hall: Arc<Hall>,
        doors: Doors,
        channels: Channels,
    ) -> Result<Self, OnionError> {
        control.ask(SUBSCRIBE).await?;
        let discovery = hall.discovery().borrow().clone();
        let main = main_onion(&hall.settings, &doors, &discovery);
        add_when_free(&main, &mut control).await?;
        if let Some(key) = &hall.settings.strangers {
            let ports = doors.of(Service::Strangers).collect();
            let streams_max = hall.settings.streams_max;
            let strangers = Onion { key, ports, streams_max, keys: None };
            add_when_free(&strangers, &mut control).await?;
        }
        let Channels { events, orders, requests } = channels;
        let main = Published::now(discovery);
        let network = Network::default();
        let known = HashMap::new();
        let socks = Vec::new();
        Ok(Self { control, hall, doors, events, orders, requests, network, main, known, socks })
    }

    /// Goes on until Tor ends the connection or the hub leaves.
    pub(super) async fn run(mut self) {
        if let Err(error) = self.go_on().await {
            self.tell(Event::Broken(error.to_string())).await;
        }
    }

    async fn go_on(&mut self) -> Result<(), OnionError> {
        self.tell(Event::Effective(self.main.effective())).await;
        self.look().await?;
        loop {
            let due = self.main.due();
            tokio::select! {
                event = self.control.event() => {
                    if let Some(notice) = Notice::of(&event?) {
                        self.heed(notice).await;
                    }
                }
                order = self.orders.recv() => match order {
                    Some(Order::Discovery(discovery)) => self.want(discovery).await?,
                    Some(Order::Drain(grace)) => return Ok(self.drain(grace).await?),
                    None => return Ok(()),
                },
                Some(request) = self.requests.recv() => self.answer(request).await?,
                () = sleep_until(due), if self.main.next.is_some() => self.publish().await?,
            }
        }
    }

    /// Looks how far Tor is. What it does from then on, it tells.
    async fn look(&mut self) -> Result<(), ControlError> {
        let phase = self.control.info("status/bootstrap-phase").await?;
        if let Some(notice) = phase.as_deref().and_then(Notice::of_phase) {
            self.heed(notice).await;
        }
        if !self.network.is_told && is_switched_off(&mut self.control).await? {
            self.tell(Event::Trouble(SWITCHED_OFF.to_owned())).await;
        }
        Ok(())
    }

    async fn heed(&mut self, notice: Notice) {
        let main = service_id(&self.hall.settings.main.address()).to_owned();
        match notice {
            Notice::Bootstrap { percent: 100, .. } => {
                self.network.percent = 100;
                if !self.network.is_told {
                    self.network.is_told = true;
                    self.tell(Event::Bootstrapped).await;
                    if self.main.has_arrived {
                        self.tell(Event::Published).await;
                    }
                }
            }
            Notice::Bootstrap { percent, problem } => self.get_on(percent, problem).await,
            Notice::Clock if self.network.is_told => {
                self.tell(Event::Trouble(Blocked::Clock.to_string())).await;
            }
            Notice::Clock => {
                self.network.blocked = Some(Blocked::Clock);
                self.tell_network().await;
            }
            Notice::Liveness { up: false } if self.network.is_told => {
                let text = "Tor has heard nothing from its network for a while";
                self.tell(Event::Trouble(text.to_owned())).await;
            }
            Notice::Uploading { service_id } if service_id == main => self.main.is_uploading = true,
            Notice::Uploaded { service_id } if service_id == main => self.arrived().await,
            Notice::Refused { service_id } if service_id == main => {
                let text = "a directory of Tor refused this hub's descriptor";
                self.tell(Event::Trouble(text.to_owned())).await;
            }
            // Those of other programs' services, and of the strangers'.
            Notice::Uploading { .. }
            | Notice::Uploaded { .. }
            | Notice::Refused { .. }
            | Notice::Liveness { .. } => {}
        }
    }

    async fn get_on(&mut self, percent: u8, problem: Option<Problem>) {
        if let Some(problem) = &problem {
            tracing::info!(percent, problem = %problem.text, "Tor is kept from its network");
        }
        let blocked = problem.map(|problem| problem.blocked);
        // What has kept it does so until it gets on.
        let gets_on = percent != self.network.percent;
        self.network.blocked = blocked.or_else(|| self.network.blocked.filter(|_| !gets_on));
        self.network.percent = percent;
        self.network.is_told = false;
        self.tell_network().await;
    }

    async fn tell_network(&self) {
        let Network { percent, blocked, .. } = self.network;
        self.tell(Event::Bootstrapping { percent, blocked }).await;
    }

    /// The descriptor of the main service has arrived at a directory, the first of several.
    async fn arrived(&mut self) {
        // Without one on its way, it is what was published before.
        if !self.main.is_uploading || self.main.has_arrived {
            return;
        }
        self.main.has_arrived = true;
        self.tell(Event::Published).await;
        self.tell(Event::Effective(self.main.effective())).await;
    }

    async fn want(&mut self, discovery: Discovery) -> Result<(), OnionError> {
        self.main.next = (discovery != self.main.discovery).then_some(discovery);
        self.tell(Event::Effective(self.main.effective())).await;
        if self.main.next.is_some() && self.main.due() <= Instant::now() {
            self.publish().await?;
        }
        Ok(())
    }

    /// Publishes the main service anew: Tor cannot change who finds it while it is there. Streams that
    /// are open go on.
    async fn publish(&mut self) -> Result<(), OnionError> {
        let Some(discovery) = self.main.next.take() else { return Ok(()) };
        let settings = &self.hall.settings;
        delete(&mut self.control, &settings.main.address()).await?;
        main_onion(settings, &self.doors, &discovery).add(&mut self.control).await?;
        self.main = Published::now(discovery);
        self.tell(Event::Effective(self.main.effective())).await;
        Ok(())
    }

    async fn answer(&mut self, request: Request) -> Result<(), ControlError> {
        match request {
            Request::Way { address, secret, answer } => {
                let outcome = self.learn(service_id(&address), secret).await?;
                if self.socks.is_empty() {
                    self.socks = socks_places(&mut self.control).await?;
                }
                // Whoever has given up does not listen.
                let _gone = answer.send(outcome.map(|()| self.socks.clone()));
            }
            Request::IsFound { address, answer } => {
                let key = format!("hs/client/desc/id/{}", service_id(&address));
                let _gone = answer.send(self.control.info(&key).await?.is_some());
            }
        }
        Ok(())
    }

    /// Sees to it that Tor can find a service of which not everybody may know.
    async fn learn(
        &mut self,
        service_id: &str,
        secret: Option<DiscoverySecret>,
    ) -> Result<Result<(), DialError>, ControlError> {
        let Some(secret) = secret else { return Ok(Ok(())) };
        let public = secret.public();
        if self.known.get(service_id) == Some(&public) {
            return Ok(Ok(()));
        }
        let key = Zeroizing::new(BASE64.encode(secret.bytes()));
        let command = format!("ONION_CLIENT_AUTH_ADD {service_id} x25519:{}", *key);
        match self.control.ask(&Zeroizing::new(command)).await {
            Ok(_) => {}
            Err(ControlError::Refused { text, .. }) => {
                return Ok(Err(DialError::Other(format!("Tor did not take the key: {text}"))));
            }
            Err(error) => return Err(error),
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(service_id.to_owned(), public);
        Ok(Ok(()))
    }

    async fn drain(&mut self, grace: Duration) -> Result<(), ControlError> {
        delete(&mut self.control, &self.hall.settings.main.address()).await?;
        if let Some(key) = &self.hall.settings.strangers {
            delete(&mut self.control, &key.address()).await?;
        }
        self.doors.close();
        let until = sleep(grace);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return Ok(()),
                () = self.doors.empty() => return Ok(()),
                // Read, so that Tor need not keep them.
                event = self.control.event() => drop(event?),
            }
        }
    }

    async fn tell(&self, event: Event) {
        // Nobody listens once the hub has left, which is heard of elsewhere.
        let _left = self.events.send(event).await;
    }
}

impl Published {
    fn now(discovery: Discovery) -> Self {
        let since = Instant::now();
        Self { discovery, since, is_uploading: false, has_arrived: false, next: None }
    }

    /// When the next one may be published.
    fn due(&self) -> Instant {
        self.since + PUBLISH_EVERY
    }

    fn effective(&self) -> Effective {
        match (&self.next, &self.discovery) {
            (Some(Discovery::Restricted(keys)), _) => Effective::KeysSoon(keys.len()),
            (_, Discovery::Restricted(keys)) if self.has_arrived => Effective::Keys(keys.len()),
            (_, Discovery::Restricted(keys)) => Effective::KeysSoon(keys.len()),
            (_, Discovery::Open) => Effective::Everybody,
        }
    }
}

fn main_onion<'a>(settings: &'a Settings, doors: &Doors, discovery: &Discovery) -> Onion<'a> {
    let keys = match discovery {
        Discovery::Open => None,
        Discovery::Restricted(keys) => {
            let mut keys = keys.clone();
            // The hub finds itself in any case.
            keys.insert(settings.own_secret.public());
            Some(keys)
        }
    };
    let ports = doors.of(Service::Main).collect();
    Onion { key: &settings.main, ports, streams_max: settings.streams_max, keys }
}

/// Adds a service that this hub may have had a moment ago, over a connection whose end Tor has not seen.
async fn add_when_free(onion: &Onion<'_>, control: &mut Control) -> Result<(), OnionError> {
    for pause in FREE_PAUSES {
        match onion.add(control).await {
            Err(OnionError::Taken) => sleep(pause).await,
            outcome => return outcome,
        }
    }
    onion.add(control).await
}

/// Said where somebody has told Tor to stay away from its network.
pub(super) const SWITCHED_OFF: &str =
    "this Tor is told to stay away from the network: `DisableNetwork 1` in its torrc";

/// Whether Tor is told to stay away from its network.
pub(super) async fn is_switched_off(control: &mut Control) -> Result<bool, ControlError> {
    match control.ask("GETCONF DisableNetwork").await {
        Ok(reply) => Ok(reply.after("DisableNetwork=") == Some("1")),
        // One that does not say so is asked no further.
        Err(ControlError::Refused { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where Tor takes streams on this machine.
pub(super) async fn socks_places(control: &mut Control) -> Result<Vec<SocksPlace>, ControlError> {
    let listeners = control.info("net/listeners/socks").await?;
    Ok(SocksPlace::all(&listeners.unwrap_or_default()))
}
