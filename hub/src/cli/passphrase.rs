//! Passphrases of device keys: from files that the environment names, or from who sits at the terminal.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use identity::key_file::{self, Key, Passphrase, StoredKey};

use crate::data_dir::DataDir;

/// Names the file with the passphrase.
const FILE: &str = "LARDER_PASSPHRASE_FILE";

/// Names the file with the passphrase to come, where one is changed.
const NEW_FILE: &str = "LARDER_NEW_PASSPHRASE_FILE";

/// Longest file that is looked at.
const FILE_BYTES_MAX: usize = 2048;

/// The device key of a data directory, for a hub that starts: made where there is none yet.
pub(super) fn device_key(data_dir: &DataDir) -> anyhow::Result<Key> {
    match key_file::load(&data_dir.device())? {
        Some(stored) => unlocked(stored),
        None => Ok(key_file::read_or_make(&data_dir.device())?.0),
    }
}

/// The key itself, for which somebody may have to say the passphrase.
pub(super) fn unlocked(stored: StoredKey) -> anyhow::Result<Key> {
    match stored {
        StoredKey::Plain(key) => Ok(key),
        StoredKey::Protected(protected) => {
            let passphrase = match named(FILE)? {
                Some(passphrase) => passphrase,
                None => ask("Passphrase of the device key: ", FILE)?,
            };
            protected.unlock(&passphrase).context("could not unlock the device key")
        }
    }
}

/// A passphrase for what has none yet.
pub(super) fn chosen() -> anyhow::Result<Passphrase> {
    match named(FILE)? {
        Some(passphrase) => Ok(passphrase),
        None => ask_twice(FILE),
    }
}

/// A passphrase in place of another.
pub(super) fn changed() -> anyhow::Result<Passphrase> {
    match named(NEW_FILE)? {
        Some(passphrase) => Ok(passphrase),
        None => ask_twice(NEW_FILE),
    }
}

/// The passphrase in the file that this variable names, where it names one.
fn named(variable: &str) -> anyhow::Result<Option<Passphrase>> {
    let set = |path: &OsString| !path.is_empty();
    let Some(path) = env::var_os(variable).filter(set).map(PathBuf::from) else { return Ok(None) };
    let read = read(&path);
    read.map(Some).with_context(|| format!("{}, named by {variable}", path.display()))
}

/// The first line of a file that nobody else may read.
fn read(path: &Path) -> anyhow::Result<Passphrase> {
    let file = File::open(path).context("could not be read")?;
    if file.metadata()?.mode() & 0o077 != 0 {
        bail!("may be read by others; allow only yourself: chmod 600");
    }
    // Whole from the start, and cut where it is: what grows and what is copied stays in memory.
    let mut text = String::with_capacity(2 * FILE_BYTES_MAX);
    let mut file = file.take(FILE_BYTES_MAX as u64);
    file.read_to_string(&mut text).context("could not be read")?;
    let line = text.split('\n').next().unwrap_or_default().trim_end_matches('\r').len();
    text.truncate(line);
    Ok(Passphrase::new(text)?)
}

fn ask(prompt: &str, variable: &str) -> anyhow::Result<Passphrase> {
    if !io::stdin().is_terminal() {
        bail!(
            "a passphrase is needed, and there is no terminal to ask for it: write it to a file \
             that only you can read, and name that file in {variable}"
        );
    }
    let text = rpassword::prompt_password(prompt).context("could not ask for the passphrase")?;
    Ok(Passphrase::new(text)?)
}

fn ask_twice(variable: &str) -> anyhow::Result<Passphrase> {
    let passphrase = ask("New passphrase of the device key: ", variable)?;
    if !passphrase.is(&ask("The same once more: ", variable)?) {
        bail!("the two passphrases are not the same");
    }
    Ok(passphrase)
}
