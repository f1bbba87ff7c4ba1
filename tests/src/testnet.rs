//! A private Tor network, out of Debian's `tor`: a directory authority and three relays, which is the least
//! that onion services work on.
//!
//! ```no_run
//! use tests::{CTorOptions, OnionService, TestNet};
//!
//! let network = TestNet::shared();
//! let target = "127.0.0.1:8080".parse().expect("an address");
//! let service = Some(OnionService { port: 80, target });
//! let host = network.c_tor(&CTorOptions { service, ..CTorOptions::default() });
//! println!("http://{}/ by way of {}", host.onion_address(), network.c_tor(&CTorOptions::default()).socks());
//! ```
//!
//! `cargo xtask testnet` keeps one up for a person to try things on.

mod c_tor;
pub use c_tor::{CTor, CTorOptions, Control, OnionService};
mod consensus;
mod identity;
mod relay;
mod schedule;
mod site;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::Namespace;
use identity::Identity;
use relay::Relay;
use schedule::Schedule;
use site::Site;

/// The relays beside the authority.
const RELAYS: usize = 3;

/// How long relays have to make themselves known before the first vote. It is not repeated for an hour, so a
/// network that missed somebody starts over with the next of these.
const LEARNING: [Duration; 3] =
    [Duration::from_secs(6), Duration::from_secs(10), Duration::from_secs(16)];

/// For clients, by way of the consensus. Both implementations have to use one time period, and Arti's guards
/// and timeouts are made for a network that is larger and farther away.
const CONSENSUS_PARAMETERS: &str = "hsdir_interval=1440 cbtinitialtimeout=5000 cbtmintimeout=2000 \
     guard-max-sample-size=4 guard-min-filtered-sample-size=3";

/// What relays and clients have in common.
const NETWORK: &str = "\
TestingTorNetwork 1
AssumeReachable 1
PathsNeededToBuildCircuits 0.25
ShutdownWaitLength 0
SafeLogging 0
NumCPUs 1
";

/// A running network; dropping it ends all its processes and leaves no files.
///
/// They end too when this process is killed.
pub struct TestNet {
    authority: Relay,
    directory: SocketAddrV4,
    relays: [Relay; RELAYS],
    /// What every C Tor in it is told.
    network: String,
}

impl TestNet {
    /// The one that all tests of this process use, who therefore leave its relays alone.
    ///
    /// # Panics
    /// As [`Self::start`] does.
    #[track_caller]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<TestNet> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts one of one's own on 127.0.0.1, which takes about fourteen seconds.
    ///
    /// # Panics
    /// When it finds no consensus, however long it is given.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST)
    }

    /// As [`Self::start`], on another address of this machine.
    #[track_caller]
    pub fn start_on(address: Ipv4Addr) -> Self {
        Self::start_at(&Site::local(address))
    }

    /// As [`Self::start`], in a namespace and on the address that it has for others.
    #[track_caller]
    pub fn start_in(namespace: &Namespace) -> Self {
        Self::start_at(&Site::inside(namespace, namespace.address()))
    }

    /// As [`Self::start`], with a clock that is so many seconds ahead of ours.
    ///
    /// # Panics
    /// As [`Self::start`] does.
    #[track_caller]
    pub fn start_ahead(ahead: i64) -> Self {
        Self::start_at(&Site { ahead, ..Site::local(Ipv4Addr::LOCALHOST) })
    }

    /// As [`Self::start`], with relays that refuse the descriptor of every onion service.
    ///
    /// # Panics
    /// As [`Self::start`] does.
    #[track_caller]
    pub fn start_refusing_descriptors() -> Self {
        Self::start_by(&Site::local(Ipv4Addr::LOCALHOST), "HSV3MaxDescriptorSize=1")
    }

    #[track_caller]
    fn start_at(site: &Site) -> Self {
        Self::start_by(site, "")
    }

    /// With further parameters in the consensus.
    #[track_caller]
    #[allow(clippy::print_stderr, reason = "whoever waits wants to know why")]
    fn start_by(site: &Site, parameters: &str) -> Self {
        let mut faults = Vec::new();
        for learning in LEARNING {
            match Self::attempt(site, learning, parameters) {
                Ok(network) => return network,
                Err(fault) => {
                    eprintln!("the private Tor network starts over: {fault}");
                    faults.push(fault);
                }
            }
        }
        panic!("no private Tor network: {faults:#?}");
    }

    #[track_caller]
    fn attempt(site: &Site, learning: Duration, parameters: &str) -> Result<Self, String> {
        let identity = Identity::of("authority");
        let [directory, authority_port, ports @ ..] = site.free_ports::<{ 2 + RELAYS }>();
        let schedule = Schedule::starting_now(learning, site.ahead);
        let network = format!(
            "{NETWORK}{}DirAuthority authority orport={} no-v2 v3ident={} {directory} {}\n",
            schedule.settings(),
            authority_port.port(),
            identity.v3(),
            identity.rsa
        );

        let randomness = schedule.shared_randomness();
        let authority = Relay::start_authority(
            site,
            identity,
            authority_port,
            directory,
            &format!("{network}ConsensusParams {CONSENSUS_PARAMETERS} {parameters}\n"),
            &randomness,
        );
        // A relay that makes itself known to nobody does not try again in time.
        authority.await_listening()?;
        let mut number = 0;
        let relays = ports.map(|port| {
            number += 1;
            Relay::start(site, &format!("relay{number}"), port, &network)
        });
        let started = Self { authority, directory, relays, network };
        started.await_consensus(schedule.limit())?;
        Ok(started)
    }

    /// Waits for the first consensus, which is the only one for a long time, and until every relay can tell
    /// clients about it: one that asks too early asks again after ten seconds.
    fn await_consensus(&self, limit: Duration) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        let is_ready = |relay: &Relay| relay.consensus().is_some() && relay.described() > RELAYS;
        loop {
            if let Some(ended) = self.all().find_map(Relay::ended) {
                return Err(ended);
            }
            if let Some(fault) = self.fault() {
                return Err(fault);
            }
            if self.all().all(is_ready) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err("there is no consensus, or not every relay has it".to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn all(&self) -> impl Iterator<Item = &Relay> {
        std::iter::once(&self.authority).chain(&self.relays)
    }

    /// The consensus of its relays, as the authority made it.
    ///
    /// # Panics
    /// When it is gone.
    #[track_caller]
    pub fn consensus(&self) -> String {
        self.authority.consensus().expect("a consensus")
    }

    /// What keeps its consensus from being used: relays or flags that it lacks.
    pub fn fault(&self) -> Option<String> {
        consensus::fault(&self.authority.consensus()?, 1 + RELAYS)
    }

    /// What Arti has to be told to use this network, as TOML.
    pub fn arti_toml(&self) -> String {
        self.settings("")
    }

    /// The same in a hub's `larder.toml`.
    pub fn hub_settings(&self) -> String {
        format!("[onion]\n\n{}", self.settings("onion.arti."))
    }

    fn settings(&self, prefix: &str) -> String {
        let Self { authority: Relay { identity, or_port, .. }, directory, .. } = self;
        let (rsa, ed25519, v3) = (&identity.rsa, &identity.ed25519, identity.v3());
        // Every relay has the same address, so nothing can be told from nearness.
        format!(
            r#"[{prefix}tor_network]
fallback_caches = [{{ rsa_identity = "{rsa}", ed_identity = "{ed25519}", orports = ["{or_port}"] }}]

[{prefix}tor_network.authorities]
v3idents = ["{v3}"]
uploads = [["{directory}"]]
downloads = [["{directory}"]]
votes = [["{directory}"]]

[{prefix}path_rules]
ipv4_subnet_family_prefix = 33
ipv6_subnet_family_prefix = 129
reachable_addrs = ["*:*"]

[{prefix}address_filter]
allow_local_addrs = true
"#
        )
    }

    /// A line for `[bridges]` of Arti, or after `Bridge` for C Tor without its last word: the last relay,
    /// which is no worse for being known.
    pub fn bridge_line(&self) -> String {
        let Relay { identity, or_port, .. } = &self.relays[RELAYS - 1];
        format!("{or_port} {} ed25519:{}", identity.rsa, identity.ed25519)
    }

    /// Starts a C Tor that uses this network.
    ///
    /// # Panics
    /// With the end of its log, when it does not find it.
    #[track_caller]
    pub fn c_tor(&self, options: &CTorOptions<'_>) -> CTor {
        CTor::start(&self.network, options)
    }

    /// Takes a relay away, counted from 0.
    ///
    /// # Panics
    /// When there is no such relay.
    #[track_caller]
    pub fn stop_relay(&mut self, number: usize) {
        self.relays[number].stop();
    }

    /// Brings it back, with what it knew, and waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn start_relay(&mut self, number: usize) {
        self.relays[number].start_again();
    }

    /// Takes the authority away.
    pub fn stop_authority(&mut self) {
        self.authority.stop();
    }

    /// Brings it back, with the consensus that it made, and waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn start_authority(&mut self) {
        self.authority.start_again();
    }
}
