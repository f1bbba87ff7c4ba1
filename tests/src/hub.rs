//! A hub as its users start it: the binary, a data directory, a port of its own.

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::built::built;
use crate::{Client, Finished, Key, Namespace, Process};

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const LISTENING: &str = "larder: listening on ";
const RUN: &[&str] = &["run", "--http", "127.0.0.1:0"];

/// How much of the hub's log a failure shows.
const SHOWN_LOG_LINES: usize = 40;

/// How a hub is started, where it is not as all are.
#[derive(Clone, Copy, Default)]
pub struct HubOptions<'a> {
    /// Its `larder.toml`, or what an earlier hub in the directory left where this is empty.
    pub settings: &'a str,
    /// Its `--onion`; off when `None`.
    pub onion: Option<&'a str>,
    /// Its `--tls`; any free port of this machine when `None`.
    pub tls: Option<&'a str>,
    /// Where it runs; beside the test when `None`. Its owner's client connects from there, too.
    pub namespace: Option<&'a Namespace>,
}

/// A running hub, and its owner's client: `hub.get("/notes")`.
///
/// Dropping it kills the process and removes its directory.
pub struct Hub {
    process: Process,
    /// Where it runs, when that is not beside the test.
    namespace: Option<String>,
    owner: Client,
    owner_url: String,
    url: String,
    /// Dropped after the process and before the folder.
    _log: ShownOnPanic,
    folder: TempDir,
}

impl Hub {
    /// Starts a hub on an empty directory and waits until it serves.
    ///
    /// # Panics
    /// With the hub's log, when it does not.
    #[track_caller]
    pub fn start() -> Self {
        match TempDir::with_prefix("larder-test-") {
            Ok(folder) => Self::start_in(folder),
            Err(error) => panic!("no temporary directory: {error}"),
        }
    }

    /// Starts a hub on an empty directory with this `larder.toml`.
    #[track_caller]
    pub fn start_with(settings: &str) -> Self {
        Self::start_as(&HubOptions { settings, ..HubOptions::default() })
    }

    /// Starts a hub on an empty directory.
    #[track_caller]
    pub fn start_as(options: &HubOptions<'_>) -> Self {
        let folder = TempDir::with_prefix("larder-test-").expect("a temporary directory");
        Self::start_again(folder, options)
    }

    /// Starts a hub on what an earlier one left in this directory.
    #[track_caller]
    pub fn start_in(folder: TempDir) -> Self {
        Self::start_again(folder, &HubOptions::default())
    }

    /// The same, in its own way.
    #[track_caller]
    pub fn start_again(folder: TempDir, options: &HubOptions<'_>) -> Self {
        let data_dir = folder.path().join("data");
        if !options.settings.is_empty() {
            std::fs::create_dir_all(&data_dir).expect("a data directory");
            std::fs::write(data_dir.join("larder.toml"), options.settings).expect("settings");
        }
        let log = folder.path().join("hub.log");
        let mut command = options.run(&data_dir);
        match File::options().create(true).append(true).open(&log) {
            Ok(file) => command.stderr(Stdio::from(file)),
            Err(error) => panic!("{}: {error}", log.display()),
        };
        let process = Process::start(&mut command);
        let url = match process.await_line(LISTENING, START_LIMIT) {
            Ok(url) => url.trim().to_owned(),
            Err(reason) => panic!("the hub does not serve: {reason}\n{}", last_lines(&log)),
        };
        let printed = Finished::of(&mut larder(&["url"], &data_dir)).expect_success();
        let owner_url = printed.trim().to_owned();
        let namespace = options.namespace.map(|namespace| namespace.name().to_owned());
        let owner = Client::new(&owner_url).in_namespace(namespace.clone());
        Self { namespace, process, owner, owner_url, url, _log: ShownOnPanic(log), folder }
    }

    /// Where it listens, without a name: `http://127.0.0.1:PORT/`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same with the owner's name and token, as `larder url` prints it.
    pub fn owner_url(&self) -> &str {
        &self.owner_url
    }

    /// Where it listens for TLS: `https://127.0.0.1:PORT/`, as `hub.json` says.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn tls_url(&self) -> String {
        let text = std::fs::read(self.data_dir().join("run/hub.json")).expect("hub.json");
        let hub: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let urls = hub["urls"].as_array().into_iter().flatten().filter_map(|url| url.as_str());
        let url = urls.into_iter().find(|url| url.starts_with("https://"));
        url.expect("a URL for TLS").to_owned()
    }

    /// A client that comes with this key, or without one, over TLS.
    #[track_caller]
    pub fn as_key(&self, key: Option<&Key>) -> Client {
        Client::with_key(&self.tls_url(), key)
    }

    /// The owner's client.
    pub fn client(&self) -> &Client {
        &self.owner
    }

    /// A command that runs where the hub does, and so reaches it.
    pub(crate) fn beside(&self, command: &Command) -> Command {
        match &self.namespace {
            Some(name) => behind(&["ip", "netns", "exec", name], command),
            None => behind(&["env"], command),
        }
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What it has logged so far, and what the hubs before it in this directory did.
    ///
    /// # Panics
    /// When there is no log.
    #[track_caller]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("hub.log")).expect("the hub's log")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Runs `larder ARGUMENTS --data-dir …` to its end.
    #[track_caller]
    pub fn larder(&self, arguments: &[&str]) -> Finished {
        Finished::of(&mut larder(arguments, &self.data_dir()))
    }

    /// SIGKILL; hands back the directory, for [`Hub::start_in`].
    pub fn kill(self) -> TempDir {
        let Self { mut process, folder, .. } = self;
        process.kill();
        folder
    }

    /// SIGTERM: the hub drains and ends with 0; hands back the directory.
    ///
    /// # Panics
    /// When it ends otherwise, or not at all.
    #[track_caller]
    pub fn stop(self) -> TempDir {
        let Self { mut process, folder, .. } = self;
        process.terminate();
        let (status, _) = process.await_end(STOP_LIMIT);
        let log = last_lines(&folder.path().join("hub.log"));
        assert!(status.success(), "after SIGTERM the hub ended with {status}\n{log}");
        folder
    }
}

impl HubOptions<'_> {
    fn run(&self, data_dir: &Path) -> Command {
        let mut words = RUN.to_vec();
        words.extend(["--tls", self.tls.unwrap_or("127.0.0.1:0")]);
        words.extend(["--onion", self.onion.unwrap_or("off")]);
        let command = larder(&words, data_dir);
        match self.namespace {
            Some(namespace) => behind(&namespace.words(), &command),
            None => command,
        }
    }
}

/// The same command, run by another one whose arguments end with it.
fn behind(words: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(words[0]);
    outer.args(&words[1..]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    outer
}

impl Deref for Hub {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.owner
    }
}

/// A `larder` command on a data directory, untouched by the environment's own settings.
///
/// # Panics
/// When the binary is not there.
#[track_caller]
pub fn larder(arguments: &[&str], data_dir: &Path) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).arg("--data-dir").arg(data_dir);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LARDER_") {
            command.env_remove(name);
        }
    }
    command
}

/// The hub under test: `LARDER_BIN`, or the one cargo built beside this test.
#[track_caller]
pub(crate) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("LARDER_BIN") {
        return PathBuf::from(path);
    }
    built("larder", "hub")
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LOG_LINES)..].join("\n")
}

/// Shows the end of a hub's log when its test fails.
struct ShownOnPanic(PathBuf);

impl Drop for ShownOnPanic {
    #[allow(clippy::print_stderr, reason = "the test harness shows it with the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the hub's log ends with:\n{}", last_lines(&self.0));
        }
    }
}
