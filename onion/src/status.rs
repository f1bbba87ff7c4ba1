//! How far a hub is on its way to being reachable, in words that a person understands.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

/// What is known of the onion service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How far it is.
    pub stage: Stage,
    /// Since when.
    pub since: Instant,
    /// What went wrong last, also where it has been mended since.
    pub last_error: Option<Noted>,
    /// How the last self-dial went.
    pub last_check: Option<Check>,
    /// How often the way into Tor was begun anew.
    pub restarts: u32,
    /// The process that speaks Tor, where it is our own.
    pub child: Option<u32>,
    /// Who can find the service, as Tor was told last.
    pub discovery: Effective,
}

/// Something that was said, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// When.
    pub at: Instant,
    /// What.
    pub text: String,
}

/// How a self-dial went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// When it ended.
    pub at: Instant,
    /// How long it took, or why it failed.
    pub outcome: Result<Duration, String>,
}

/// How far an onion service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Onion services are switched off.
    Off,
    /// Tor is being started, or looked for.
    Starting,
    /// Tor finds out about the network.
    Bootstrapping {
        /// How much of it is done.
        percent: u8,
        /// What keeps it.
        blocked: Option<Blocked>,
    },
    /// The descriptor is on its way to the directories.
    Publishing,
    /// It is published; the hub dials itself to be sure.
    Checking,
    /// The hub has reached itself through Tor.
    Reachable,
    /// It was reachable, or should be, and the hub did not reach itself.
    Unreachable,
    /// Somebody else answers under this hub's address: two hubs have one key.
    Twin,
    /// The way into Tor has broken; it is begun anew then.
    Waiting {
        /// When.
        until: Instant,
    },
    /// The hub stops.
    Stopped,
}

/// What keeps Tor from its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocked {
    /// There is no network.
    Offline,
    /// There is one, and Tor's relays cannot be reached in it.
    Filtered,
    /// Relays answer, and the directory cannot be had from them.
    Directory,
    /// The clock of this device is wrong.
    Clock,
    /// Something else.
    Other,
}

/// Who can find the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effective {
    /// Nothing is published.
    #[default]
    Nobody,
    /// Everybody who has the address.
    Everybody,
    /// Those with one of so many keys.
    Keys(usize),
    /// The same, once the descriptor that says so is published: at most a minute later.
    KeysSoon(usize),
}

impl Status {
    pub(crate) fn new(stage: Stage) -> Self {
        Self {
            stage,
            since: Instant::now(),
            last_error: None,
            last_check: None,
            restarts: 0,
            child: None,
            discovery: Effective::Nobody,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Starting => f.write_str("starting Tor"),
            Self::Bootstrapping { percent, blocked: None } => {
                write!(f, "connecting to the Tor network, {percent}%")
            }
            Self::Bootstrapping { percent, blocked: Some(blocked) } => {
                write!(f, "connecting to the Tor network, {percent}%: {blocked}")
            }
            Self::Publishing => f.write_str("publishing where this hub is found"),
            Self::Checking => f.write_str("published; trying whether this hub can be reached"),
            Self::Reachable => f.write_str("reachable"),
            Self::Unreachable => {
                f.write_str("not reachable: this hub could not reach itself through Tor")
            }
            Self::Twin => f.write_str(
                "another hub answers under this one's address: the same device key is in use twice; \
                 stop one of them",
            ),
            Self::Waiting { .. } => f.write_str("about to try again"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offline => "this device has no network",
            Self::Filtered => "the network does not let Tor through; try a bridge",
            Self::Directory => "Tor's directory cannot be fetched",
            Self::Clock => "the clock of this device is wrong",
            Self::Other => "Tor does not get on",
        })
    }
}

impl Stage {
    /// The stage as one word, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Starting => "starting",
            Self::Bootstrapping { .. } => "bootstrapping",
            Self::Publishing => "publishing",
            Self::Checking => "checking",
            Self::Reachable => "reachable",
            Self::Unreachable => "unreachable",
            Self::Twin => "twin",
            Self::Waiting { .. } => "waiting",
            Self::Stopped => "stopped",
        }
    }
}
