//! One relay of the network; the directory authority is one too.

use std::fs::{self, Permissions};
use std::net::SocketAddrV4;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use tempfile::TempDir;

use super::identity::Identity;
use super::site::Site;
use crate::Guarded;

/// What every relay is told.
const RELAY: &str = "\
SocksPort 0
ExitRelay 1
ExitPolicy accept *:*
# The usual scheduler looks at its connections every 10 ms, which each of six hops would add.
Schedulers Vanilla
BandwidthRate 1000 MBytes
BandwidthBurst 1000 MBytes
# Many clients come from one address here.
DoSCircuitCreationEnabled 0
DoSConnectionEnabled 0
HiddenServiceStatistics 0
ConnDirectionStatistics 0
ExtraInfoStatistics 0
";

/// What makes the authority give every relay every flag at once.
const AUTHORITY: &str = "\
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
AuthDirMaxServersPerAddr 0
AuthDirTestReachability 0
AuthDirTestEd25519LinkKeys 0
TestingDirAuthVoteExit *
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingMinExitFlagThreshold 0
TestingMinFastFlagThreshold 0
MinUptimeHidServDirectoryV2 0 minutes
TestingAuthDirTimeToLearnReachability 0 minutes
";

/// Far longer than a relay takes to find its network again.
const START_LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Relay {
    pub(crate) identity: Identity,
    pub(crate) or_port: SocketAddrV4,
    process: Guarded,
}

impl Relay {
    /// Starts the authority, with its shared random values, without waiting.
    #[track_caller]
    pub(crate) fn start_authority(
        site: &Site,
        identity: Identity,
        or_port: SocketAddrV4,
        directory: SocketAddrV4,
        network: &str,
        shared_randomness: &str,
    ) -> Self {
        let settings = format!("{network}{AUTHORITY}DirPort {directory}\n");
        let folder = data_directory();
        fs::write(folder.path().join("sr-state"), shared_randomness).expect("random values");
        Self::start_in(folder, site, "authority", identity, or_port, &settings)
    }

    /// Starts a relay without waiting.
    #[track_caller]
    pub(crate) fn start(site: &Site, nickname: &str, or_port: SocketAddrV4, network: &str) -> Self {
        let identity = Identity::of(nickname);
        Self::start_in(data_directory(), site, nickname, identity, or_port, network)
    }

    #[track_caller]
    fn start_in(
        folder: TempDir,
        site: &Site,
        nickname: &str,
        identity: Identity,
        or_port: SocketAddrV4,
        settings: &str,
    ) -> Self {
        identity.copy_to(folder.path());
        let address = site.address;
        let settings = format!(
            "{settings}{RELAY}Nickname {nickname}\nContactInfo {nickname}@example.invalid\n\
             Address {address}\nOrPort {or_port}\n"
        );
        let process = tor(site, folder, &settings);
        Self { identity, or_port, process }
    }

    /// What the relay has stored of the consensus, which for the authority is what it made.
    pub(crate) fn consensus(&self) -> Option<String> {
        fs::read_to_string(self.process.path().join("cached-microdesc-consensus")).ok()
    }

    /// How many relays it can describe to clients.
    pub(crate) fn described(&self) -> usize {
        let read = |name| fs::read(self.process.path().join(name)).unwrap_or_default();
        let [old, new] = ["cached-microdescs", "cached-microdescs.new"].map(read);
        // Every description has one such line.
        let text = [old, new].concat();
        String::from_utf8_lossy(&text)
            .lines()
            .filter(|line| line.starts_with("ntor-onion-key "))
            .count()
    }

    pub(crate) fn await_listening(&self) -> Result<(), String> {
        self.process.await_log("Opened OR listener connection (ready)", START_LIMIT)
    }

    pub(crate) fn ended(&self) -> Option<String> {
        let how = self.process.ended()?;
        Some(format!("{how}\n{}", self.process.log()))
    }

    pub(crate) fn stop(&mut self) {
        self.process.stop();
    }

    /// Starts it with what it knew before, and waits until it listens again. It calls itself ready when its
    /// own circuits stand, for which others may be missing.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        self.process.start_again();
        if let Err(reason) = self.await_listening() {
            panic!("a relay does not come back: {reason}");
        }
    }
}

/// A folder as `tor` wants it: nobody else's.
#[track_caller]
pub(crate) fn data_directory() -> TempDir {
    let private = Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().prefix("larder-testnet-").permissions(private).tempdir();
    folder.expect("a data directory")
}

/// Starts `tor` with these settings on a data directory.
#[track_caller]
pub(crate) fn tor(site: &Site, folder: TempDir, settings: &str) -> Guarded {
    let (path, owner) = (folder.path(), std::process::id());
    let torrc = path.join("torrc");
    let settings = format!(
        "{settings}DataDirectory {}\nLog notice stdout\n\
         # Should even the guardian be killed, tor itself looks for us now and then.\n\
         __OwningControllerProcess {owner}\n",
        path.display()
    );
    fs::write(&torrc, settings).expect("settings of tor");
    let defaults = path.join("no-defaults");
    fs::write(&defaults, "").expect("settings of tor");
    let mut command = site.command("tor");
    command.arg("-f").arg(torrc).arg("--defaults-torrc").arg(defaults);
    Guarded::start(&command, folder)
}
