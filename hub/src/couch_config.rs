//! CouchDB's settings as clients write and read them: kept in a file of their own, and returned.
//!
//! What a hub does is said in `larder.toml`; none of these takes effect.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

use crate::data_dir::folder_of;

/// Section → key → value.
pub(crate) type Settings = BTreeMap<String, BTreeMap<String, String>>;

/// Most settings kept.
const SETTINGS_MAX: usize = 1000;

/// Longest name of a section or key.
const NAME_BYTES_MAX: usize = 256;

/// Longest value.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// What is said where nobody set anything: of CouchDB's defaults those that clients look at, and
/// what is true of a hub.
const DEFAULTS: &[(&str, &str, &str)] = &[
    ("chttpd", "bind_address", "127.0.0.1"),
    ("chttpd", "enable_cors", "false"),
    ("chttpd", "max_http_request_size", "4294967296"),
    ("chttpd", "port", "5984"),
    ("chttpd", "require_valid_user", "true"),
    ("chttpd_auth", "require_valid_user", "true"),
    ("chttpd_auth", "timeout", "600"),
    ("cluster", "n", "1"),
    ("cluster", "q", "1"),
    ("cors", "credentials", "false"),
    ("cors", "headers", ""),
    ("cors", "methods", ""),
    ("cors", "origins", ""),
    ("couchdb", "max_document_size", "8000000"),
    ("couchdb", "single_node", "true"),
    ("httpd", "enable_cors", "false"),
    ("log", "level", "info"),
    ("log", "writer", "stderr"),
    ("uuids", "algorithm", "sequential"),
    ("uuids", "max_count", "1000"),
];

/// The settings that clients wrote.
#[derive(Debug)]
pub(crate) struct CouchConfig {
    file: PathBuf,
    written: Mutex<Settings>,
}

/// A setting could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CouchConfigError {
    /// The file system refused.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// What the file holds are no settings.
    #[error("{} is damaged; put it back from a backup, or move it away", .0.display())]
    Damaged(PathBuf),
    /// A name or value that CouchDB's own file could not hold, or that is too long.
    #[error("{0}")]
    Refused(&'static str),
}

impl CouchConfig {
    /// Reads what is kept in the file; no file is no setting. May block.
    pub(crate) fn open(file: PathBuf) -> Result<Self, CouchConfigError> {
        let written = match std::fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|_| CouchConfigError::Damaged(file.clone()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Settings::new(),
            Err(source) => return Err(failed("read", &file)(source)),
        };
        Ok(Self { file, written: Mutex::new(written) })
    }

    /// Every setting, defaults included.
    pub(crate) fn all(&self) -> Settings {
        let mut all = Settings::new();
        for (section, key, value) in DEFAULTS {
            all.entry((*section).into()).or_default().insert((*key).into(), (*value).into());
        }
        for (section, settings) in &*self.written() {
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
        value(&self.written(), section, key)
    }

    /// Keeps a setting durably; its value before. May block.
    pub(crate) fn set(
        &self,
        section: &str,
        key: &str,
        value: &str,
    ) -> Result<Option<String>, CouchConfigError> {
        check(section, key, value)?;
        let mut written = self.written();
        let before = self::value(&written, section, key);
        let mut next = written.clone();
        next.entry(section.into()).or_default().insert(key.into(), value.into());
        if next.values().map(BTreeMap::len).sum::<usize>() > SETTINGS_MAX {
            return Err(CouchConfigError::Refused("Too many settings."));
        }
        self.keep(&next)?;
        *written = next;
        Ok(before)
    }

    /// Takes back what was set, so that the default counts again; the value before. May block.
    pub(crate) fn remove(
        &self,
        section: &str,
        key: &str,
    ) -> Result<Option<String>, CouchConfigError> {
        let mut written = self.written();
        let before = value(&written, section, key);
        let mut next = written.clone();
        if let Some(settings) = next.get_mut(section)
            && settings.remove(key).is_some()
        {
            next.retain(|_, settings| !settings.is_empty());
            self.keep(&next)?;
            *written = next;
        }
        Ok(before)
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
        write().map_err(failed("write", &self.file))
    }

    fn written(&self) -> MutexGuard<'_, Settings> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn value(written: &Settings, section: &str, key: &str) -> Option<String> {
    let set = written.get(section).and_then(|settings| settings.get(key)).cloned();
    set.or_else(|| {
        let default = DEFAULTS.iter().find(|(s, k, _)| (*s, *k) == (section, key));
        default.map(|(_, _, value)| (*value).to_owned())
    })
}

fn check(section: &str, key: &str, value: &str) -> Result<(), CouchConfigError> {
    let refused = |reason| Err(CouchConfigError::Refused(reason));
    let control = |text: &str| text.chars().any(char::is_control);
    let name = |name: &str| !name.is_empty() && name.len() <= NAME_BYTES_MAX && !control(name);
    if !name(section) || section.contains(['[', ']']) {
        return refused("Invalid configuration section.");
    }
    if !name(key) || key.contains('=') {
        return refused("Invalid configuration key.");
    }
    if value.len() > VALUE_BYTES_MAX || control(value) {
        return refused("Invalid configuration value.");
    }
    Ok(())
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CouchConfigError {
    let path = path.to_path_buf();
    move |source| CouchConfigError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("couch-config.json");
        let config = CouchConfig::open(file.clone()).unwrap();
        assert_eq!(config.set("log", "level", "debug").unwrap().as_deref(), Some("info"));
        assert_eq!(
            config.set("mine", "a=b", "x").map_err(|e| e.to_string()).unwrap_err(),
            "Invalid configuration key."
        );
        assert_eq!(config.set("mine", "key", "1").unwrap(), None);
        assert_eq!(config.set("mine", "key", "2").unwrap().as_deref(), Some("1"));
        let config = CouchConfig::open(file.clone()).unwrap();
        assert_eq!(config.value("log", "level").as_deref(), Some("debug"));
        assert_eq!(config.value("mine", "key").as_deref(), Some("2"));
        assert_eq!(config.remove("log", "level").unwrap().as_deref(), Some("debug"));
        assert_eq!(config.remove("mine", "key").unwrap().as_deref(), Some("2"));
        assert_eq!(config.remove("mine", "key").unwrap(), None);
        let config = CouchConfig::open(file).unwrap();
        assert_eq!(config.value("log", "level").as_deref(), Some("info"));
        assert!(!config.all().contains_key("mine"));
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
            let error = CouchConfig::open(file.clone()).unwrap_err();
            assert!(matches!(error, CouchConfigError::Damaged(_)), "{text}");
        }
    }
}
