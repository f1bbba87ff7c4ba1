//! The command line: what `larder` understands.

mod acl;
mod app;
mod archive;
mod conflicts;
mod db;
mod device;
mod friend;
mod hub;
mod import;
mod key;
mod onion;
mod open;
mod overwritten;
mod pair;
mod passphrase;
mod pause;
mod quota;
mod rules;
mod run;
mod service;
mod share;
mod show;
mod status;
mod support;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::acl::{AclVerb, GroupVerb};
use self::app::AppVerb;
use self::db::DbVerb;
use self::overwritten::{HeldVerb, OverwrittenVerb};
use crate::config::{HttpAddress, TlsAddress};
use crate::data_dir::{self, DataDir};
use crate::observe::Format;
use crate::onion::OnionMode;
pub(crate) use show::complain;

/// Your device's hub: keeps your data, speaks CouchDB to your apps, and brings other hubs up to
/// date.
#[derive(Debug, Parser)]
#[command(name = "larder", version, disable_help_subcommand = true)]
pub(crate) struct Command {
    /// Where the hub keeps everything [default: the platform's data directory]
    #[arg(long, global = true, value_name = "DIR", env = "LARDER_DATA_DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    run: RunArgs,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the hub; `larder` alone does the same
    Run(RunArgs),
    /// Show how the hub is
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a link to the hub's pages that lets one browser in, once, within five minutes
    Open {
        /// Have the browser follow it, instead of printing it
        #[arg(long)]
        browser: bool,
    },
    /// Print the hub's address with the owner's token, ready for curl or PouchDB
    Url,
    /// Create, show and delete databases
    Db {
        #[command(subcommand)]
        verb: DbVerb,
    },
    /// See edits that lost to later ones, bring them back or dismiss them
    Overwritten {
        #[command(subcommand)]
        verb: OverwrittenVerb,
    },
    /// See documents whose conflict nothing decides, and decide it
    Conflicts(conflicts::ConflictsArgs),
    /// See edits of other devices whose clocks are ahead, which wait for their time
    Held {
        #[command(subcommand)]
        verb: HeldVerb,
    },
    /// Pair with another device of yours, or with a friend: shows a code and waits, or goes where one was shown
    Pair(pair::PairArgs),
    /// Keep your devices in step with each other
    Device {
        #[command(subcommand)]
        verb: device::DeviceVerb,
    },
    /// Share databases with other people's hubs
    Friend {
        #[command(subcommand)]
        verb: friend::FriendVerb,
    },
    /// Say how much others may bring to this device, and see how much they have
    Quota {
        #[command(subcommand)]
        verb: quota::QuotaVerb,
    },
    /// Share a database, or a view of one, with somebody
    Share(share::ShareArgs),
    /// Share it with them no longer
    Unshare(share::UnshareArgs),
    /// List what you share, and with whom
    Shares {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// See what friends share with you, and take it or decline it
    Invitations {
        #[command(subcommand)]
        verb: Option<share::InvitationVerb>,
    },
    /// Show who has read what of yours
    Reads(share::ReadsArgs),
    /// Stop being in step with other hubs, or Tor, or both, until you resume
    Pause(pause::PauseArgs),
    /// Go on with what was paused
    Resume(pause::PauseArgs),
    /// Collect what helps others to help you, without keys, names and contents
    Support {
        /// Where to; must not be there yet [default: printed]
        file: Option<PathBuf>,
    },
    /// Say why something is not in step; ends with 1 where something is not
    Why(why::WhyArgs),
    /// Let programs use the hub, each with a token and rights of its own
    App {
        #[command(subcommand)]
        verb: AppVerb,
    },
    /// Show and change who may use which database, and explain why
    Acl {
        #[command(subcommand)]
        verb: AclVerb,
    },
    /// Name sets of devices, people and apps, to be given rights together
    Group {
        #[command(subcommand)]
        verb: GroupVerb,
    },
    /// Bring the databases of a CouchDB, another hub or a pouchdb-server here
    Import(import::ImportArgs),
    /// Let systemd or launchd run the hub
    Service {
        #[command(subcommand)]
        verb: service::ServiceVerb,
    },
    /// Show the device's key, keep a copy of it, protect it by a passphrase
    Key {
        #[command(subcommand)]
        verb: key::KeyVerb,
    },
    /// Show where the hub is reached through Tor, whether it is, and who may find it
    Onion {
        #[command(subcommand)]
        verb: onion::OnionVerb,
    },
    /// Read everything, whether a hub runs or not, and report what is damaged
    Verify,
    /// Write all databases to a file, as they are at this moment
    Backup {
        /// Where to; replaced when the backup is complete and has been read back
        file: PathBuf,
        /// Write nothing: read the backup in FILE and say whether it is sound
        #[arg(long)]
        verify: bool,
    },
    /// Fill an empty data directory from a backup
    Restore {
        /// What `larder backup` wrote
        file: PathBuf,
    },
}

/// How to run the hub.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// Where to listen, on this machine only; port 0 is any free one [default: localhost:5984]
    #[arg(long, value_name = "ADDR", env = "LARDER_HTTP")]
    http: Option<HttpAddress>,
    /// Where to listen for TLS, which is for keys; an address that is not loopback opens the hub to
    /// other machines [default: localhost:6984]
    #[arg(long, value_name = "ADDR|off", env = "LARDER_TLS")]
    tls: Option<TlsAddress>,
    /// Settings [default: larder.toml in the data directory, where there is one]
    #[arg(long, value_name = "FILE", env = "LARDER_CONFIG")]
    config: Option<PathBuf>,
    /// How lines of the log look [default: text, or what the settings say]
    #[arg(long, value_name = "FORMAT", env = "LARDER_LOG_FORMAT")]
    log_format: Option<Format>,
    /// How other hubs reach this one: through Tor by the hub's own means (arti), by a Tor that runs
    /// here anyway (system), or not at all (off) [default: arti, or what the settings say]
    #[arg(long, value_name = "arti|system|off", env = "LARDER_ONION")]
    onion: Option<OnionMode>,
}

/// How a command ended, where nothing kept it from being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Well.
    Done,
    /// It was done, and found something wrong.
    Found,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Found => Self::FAILURE,
        }
    }
}

/// Flags that belong to `run` and to no other verb.
const RUN_FLAGS: [&str; 4] = ["http", "tls", "config", "onion"];

impl Command {
    /// Reads the command line; ends the process with help or a complaint where that is due.
    pub(crate) fn parse() -> Self {
        Self::try_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn try_from<T: Into<std::ffi::OsString> + Clone>(
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        let mut definition = Self::command();
        let matches = definition.try_get_matches_from_mut(arguments)?;
        let given = |flag: &&str| matches.value_source(flag) == Some(ValueSource::CommandLine);
        let stray = RUN_FLAGS.iter().find(|flag| given(flag));
        if let (Some(flag), Some(verb)) = (stray, matches.subcommand_name()) {
            let place = if verb == "run" { "goes behind `run`" } else { "is for `larder run`" };
            let message = format!("--{flag} {place}");
            return Err(definition.error(clap::error::ErrorKind::ArgumentConflict, message));
        }
        Self::from_arg_matches(&matches)
    }

    /// Does what it says.
    pub(crate) fn execute(self) -> anyhow::Result<Outcome> {
        let data_dir = self.data_dir.or_else(data_dir::default_path);
        let data_dir = data_dir.ok_or_else(|| {
            anyhow::anyhow!("no data directory: set --data-dir, XDG_DATA_HOME or HOME")
        })?;
        let dir = DataDir::find(&data_dir);
        match self.verb.unwrap_or(Verb::Run(self.run)) {
            Verb::Run(arguments) => run::run(&data_dir, &arguments),
            Verb::Status { json } => hub::ask(&dir, async |hub| status::status(hub, json).await),
            Verb::Open { browser } => hub::ask(&dir, async |hub| open::open(hub, browser).await),
            Verb::Url => hub::ask(&dir, status::url),
            Verb::Db { verb } => hub::ask(&dir, async |hub| db::execute(hub, verb).await),
            Verb::Overwritten { verb } => {
                hub::ask(&dir, async |hub| overwritten::execute(hub, verb).await)
            }
            Verb::Conflicts(asked) => {
                hub::ask(&dir, async |hub| conflicts::execute(hub, asked).await)
            }
            Verb::Held { verb } => {
                hub::ask(&dir, async |hub| overwritten::execute_held(hub, verb).await)
            }
            Verb::Pair(asked) => hub::ask(&dir, async |hub| pair::pair(hub, asked).await),
            Verb::Device { verb } => hub::ask(&dir, async |hub| device::execute(hub, verb).await),
            Verb::Friend { verb } => hub::ask(&dir, async |hub| friend::execute(hub, verb).await),
            Verb::Quota { verb } => hub::ask(&dir, async |hub| quota::execute(hub, verb).await),
            Verb::Share(asked) => hub::ask(&dir, async |hub| share::share(hub, asked).await),
            Verb::Unshare(asked) => hub::ask(&dir, async |hub| share::unshare(hub, asked).await),
            Verb::Shares { json } => hub::ask(&dir, async |hub| share::shares(hub, json).await),
            Verb::Invitations { verb } => {
                hub::ask(&dir, async |hub| share::invitations(hub, verb).await)
            }
            Verb::Reads(asked) => hub::ask(&dir, async |hub| share::reads(hub, asked).await),
            Verb::Pause(asked) => hub::ask(&dir, async |hub| pause::set(hub, asked, true).await),
            Verb::Resume(asked) => hub::ask(&dir, async |hub| pause::set(hub, asked, false).await),
            Verb::Support { file } => hub::ask(&dir, async |hub| support::support(hub, file).await),
            Verb::Why(asked) => hub::ask(&dir, async |hub| why::why(hub, asked).await),
            Verb::App { verb } => hub::ask(&dir, async |hub| app::execute(hub, verb).await),
            Verb::Acl { verb } => hub::ask(&dir, async |hub| acl::execute(hub, verb).await),
            Verb::Group { verb } => hub::ask(&dir, async |hub| acl::execute_group(hub, verb).await),
            Verb::Import(arguments) => {
                hub::ask(&dir, async |hub| import::import(hub, arguments).await)
            }
            Verb::Service { verb } => service::execute(&data_dir, &verb),
            Verb::Key { verb } => key::execute(&data_dir, verb),
            Verb::Onion { verb } => onion::execute(&data_dir, verb),
            Verb::Verify => archive::verify(&dir),
            Verb::Backup { file, verify: false } => archive::backup(&dir, &file),
            Verb::Backup { file, verify: true } => archive::check(&file),
            Verb::Restore { file } => archive::restore(&data_dir, &file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        Command::try_from(line.split_whitespace()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_holds_together() {
        Command::command().debug_assert();
    }

    #[test]
    fn no_verb_is_run() {
        let command = parse("larder --http 127.0.0.1:0 --onion off --data-dir /d").unwrap();
        assert!(command.verb.is_none());
        assert_eq!(command.run.http, Some("127.0.0.1:0".parse().unwrap()));
        assert_eq!(command.data_dir, Some(PathBuf::from("/d")));
        let command = parse("larder run --http [::1]:7 --config c --data-dir /d").unwrap();
        let Some(Verb::Run(run)) = command.verb else { panic!("another verb") };
        assert_eq!(run.http, Some("[::1]:7".parse().unwrap()));
        assert_eq!(command.data_dir, Some(PathBuf::from("/d")));
    }

    #[test]
    fn every_verb_takes_the_data_directory_before_and_behind() {
        for verb in [
            "run",
            "status",
            "status --json",
            "open --browser",
            "url",
            "db create a",
            "db list",
            "db info a",
            "db compact a",
            "db delete a",
            "db delete a --yes",
            "db delete a --now",
            "db create a --local",
            "db list --trash --json",
            "db set a conflicts=newest scope=local",
            "db rename a b",
            "db join a~b --with c",
            "db restore a --as b",
            "pair --print-link --minutes 5 --me a",
            "pair --friend --share db:rw --share other --code",
            "pair larder:x --yes --scanned",
            "pair --friend 127.0.0.1:1 --code 1234-5678 --name a",
            "overwritten list --json",
            "overwritten show a",
            "overwritten restore a",
            "overwritten dismiss a",
            "conflicts",
            "conflicts a --json",
            "conflicts show a b",
            "conflicts keep a b 1-c",
            "held list",
            "held release a",
            "app add a",
            "device list",
            "device remove a",
            "friend list",
            "friend remove a",
            "friend databases a",
            "friend accept a b --as c",
            "share a --with b --write",
            "share a/d/v --with group:b",
            "unshare a --with b",
            "shares --json",
            "invitations",
            "invitations accept a --as b",
            "invitations decline a",
            "reads --db a --who b --limit 3",
            "pause",
            "pause tor",
            "resume sync",
            "support",
            "support f",
            "why",
            "why a b --peer c --json",
            "app list",
            "app remove a",
            "acl show",
            "acl show a --json",
            "acl grant a/d/v b read",
            "acl revoke a b",
            "acl explain a GET /db",
            "group list",
            "group create a",
            "group add a b c",
            "group remove a b",
            "group delete a",
            "import http://h:1 --db a --db b --exclude c --into-existing",
            "service install",
            "service install --print",
            "service install --no-start --force",
            "service uninstall --force",
            "service status",
            "key show",
            "key show --json",
            "key backup f",
            "key backup f --plain",
            "key restore f",
            "key passphrase",
            "key passphrase --remove",
            "onion address",
            "onion address --url",
            "onion check",
            "onion clients list",
            "onion clients remove a",
            "verify",
            "backup f",
            "restore f",
        ] {
            for line in
                [format!("larder --data-dir /d {verb}"), format!("larder {verb} --data-dir /d")]
            {
                let command = parse(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(command.data_dir, Some(PathBuf::from("/d")), "{line}");
            }
        }
    }

    #[test]
    fn apps_and_their_rights() {
        let line = "larder app add notes --db a --db b:r --db c/d:rw --admin --token-stdin";
        let Some(Verb::App { verb: AppVerb::Add { name, databases, admin, token_stdin, .. } }) =
            parse(line).unwrap().verb
        else {
            panic!("another verb")
        };
        assert_eq!(name.as_str(), "notes");
        let rights: Vec<_> = databases.iter().map(|g| (g.name.as_str(), g.write)).collect();
        assert_eq!(rights, [("a", false), ("b", false), ("c/d", true)]);
        assert!(admin && token_stdin);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, expected) in [
            ("larder run --onion maybe", "`maybe` is no way into Tor; write arti, system or off"),
            ("larder --onion off status", "--onion is for `larder run`"),
            ("larder onion client-key abc.onion", "an onion address is 56 base32 characters"),
            ("larder onion clients allow a descriptor:x25519:A", "52 base32 characters"),
            ("larder run --http 0.0.0.0:5984", "plain HTTP is for this machine only"),
            ("larder run --http 5984", "is not an address"),
            ("larder --http 127.0.0.1:0 status", "--http is for `larder run`"),
            ("larder --http 127.0.0.1:0 run", "--http goes behind `run`"),
            ("larder app add owner", "cannot name an app"),
            ("larder app add a --db b:w", "`w` is no right"),
            ("larder app add a --db _users", "is a system database"),
            ("larder app add a --db B", "Only lowercase characters"),
            ("larder db", "Usage"),
            ("larder db set a colour=red", "`colour=red` is no setting"),
            ("larder nonsense", "unrecognized subcommand"),
        ] {
            let message = parse(line).unwrap_err();
            assert!(message.contains(expected), "{line} gives {message}");
        }
    }
}
