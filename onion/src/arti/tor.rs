//! Arti: the only file that sees its types, but for the one on services.

mod runtime;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arti_client::config::{CfgPath, TorClientConfigBuilder};
use arti_client::isolation::IsolationHelper;
use arti_client::status::BlockageKind;
use arti_client::{DataStream, HasKind as _, KeystoreSelector, StreamPrefs, TorClient};
use futures_util::StreamExt as _;
use tor_error::{ErrorKind, ErrorReport as _};
use tor_hscrypto::pk::{HsClientDescEncSecretKey, HsId};
use tor_llcrypto::pk::curve25519::StaticSecret;

use self::runtime::Runtime;
use self::service::Services;
use super::child::Network;
use super::copy::Parent;
use super::message::{Secret, Start, ToParent};
use crate::{Blocked, DialError, DiscoveryKey, DiscoverySecret, OnionAddress};

type Client = Arc<TorClient<Runtime>>;

/// Services whose discovery keys were handed to Arti that are remembered.
const KNOWN_MAX: usize = 4096;

pub(super) struct Tor {
    client: Client,
    services: Arc<Services>,
    /// For which services Arti has a key already, and which.
    known: Mutex<BTreeMap<String, DiscoveryKey>>,
}

impl Network for Tor {
    type Stream = DataStream;

    async fn begin(start: Start, parent: Parent) -> Result<Self, String> {
        let mut builder: TorClientConfigBuilder = toml::from_str(&start.settings)
            .map_err(|error| format!("Arti's settings are not understood: {}", error.message()))?;
        forget_services(&start.state_dir);
        let directory = |name| CfgPath::new_literal(start.state_dir.join(name));
        builder.storage().cache_dir(directory("cache")).state_dir(directory("state"));
        let config =
            builder.build().map_err(|error| report("Arti's settings do not fit", &error))?;
        let runtime = runtime::current().map_err(|error| error.to_string())?;
        let client = TorClient::with_runtime(runtime).config(config).create_unbootstrapped();
        let client = client.map_err(|error| format!("Arti cannot begin: {}", error.report()))?;
        tokio::spawn(watch(Arc::clone(&client), parent.clone()));
        let services = Arc::new(Services::new(Arc::clone(&client), start, parent.clone()));
        tokio::spawn(bootstrap(Arc::clone(&client), Arc::clone(&services), parent));
        Ok(Self { client, services, known: Mutex::default() })
    }

    async fn dial(
        &self,
        address: &OnionAddress,
        port: u16,
        circuits: String,
        secret: Option<Secret>,
    ) -> Result<DataStream, DialError> {
        let prefs = Circuits(circuits).prefs();
        let target = (address.full(), port);
        let dialled = self.client.connect_with_prefs(target, &prefs).await;
        match (dialled.map_err(|error| fault(&error)), secret) {
            // A service for which Arti has a key is dialled over fresh circuits every time, so that it gets
            // one only for those that are not found otherwise.
            (Err(DialError::Restricted), Some(secret)) if self.know(address, &secret)? => {
                let dialled = self.client.connect_with_prefs(target, &prefs).await;
                dialled.map_err(|error| fault(&error))
            }
            (dialled, _) => dialled,
        }
    }

    fn set_discovery(&self, keys: Option<BTreeSet<DiscoveryKey>>) {
        self.services.set_discovery(keys);
    }

    fn close(&self) {
        self.services.close();
    }
}

impl Tor {
    /// Gives Arti what finds a service whose discovery is restricted, in place of what it has for it; whether it
    /// did not have that yet.
    fn know(&self, address: &OnionAddress, secret: &Secret) -> Result<bool, DialError> {
        let public = DiscoverySecret::from_bytes(secret.0.clone()).public();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.get(address.full());
        if before == Some(&public) || (before.is_none() && known.len() >= KNOWN_MAX) {
            return Ok(false);
        }
        let id: HsId = address.full().parse().map_err(|_| DialError::NotFound)?;
        let other = |error: arti_client::Error| DialError::Other(error.report().to_string());
        if known.remove(address.full()).is_some() {
            // A link's, before the two hubs knew each other, or that of an older link.
            let removed = self.client.remove_service_discovery_key(KeystoreSelector::Primary, id);
            removed.map_err(other)?;
        }
        let key = HsClientDescEncSecretKey::from(StaticSecret::from(*secret.0));
        let told = self.client.insert_service_discovery_key(KeystoreSelector::Primary, id, key);
        told.map_err(other)?;
        known.insert(address.full().into(), public);
        Ok(true)
    }
}

/// Arti remembers introduction points whose keys were in the memory of an earlier child: they cannot be used
/// again, and would pile up.
fn forget_services(state_dir: &std::path::Path) {
    // What cannot be removed, Arti regenerates, and says so.
    let _left = std::fs::remove_dir_all(state_dir.join("state/hss"));
}

/// Brings Tor up, then publishes.
async fn bootstrap(client: Client, services: Arc<Services>, parent: Parent) {
    if let Err(error) = client.bootstrap().await {
        let reason = format!("Tor cannot connect to its network: {}", error.report());
        return parent.tell(ToParent::Failed(reason)).await;
    }
    parent.tell(ToParent::Bootstrapped).await;
    // A service that is launched before never publishes.
    if let Err(reason) = services.launch() {
        parent.tell(ToParent::Failed(reason)).await;
    }
}

/// Tells how far Tor is, each time it is something else.
async fn watch(client: Client, parent: Parent) {
    let mut events = client.bootstrap_events();
    let mut told = None;
    let mut bootstrapped = false;
    while let Some(status) = events.next().await {
        bootstrapped |= status.ready_for_traffic();
        if bootstrapped {
            // From here on the parent hears of services; what Tor lacks later shows in them.
            return;
        }
        let percent = (status.as_frac().clamp(0.0, 1.0) * 100.0) as u8;
        let blockage = status.blocked();
        let blocked = blockage.as_ref().and_then(|blockage| blocked(&blockage.kind()));
        let now = (percent, blocked);
        if told != Some(now) {
            told = Some(now);
            parent.tell(ToParent::Bootstrapping { percent, blocked }).await;
            if let Some(blockage) = blockage.filter(|_| blocked.is_some()) {
                tracing::warn!("{}", blockage.message());
            }
        }
    }
}

fn blocked(kind: &BlockageKind) -> Option<Blocked> {
    match kind {
        // Not told to begin yet.
        BlockageKind::Disabled => None,
        BlockageKind::Offline => Some(Blocked::Offline),
        BlockageKind::Filtering => Some(Blocked::Filtered),
        BlockageKind::ClockSkewed => Some(Blocked::Clock),
        BlockageKind::CantBootstrap => Some(Blocked::Directory),
        _ => Some(Blocked::Other),
    }
}

/// Whose fault it is that there is no stream, as far as that can be told.
fn fault(error: &arti_client::Error) -> DialError {
    let told = || error.report().to_string();
    match error.kind() {
        ErrorKind::OnionServiceNotFound | ErrorKind::OnionServiceAddressInvalid => {
            DialError::NotFound
        }
        ErrorKind::OnionServiceMissingClientAuth | ErrorKind::OnionServiceWrongClientAuth => {
            DialError::Restricted
        }
        ErrorKind::OnionServiceNotRunning
        | ErrorKind::OnionServiceConnectionFailed
        | ErrorKind::RemoteNetworkFailed => DialError::Unanswered,
        ErrorKind::RemoteConnectionRefused
        | ErrorKind::RemoteStreamClosed
        | ErrorKind::RemoteStreamReset
        | ErrorKind::RemoteStreamError
        | ErrorKind::ExitPolicyRejected => DialError::Refused,
        ErrorKind::TorNetworkTimeout | ErrorKind::RemoteNetworkTimeout | ErrorKind::ExitTimeout => {
            DialError::TimedOut
        }
        ErrorKind::BootstrapRequired
        | ErrorKind::DirectoryExpired
        | ErrorKind::TorDirectoryUnusable
        | ErrorKind::TorAccessFailed => DialError::NotReady(told()),
        _ => DialError::Other(told()),
    }
}

fn report(what: &str, error: &dyn std::error::Error) -> String {
    let mut text = format!("{what}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// Which circuits a stream may share: those with the same word.
#[derive(Clone, PartialEq, Eq)]
struct Circuits(String);

impl Circuits {
    fn prefs(self) -> StreamPrefs {
        let mut prefs = StreamPrefs::new();
        prefs.connect_to_onion_services(arti_client::config::BoolOrAuto::Explicit(true));
        prefs.set_isolation(self);
        prefs
    }
}

impl fmt::Debug for Circuits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Circuits(…)")
    }
}

impl IsolationHelper for Circuits {
    fn compatible_same_type(&self, other: &Self) -> bool {
        self == other
    }

    fn join_same_type(&self, other: &Self) -> Option<Self> {
        (self == other).then(|| self.clone())
    }

    fn enables_long_lived_circuits(&self) -> bool {
        true
    }
}
