//! The onion services of a hub, published by Arti.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::sync::{Semaphore, watch};
use tor_cell::relaycell::msg::{Connected, End, EndReason};
use tor_error::ErrorReport as _;
use tor_hscrypto::pk::{HsClientDescEncKey, HsIdKeypair};
use tor_hsservice::config::{OnionServiceConfig, OnionServiceConfigBuilder};
use tor_hsservice::status::Problem;
use tor_hsservice::{RendRequest, RunningOnionService, StreamRequest, handle_rend_requests};
use tor_llcrypto::pk::ed25519::{ExpandedKeypair, Keypair};
use tor_proto::stream::IncomingStreamRequest;

use super::Client;
use crate::arti::copy::Parent;
use crate::arti::message::{Secret, Start, ToParent};
use crate::{DiscoveryKey, DiscoverySecret, Effective, Service, self_dial};

/// Arti publishes a descriptor at most once a minute, and says nothing when it has.
const REPUBLISHED: Duration = Duration::from_secs(65);

type Keys = Option<BTreeSet<DiscoveryKey>>;

pub(super) struct Services {
    client: Client,
    start: Start,
    parent: Parent,
    streams: Arc<Semaphore>,
    running: Mutex<Vec<Arc<RunningOnionService>>>,
    discovery: watch::Sender<Keys>,
    closed: watch::Sender<bool>,
}

impl Services {
    pub(super) fn new(client: Client, start: Start, parent: Parent) -> Self {
        Self {
            client,
            parent,
            streams: Arc::new(Semaphore::new(start.streams_max)),
            running: Mutex::default(),
            discovery: watch::Sender::new(start.discovery.clone()),
            closed: watch::Sender::new(false),
            start,
        }
    }

    /// Publishes, once Tor has bootstrapped.
    ///
    /// # Errors
    /// For a person to read.
    pub(super) fn launch(self: &Arc<Self>) -> Result<(), String> {
        let keys = self.discovery.borrow().clone();
        let config = self.config(Service::Main, keys.as_ref())?;
        let main = self.begin(Service::Main, config, &self.start.main)?;
        tokio::spawn(tell(Arc::clone(self), Arc::clone(&main)));
        tokio::spawn(restrict(Arc::clone(self), main));
        if let Some(key) = &self.start.strangers {
            let config = self.config(Service::Strangers, None)?;
            self.begin(Service::Strangers, config, key)?;
        }
        Ok(())
    }

    pub(super) fn set_discovery(&self, keys: Keys) {
        self.discovery.send_if_modified(|now| {
            let changes = *now != keys;
            *now = keys;
            changes
        });
    }

    /// Accepts nothing more.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    fn begin(
        self: &Arc<Self>,
        service: Service,
        config: OnionServiceConfig,
        key: &Secret,
    ) -> Result<Arc<RunningOnionService>, String> {
        let keypair = ExpandedKeypair::from(&Keypair::from_bytes(&key.0));
        let launched =
            self.client.launch_onion_service_with_hsid(config, HsIdKeypair::from(keypair));
        let launched = launched
            .map_err(|error| format!("the onion service cannot be launched: {}", error.report()))?;
        let (running, requests) = launched.ok_or("the onion service is switched off")?;
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&running));
        tokio::spawn(Arc::clone(self).accept(service, requests));
        Ok(running)
    }

    async fn accept(
        self: Arc<Self>,
        service: Service,
        requests: impl Stream<Item = RendRequest> + Send,
    ) {
        let mut requests = std::pin::pin!(handle_rend_requests(requests));
        let mut closed = self.closed.subscribe();
        loop {
            let request = tokio::select! {
                request = requests.next() => request,
                _ = closed.wait_for(|&closed| closed) => return,
            };
            let Some(request) = request else { return };
            tokio::spawn(Arc::clone(&self).answer(service, request));
        }
    }

    async fn answer(self: Arc<Self>, service: Service, request: StreamRequest) {
        let port = match request.request() {
            IncomingStreamRequest::Begin(begin) => begin.port(),
            _ => 0,
        };
        let answers = match service {
            Service::Main => self.start.ports.contains(&port),
            Service::Strangers => port == self.start.strangers_port,
        };
        let refuse = |reason| End::new_with_reason(reason);
        // Checks of the hub's own are not counted, else strangers could fill it and keep it from hearing itself;
        // the parent lets few of them stay.
        let room = match port {
            self_dial::PORT => Ok(None),
            _ => Arc::clone(&self.streams).try_acquire_owned().map(Some),
        };
        let refused = match (answers, room) {
            (false, _) => request.reject(refuse(EndReason::DONE)).await,
            (true, Err(_)) => request.reject(refuse(EndReason::RESOURCELIMIT)).await,
            (true, Ok(_counted)) => match request.accept(Connected::new_empty()).await {
                Ok(stream) => {
                    self.parent.pass_on(ToParent::Incoming { service, port }, stream).await;
                    Ok(())
                }
                Err(error) => Err(error),
            },
        };
        if let Err(error) = refused {
            tracing::debug!("a stream ended early: {}", error.report());
        }
    }

    /// The settings of a service; a restricted one is found by the hub itself, too.
    fn config(
        &self,
        service: Service,
        keys: Option<&BTreeSet<DiscoveryKey>>,
    ) -> Result<OnionServiceConfig, String> {
        let mut config = OnionServiceConfigBuilder::default();
        // The names are those of Arti's files; what they hold is lost when they change.
        let nickname = match service {
            Service::Main => "hub",
            Service::Strangers => "strangers",
        };
        let unfit = |error: &dyn std::error::Error| super::report("the onion service", error);
        config.nickname(nickname.parse().map_err(|error| unfit(&error))?);
        let streams = u32::try_from(self.start.streams_max).unwrap_or(u32::MAX);
        config.max_concurrent_streams_per_circuit(streams);
        if let Some(keys) = keys {
            let own = DiscoverySecret::from_bytes(self.start.own_secret.0.clone()).public();
            let restricted = config.restricted_discovery();
            restricted.enabled(true);
            for (number, key) in keys.iter().chain([&own]).enumerate() {
                let name = format!("key{number}").parse().map_err(|error| unfit(&error))?;
                let key: HsClientDescEncKey =
                    key.to_string().parse().map_err(|_| "a discovery key is no key".to_owned())?;
                restricted.static_keys().access().push((name, key));
            }
        }
        config.build().map_err(|error| unfit(&error))
    }
}

/// Tells the parent when the service is published, and what goes wrong.
async fn tell(services: Arc<Services>, main: Arc<RunningOnionService>) {
    let mut events = main.status_events();
    let (mut reachable, mut problem) = (false, None);
    while let Some(status) = events.next().await {
        let is_reachable = status.state().is_fully_reachable();
        if is_reachable && !reachable {
            services.parent.tell(ToParent::Published).await;
        }
        reachable = is_reachable;
        let is_problem = status.current_problem().and_then(describe);
        if is_problem != problem {
            if let Some(text) = &is_problem {
                services.parent.tell(ToParent::Trouble(text.clone())).await;
            }
            problem = is_problem;
        }
    }
}

/// Brings who can find the service up to date, and tells the parent when that is effective.
async fn restrict(services: Arc<Services>, main: Arc<RunningOnionService>) {
    let mut discovery = services.discovery.subscribe();
    let mut first = true;
    loop {
        let keys = discovery.borrow_and_update().clone();
        let count = keys.as_ref().map(BTreeSet::len);
        if !first {
            let configured = services.config(Service::Main, keys.as_ref()).and_then(|config| {
                let changed = main.reconfigure(config, tor_config::Reconfigure::AllOrNothing);
                changed.map_err(|error| error.report().to_string())
            });
            if let Err(reason) = configured {
                // A child that begins with the new keys is as good.
                let reason = format!("who can find this hub cannot be changed: {reason}");
                return services.parent.tell(ToParent::Failed(reason)).await;
            }
            if let Some(count) = count {
                services.parent.tell(ToParent::Effective(Effective::KeysSoon(count))).await;
                tokio::select! {
                    () = tokio::time::sleep(REPUBLISHED) => {}
                    changed = discovery.changed() => match changed {
                        Ok(()) => continue,
                        Err(_gone) => return,
                    },
                }
            }
        }
        first = false;
        let effective = count.map_or(Effective::Everybody, Effective::Keys);
        services.parent.tell(ToParent::Effective(effective)).await;
        if discovery.changed().await.is_err() {
            return;
        }
    }
}

fn describe(problem: &Problem) -> Option<String> {
    Some(match problem {
        Problem::DescriptorUpload(_) => {
            "where this hub is found could not be published at some of Tor's directories".into()
        }
        // While the first ones are being looked for, none has failed.
        Problem::Ipt(failed) if failed.is_empty() => return None,
        Problem::Ipt(_) => {
            "some relays that should introduce callers to this hub do not answer".into()
        }
        Problem::Runtime(error) => format!("the onion service failed: {}", error.report()),
        _ => "the onion service has a problem".into(),
    })
}
