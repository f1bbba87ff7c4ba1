//! The running hub: what every request can reach, from opening to closing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use identity::DeviceKey;
use identity::key_file::{self, Key, KeyFileError};
use store::{DbName, Epoch, Millis, OpenError, Options, Store};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::access::{self, Access, AclError};
use crate::backup::{self, Schedule};
use crate::boot::Boot;
use crate::clock;
use crate::compaction;
use crate::config::{CompactionConfig, Config, DatabasesConfig, Limits};
use crate::conflicts::Undecided;
use crate::couch_config::{CouchConfig, CouchConfigError};
use crate::data_dir::DataDir;
use crate::designs::{DesignDocs, Designs};
use crate::file_error::FileError;
use crate::functions::FunctionRunner;
use crate::held;
use crate::http::memory::Memory;
use crate::indexer::{self, Indexer};
use crate::listener::{Connections, Listeners};
use crate::mesh::{self, Kind, Mesh};
use crate::metrics::Metrics;
use crate::observe;
use crate::onion::{self, Onion, OnionError};
use crate::overwritten::{self, Published};
use crate::pairing::Pairings;
use crate::pause::Pause;
use crate::quota::Quotas;
use crate::reads::{self, Reads};
use crate::registry::{self, Registry, RegistryError};
use crate::replicate::{self, Replications};
use crate::sharing::{self, Sharing};
use crate::support;
use crate::tasks::Tasks;
use crate::updates::{self, Updates};
use crate::uuids::Uuids;

/// Databases that a hub always has.
const SYSTEM_DATABASES: [&str; 5] =
    ["_users", "_global_changes", "_replicator", access::APPS_DATABASE, reads::DATABASE];

/// How long requests may take to end once the hub is told to stop.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// How long replications may take to write their last checkpoints.
const CHECKPOINT_GRACE: Duration = Duration::from_secs(5);

/// How often it is written down when apps were used last.
const USES_EVERY: Duration = Duration::from_secs(60);

/// The running hub.
#[derive(Debug)]
pub(crate) struct App {
    /// All databases.
    pub(crate) store: Arc<Store>,
    /// CouchDB's settings, and what follows from them.
    pub(crate) couch_config: Arc<CouchConfig>,
    /// When databases are compacted unasked.
    pub(crate) compaction: CompactionConfig,
    /// Backups that are made unasked.
    pub(crate) backups: Schedule,
    /// Connections open at a time.
    connections_max: usize,
    /// What has been done, counted.
    pub(crate) metrics: Metrics,
    /// Whether requests are worth a line in the log of what happens seldom.
    pub(crate) logs_requests: bool,
    /// Fauxton's pages, where a person has them.
    pub(crate) utils_dir: Option<PathBuf>,
    /// What all requests may hold together.
    pub(crate) memory: Memory,
    /// Tokens, apps and sessions.
    pub(crate) access: Access,
    /// Which databases there are.
    pub(crate) registry: Registry,
    /// How databases are kept.
    pub(crate) databases: DatabasesConfig,
    /// Held while it is published what databases have lost.
    pub(crate) publishing: Mutex<Published>,
    /// Documents in conflict, as far as it was looked for them.
    pub(crate) undecided: Mutex<Undecided>,
    /// Design documents, as they were read last.
    pub(crate) designs: Designs,
    /// Where their functions run.
    pub(crate) functions: Arc<FunctionRunner>,
    /// What brings indexes up to date.
    pub(crate) indexer: Arc<Indexer>,
    /// What runs in the background.
    pub(crate) tasks: Arc<Tasks>,
    /// Ids for documents without one.
    pub(crate) uuids: Uuids,
    /// What happened to databases.
    pub(crate) updates: Updates,
    /// What keys have read.
    pub(crate) reads: Reads,
    /// Settings that tell nothing about anybody.
    pub(crate) settings: serde_json::Value,
    /// What the owner has paused.
    pub(crate) pause: Pause,
    /// The way into Tor and out of it.
    pub(crate) onion: Arc<Onion>,
    /// Replications that were asked for.
    pub(crate) replications: Replications,
    /// What is known of sharing beside what documents say.
    pub(crate) sharing: Sharing,
    /// Other hubs, and what is pulled from them.
    pub(crate) mesh: Mesh,
    /// Pairings with other hubs that go on.
    pub(crate) pairings: Pairings,
    /// How much others may bring.
    pub(crate) quotas: Quotas,
    /// Which of its starts this is.
    pub(crate) boot: Boot,
    /// What tells this hub from others in CouchDB's greeting: 32 hexadecimal digits.
    pub(crate) server_uuid: String,
    /// When it was started.
    pub(crate) started: Millis,
    /// Becomes true when the hub stops: feeds end then.
    pub(crate) shutdown: watch::Receiver<bool>,
    /// What this device proves itself with.
    pub(crate) device: DeviceKey,
    /// Where everything is kept.
    pub(crate) data_dir: DataDir,
    /// Where it answers, once it does.
    pub(crate) urls: OnceLock<Vec<String>>,
}

/// A hub that was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The hub.
    pub(crate) app: Arc<App>,
    /// Whether the data directory was new.
    pub(crate) first_start: bool,
}

/// The hub could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    /// A key file is not as it must be.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The store cannot be opened, or another hub holds it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The settings that clients wrote cannot be read.
    #[error(transparent)]
    CouchConfig(#[from] CouchConfigError),
    /// A small file of the data directory cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It could not be signed which devices an earlier release knew.
    #[error("could not sign which devices are yours")]
    Devices(#[source] AclError),
    /// The way into Tor could not be begun.
    #[error(transparent)]
    Onion(#[from] OnionError),
    /// It cannot be known which databases there are.
    #[error("could not read the database _dbs")]
    Registry(#[source] RegistryError),
    /// A database that a hub always has cannot be made or read.
    #[error("could not prepare the database {name}")]
    Prepare {
        /// The database.
        name: &'static str,
        /// The reason.
        #[source]
        source: store::Error,
    },
}

impl App {
    /// Opens the data directory of the device with this key, making what is missing. May block.
    pub(crate) fn open(
        data_dir: DataDir,
        seed: &Key,
        config: &Config,
        shutdown: watch::Receiver<bool>,
        now: Millis,
    ) -> Result<Opened, AppError> {
        let device = seed.device_key();
        let options = Options {
            writer_threads: config.databases.writer_threads,
            open_databases_max: config.databases.open_max,
            device: *device.public().bytes(),
        };
        let store = Store::open(data_dir.path(), &options)?;
        // The lock is ours: what lies here is from a hub that was killed. What cannot be removed
        // takes room, and no more.
        let _left = std::fs::remove_dir_all(data_dir.scratch());
        let (owner, first_start) = key_file::read_or_make(&data_dir.owner_token())?;
        let couch_config = Arc::new(CouchConfig::open(data_dir.couch_config(), config)?);
        observe::set_level(couch_config.obeyed().log_level);
        for name in SYSTEM_DATABASES.into_iter().chain(registry::MESH) {
            ensure(&store, name, now).map_err(|source| AppError::Prepare { name, source })?;
        }
        let boot = Boot::begin(&data_dir)?;
        let access = Access::new(&owner, device.public(), Arc::clone(&couch_config))?;
        access
            .reload(&store)
            .map_err(|source| AppError::Prepare { name: access::APPS_DATABASE, source })?;
        let statements = data_dir.statements();
        if boot.devices_to_sign {
            mesh::adopt_devices(&store, &device, &statements, now).map_err(AppError::Devices)?;
            boot.boot.note_signed(&data_dir)?;
        }
        let policies = access.policies();
        policies
            .reload_devices(&store, &statements)
            .map_err(|source| AppError::Prepare { name: Kind::Device.database(), source })?;
        access::move_security_objects(&store, device.public(), now)
            .and_then(|()| access.policies().reload(&store))
            .map_err(|source| AppError::Prepare { name: access::ACL_DATABASE, source })?;
        let registry = Registry::new(
            Arc::clone(&store),
            Arc::clone(access.policies()),
            device.public(),
            config.databases.trash_days,
        );
        // Databases that are to become one do so while the hub runs.
        let _joins = registry.apply(now).map_err(AppError::Registry)?;
        let updates = Updates::of(&store, random_epoch()?);
        let functions = Arc::new(FunctionRunner::new());
        let tasks = Arc::<Tasks>::default();
        let indexer =
            Arc::new(Indexer::new(Arc::clone(&tasks), Arc::clone(&functions), shutdown.clone()));
        let server_uuid = server_uuid(seed.bytes());
        let quotas = Quotas::read(&store, &config.quotas)
            .map_err(|source| AppError::Prepare { name: access::ACL_DATABASE, source })?;
        let pause = Pause::read(&store)
            .map_err(|source| AppError::Prepare { name: registry::DBS, source })?;
        // Last, as it begins something.
        let policies = access.policies().now();
        let paused = pause.now().onion;
        let onion = Onion::begin(&config.onion, seed, &data_dir, (&store, &policies), paused)?;
        drop(policies);
        let onion = Arc::new(onion);
        let app = Self {
            store,
            memory: Memory::new(config.limits.request_memory_bytes_max),
            couch_config,
            compaction: config.compaction.clone(),
            backups: Schedule::new(config.backup.clone()),
            connections_max: config.limits.connections_max,
            metrics: Metrics::default(),
            designs: Designs::default(),
            functions,
            indexer,
            logs_requests: config.log.requests,
            utils_dir: config.http.utils_dir.clone(),
            access,
            registry,
            databases: config.databases.clone(),
            publishing: Mutex::default(),
            undecided: Mutex::default(),
            tasks,
            uuids: Uuids::default(),
            updates,
            reads: Reads::default(),
            replications: Replications::new(config.replication.ca_file.clone(), &onion),
            settings: support::settings(config),
            pause,
            onion,
            sharing: Sharing::default(),
            mesh: Mesh::new(device.public(), &config.mesh, &data_dir, config.onion.strangers_door),
            pairings: Pairings::default(),
            quotas,
            boot: boot.boot,
            server_uuid,
            started: now,
            shutdown,
            device,
            data_dir,
            urls: OnceLock::new(),
        };
        let policies = app.access.policies();
        policies.suspend(app.mesh.boots().twins());
        let reading = app.mesh.reload_peers(&app.store, policies);
        reading.map_err(|source| AppError::Prepare { name: Kind::Friend.database(), source })?;
        Ok(Opened { app: Arc::new(app), first_start })
    }

    /// How much one request may ask for.
    pub(crate) fn limits(&self) -> Limits {
        self.couch_config.obeyed().limits
    }

    /// The design documents of a database as they are now. Where they have changed, what is indexed for
    /// them changes with them, in the background. May block.
    pub(crate) fn designs_of(
        &self,
        database: &Arc<store::Database>,
    ) -> Result<Arc<DesignDocs>, store::Error> {
        self.designs.of(database, |designs| self.indexer.follow(database, designs))
    }

    /// Begins to index what design documents define that were written, before anybody asks.
    pub(crate) fn follow_designs(self: &Arc<Self>) {
        for database in self.designs.outdated(self.store.databases()) {
            let app = Arc::clone(self);
            tokio::task::spawn_blocking(move || {
                if let Err(error) = app.designs_of(&database) {
                    // Whoever asks is told.
                    tracing::info!(database = %database.name(), %error, "not indexed");
                }
            });
        }
    }

    /// Which attachments are stored compressed.
    pub(crate) fn compression(&self) -> store::Compression {
        self.couch_config.obeyed().compression.clone()
    }

    /// A fresh id for a document.
    pub(crate) fn new_id(&self) -> Result<String, getrandom::Error> {
        self.uuids.next(&self.couch_config.obeyed().uuids.algorithm, clock::now())
    }

    /// Serves until the hub is told to stop, then lets requests and replications end and closes the
    /// store.
    pub(crate) async fn run(self: Arc<Self>, listeners: Listeners) {
        let mut background = JoinSet::new();
        background.spawn(watch(Arc::clone(&self), access::APPS_DATABASE, |app| {
            app.access.reload(&app.store)
        }));
        background.spawn(watch(Arc::clone(&self), access::ACL_DATABASE, mesh::heed_rights));
        for kind in Kind::ALL {
            let watching = watch(Arc::clone(&self), kind.database(), mesh::heed_databases);
            background.spawn(watching);
        }
        background.spawn(registry::follow(Arc::clone(&self)));
        background.spawn(registry::keep_trash(Arc::clone(&self)));
        background.spawn(overwritten::follow(Arc::clone(&self)));
        background.spawn(held::follow(Arc::clone(&self)));
        background.spawn(updates::follow(Arc::clone(&self)));
        background.spawn(replicate::follow(Arc::clone(&self)));
        background.spawn(replicate::schedule(Arc::clone(&self)));
        background.spawn(mesh::follow(Arc::clone(&self)));
        background.spawn(mesh::profile::keep(Arc::clone(&self)));
        background.spawn(mesh::profile::let_run_out(Arc::clone(&self)));
        background.spawn(sharing::follow(Arc::clone(&self)));
        background.spawn(compaction::supervise(Arc::clone(&self)));
        background.spawn(reads::keep(Arc::clone(&self)));
        background.spawn(remember_uses(Arc::clone(&self)));
        background.spawn(indexer::close_unused(Arc::clone(&self)));
        background.spawn(backup::keep(Arc::clone(&self)));
        background.spawn(onion::follow(Arc::clone(&self)));
        // What is being pulled may come to its end.
        let mut pulling = tokio::spawn(mesh::schedule(Arc::clone(&self)));
        let connections = Connections::new(self.connections_max, self.onion.streams_max());
        connections.accept(&self, listeners).await;
        tracing::info!("stopping");
        let replications = self.replications.stop(CHECKPOINT_GRACE);
        let leaving = self.onion.shut_down(DRAIN_GRACE.max(CHECKPOINT_GRACE));
        let draining = connections.drain(DRAIN_GRACE);
        let pulled = async {
            let _late = tokio::time::timeout(CHECKPOINT_GRACE, &mut pulling).await;
        };
        let (drained, (), (), ()) = tokio::join!(draining, replications, leaving, pulled);
        if !drained {
            tracing::warn!(grace_s = DRAIN_GRACE.as_secs(), "some requests did not end in time");
        }
        background.abort_all();
        pulling.abort();
        let store = Arc::clone(&self.store);
        let closing = tokio::task::spawn_blocking(move || {
            // What was not written down is shown as not used, which does no harm.
            let _not_written = self.access.apps().write_uses(&self.store, &mut BTreeMap::new());
            reads::write(&self, clock::now());
            store.close();
        });
        if closing.await.is_err() {
            tracing::error!("closing the store failed");
        }
    }
}

/// Writes down now and then when each app was used last.
async fn remember_uses(app: Arc<App>) {
    let reading = Arc::clone(&app);
    let read = tokio::task::spawn_blocking(move || reading.access.apps().read_uses(&reading.store));
    let mut written = read.await.ok().and_then(Result::ok).unwrap_or_default();
    loop {
        tokio::time::sleep(USES_EVERY).await;
        let (writing, before) = (Arc::clone(&app), std::mem::take(&mut written));
        let wrote = tokio::task::spawn_blocking(move || {
            let mut uses = before;
            let outcome = writing.access.apps().write_uses(&writing.store, &mut uses);
            (uses, outcome)
        });
        let Ok((uses, outcome)) = wrote.await else { continue };
        written = uses;
        if let Err(error) = outcome {
            tracing::debug!(%error, "could not write down when apps were used");
        }
    }
}

/// Follows a database that says who may do what, so that what is written there by whatever way takes
/// effect.
async fn watch(app: Arc<App>, name: &'static str, read: fn(&App) -> Result<(), store::Error>) {
    let Ok(name) = name.parse::<DbName>() else { return };
    loop {
        // Listening begins before reading, so that no change falls between.
        let changed = match app.store.database(&name) {
            Some(database) if !database.is_deleted() => database.updated(),
            _ => app.store.changed(),
        };
        let reading = Arc::clone(&app);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || read(&reading)).await {
            tracing::error!(
                error = error.unnamed(),
                "could not read who may do what; what is known goes on"
            );
        }
        changed.await;
    }
}

fn ensure(store: &Store, name: &str, now: Millis) -> Result<(), store::Error> {
    let name: DbName = name.parse().map_err(|_| store::Error::NoDatabase)?;
    if store.database(&name).is_none() {
        store.create(&name, now)?;
    }
    Ok(())
}

/// Tells this run's log of updates from that of others.
fn random_epoch() -> Result<Epoch, KeyFileError> {
    let mut epoch = [0; 8];
    getrandom::fill(&mut epoch).map_err(|error| KeyFileError::Random(error.to_string()))?;
    Ok(Epoch(epoch))
}

fn server_uuid(device: &[u8; 32]) -> String {
    let uuid = blake3::derive_key("larder 2026-11-21 server uuid", device);
    blake3::Hash::from_bytes(uuid).to_hex().chars().take(32).collect()
}
