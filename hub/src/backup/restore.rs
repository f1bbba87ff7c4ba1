//! Making a data directory from a backup.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use store::{CopyFile, DbName, DbUuid, Millis, Restore};

use super::{END, End, FOLDER, FORMAT, JSON_BYTES_MAX, MANIFEST, Manifest, SETTINGS, Summary};
use crate::boot::Boot;
use crate::couch_config::Settings;
use crate::data_dir::{DataDir, folder_of};

/// Bytes of a backup that are copied at a time.
const PIECE_BYTES: usize = 128 * 1024;

/// A backup cannot be restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// The directory cannot be used.
    #[error(transparent)]
    Open(#[from] store::OpenError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The backup cannot be read, or the directory not written.
    #[error("could not {action}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Not what a hub writes.
    #[error("this is no backup: {0}")]
    NotABackup(String),
    /// A later release wrote it.
    #[error("this backup has format {found}, this release reads up to {FORMAT}")]
    NewerFormat {
        /// What it says.
        found: u64,
    },
    /// It ends before its end.
    #[error("this backup is cut short")]
    CutShort,
    /// What it holds is not what was written.
    #[error("this backup is damaged: {0}")]
    Damaged(String),
}

impl RestoreError {
    fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutShort,
            _ => Self::Io { action, source },
        }
    }
}

/// Fills an empty directory from a backup; nothing is left of it when this fails. May block.
pub(crate) fn restore(dir: &Path, backup: impl Read) -> Result<Summary, RestoreError> {
    // Beside the directory, then in its place by one rename: a hub never finds half of it.
    let io = RestoreError::io("make the data directory");
    let parent = folder_of(dir);
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(store::OpenError::NotEmpty { dir: dir.into() }.into());
    }
    let make = || {
        fs::create_dir_all(parent)?;
        tempfile::Builder::new().prefix(".larder-restore-").tempdir_in(parent)
    };
    let scratch = make().map_err(io)?;
    let target =
        Target { restore: Restore::begin(scratch.path())?, dir: DataDir::find(scratch.path()) };
    let summary = Reader::begin(Some(target), backup)?.read()?;
    // Its devices are those of another key, so this one begins alone.
    let noted = Boot::note_none(&DataDir::find(scratch.path()).boot());
    noted.map_err(|error| RestoreError::io("write a restored file")(error.source))?;
    let put = || {
        fs::rename(scratch.keep(), dir)?;
        File::open(parent)?.sync_all()
    };
    put().map_err(RestoreError::io("put the data directory in its place"))?;
    Ok(summary)
}

/// Reads a backup to its end and compares everything with what was written. May block.
pub(crate) fn check(backup: impl Read) -> Result<Summary, RestoreError> {
    Reader::begin(None, backup)?.read()
}

/// A data directory that is being filled.
struct Target {
    restore: Restore,
    dir: DataDir,
}

struct Reader<R: Read> {
    tar: tar::Archive<zstd::Decoder<'static, io::BufReader<R>>>,
    /// Where it goes; nowhere where it is only read.
    target: Option<Target>,
    bytes: u64,
}

/// A database as far as it has come.
#[derive(Default)]
struct Received {
    main: Option<blake3::Hash>,
    attachments: u64,
}

impl<R: Read> Reader<R> {
    fn begin(target: Option<Target>, backup: R) -> Result<Self, RestoreError> {
        let decoder = zstd::Decoder::new(backup).map_err(RestoreError::io("read the backup"))?;
        Ok(Self { tar: tar::Archive::new(decoder), target, bytes: 0 })
    }

    fn read(mut self) -> Result<Summary, RestoreError> {
        let mut manifest = None;
        let mut received: BTreeMap<String, Received> = BTreeMap::new();
        let mut settings = None;
        let mut end = None;
        for entry in self.tar.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if !entry.header().entry_type().is_file() || end.is_some() {
                return Err(unexpected(&name));
            }
            self.bytes += entry.header().size().map_err(broken)?;
            if name == END {
                end = Some(json::<End>(&mut entry)?);
                continue;
            }
            let Some(manifest) = &manifest else {
                manifest = Some(read_manifest(&name, &mut entry)?);
                continue;
            };
            if name == SETTINGS && settings.is_none() {
                settings = Some(read_settings(&mut entry, self.target.as_ref())?);
                continue;
            }
            let (uuid, file) = place_of(&name, manifest).ok_or_else(|| unexpected(&name))?;
            let out = match &self.target {
                Some(target) => Some(create(&target.restore.place(uuid, file)?)?),
                None => None,
            };
            let hash = copy(&mut entry, out)?;
            let database = received.entry(uuid.to_string()).or_default();
            match file {
                CopyFile::Main => database.main = Some(hash),
                CopyFile::Attachment(expected) if expected.0 == *hash.as_bytes() => {
                    database.attachments += 1;
                }
                CopyFile::Attachment(expected) => {
                    return Err(RestoreError::Damaged(format!("attachment {expected}")));
                }
            }
        }
        let (Some(manifest), Some(end)) = (manifest, end) else {
            return Err(RestoreError::CutShort);
        };
        if settings != end.settings {
            return Err(RestoreError::Damaged("the settings".into()));
        }
        self.adopt(&manifest, &end, &received)
    }

    /// Takes in what arrived as it was written, and nothing that did not.
    fn adopt(
        &self,
        manifest: &Manifest,
        end: &End,
        received: &BTreeMap<String, Received>,
    ) -> Result<Summary, RestoreError> {
        if received.len() != end.databases.len() {
            return Err(RestoreError::Damaged("its list of databases".into()));
        }
        for expected in &end.databases {
            let known = manifest.databases.iter().find(|known| known.uuid == expected.uuid);
            let found = received.get(&expected.uuid);
            let (Some(known), Some(found)) = (known, found) else {
                return Err(RestoreError::Damaged("its list of databases".into()));
            };
            let main = found.main.map(|hash| hash.to_hex().to_string());
            if main.as_deref() != Some(&expected.main) || found.attachments != expected.attachments
            {
                return Err(RestoreError::Damaged(format!("database {}", known.name)));
            }
            let damaged = || RestoreError::Damaged(format!("the name {}", known.name));
            let uuid = DbUuid::parse(&known.uuid).ok_or_else(damaged)?;
            let name = DbName::of_existing(&known.name).map_err(|_| damaged())?;
            if let Some(target) = &self.target {
                target.restore.adopt(uuid, &name, Millis(known.created))?;
            }
        }
        Ok(Summary { databases: end.databases.len() as u64, bytes: self.bytes })
    }
}

fn read_manifest(name: &str, entry: &mut impl Read) -> Result<Manifest, RestoreError> {
    if name != MANIFEST {
        return Err(RestoreError::NotABackup(format!("it begins with {name:?}")));
    }
    // The version first: a later format may have another manifest.
    let manifest: serde_json::Value = json(entry)?;
    let found = manifest["format"].as_u64().unwrap_or_default();
    if found > FORMAT {
        return Err(RestoreError::NewerFormat { found });
    }
    serde_json::from_value(manifest).map_err(|error| RestoreError::NotABackup(error.to_string()))
}

/// Which file of which database an entry is.
fn place_of(name: &str, manifest: &Manifest) -> Option<(DbUuid, CopyFile)> {
    let (uuid, file) = name.strip_prefix(FOLDER)?.split_once('/')?;
    let known = manifest.databases.iter().any(|database| database.uuid == uuid);
    Some((DbUuid::parse(uuid).filter(|_| known)?, CopyFile::parse(file)?))
}

/// Takes CouchDB's settings; the hash of their text.
fn read_settings(entry: &mut impl Read, target: Option<&Target>) -> Result<String, RestoreError> {
    let mut text = Vec::new();
    entry.take(JSON_BYTES_MAX).read_to_end(&mut text).map_err(broken)?;
    // A hub that could not read them would not start.
    if serde_json::from_slice::<Settings>(&text).is_err() {
        return Err(RestoreError::Damaged("the settings".into()));
    }
    let out = match target {
        Some(target) => Some(create(&target.dir.couch_config())?),
        None => None,
    };
    Ok(copy(&mut text.as_slice(), out)?.to_hex().to_string())
}

/// A new file, its owner's alone.
fn create(path: &Path) -> Result<File, RestoreError> {
    let failed = RestoreError::io("write a restored file");
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)
}

/// Reads to the end, into a file where one is given, durably; the hash of what was read.
fn copy(entry: &mut impl Read, mut out: Option<File>) -> Result<blake3::Hash, RestoreError> {
    let failed = || RestoreError::io("write a restored file");
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = entry.read(&mut piece).map_err(broken)?;
        if length == 0 {
            break;
        }
        hasher.update(&piece[..length]);
        if let Some(out) = &mut out {
            out.write_all(&piece[..length]).map_err(failed())?;
        }
    }
    if let Some(out) = out {
        out.sync_all().map_err(failed())?;
    }
    Ok(hasher.finalize())
}

fn json<T: serde::de::DeserializeOwned>(entry: &mut impl Read) -> Result<T, RestoreError> {
    let mut text = Vec::new();
    entry.take(JSON_BYTES_MAX).read_to_end(&mut text).map_err(broken)?;
    serde_json::from_slice(&text).map_err(|error| RestoreError::NotABackup(error.to_string()))
}

/// Reading failed: the file ends too early, or is not what it should be.
fn broken(error: io::Error) -> RestoreError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => RestoreError::CutShort,
        // zstd and tar report what they cannot read as plain errors.
        io::ErrorKind::Other | io::ErrorKind::InvalidData => {
            RestoreError::NotABackup(error.to_string())
        }
        _ => RestoreError::Io { action: "read the backup", source: error },
    }
}

fn unexpected(name: &str) -> RestoreError {
    RestoreError::NotABackup(format!("it holds {name:?}"))
}
