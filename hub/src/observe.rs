//! The log: to standard error or to files, as text or as JSON, as much of it as is asked for.
//!
//! No secret gets in: routes are logged rather than addresses, and neither headers nor bodies. What
//! names a database or a document is for the level `debug`.

mod log_file;

use std::io::{self, IsTerminal as _};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use log_file::{Bounds, LogFile};

/// What a person can set of the log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// How lines look.
    pub(crate) format: Format,
    /// How much is logged; CouchDB's setting `log/level` comes before it.
    pub(crate) level: LogLevel,
    /// Whether each request gets a line at the level `info`; else it does at `debug`.
    pub(crate) requests: bool,
    /// Where lines go, below the data directory unless it begins with `/`; else to standard error.
    pub(crate) file: Option<PathBuf>,
    /// Longest file, in bytes; a full one gets a number behind its name.
    pub(crate) file_bytes_max: NonZeroU64,
    /// How many files there are at most, the one that is written included.
    pub(crate) files_max: NonZeroUsize,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: Format::default(),
            level: LogLevel::default(),
            requests: false,
            file: None,
            file_bytes_max: NonZeroU64::new(10 << 20).unwrap_or(NonZeroU64::MAX),
            files_max: NonZeroUsize::new(5).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// An object a line, for programs.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// What went wrong.
    Error,
    /// And what may.
    Warn,
    /// And what happens seldom.
    #[default]
    Info,
    /// And every request.
    Debug,
}

impl LogLevel {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}

/// The log's filter, unless the environment has set it once and for all.
static FILTER: OnceLock<(Handle<EnvFilter, Registry>, LevelFilter)> = OnceLock::new();

/// Messages since the start, by CouchDB's names for their levels.
static LOGGED: [(&str, AtomicU64); 4] = [
    ("debug", AtomicU64::new(0)),
    ("info", AtomicU64::new(0)),
    ("warning", AtomicU64::new(0)),
    ("error", AtomicU64::new(0)),
];

/// Starts the log. `LARDER_LOG`, where it is set, says what is logged whatever else is set.
///
/// # Errors
/// When `LARDER_LOG` is no filter, there can be no log in the file named, or a log was started before.
pub(crate) fn start(config: &LogConfig, data_dir: &Path) -> anyhow::Result<()> {
    let level = config.level.filter();
    let fixed = match std::env::var("LARDER_LOG") {
        Ok(text) => Some(EnvFilter::try_new(text).context("LARDER_LOG is not a log filter")?),
        Err(_) => None,
    };
    let adjustable = fixed.is_none();
    let (filter, handle) =
        reload::Layer::new(fixed.unwrap_or_else(|| EnvFilter::new(level.to_string())));
    let (writer, ansi) = match &config.file {
        None => (BoxMakeWriter::new(io::stderr), io::stderr().is_terminal()),
        Some(file) => {
            let LogConfig { file_bytes_max, files_max, .. } = *config;
            let bounds = Bounds { file_bytes_max, files_max };
            (BoxMakeWriter::new(LogFile::open(data_dir.join(file), bounds)?), false)
        }
    };
    // A terminal that is gone is no reason to stop.
    let lines = fmt::layer().with_writer(writer).log_internal_errors(false);
    let lines = match config.format {
        Format::Text => lines.with_ansi(ansi).boxed(),
        Format::Json => lines.with_ansi(false).json().flatten_event(true).boxed(),
    };
    let log = tracing_subscriber::registry().with(filter).with(Counting).with(lines);
    log.try_init().map_err(|error| anyhow::anyhow!("could not start the log: {error}"))?;
    if adjustable {
        // A second start has failed above.
        let _first = FILTER.set((handle, level));
    }
    Ok(())
}

/// Logs this much from now on; `None` is what was set at the start.
pub(crate) fn set_level(level: Option<LevelFilter>) {
    let Some((handle, default)) = FILTER.get() else { return };
    let filter = EnvFilter::new(level.unwrap_or(*default).to_string());
    if let Err(error) = handle.reload(filter) {
        tracing::warn!(%error, "could not change what is logged");
    }
}

/// How many messages there were since the start, by level.
pub(crate) fn logged() -> impl Iterator<Item = (&'static str, u64)> {
    LOGGED.iter().map(|(level, count)| (*level, count.load(Ordering::Relaxed)))
}

/// Counts messages.
struct Counting;

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let level = *event.metadata().level();
        let at = match level {
            Level::ERROR => 3,
            Level::WARN => 2,
            Level::INFO => 1,
            _ => 0,
        };
        LOGGED[at].1.fetch_add(1, Ordering::Relaxed);
    }
}
