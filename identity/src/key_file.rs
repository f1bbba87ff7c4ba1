//! Owner-only files of 32 random bytes: made once, checked at every start, never replaced.

mod protected;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::{DeviceKey, PublicKey};

pub use protected::{Passphrase, ProtectedKey, UnfitPassphrase, UnlockError};

/// Bits that let anybody but the owner read or write a file.
const OTHERS: u32 = 0o077;

/// Longest file that is looked at; a protected key takes about 230 bytes.
const FILE_BYTES_MAX: u64 = 512;

/// 32 bytes that only the owner may see: neither printed nor compared, wiped when dropped.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// Fresh random bytes.
    ///
    /// # Errors
    /// [`KeyFileError::Random`].
    pub fn random() -> Result<Self, KeyFileError> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 43 characters of the file and of tokens.
    pub fn to_text(&self) -> String {
        BASE64URL_NOPAD.encode(self.bytes())
    }

    /// Reads what [`Self::to_text`] writes.
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?);
        Some(Self(Zeroizing::new(bytes.as_slice().try_into().ok()?)))
    }

    /// The device key of which these bytes are the seed.
    pub fn device_key(&self) -> DeviceKey {
        DeviceKey::from_seed(&self.0)
    }
}

/// A key as its file holds it.
#[derive(Clone)]
pub enum StoredKey {
    /// Ready for use.
    Plain(Key),
    /// Of use only with a passphrase.
    Protected(ProtectedKey),
}

impl StoredKey {
    /// What others know a device by that has this key.
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Plain(key) => key.device_key().public(),
            Self::Protected(key) => key.public(),
        }
    }

    /// The file's only line.
    fn to_line(&self) -> Zeroizing<String> {
        Zeroizing::new(match self {
            Self::Plain(key) => key.to_text(),
            Self::Protected(key) => key.to_line(),
        })
    }

    fn from_line(line: &str) -> Option<Self> {
        let plain = Key::from_text(line).map(Self::Plain);
        plain.or_else(|| ProtectedKey::from_line(line).map(Self::Protected))
    }
}

/// Shows whose key it is, as far as a log may.
impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredKey(of {:?})", self.public())
    }
}

/// A key file is not as it must be.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The system has no random bytes.
    #[error("could not get random bytes: {0}")]
    Random(String),
    /// The file system refused.
    #[error("could not {action} {}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Somebody else's file.
    #[error("{} belongs to another user", .0.display())]
    Foreign(PathBuf),
    /// Others may read or write it.
    #[error("{} may be read by others; allow only yourself: chmod 600", .0.display())]
    Open(PathBuf),
    /// What it holds cannot be right.
    #[error("{} is damaged; put it back from a backup, or move it away to have a new one made", .0.display())]
    Damaged(PathBuf),
    /// It takes a passphrase where none is asked for.
    #[error("{} is protected by a passphrase, which such a file cannot be", .0.display())]
    Protected(PathBuf),
    /// There is a file where a new one was to be written.
    #[error("{} exists and is left as it is", .0.display())]
    Exists(PathBuf),
}

impl KeyFileError {
    /// What a refusal means that meets this action on this file.
    fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_path_buf(), source }
    }
}

/// Reads the key in a file.
///
/// # Errors
/// Whenever the file is not exactly what this module wrote, its owner and permissions included.
pub fn read(path: &Path) -> Result<Key, KeyFileError> {
    let missing = || KeyFileError::at("read", path)(io::ErrorKind::NotFound.into());
    plain(load(path)?.ok_or_else(missing)?, path)
}

/// Reads the key in a file, making one where there is no file; the second is whether it was made.
///
/// # Errors
/// As for [`read`]; the file is left as it is then.
pub fn read_or_make(path: &Path) -> Result<(Key, bool), KeyFileError> {
    if let Some(stored) = load(path)? {
        return Ok((plain(stored, path)?, false));
    }
    let key = Key::random()?;
    write_new(path, &StoredKey::Plain(key.clone()))?;
    Ok((key, true))
}

fn plain(stored: StoredKey, path: &Path) -> Result<Key, KeyFileError> {
    match stored {
        StoredKey::Plain(key) => Ok(key),
        StoredKey::Protected(_) => Err(KeyFileError::Protected(path.into())),
    }
}

/// Reads a key as it is stored; none where there is no file.
///
/// # Errors
/// As for [`read`], but that a protected key is none.
pub fn load(path: &Path) -> Result<Option<StoredKey>, KeyFileError> {
    // Not waiting: something else than a file may lie there.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(KeyFileError::at("read", path)(error)),
    };
    let metadata = file.metadata().map_err(KeyFileError::at("read", path))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(KeyFileError::Foreign(path.into()));
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(KeyFileError::Open(path.into()));
    }
    // Whole from the start: what grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(2 * FILE_BYTES_MAX as usize));
    let damaged = || KeyFileError::Damaged(path.into());
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err(damaged());
    }
    match file.take(FILE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => StoredKey::from_line(text.trim_end_matches('\n')).map(Some).ok_or_else(damaged),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(damaged()),
        Err(error) => Err(KeyFileError::at("read", path)(error)),
    }
}

/// Writes a key to a file of its own: durable before anything depends on it.
///
/// # Errors
/// [`KeyFileError::Exists`] where there is a file, and what the file system refuses.
pub fn write_new(path: &Path, key: &StoredKey) -> Result<(), KeyFileError> {
    write(path, key, |file| file.persist_noclobber(path)).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.into()),
        _ => KeyFileError::at("write", path)(error),
    })
}

/// Writes a key in place of what its file holds: at every moment the file is one or the other.
///
/// # Errors
/// What the file system refuses; the file is as it was then.
pub fn replace(path: &Path, key: &StoredKey) -> Result<(), KeyFileError> {
    write(path, key, |file| file.persist(path)).map_err(KeyFileError::at("write", path))
}

fn write(
    path: &Path,
    key: &StoredKey,
    keep: impl FnOnce(tempfile::NamedTempFile) -> Result<File, tempfile::PersistError>,
) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".key-").tempfile_in(folder)?;
    file.write_all(key.to_line().as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    keep(file)?;
    File::open(folder)?.sync_all()
}

fn fill(bytes: &mut [u8]) -> Result<(), KeyFileError> {
    getrandom::fill(bytes).map_err(|error| KeyFileError::Random(error.to_string()))
}
