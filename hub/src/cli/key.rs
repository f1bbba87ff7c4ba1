//! `larder key`: the device's key, shown, copied, and put behind a passphrase.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use identity::key_file::{self, KeyFileError, ProtectedKey, StoredKey};
use identity::{Authority, HttpKeyUrl};
use serde_json::json;

use super::show::{self, table};
use super::{Outcome, passphrase};
use crate::data_dir::DataDir;
use crate::discovery;

/// Where a hub answers by TLS that says nothing else.
const TLS_AUTHORITY: &str = "localhost:6984";

#[derive(Debug, Subcommand)]
pub(super) enum KeyVerb {
    /// Print the public key of this device, its httpkey URL, and the pin for `curl --pinnedpubkey`
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a copy of the device's secret key to a new file, protected by a passphrase
    Backup {
        /// Where to; a file that exists is left alone
        file: PathBuf,
        /// Without a passphrase: whoever reads the file can pass for this device
        #[arg(long)]
        plain: bool,
    },
    /// Give a data directory without a device key the one in a backup
    Restore {
        /// What `larder key backup` wrote
        file: PathBuf,
    },
    /// Set or change the passphrase that the device's key is protected by
    Passphrase {
        /// Protect it by none
        #[arg(long)]
        remove: bool,
    },
}

/// Does what one of the verbs says; a hub may run meanwhile.
pub(super) fn execute(data_dir: &Path, verb: KeyVerb) -> anyhow::Result<Outcome> {
    let dir = DataDir::find(data_dir);
    match verb {
        KeyVerb::Show { json } => show(&dir, json),
        KeyVerb::Backup { file, plain } => backup(&dir, &file, plain),
        KeyVerb::Restore { file } => restore(data_dir, &file),
        KeyVerb::Passphrase { remove: false } => protect(&dir),
        KeyVerb::Passphrase { remove: true } => bare(&dir),
    }
}

fn show(data_dir: &DataDir, as_json: bool) -> anyhow::Result<Outcome> {
    let stored = stored(data_dir)?;
    let (key, protected) = (stored.public(), matches!(stored, StoredKey::Protected(_)));
    let url = HttpKeyUrl::new(authority(data_dir)?, key, "")?.to_string();
    if as_json {
        let shown = json!({
            "key": key.to_string(),
            "url": url,
            "pin": key.pin(),
            "protected": protected,
        });
        show::line(serde_json::to_string_pretty(&shown)?)?;
        return Ok(Outcome::Done);
    }
    let protection = if protected { "by a passphrase" } else { "by the file's permissions" };
    table(&[
        ["key".to_owned(), key.to_string()],
        ["httpkey URL".into(), url],
        ["pin".into(), key.pin()],
        ["protected".into(), protection.into()],
    ])?;
    Ok(Outcome::Done)
}

/// Where the running hub answers by TLS, or would.
fn authority(data_dir: &DataDir) -> anyhow::Result<Authority> {
    let announced = discovery::announced(data_dir);
    let urls = announced.iter().flat_map(|hub| &hub.urls);
    let mut secure = urls.filter_map(|url| url.strip_prefix("https://"));
    let authority = secure.next().map_or(TLS_AUTHORITY, |url| url.trim_end_matches('/'));
    Ok(authority.parse()?)
}

fn backup(data_dir: &DataDir, file: &Path, plain: bool) -> anyhow::Result<Outcome> {
    // Before anybody is asked for anything.
    if file.symlink_metadata().is_ok() {
        return Err(KeyFileError::Exists(file.into()).into());
    }
    let copy = match (stored(data_dir)?, plain) {
        (stored, true) => StoredKey::Plain(passphrase::unlocked(stored)?),
        (StoredKey::Plain(key), false) => {
            StoredKey::Protected(ProtectedKey::seal(&key, &passphrase::chosen()?)?)
        }
        (protected @ StoredKey::Protected(_), false) => protected,
    };
    key_file::write_new(file, &copy)?;
    show::line(format_args!("{} written", file.display()))?;
    Ok(Outcome::Done)
}

fn restore(data_dir: &Path, file: &Path) -> anyhow::Result<Outcome> {
    let copy = key_file::load(file)?;
    let copy = copy.with_context(|| format!("there is no file {}", file.display()))?;
    let data_dir = DataDir::prepare(data_dir)?;
    match key_file::write_new(&data_dir.device(), &copy) {
        Err(KeyFileError::Exists(_)) => {
            bail!("{} has a device key, which is left as it is", data_dir.path().display())
        }
        written => written?,
    }
    show::line(format_args!("this device is {}", copy.public()))?;
    show::remark("No two devices may use one key: where it was used before, use it no more.");
    Ok(Outcome::Done)
}

fn protect(data_dir: &DataDir) -> anyhow::Result<Outcome> {
    let stored = stored(data_dir)?;
    let changed = matches!(stored, StoredKey::Protected(_));
    let key = passphrase::unlocked(stored)?;
    let passphrase = if changed { passphrase::changed()? } else { passphrase::chosen()? };
    let protected = ProtectedKey::seal(&key, &passphrase)?;
    key_file::replace(&data_dir.device(), &StoredKey::Protected(protected))?;
    show::line("the device key is protected by the new passphrase")?;
    show::remark("Copies made earlier keep the protection they have.");
    Ok(Outcome::Done)
}

fn bare(data_dir: &DataDir) -> anyhow::Result<Outcome> {
    let stored = stored(data_dir)?;
    if matches!(stored, StoredKey::Plain(_)) {
        bail!("the device key is protected by no passphrase");
    }
    let key = passphrase::unlocked(stored)?;
    key_file::replace(&data_dir.device(), &StoredKey::Plain(key))?;
    show::line("the device key is protected by no passphrase any more")?;
    Ok(Outcome::Done)
}

/// The device key as its file holds it.
fn stored(data_dir: &DataDir) -> anyhow::Result<StoredKey> {
    let stored = key_file::load(&data_dir.device())?;
    stored.with_context(|| {
        let dir = data_dir.path().display();
        format!("{dir} has no device key yet; the first `larder run` makes one")
    })
}
