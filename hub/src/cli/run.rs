//! `larder run`: from the command line to a hub that serves, and to its end.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use identity::key_file::Key;
use rustix::fs::Mode;
use rustix::process::{Resource, getrlimit, setrlimit, umask};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::{Outcome, RunArgs, passphrase, show};
use crate::app::{App, Opened};
use crate::clock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::discovery::{HubJson, RuntimeDir};
use crate::listener::Listeners;
use crate::observe;

/// Threads for what blocks: reads of databases, mostly. More would wait for each other.
const BLOCKING_THREADS_MAX: usize = 64;

/// How long threads may go on after everything has ended.
const THREADS_GRACE: Duration = Duration::from_secs(1);

/// Exit code after a second signal.
const IMPATIENT: i32 = 130;

/// Runs a hub until it is told to stop.
pub(super) fn run(data_dir: &Path, arguments: &RunArgs) -> anyhow::Result<Outcome> {
    // Whatever is made from here on is the owner's alone.
    umask(Mode::RWXG | Mode::RWXO);
    let handles = raise_file_limit();
    let data_dir = DataDir::prepare(data_dir)?;
    let mut config = Config::load(arguments.config.as_deref(), data_dir.path())?;
    if let Some(address) = arguments.http {
        config.http.address = address;
    }
    if let Some(address) = arguments.tls {
        config.tls.address = address;
    }
    if let Some(mode) = arguments.onion {
        config.onion.mode = mode;
    }
    if let Some(format) = arguments.log_format {
        config.log.format = format;
    }
    observe::start(&config.log, data_dir.path())?;
    config.fit_into(handles);
    let device = passphrase::device_key(&data_dir)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // One may always wait for connections while each processor reads rows (`http::call::quick`).
    let workers = std::thread::available_parallelism().map_or(2, |processors| processors.get() + 1);
    runtime.worker_threads(workers).max_blocking_threads(BLOCKING_THREADS_MAX);
    let runtime = runtime.enable_all().build()?;
    let outcome = runtime.block_on(serve(data_dir, &device, &config));
    runtime.shutdown_timeout(THREADS_GRACE);
    outcome
}

async fn serve(data_dir: DataDir, device: &Key, config: &Config) -> anyhow::Result<Outcome> {
    let (stop, shutdown) = watch::channel(false);
    let signals = Signals::new()?;
    let Opened { app, first_start } =
        App::open(data_dir.clone(), device, config, shutdown, clock::now())?;
    let runtime_dir = RuntimeDir::claim(&data_dir)?;
    let outcome = async {
        let listeners = Listeners::bind(config, &app, runtime_dir.listen()?).await?;
        let urls = listeners.urls();
        let first = urls.first().context("listening nowhere")?.clone();
        runtime_dir.announce(&HubJson {
            urls: urls.clone(),
            key: app.device.public(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
        })?;
        app.urls.set(urls).ok().context("started twice")?;
        tokio::spawn(signals.wait(stop));
        show::line(format_args!("larder: listening on {first}"))?;
        if first_start {
            greet();
        }
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "hub started");
        app.run(listeners).await;
        tracing::info!("hub stopped");
        anyhow::Ok(Outcome::Done)
    };
    let outcome = outcome.await;
    runtime_dir.release();
    outcome
}

/// How to go on, for somebody who has just begun.
fn greet() {
    show::remark(
        "This is a new hub. In another terminal:\n  \
         larder open                         prints a link to its pages, for your browser\n  \
         larder url                          prints its address with your token\n  \
         larder app add NAME --db DB:rw      gives a program a token of its own\n  \
         larder status                       shows how it is; Ctrl-C stops it",
    );
}

/// Ctrl-C, and what `kill` and service managers send.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let signal = |kind| signal(kind).context("could not listen for signals");
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Tells the hub to stop; a second signal ends it where it stands, which loses nothing that was
    /// acknowledged.
    async fn wait(mut self, stop: watch::Sender<bool>) {
        self.next().await;
        stop.send_replace(true);
        self.next().await;
        std::process::exit(IMPATIENT);
    }
}

/// Takes as many file handles as the system lets us have: each connection is one, each open
/// database several. How many those are.
fn raise_file_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    // macOS says "unlimited" and then refuses more than this.
    let most = limit.maximum.unwrap_or(10_240);
    if limit.current.is_some_and(|current| current < most) {
        limit.current = Some(most);
        let _kept_as_it_was = setrlimit(Resource::Nofile, limit);
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
