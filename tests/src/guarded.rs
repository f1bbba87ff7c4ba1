//! A program that does not outlive the test that started it, however that ends.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::built::built;

/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How much of a log a failure shows.
const SHOWN_LOG_LINES: usize = 30;

/// A running program with a folder of its own, and the guardian between it and us.
///
/// Dropping it ends the program and removes the folder. When this process is killed, the guardian sees its
/// standard input close and does the same.
pub struct Guarded {
    /// Dropped before the folder.
    guardian: Option<Guardian>,
    words: Vec<OsString>,
    folder: TempDir,
}

impl Guarded {
    /// Starts the command; what it prints goes to a log in the folder. Of the command its words count, not
    /// its environment.
    ///
    /// # Panics
    /// When the guardian cannot be started.
    #[track_caller]
    pub fn start(command: &Command, folder: TempDir) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words = words.map(OsString::from).collect();
        let mut guarded = Self { guardian: None, words, folder };
        guarded.start_again();
        guarded
    }

    /// Starts it with a fresh log on what [`Self::stop`] left in the folder.
    ///
    /// # Panics
    /// When the guardian cannot be started.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.stop();
        let _ = std::fs::remove_file(self.path().join("ended"));
        let log = File::create(self.path().join("log")).expect("a log");
        let errors = log.try_clone().expect("a log");
        let mut guardian = Command::new(built("guardian", "tests"));
        guardian.arg(self.path()).args(&self.words).current_dir(self.path());
        guardian.stdin(Stdio::piped()).stdout(log).stderr(errors);
        // Out of reach of Ctrl-C, which then cannot end guardians before what they guard.
        guardian.process_group(0);
        self.guardian = Some(Guardian(guardian.spawn().expect("the guardian")));
    }

    /// Ends the program and keeps its folder.
    pub fn stop(&mut self) {
        if let Some(mut guardian) = self.guardian.take()
            && let Some(stdin) = &mut guardian.0.stdin
        {
            let _ = stdin.write_all(b"\n");
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What it has printed since it was started.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How it ended, if it did so by itself.
    pub fn ended(&self) -> Option<String> {
        std::fs::read_to_string(self.path().join("ended")).ok().filter(|how| !how.is_empty())
    }

    /// Waits until it has printed this.
    ///
    /// # Errors
    /// The end of its log, when it ends or `limit` passes first.
    pub fn await_log(&self, text: &str, limit: Duration) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        loop {
            let (ended, log) = (self.ended(), self.log());
            if log.contains(text) {
                return Ok(());
            }
            let late = (Instant::now() > deadline).then(|| "it takes too long".to_owned());
            if let Some(reason) = ended.or(late) {
                return Err(format!("waiting for {text:?}: {reason}\n{}", last_lines(&log)));
            }
            std::thread::sleep(LOOK);
        }
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LOG_LINES)..].join("\n")
}

struct Guardian(Child);

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
