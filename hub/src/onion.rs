//! How other hubs reach this one, and this one them, whatever lies between: through Tor.

mod bucket;
mod clients;
mod introduce;
mod metered;
mod settings;
mod spare;
mod status;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acl::Policies;
use identity::key_file::Key;
use identity::pairing::FindSecret;
use identity::{DEFAULT_PORT, PublicKey};
use onion::{
    ArtiSettings, CheckError, Dial, DialError, Discovery, DiscoveryKey, DiscoverySecret, Finding,
    Incoming, OnionAddress, OnionStream, OnionTransport, Service, ServiceKey, Settings, Stage,
    Status, SystemTorSettings,
};
use store::{Millis, Store};
use tokio::sync::watch;
use tokio::time::Instant;

use self::clients::Clients;
use self::metered::Traffic;
use self::spare::Spares;
use crate::app::App;
use crate::data_dir::DataDir;

pub(crate) use self::clients::{ClientsError, Keys, follow};
pub(crate) use self::introduce::introduce;
pub(crate) use self::metered::Metered;
pub(crate) use self::settings::{OnionConfig, OnionMode};
pub(crate) use self::spare::Loan;
pub(crate) use self::status::{Moment, child_memory_bytes, describe, is_reachable};

/// What makes the hub's program the child that speaks Tor.
pub(crate) const CHILD: &str = "onion-child";

/// Streams that the transport may have open beside those that the hub serves, so that one that
/// comes can take the place of another.
const STREAMS_WAITING: usize = 64;

/// How long streams may take to end when Tor is paused.
const PAUSE_GRACE: Duration = Duration::from_secs(2);

/// The way into Tor and out of it.
pub(crate) struct Onion {
    mode: OnionMode,
    restricted: bool,
    streams_max: usize,
    seed: Key,
    address: OnionAddress,
    strangers_address: Option<OnionAddress>,
    /// Another one after a pause, during which it is one that does nothing.
    transport: watch::Sender<Arc<dyn OnionTransport>>,
    /// What a new one is made of.
    remake: Option<(OnionConfig, DataDir)>,
    /// Which Tor of the system, where it is the way.
    system: Option<SystemTorSettings>,
    traffic: Arc<Traffic>,
    clients: Clients,
    /// By what guests find it whom it does not know yet.
    spares: Spares,
    telling: Mutex<()>,
    /// Hubs that know by which key this device looks for them, or are about to be told.
    introduced: Mutex<HashSet<PublicKey>>,
}

/// The way into Tor could not be begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OnionError {
    /// The program does not find itself.
    #[error("could not find this program, which has to start a process for Tor")]
    Program(#[source] io::Error),
    /// Who may find the service cannot be read.
    #[error("could not read who may find the onion service")]
    Clients(#[source] store::Error),
    /// The system draws nothing at random.
    #[error("could not draw a key at random")]
    Random(#[source] getrandom::Error),
}

impl fmt::Debug for Onion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Onion").field("transport", &self.transport()).finish_non_exhaustive()
    }
}

impl Onion {
    /// Begins, unless it is paused, and waits for nothing. Must be called within a runtime of Tokio. May
    /// block.
    pub(crate) fn begin(
        config: &OnionConfig,
        seed: &Key,
        data_dir: &DataDir,
        (store, policies): (&Store, &Policies),
        paused: bool,
    ) -> Result<Self, OnionError> {
        let clients = Clients::read(store).map_err(OnionError::Clients)?;
        let spares = Spares::of(ServiceKey::main(seed.bytes()).address());
        let spares = spares.map_err(OnionError::Random)?;
        let transport = match paused {
            true => Box::new(onion::Off::default()),
            false => {
                let restricted = config.restricted_discovery;
                let found_by = discovery(restricted, &clients, &spares, policies);
                transport(config, settings(config, seed, found_by), data_dir)?
            }
        };
        let mut begun = Self::over(transport, config, seed, (clients, spares));
        begun.remake = Some((config.clone(), data_dir.clone()));
        Ok(begun)
    }

    /// Leaves Tor until [`Self::resume`]: nobody comes by it any more, and nothing is dialled.
    pub(crate) async fn pause(&self) {
        let before = self.transport.send_replace(Arc::new(onion::Off::default()));
        before.shut_down(PAUSE_GRACE).await;
    }

    /// Begins anew after a pause, and waits for nothing.
    pub(crate) fn resume(&self, app: &App) -> Result<(), OnionError> {
        let Some((config, data_dir)) = &self.remake else { return Ok(()) };
        let found_by = self.found_by(&app.access.policies().now());
        let begun = transport(config, settings(config, &self.seed, found_by), data_dir)?;
        self.transport.send_replace(begun.into());
        Ok(())
    }

    fn over(
        transport: Box<dyn OnionTransport>,
        config: &OnionConfig,
        seed: &Key,
        (clients, spares): (Clients, Spares),
    ) -> Self {
        Self {
            mode: config.mode,
            restricted: config.restricted_discovery,
            streams_max: usize::try_from(config.streams_max.get()).unwrap_or(usize::MAX),
            seed: seed.clone(),
            address: ServiceKey::main(seed.bytes()).address(),
            strangers_address: config
                .strangers_door
                .then(|| ServiceKey::for_strangers(seed.bytes()).address()),
            transport: watch::Sender::new(transport.into()),
            remake: None,
            system: (config.mode == OnionMode::System).then(|| system_settings(config)),
            traffic: Traffic::new(config.bytes_per_second_max, Instant::now()),
            clients,
            spares,
            telling: Mutex::default(),
            introduced: Mutex::default(),
        }
    }

    fn transport(&self) -> Arc<dyn OnionTransport> {
        Arc::clone(&self.transport.borrow())
    }

    /// By which Tor.
    pub(crate) fn mode(&self) -> OnionMode {
        self.mode
    }

    /// Whether nothing is dialled and nothing published.
    pub(crate) fn is_off(&self) -> bool {
        self.mode == OnionMode::Off
    }

    /// Whether only those whom the hub knows may come to its main service.
    pub(crate) fn is_restricted(&self) -> bool {
        self.restricted
    }

    /// Streams from others that are served at a time.
    pub(crate) fn streams_max(&self) -> usize {
        self.streams_max
    }

    /// Where this hub is found, once it is.
    pub(crate) fn address(&self) -> &OnionAddress {
        &self.address
    }

    /// Where those find it whom it does not know, if they may.
    pub(crate) fn strangers_address(&self) -> Option<&OnionAddress> {
        self.strangers_address.as_ref()
    }

    /// How far it is.
    pub(crate) fn status(&self) -> Status {
        self.transport().status().borrow().clone()
    }

    /// What all streams carry.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The next stream that somebody has opened to this hub, and by which of its services.
    pub(crate) async fn accept(&self) -> (Metered<OnionStream>, Service) {
        let mut transports = self.transport.subscribe();
        loop {
            let transport = Arc::clone(&transports.borrow_and_update());
            let came = tokio::select! {
                came = transport.accept() => came,
                _ = transports.changed() => continue,
            };
            if let Some(Incoming { stream, service }) = came {
                return (Metered::new(stream, &self.traffic), service);
            }
            // It has shut down, as whoever waits here is about to, or until there is another one.
            if transports.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Opens a stream to an onion service; those of different groups share no circuits. It is looked for by what
    /// a link holds, or else by this device's own key.
    pub(crate) async fn dial(
        &self,
        address: &OnionAddress,
        port: u16,
        group: String,
        link: Option<&FindSecret>,
    ) -> Result<Metered<OnionStream>, DialError> {
        let secret = Some(match link {
            Some(secret) => spare::secret_of(secret, address),
            None => DiscoverySecret::of(self.seed.bytes(), address),
        });
        let dial = Dial { address: address.clone(), port, group, secret };
        let stream = self.transport().dial(dial).await?;
        Ok(Metered::new(stream, &self.traffic))
    }

    /// Dials this hub's own service, and waits until it answers.
    pub(crate) async fn check(&self) -> Result<Duration, CheckError> {
        self.transport().check().await
    }

    /// What the system's Tor is asked and answers, where it is the way.
    pub(crate) async fn inspect(&self) -> Vec<Finding> {
        // During a pause nothing is dialled, not even Tor itself.
        match self.system.as_ref().filter(|_| self.status().stage != Stage::Off) {
            Some(system) => onion::inspect_system_tor(system, &self.address).await,
            None => Vec::new(),
        }
    }

    /// Accepts nothing more, gives streams so long to end, and leaves Tor.
    pub(crate) async fn shut_down(&self, grace: Duration) {
        self.transport().shut_down(grace).await;
    }

    /// By which key this device looks for a service.
    pub(crate) fn key_for(&self, service: &OnionAddress) -> DiscoveryKey {
        DiscoverySecret::of(self.seed.bytes(), service).public()
    }

    /// Devices that may find this hub's service, where its discovery is restricted.
    pub(crate) fn clients(&self) -> Keys {
        self.clients.all()
    }

    /// Lets a device find it by a key, in place of one before. May block.
    pub(crate) fn allow_client(
        &self,
        app: &App,
        device: PublicKey,
        key: DiscoveryKey,
    ) -> Result<(), ClientsError> {
        let policies = app.access.policies().now();
        let allowed = self.clients.allow(&app.store, &policies, device, key);
        self.tell_discovery(app);
        allowed
    }

    /// Lets a device find it no longer; whether it could. May block.
    pub(crate) fn remove_client(&self, app: &App, device: PublicKey) -> Result<bool, ClientsError> {
        let removed = self.clients.remove(&app.store, device);
        self.tell_discovery(app);
        removed
    }

    /// Forgets those with whom the owner has nothing to do any more. May block.
    fn prune_clients(&self, app: &App) -> Result<(), ClientsError> {
        let pruned = self.clients.prune(&app.store, &app.access.policies().now());
        // Whoever is blocked finds it no longer, whether that could be written down or not.
        self.tell_discovery(app);
        pruned
    }

    /// What a new link has to hold so that its guest finds this hub; nothing where everybody does, or where
    /// nothing is published.
    pub(crate) fn lend_spare(&self) -> Option<Loan> {
        if self.restricted && !self.is_off() { self.spares.lend() } else { None }
    }

    /// A link is over, and what it held finds this hub no longer, from the next descriptor on. May block.
    pub(crate) fn give_spare_back(&self, app: &App, loan: Loan) {
        if let Err(error) = self.spares.give_back(loan) {
            tracing::warn!(%error, "links go on with a key that was used");
        }
        self.tell_discovery(app);
    }

    /// Says who can find the service as of now. May block.
    fn tell_discovery(&self, app: &App) {
        // Held from looking to telling, so that what was true earlier is never told last.
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let policies = app.access.policies().now();
        self.transport().set_discovery(self.found_by(&policies));
    }

    fn found_by(&self, policies: &Policies) -> Discovery {
        discovery(self.restricted, &self.clients, &self.spares, policies)
    }

    /// Whether a hub has yet to be told by which key this device looks for it. Whoever is told so
    /// tells it.
    pub(crate) fn is_to_be_introduced(&self, hub: PublicKey) -> bool {
        !self.is_off() && self.introduced().insert(hub)
    }

    /// It could not be told.
    pub(crate) fn was_not_introduced(&self, hub: PublicKey) {
        self.introduced().remove(&hub);
    }

    fn introduced(&self) -> MutexGuard<'_, HashSet<PublicKey>> {
        self.introduced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now.
pub(crate) fn moment(wall: Millis) -> Moment {
    Moment { wall, steady: Instant::now() }
}

fn discovery(
    restricted: bool,
    clients: &Clients,
    spares: &Spares,
    policies: &Policies,
) -> Discovery {
    match restricted {
        true => {
            let mut keys: BTreeSet<_> = clients.known(policies);
            keys.extend(spares.keys());
            Discovery::Restricted(keys)
        }
        false => Discovery::Open,
    }
}

fn settings(config: &OnionConfig, seed: &Key, discovery: Discovery) -> Settings {
    let main = ServiceKey::main(seed.bytes());
    let address = main.address();
    let streams_max = usize::try_from(config.streams_max.get()).unwrap_or(usize::MAX);
    Settings {
        main,
        strangers: config.strangers_door.then(|| ServiceKey::for_strangers(seed.bytes())),
        own_secret: DiscoverySecret::of(seed.bytes(), &address),
        discovery,
        port: DEFAULT_PORT,
        check_every: Duration::from_secs(config.check_every_s.seconds()),
        streams_max: streams_max.saturating_add(STREAMS_WAITING),
    }
}

fn transport(
    config: &OnionConfig,
    settings: Settings,
    data_dir: &DataDir,
) -> Result<Box<dyn OnionTransport>, OnionError> {
    Ok(match config.mode {
        OnionMode::Off => Box::new(onion::Off::default()),
        OnionMode::System => onion::system_tor(settings, system_settings(config)),
        OnionMode::Arti => arti(settings, arti_settings(config, data_dir)?),
    })
}

fn system_settings(config: &OnionConfig) -> SystemTorSettings {
    SystemTorSettings { control: config.control.as_ref().map(|control| control.0.clone()) }
}

#[cfg(feature = "arti")]
fn arti(settings: Settings, arti: ArtiSettings) -> Box<dyn OnionTransport> {
    onion::arti(settings, arti)
}

/// Nobody gets here: a mode that is not built in cannot be chosen.
#[cfg(not(feature = "arti"))]
fn arti(_settings: Settings, _arti: ArtiSettings) -> Box<dyn OnionTransport> {
    Box::new(onion::Off::default())
}

fn arti_settings(config: &OnionConfig, data_dir: &DataDir) -> Result<ArtiSettings, OnionError> {
    Ok(ArtiSettings {
        program: this_program().map_err(OnionError::Program)?,
        arguments: vec![CHILD.into()],
        state_dir: data_dir.onion(),
        bridges: config.bridges.clone(),
        pluggable_transports: config.pluggable_transports.clone(),
        vanguards: config.vanguards,
        arti: config.arti.clone(),
    })
}

/// The program that runs, also where another one has taken its place on the disk.
fn this_program() -> io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() { Ok(running.into()) } else { std::env::current_exe() }
}
