//! The service manager of this platform, asked through its own command.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, anyhow, bail};

use super::launchd::{self, LABEL};
use super::systemd::{self, UNIT};
use super::{Plan, PlanError};

/// Who starts services, and what it reads of ours.
pub(super) enum Manager {
    /// systemd's user manager.
    Systemd {
        /// The unit's file.
        path: PathBuf,
    },
    /// launchd.
    Launchd {
        /// The agent's file.
        path: PathBuf,
    },
}

/// What a manager says of the service.
pub(super) struct State {
    /// Whether it starts with the session, in the manager's words.
    pub(super) enabled: String,
    /// Whether it runs, in the manager's words.
    pub(super) active: String,
    /// Whether it runs.
    pub(super) runs: bool,
}

impl Manager {
    /// The one of this platform, with files where the environment says that the user's are.
    pub(super) fn of_platform() -> anyhow::Result<Self> {
        let absolute = |name: &str| {
            std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
        };
        let home = || absolute("HOME").context("HOME is not set: whose service is it?");
        if cfg!(target_os = "macos") {
            let path = home()?.join("Library/LaunchAgents").join(format!("{LABEL}.plist"));
            return Ok(Self::Launchd { path });
        }
        let settings = match absolute("XDG_CONFIG_HOME") {
            Some(folder) => folder,
            None => home()?.join(".config"),
        };
        Ok(Self::Systemd { path: settings.join("systemd/user").join(UNIT) })
    }

    /// The file that it reads.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Systemd { path } | Self::Launchd { path } => path,
        }
    }

    /// What has to be in that file.
    pub(super) fn describe(&self, plan: &Plan) -> Result<String, PlanError> {
        match self {
            Self::Systemd { .. } => systemd::unit(plan),
            Self::Launchd { .. } => launchd::agent(plan),
        }
    }

    /// Whether it can be asked at all.
    ///
    /// # Errors
    /// When it cannot, with what to do about it.
    pub(super) fn reach(&self) -> anyhow::Result<()> {
        let (asked, hint) = match self {
            Self::Systemd { .. } => (
                self.ask(&["show", "--property=Version"])?,
                "there is one in sessions that were logged in to, not behind `su` or `sudo`",
            ),
            Self::Launchd { .. } => (
                self.ask(&["print", &domain()])?,
                "there is one for each user who is logged in at the screen",
            ),
        };
        match asked.status.success() {
            true => Ok(()),
            false => Err(anyhow!("no service manager of yours runs ({}); {hint}", said(&asked))),
        }
    }

    /// Starts the service as its file says now, and with every session.
    pub(super) fn start(&self) -> anyhow::Result<()> {
        match self {
            Self::Systemd { .. } => {
                self.tell(&["daemon-reload"])?;
                self.tell(&["enable", UNIT])?;
                self.tell(&["restart", UNIT])
            }
            Self::Launchd { path } => {
                // It may not be loaded, or be an earlier one.
                self.ask(&["bootout", &service()])?;
                self.tell(&["enable", &service()])?;
                let path = path.to_str().context("the home folder's path is not UTF-8")?;
                self.tell(&["bootstrap", &domain(), path])
            }
        }
    }

    /// Stops the service, and starts it no more. Where the manager's command is missing, there is
    /// nothing to stop.
    pub(super) fn stop(&self) -> anyhow::Result<()> {
        match self {
            Self::Systemd { .. } if is_missing(self.command())? => Ok(()),
            Self::Systemd { .. } => {
                self.reach()?;
                self.tell(&["disable", "--now", UNIT])
            }
            Self::Launchd { .. } => self.ask(&["bootout", &service()]).map(|_not_loaded| ()),
        }
    }

    /// Lets the manager know that the file is gone.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        match self {
            Self::Systemd { .. } if !is_missing(self.command())? => self.tell(&["daemon-reload"]),
            Self::Systemd { .. } | Self::Launchd { .. } => Ok(()),
        }
    }

    /// How the service is.
    pub(super) fn state(&self) -> anyhow::Result<State> {
        match self {
            Self::Systemd { .. } => {
                let first = |asked: &Output| {
                    let text = String::from_utf8_lossy(&asked.stdout);
                    text.lines().next().unwrap_or("unknown").trim().to_owned()
                };
                let active = self.ask(&["is-active", UNIT])?;
                let enabled = first(&self.ask(&["is-enabled", UNIT])?);
                Ok(State { enabled, active: first(&active), runs: active.status.success() })
            }
            Self::Launchd { .. } => {
                let asked = self.ask(&["print", &service()])?;
                let text = String::from_utf8_lossy(&asked.stdout).into_owned();
                let mut states =
                    text.lines().filter_map(|line| line.trim().strip_prefix("state = "));
                let active = states.next().unwrap_or("not loaded").to_owned();
                let enabled = if asked.status.success() { "loaded" } else { "not loaded" }.into();
                Ok(State { enabled, runs: active == "running", active })
            }
        }
    }

    /// What whoever installed the service may want to know.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Systemd { .. } => {
                "Its log: journalctl --user -u larder. It runs while you are logged in; \
                 `loginctl enable-linger` lets it run always."
            }
            Self::Launchd { .. } => {
                "It logs where `file` in the section [log] of larder.toml says, else nowhere."
            }
        }
    }

    fn command(&self) -> &'static str {
        match self {
            Self::Systemd { .. } => "systemctl",
            Self::Launchd { .. } => "launchctl",
        }
    }

    /// Runs the manager's command, and insists.
    fn tell(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let asked = self.ask(arguments)?;
        if !asked.status.success() {
            bail!("{} {} failed: {}", self.command(), arguments.join(" "), said(&asked));
        }
        Ok(())
    }

    fn ask(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let name = self.command();
        let mut command = Command::new(name);
        if let Self::Systemd { .. } = self {
            command.arg("--user");
        }
        match command.args(arguments).stdin(Stdio::null()).output() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(anyhow!(
                "there is no {name} here; `larder service install --print` shows what to give to \
                 another service manager"
            )),
            outcome => outcome.with_context(|| format!("could not run {name}")),
        }
    }
}

/// Whether there is no such command.
fn is_missing(command: &str) -> anyhow::Result<bool> {
    match Command::new(command).arg("--version").stdin(Stdio::null()).output() {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("could not run {command}")),
    }
}

/// What a command complained about, in one line.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(|| output.status.to_string(), str::to_owned)
}

/// launchd's name for the services of the user who is logged in.
fn domain() -> String {
    format!("gui/{}", rustix::process::getuid().as_raw())
}

fn service() -> String {
    format!("{}/{LABEL}", domain())
}
