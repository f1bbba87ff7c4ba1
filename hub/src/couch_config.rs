//! CouchDB's settings as clients write and read them: kept in a file of their own, and returned.
//!
//! Some of them take effect ([`Obeyed`]), within what `larder.toml` says.

mod cors;
mod obeyed;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Guard};
use tempfile::NamedTempFile;

pub(crate) use self::cors::{Cors, CorsRules, Trust};
pub(crate) use self::obeyed::{Maintenance, Obeyed, SessionSettings};
use crate::config::Config;
use crate::data_dir::folder_of;
use crate::file_error::FileError;

/// Section → key → value.
pub(crate) type Settings = BTreeMap<String, BTreeMap<String, String>>;

/// Most settings kept.
const SETTINGS_MAX: usize = 1000;

/// Longest name of a section or key.
const NAME_BYTES_MAX: usize = 256;

/// Longest value.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// Attachments that CouchDB keeps compressed.
const COMPRESSIBLE_TYPES: &str =
    "text/*, application/javascript, application/json, application/xml";

/// What is said where nobody set anything: of CouchDB's defaults those that clients look at, and
/// what is true of a hub.
const DEFAULTS: &[(&str, &str, &str)] = &[
    ("attachments", "compressible_types", COMPRESSIBLE_TYPES),
    ("attachments", "compression_level", "8"),
    ("chttpd", "bind_address", "127.0.0.1"),
    ("chttpd", "enable_cors", "false"),
    ("chttpd", "max_db_number_for_dbs_info_req", "100"),
    ("chttpd", "port", "5984"),
    ("chttpd", "require_valid_user", "true"),
    ("chttpd_auth", "allow_persistent_cookies", "true"),
    ("chttpd_auth", "authentication_db", "_users"),
    ("chttpd_auth", "require_valid_user", "true"),
    ("chttpd_auth", "timeout", "600"),
    ("cluster", "n", "1"),
    ("cluster", "q", "1"),
    ("cors", "credentials", "false"),
    ("cors", "headers", ""),
    ("cors", "methods", ""),
    ("cors", "origins", ""),
    ("couchdb", "single_node", "true"),
    ("httpd", "enable_cors", "false"),
    ("log", "level", "info"),
    ("log", "writer", "stderr"),
    ("replicator", "checkpoint_interval", "30000"),
    ("replicator", "connection_timeout", "30000"),
    ("replicator", "http_connections", "20"),
    ("replicator", "interval", "60000"),
    ("replicator", "max_churn", "20"),
    ("replicator", "max_history", "20"),
    ("replicator", "max_jobs", "500"),
    ("replicator", "min_backoff_penalty_sec", "32"),
    ("replicator", "retries_per_request", "5"),
    ("replicator", "use_bulk_get", "true"),
    ("replicator", "use_checkpoints", "true"),
    ("replicator", "worker_batch_size", "500"),
    ("replicator", "worker_processes", "4"),
    ("uuids", "algorithm", "sequential"),
    ("uuids", "max_count", "1000"),
];

/// The settings that clients wrote.
#[derive(Debug)]
pub(crate) struct CouchConfig {
    file: PathBuf,
    /// What counts besides.
    config: Config,
    /// Those that `larder.toml` has a say in, as they are where no client wrote them.
    bounds: [(&'static str, &'static str, String); 3],
    written: Mutex<Written>,
    obeyed: ArcSwap<Obeyed>,
}

#[derive(Debug, Default)]
struct Written {
    /// What the file holds.
    kept: Settings,
    /// What counts: that, and what is to be forgotten with the process.
    current: Settings,
}

/// Whether a setting outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persist {
    /// It does.
    Yes,
    /// Until the process ends, or the settings are read anew.
    No,
}

/// A setting could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CouchConfigError {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// What the file holds are no settings.
    #[error("{} is damaged; put it back from a backup, or move it away", .0.display())]
    Damaged(PathBuf),
    /// A name or value that CouchDB's own file could not hold, or that is too long.
    #[error("{0}")]
    Refused(&'static str),
}

impl CouchConfig {
    /// Reads what is kept in the file; no file is no setting. May block.
    pub(crate) fn open(file: PathBuf, config: &Config) -> Result<Self, CouchConfigError> {
        let kept = read(&file)?;
        let unset = Obeyed::of(&Settings::new(), config).limits;
        Ok(Self {
            file,
            config: config.clone(),
            bounds: [
                ("chttpd", "max_http_request_size", unset.request_bytes_max.to_string()),
                ("couchdb", "max_attachment_size", unset.attachment_bytes_max.to_string()),
                ("couchdb", "max_document_size", unset.document_bytes_max.to_string()),
            ],
            obeyed: ArcSwap::from_pointee(Obeyed::of(&kept, config)),
            written: Mutex::new(Written { current: kept.clone(), kept }),
        })
    }

    /// What follows from the settings; cheap, for every request. Not to be held while waiting.
    pub(crate) fn obeyed(&self) -> Guard<Arc<Obeyed>> {
        self.obeyed.load()
    }

    /// Every setting, defaults included.
    pub(crate) fn all(&self) -> Settings {
        let mut all = Settings::new();
        for (section, key, value) in self.defaults() {
            all.entry(section.into()).or_default().insert(key.into(), value.into());
        }
        for (section, settings) in &self.written().current {
            all.entry(section.clone()).or_default().extend(settings.clone());
        }
        all
    }

    /// The settings of a section; none where there is no such section.
    pub(crate) fn section(&self, section: &str) -> BTreeMap<String, String> {
        self.all().remove(section).unwrap_or_default()
    }

    /// One setting.
    pub(crate) fn value(&self, section: &str, key: &str) -> Option<String> {
        self.value_in(&self.written().current, section, key)
    }

    /// Sets a setting, durably where it is to persist; its value before. May block.
    pub(crate) fn set(
        &self,
        section: &str,
        key: &str,
        value: &str,
        persist: Persist,
    ) -> Result<Option<String>, CouchConfigError> {
        check(section, key, value)?;
        let mut written = self.written();
        let before = self.value_in(&written.current, section, key);
        self.change(&mut written, persist, |settings| {
            settings.entry(section.into()).or_default().insert(key.into(), value.into());
            match settings.values().map(BTreeMap::len).sum::<usize>() > SETTINGS_MAX {
                true => Err(CouchConfigError::Refused("Too many settings.")),
                false => Ok(()),
            }
        })?;
        Ok(before)
    }

    /// Takes back what was set, so that the default counts again; the value before. May block.
    pub(crate) fn remove(
        &self,
        section: &str,
        key: &str,
        persist: Persist,
    ) -> Result<Option<String>, CouchConfigError> {
        let mut written = self.written();
        let before = self.value_in(&written.current, section, key);
        self.change(&mut written, persist, |settings| {
            if let Some(in_section) = settings.get_mut(section) {
                in_section.remove(key);
                settings.retain(|_, settings| !settings.is_empty());
            }
            Ok(())
        })?;
        Ok(before)
    }

    /// Reads the file anew; what was not to persist is gone. May block.
    pub(crate) fn reload(&self) -> Result<(), CouchConfigError> {
        let mut written = self.written();
        let kept = read(&self.file)?;
        *written = Written { current: kept.clone(), kept };
        self.publish(&written);
        Ok(())
    }

    /// Changes what counts, and what is kept where that differs; nothing where either fails.
    fn change(
        &self,
        written: &mut Written,
        persist: Persist,
        change: impl Fn(&mut Settings) -> Result<(), CouchConfigError>,
    ) -> Result<(), CouchConfigError> {
        let mut current = written.current.clone();
        change(&mut current)?;
        if persist == Persist::Yes {
            let mut kept = written.kept.clone();
            change(&mut kept)?;
            if kept != written.kept {
                self.keep(&kept)?;
                written.kept = kept;
            }
        }
        written.current = current;
        self.publish(written);
        Ok(())
    }

    /// Under the lock, so that an older state never counts after a newer one.
    fn publish(&self, written: &Written) {
        self.obeyed.store(Arc::new(Obeyed::of(&written.current, &self.config)));
    }

    fn defaults(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        let bounds = self.bounds.iter().map(|(section, key, value)| (*section, *key, &**value));
        DEFAULTS.iter().copied().chain(bounds)
    }

    fn value_in(&self, settings: &Settings, section: &str, key: &str) -> Option<String> {
        let set = settings.get(section).and_then(|settings| settings.get(key)).cloned();
        set.or_else(|| {
            let default = self.defaults().find(|(s, k, _)| (*s, *k) == (section, key));
            default.map(|(_, _, value)| value.to_owned())
        })
    }

    /// Replaces the file as a whole, so that a crash leaves the old one or the new one.
    fn keep(&self, settings: &Settings) -> Result<(), CouchConfigError> {
        let folder = folder_of(&self.file);
        let write = || -> io::Result<()> {
            // Made for its owner only.
            let mut file = NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec_pretty(settings)?)?;
            file.as_file().sync_all()?;
            file.persist(&self.file)?;
            File::open(folder)?.sync_all()
        };
        Ok(write().map_err(FileError::at("write", &self.file))?)
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        // Whoever panicked with the lock left whole settings behind.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(file: &Path) -> Result<Settings, CouchConfigError> {
    read_present(file).map(Option::unwrap_or_default)
}

/// Whether the settings are there, and can be read.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn find(file: &Path) -> Result<bool, CouchConfigError> {
    read_present(file).map(|found| found.is_some())
}

fn read_present(file: &Path) -> Result<Option<Settings>, CouchConfigError> {
    match std::fs::read(file) {
        Ok(text) => {
            serde_json::from_slice(&text).map_err(|_| CouchConfigError::Damaged(file.into()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::at("read", file)(error).into()),
    }
}

/// The parts of a list that is written with commas.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn check(section: &str, key: &str, value: &str) -> Result<(), CouchConfigError> {
    let refused = |reason| Err(CouchConfigError::Refused(reason));
    let control = |text: &str| text.chars().any(char::is_control);
    let name = |name: &str| !name.is_empty() && name.len() <= NAME_BYTES_MAX && !control(name);
    if !name(section) || section.contains(['[', ']']) {
        return refused("Invalid configuration section");
    }
    if !name(key) || key.contains('=') {
        return refused("Invalid configuration key");
    }
    if value.len() > VALUE_BYTES_MAX || control(value) {
        return refused("Invalid configuration value");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(file: &Path) -> Result<CouchConfig, CouchConfigError> {
        CouchConfig::open(file.into(), &Config::default())
    }

    #[test]
    fn settings_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("couch-config.json");
        let config = open(&file).unwrap();
        let set = |key, value| {
            let before = config.set("mine", key, value, Persist::Yes);
            before.map_err(|error| error.to_string())
        };
        assert_eq!(set("a=b", "x").unwrap_err(), "Invalid configuration key");
        assert_eq!(set("key", "1").unwrap(), None);
        assert_eq!(set("key", "2").unwrap().as_deref(), Some("1"));
        config.set("log", "level", "debug", Persist::Yes).unwrap();
        let config = open(&file).unwrap();
        assert_eq!(config.value("log", "level").as_deref(), Some("debug"));
        assert_eq!(config.value("mine", "key").as_deref(), Some("2"));
        let remove = |section, key| config.remove(section, key, Persist::Yes).unwrap();
        assert_eq!(remove("log", "level").as_deref(), Some("debug"));
        assert_eq!(remove("mine", "key").as_deref(), Some("2"));
        assert_eq!(remove("mine", "key"), None);
        let config = open(&file).unwrap();
        assert_eq!(config.value("log", "level").as_deref(), Some("info"));
        assert!(!config.all().contains_key("mine"));
    }

    #[test]
    fn what_is_not_to_persist_ends_with_a_reload() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("couch-config.json");
        let config = open(&file).unwrap();
        config.set("couchdb", "max_document_size", "10", Persist::Yes).unwrap();
        config.set("couchdb", "max_document_size", "20", Persist::No).unwrap();
        assert_eq!(config.obeyed().limits.document_bytes_max, 20);
        config.set("mine", "key", "1", Persist::Yes).unwrap();
        assert_eq!(open(&file).unwrap().obeyed().limits.document_bytes_max, 10);
        config.remove("mine", "key", Persist::No).unwrap();
        assert_eq!(config.value("mine", "key"), None);
        config.reload().unwrap();
        assert_eq!(config.obeyed().limits.document_bytes_max, 10);
        assert_eq!(config.value("mine", "key").as_deref(), Some("1"));
    }

    #[test]
    fn defaults_are_those_of_larder_toml() {
        let folder = tempfile::tempdir().unwrap();
        let mut toml = Config::default();
        toml.limits.document_bytes_max = Some(77);
        let config = CouchConfig::open(folder.path().join("none"), &toml).unwrap();
        assert_eq!(config.value("couchdb", "max_document_size").as_deref(), Some("77"));
        assert_eq!(config.section("couchdb")["max_attachment_size"], "1073741824");
    }

    #[test]
    fn names_and_values_fit_a_line() {
        for (section, key, value) in [
            ("", "k", "v"),
            ("a]", "k", "v"),
            ("a\nb", "k", "v"),
            ("s", "", "v"),
            ("s", "k=", "v"),
            ("s", "k", "a\nb"),
            ("s", "k", "a\0b"),
        ] {
            let error = check(section, key, value).unwrap_err();
            assert!(matches!(error, CouchConfigError::Refused(_)), "{section:?} {key:?} {value:?}");
        }
        assert!(check("s", "k", &"v".repeat(VALUE_BYTES_MAX + 1)).is_err());
        check("cors", "origins", "app://obsidian.md,capacitor://localhost,é").unwrap();
    }

    #[test]
    fn a_damaged_file_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("couch-config.json");
        for text in ["", "[]", "{\"a\":1}", "{\"a\":{\"b\":1}}"] {
            std::fs::write(&file, text).unwrap();
            let error = open(&file).unwrap_err();
            assert!(matches!(error, CouchConfigError::Damaged(_)), "{text}");
        }
    }
}
