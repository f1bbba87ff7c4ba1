//! Backups that nobody has to think of.

use std::fs;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use store::{Millis, OutputError, Store};

use super::files::{self, Partial};
use super::restore::{RestoreError, check};
use super::write;
use crate::app::App;
use crate::causes::with_causes;
use crate::clock;
use crate::config::BackupConfig;
use crate::file_error::FileError;

/// How long after a failure the next try comes, at the latest.
const RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The longest sleep before the clock is looked at again: it may be set, and machines sleep.
const LOOK_EVERY: Duration = Duration::from_secs(300);

/// The schedule of backups, and how it has gone.
#[derive(Debug)]
pub(crate) struct Schedule {
    settings: BackupConfig,
    last: Mutex<Last>,
}

/// How the last tries have gone, since the hub started.
#[derive(Clone, Debug, Default)]
struct Last {
    made: Option<Made>,
    failed: Option<(Millis, String)>,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Made {
    at: Millis,
    file: PathBuf,
    bytes: u64,
}

/// A backup could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScheduleError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FileError),
    /// It could not be written.
    #[error("could not write the backup")]
    Write(#[from] OutputError),
    /// What was read back is not what was written.
    #[error("the backup does not read back")]
    ReadBack(#[from] RestoreError),
}

impl ScheduleError {
    /// The error for the log, which names no database; `larder status` says all.
    fn unnamed(&self) -> String {
        match self {
            Self::Folder(error) => with_causes(error),
            Self::Write(OutputError::Store(error)) => error.unnamed(),
            Self::Write(OutputError::Sink(error)) => format!("{self}: {error}"),
            Self::ReadBack(_) => self.to_string(),
        }
    }
}

/// What a backup is made of, and where.
pub(super) struct Place<'a> {
    pub(super) store: &'a Store,
    /// The file with CouchDB's settings.
    pub(super) settings: PathBuf,
    /// A folder for copies.
    pub(super) scratch: PathBuf,
    pub(super) folder: &'a Path,
}

impl Schedule {
    /// A schedule as the settings say.
    pub(crate) fn new(settings: BackupConfig) -> Self {
        Self { settings, last: Mutex::default() }
    }

    /// How it goes, for people; null where nothing is scheduled.
    pub(crate) fn describe(&self) -> Value {
        let Some(folder) = &self.settings.folder else { return Value::Null };
        let last = self.last().clone();
        json!({
            "folder": folder.as_path(),
            "interval_h": self.settings.interval_h,
            "keep": self.settings.keep,
            "last": last.made.map(|made| json!({
                "at": made.at.0, "file": made.file, "bytes": made.bytes,
            })),
            "failed": last.failed.map(|(at, reason)| json!({"at": at.0, "reason": reason})),
        })
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(self.settings.interval_h.get().saturating_mul(3600))
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        // Whoever panicked with the lock left whole values behind.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the newest backup in the folder was made, by whatever run of the hub.
    fn look(&self, folder: &Path, now: Millis) -> Option<Millis> {
        let (at, file) = files::backups(folder, now).ok()?.into_iter().next()?;
        if at > now {
            return None;
        }
        let bytes = fs::metadata(&file).map_or(0, |metadata| metadata.len());
        self.last().made = Some(Made { at, file, bytes });
        Some(at)
    }
}

/// Makes backups when they are due, until the hub stops.
pub(crate) async fn keep(app: Arc<App>) {
    let Some(folder) = app.backups.settings.folder.clone() else { return };
    let mut shutdown = app.shutdown.clone();
    loop {
        let (looking, place) = (Arc::clone(&app), folder.clone());
        let newest = tokio::task::spawn_blocking(move || {
            looking.backups.look(place.as_path(), clock::now())
        });
        let newest = newest.await.ok().flatten();
        let failed = app.backups.last().failed.as_ref().map(|(at, _)| *at);
        let wait = wait(newest, failed, app.backups.interval(), clock::now());
        if wait.is_zero() {
            let making = Arc::clone(&app);
            if tokio::task::spawn_blocking(move || make_one(&making)).await.is_err() {
                tracing::error!("making a backup failed");
            }
        }
        // Also after a try: whatever goes wrong, it goes wrong no more than once in a while.
        let sleep = wait.clamp(Duration::from_secs(1), LOOK_EVERY);
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            changed = shutdown.changed() => if changed.is_err() || *shutdown.borrow() { return },
        }
    }
}

/// How long until the next backup is due.
fn wait(
    newest: Option<Millis>,
    failed: Option<Millis>,
    interval: Duration,
    now: Millis,
) -> Duration {
    let since = |at: Millis| Duration::from_millis(now.0.saturating_sub(at.0));
    let due = newest.map_or(Duration::ZERO, |newest| interval.saturating_sub(since(newest)));
    let retry = failed
        .map_or(Duration::ZERO, |failed| RETRY_AFTER.min(interval).saturating_sub(since(failed)));
    due.max(retry)
}

fn make_one(app: &App) {
    let Some(folder) = &app.backups.settings.folder else { return };
    let now = clock::now();
    let names = app.store.databases().iter().map(|database| database.name().to_string()).collect();
    let _task = app.tasks.start("backup", names, now);
    let place = Place {
        store: &app.store,
        settings: app.data_dir.couch_config(),
        scratch: app.data_dir.scratch(),
        folder: folder.as_path(),
    };
    let stopping = || *app.shutdown.borrow();
    match make(&place, app.backups.settings.keep.get(), now, &stopping) {
        Ok((file, bytes)) => {
            tracing::info!(file = %file.display(), bytes, "backup made");
            *app.backups.last() = Last { made: Some(Made { at: now, file, bytes }), failed: None };
        }
        Err(_) if stopping() => {}
        Err(error) => {
            let reason = with_causes(&error);
            tracing::error!(error = error.unnamed(), "no backup could be made");
            app.backups.last().failed = Some((now, reason));
        }
    }
}

/// Makes a backup, reads it back, and only then takes the old ones away. May block.
pub(super) fn make(
    place: &Place<'_>,
    keep: usize,
    now: Millis,
    stopping: &dyn Fn() -> bool,
) -> Result<(PathBuf, u64), ScheduleError> {
    // Only the last folder is made: where the others are missing, a disk is not there.
    if !place.folder.is_dir() {
        let mut folder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.create(place.folder).map_err(FileError::at("make", place.folder))?;
    }
    let file = place.folder.join(files::file_name(now));
    let mut partial = Partial::begin(&file).map_err(FileError::at("write", &file))?;
    let mut out = BufWriter::new(Stoppable { out: partial.file(), stopping });
    let written = write(place.store, &place.settings, &place.scratch, now, &mut out)?;
    out.flush().map_err(OutputError::Sink)?;
    drop(out);
    let read_back = partial.read_back().map_err(FileError::at("read back", &file))?;
    let found = check(BufReader::new(Stoppable { out: read_back, stopping }))?;
    if found != written {
        return Err(RestoreError::Damaged("not everything came back".into()).into());
    }
    let bytes = partial.keep().map_err(FileError::at("keep", &file))?;
    files::prune(place.folder, keep, now).map_err(FileError::at("tidy", place.folder))?;
    Ok((file, bytes))
}

/// Fails once the hub is to stop.
struct Stoppable<'a, F> {
    out: F,
    stopping: &'a dyn Fn() -> bool,
}

impl<F> Stoppable<'_, F> {
    fn go_on(&self) -> io::Result<()> {
        if (self.stopping)() { Err(io::Error::other("the hub is stopping")) } else { Ok(()) }
    }
}

impl<W: Write> Write for Stoppable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.go_on()?;
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<R: io::Read> io::Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.go_on()?;
        self.out.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[track_caller]
    fn check_wait(newest: Option<u64>, failed: Option<u64>, now: u64, expected: u64) {
        let day = Duration::from_secs(24 * 3600);
        let hours = |hours: u64| Millis(hours * HOUR);
        let found = wait(newest.map(hours), failed.map(hours), day, hours(now));
        assert_eq!(found.as_secs() / 3600, expected, "{newest:?} {failed:?} {now}");
    }

    #[test]
    fn the_first_is_due_at_once_and_the_next_after_the_interval() {
        check_wait(None, None, 100, 0);
        check_wait(Some(100), None, 100, 24);
        check_wait(Some(100), None, 110, 14);
        check_wait(Some(100), None, 124, 0);
        check_wait(Some(100), None, 999, 0);
    }

    #[test]
    fn a_failure_is_tried_again_in_an_hour() {
        check_wait(None, Some(100), 100, 1);
        check_wait(None, Some(100), 101, 0);
        check_wait(Some(50), Some(100), 100, 1);
        check_wait(Some(99), Some(100), 100, 23);
    }

    #[test]
    fn a_clock_that_was_set_back_delays_by_one_interval_at_most() {
        check_wait(None, Some(1000), 100, 1);
        check_wait(Some(1000), None, 100, 24);
    }
}
