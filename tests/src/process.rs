//! A child process whose standard output is an event stream, ended by its id.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running program; dropping it kills it.
pub struct Process {
    child: Child,
    /// Standard output line by line; disconnects when the program closes it, as it does by ending.
    lines: Receiver<String>,
}

impl Process {
    /// Starts the command, taking over its standard output.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => panic!("cannot start {program}: {error}"),
        };
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    // Nobody listening is no reason to stop: the program must not meet a full pipe.
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines }
    }

    /// Waits for a line that starts with `prefix` and returns what follows it.
    ///
    /// # Errors
    /// What was seen instead, when the program ends or `limit` passes first.
    pub fn await_line(&self, prefix: &str, limit: Duration) -> Result<String, String> {
        let deadline = Instant::now() + limit;
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => match line.strip_prefix(prefix) {
                    Some(rest) => return Ok(rest.to_owned()),
                    None => seen.push(line),
                },
                Err(reason) => {
                    let reason = match reason {
                        RecvTimeoutError::Timeout => "no such line in time",
                        RecvTimeoutError::Disconnected => "it ended",
                    };
                    return Err(format!("waiting for {prefix:?}: {reason}; it printed {seen:?}"));
                }
            }
        }
    }

    /// Waits until the program ends; returns its status and the lines nobody has taken yet.
    ///
    /// # Panics
    /// When it has not ended within `limit`; it is killed then.
    #[track_caller]
    pub fn await_end(&mut self, limit: Duration) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + limit;
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.kill();
                    panic!("still running after {limit:?}; it printed:\n{}", lines.join("\n"));
                }
            }
        }
        match self.child.wait() {
            Ok(status) => (status, lines),
            Err(error) => panic!("waiting for a child: {error}"),
        }
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, without waiting.
    pub fn terminate(&self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::TERM));
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
