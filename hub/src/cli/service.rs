//! `larder service`: a hub that starts with its owner's session and again when it fails, which
//! systemd or launchd sees to.

mod launchd;
mod manager;
mod systemd;

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};

use super::hub::{Hub, runtime};
use super::{Outcome, show};
use crate::config::Config;
use crate::data_dir::{DataDir, folder_of};
use manager::Manager;

/// How files begin, near enough, that are ours to replace.
const MARK: &str = "Written by `larder service install`";

/// How many bytes of a file are searched for the mark.
const MARK_BYTES_MAX: usize = 512;

/// What to do with the service.
#[derive(Debug, Subcommand)]
pub(super) enum ServiceVerb {
    /// Start the hub now, with every session, and again when it fails
    Install(InstallArgs),
    /// Stop the hub and start it no more; the data stay
    Uninstall {
        /// Even where somebody else wrote the service
        #[arg(long)]
        force: bool,
    },
    /// Show whether the service is installed and runs
    Status,
}

/// How to install.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct InstallArgs {
    /// Change nothing: print what would be written
    #[arg(long, conflicts_with_all = ["no_start", "force"])]
    print: bool,
    /// Only write the file
    #[arg(long)]
    no_start: bool,
    /// Replace a service that somebody else wrote
    #[arg(long)]
    force: bool,
}

/// What a service manager has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    /// This program.
    program: PathBuf,
    /// What the hub runs on.
    data_dir: PathBuf,
    /// Folders that it writes beside.
    writable: Vec<PathBuf>,
}

/// A path cannot be written so that a service manager understands it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum PlanError {
    /// Not UTF-8, or with control characters.
    #[error("the path {0:?} cannot be written into a service: it is not plain text")]
    NotText(PathBuf),
    /// systemd refuses programs with quotes and backslashes in their paths.
    #[error("systemd starts no program whose path has quotes or backslashes: {0:?}")]
    Program(PathBuf),
    /// systemd has no escape for a quote in a list of paths.
    #[error("systemd takes no path with both kinds of quotes: {0:?}")]
    Quotes(PathBuf),
}

/// Does what the verb says.
pub(super) fn execute(data_dir: &Path, verb: &ServiceVerb) -> anyhow::Result<Outcome> {
    let manager = Manager::of_platform()?;
    match verb {
        ServiceVerb::Install(arguments) => install(&manager, data_dir, *arguments),
        ServiceVerb::Uninstall { force } => uninstall(&manager, *force),
        ServiceVerb::Status => status(&manager),
    }
}

fn install(manager: &Manager, data_dir: &Path, arguments: InstallArgs) -> anyhow::Result<Outcome> {
    let data_dir = std::path::absolute(data_dir)?;
    let text = manager.describe(&plan(&data_dir)?)?;
    if arguments.print {
        show::line(text.trim_end())?;
        return Ok(Outcome::Done);
    }
    let path = manager.path();
    if !arguments.force {
        refuse_foreign(path)?;
    }
    if !arguments.no_start {
        manager.reach()?;
        refuse_running(manager, &data_dir)?;
    }
    // Where it is missing, systemd could not open it to the hub.
    DataDir::prepare(&data_dir)?;
    write(path, &text).with_context(|| format!("could not write {}", path.display()))?;
    if arguments.no_start {
        show::line(format_args!("{} written", path.display()))?;
        return Ok(Outcome::Done);
    }
    manager.start()?;
    show::line(format_args!("{} written and started", path.display()))?;
    show::remark(manager.advice());
    Ok(Outcome::Done)
}

/// What this program would run as, by its own settings.
fn plan(data_dir: &Path) -> anyhow::Result<Plan> {
    let program = std::env::current_exe().context("could not find this program")?;
    let config = Config::load(None, data_dir)?;
    let mut writable = Vec::new();
    if let Some(file) = &config.log.file {
        writable.push(folder_of(&data_dir.join(file)).to_path_buf());
    }
    if let Some(folder) = &config.backup.folder {
        // Where it is not there yet, the hub makes it.
        let folder = folder.as_path();
        writable.push(if folder.is_dir() { folder } else { folder_of(folder) }.to_path_buf());
    }
    writable.retain(|folder| !folder.starts_with(data_dir));
    Ok(Plan { program, data_dir: data_dir.to_path_buf(), writable })
}

fn uninstall(manager: &Manager, force: bool) -> anyhow::Result<Outcome> {
    let path = manager.path();
    if !path.try_exists().with_context(|| format!("could not look at {}", path.display()))? {
        bail!("the service is not installed: there is no {}", path.display());
    }
    if !force {
        refuse_foreign(path)?;
    }
    manager.stop()?;
    fs::remove_file(path).with_context(|| format!("could not remove {}", path.display()))?;
    manager.forget()?;
    show::line(format_args!("{} removed; the data stay", path.display()))?;
    Ok(Outcome::Done)
}

/// A service that does not run is a finding.
fn status(manager: &Manager) -> anyhow::Result<Outcome> {
    let path = manager.path();
    let written = match is_ours(path) {
        Ok(true) => "yes",
        Ok(false) => "by somebody else",
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            show::line(format_args!("not installed: there is no {}", path.display()))?;
            return Ok(Outcome::Found);
        }
        Err(error) => return Err(error).context(format!("could not read {}", path.display())),
    };
    manager.reach()?;
    let state = manager.state()?;
    let runs = state.runs;
    show::table(&[
        ["file".to_owned(), path.display().to_string()],
        ["installed".into(), written.into()],
        ["starts with the session".into(), state.enabled],
        ["state".into(), state.active],
    ])?;
    Ok(if runs { Outcome::Done } else { Outcome::Found })
}

/// Two hubs on one directory cannot be, and the service would try again and again.
fn refuse_running(manager: &Manager, data_dir: &Path) -> anyhow::Result<()> {
    let data_dir = DataDir::find(data_dir);
    let running = runtime()?.block_on(Hub::connect(&data_dir))?.is_some();
    if running && !manager.state()?.runs {
        bail!(
            "a hub is running on {} that is no service; stop it first, or use --no-start",
            data_dir.path().display()
        );
    }
    Ok(())
}

fn refuse_foreign(path: &Path) -> anyhow::Result<()> {
    match is_ours(path) {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(false) => Err(anyhow!(
            "{} was not written by `larder service install`; --force takes no notice of that",
            path.display()
        )),
        Err(error) => Err(error).context(format!("could not read {}", path.display())),
    }
}

/// Whether [`install`] wrote this file.
fn is_ours(path: &Path) -> io::Result<bool> {
    let text = fs::read(path)?;
    let head = text.get(..MARK_BYTES_MAX).unwrap_or(&text);
    Ok(head.windows(MARK.len()).any(|words| words == MARK.as_bytes()))
}

/// Writes the whole file or none.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".larder-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    // As other services' files are: there is no secret in it.
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// The path as text that fits into one line.
fn plain(path: &Path) -> Result<&str, PlanError> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    text.ok_or_else(|| PlanError::NotText(path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_told_from_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/larder.service");
        assert_eq!(is_ours(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        refuse_foreign(&path).unwrap();
        let plan = Plan { program: "/p".into(), data_dir: "/d".into(), writable: Vec::new() };
        for text in [systemd::unit(&plan).unwrap(), launchd::agent(&plan).unwrap()] {
            write(&path, &text).unwrap();
            assert!(is_ours(&path).unwrap(), "{text}");
            refuse_foreign(&path).unwrap();
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        }
        fs::write(&path, "[Service]\nExecStart=/somebody/elses\n").unwrap();
        assert!(refuse_foreign(&path).unwrap_err().to_string().contains("--force"));
        assert_eq!(fs::read_dir(folder_of(&path)).unwrap().count(), 1);
    }

    #[test]
    fn what_the_settings_name_beside_the_data_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let check = |settings: &str, expected: &[&Path]| {
            fs::write(folder.path().join("larder.toml"), settings).unwrap();
            assert_eq!(plan(folder.path()).unwrap().writable, expected, "{settings}");
        };
        check("", &[]);
        check("[log]\nfile = 'logs/larder.log'\n", &[]);
        check("[log]\nfile = '/logs/larder.log'\n", &[Path::new("/logs")]);
        check("[backup]\nfolder = '/none/here/larder'\n", &[Path::new("/none/here")]);
        let there = tempfile::tempdir().unwrap();
        let settings = format!("[backup]\nfolder = '{}'\n", there.path().display());
        check(&settings, &[there.path()]);
        fs::write(folder.path().join("larder.toml"), "[logs]").unwrap();
        assert!(plan(folder.path()).unwrap_err().to_string().contains("unknown field"));
    }

    #[test]
    fn paths_that_are_no_text_are_refused() {
        use std::os::unix::ffi::OsStrExt as _;
        for bytes in [&b"/a\nb"[..], b"/a\xffb", b"/a\x1bb", b"/a\x7fb"] {
            let path = PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
            assert_eq!(plain(&path), Err(PlanError::NotText(path.clone())));
        }
        assert_eq!(plain(Path::new("/a b/ü%")), Ok("/a b/ü%"));
    }
}
