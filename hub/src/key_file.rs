//! Owner-only files of 32 random bytes: made once, checked at every start, never replaced.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::data_dir::folder_of;
use crate::file_error::FileError;

/// Bits that let anybody but the owner read or write a file.
const OTHERS: u32 = 0o077;

/// Longest file that is looked at; 32 bytes make 43 characters.
const FILE_BYTES_MAX: u64 = 256;

/// 32 bytes that only the owner may see: neither printed nor compared.
#[derive(Clone)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// Fresh random bytes.
    pub(crate) fn random() -> Result<Self, KeyFileError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| KeyFileError::Random(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 43 characters of the file and of tokens.
    pub(crate) fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads what [`Self::to_text`] writes.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

/// A key file is not as it must be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    /// The system has no random bytes.
    #[error("could not get random bytes: {0}")]
    Random(String),
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// Somebody else's file.
    #[error("{} belongs to another user", .0.display())]
    Foreign(PathBuf),
    /// Others may read or write it.
    #[error("{} may be read by others; allow only yourself: chmod 600", .0.display())]
    Open(PathBuf),
    /// What it holds cannot be right.
    #[error("{} is damaged; put it back from a backup, or move it away to have a new one made", .0.display())]
    Damaged(PathBuf),
}

/// Reads the key in a file.
///
/// # Errors
/// Whenever the file is not exactly what this module wrote, its owner and permissions included.
pub(crate) fn read(path: &Path) -> Result<Key, KeyFileError> {
    let missing = || FileError::at("read", path)(io::ErrorKind::NotFound.into());
    Ok(find(path)?.ok_or_else(missing)?)
}

/// Reads the key in a file, making one where there is no file; the second is whether it was made.
pub(crate) fn read_or_make(path: &Path) -> Result<(Key, bool), KeyFileError> {
    if let Some(key) = find(path)? {
        return Ok((key, false));
    }
    let key = Key::random()?;
    write(path, &key).map_err(FileError::at("write", path))?;
    Ok((key, true))
}

/// Reads the key in a file, if there is one.
///
/// # Errors
/// As [`read`].
pub(crate) fn find(path: &Path) -> Result<Option<Key>, KeyFileError> {
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let file = match OpenOptions::new().read(true).custom_flags(nofollow).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::at("read", path)(error).into()),
    };
    let metadata = file.metadata().map_err(FileError::at("read", path))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(KeyFileError::Foreign(path.into()));
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(KeyFileError::Open(path.into()));
    }
    let mut text = String::new();
    let damaged = || KeyFileError::Damaged(path.into());
    match file.take(FILE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => Key::from_text(text.trim_end_matches('\n')).map(Some).ok_or_else(damaged),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(damaged()),
        Err(error) => Err(FileError::at("read", path)(error).into()),
    }
}

/// Durable before anything depends on it, and never over another file.
fn write(path: &Path, key: &Key) -> io::Result<()> {
    let folder = folder_of(path);
    let mut file = tempfile::Builder::new().prefix(".key-").tempfile_in(folder)?;
    writeln!(file, "{}", key.to_text())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn is_made_once_and_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owner-token");
        let (made, first) = read_or_make(&path).unwrap();
        let (again, second) = read_or_make(&path).unwrap();
        assert!(first && !second);
        assert_eq!(made.bytes(), again.bytes());
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_reported_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owner-token");
        let good = read_or_make(&path).unwrap().0.to_text();
        for bad in ["", "x", &good[1..], &format!("{good}A"), &format!("{good}\n{good}"), "\0"] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(read_or_make(&path), Err(KeyFileError::Damaged(_))), "{bad:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), bad);
        }
        std::fs::write(&path, [0xff; 43]).unwrap();
        assert!(matches!(read(&path), Err(KeyFileError::Damaged(_))));
    }

    #[test]
    fn a_file_that_others_can_reach_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owner-token");
        read_or_make(&path).unwrap();
        for open in [0o640, 0o604, 0o620] {
            mode(&path, open);
            assert!(matches!(read_or_make(&path), Err(KeyFileError::Open(_))), "{open:o}");
        }
        mode(&path, 0o400);
        assert!(read(&path).is_ok());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(read_or_make(&link), Err(KeyFileError::File(_))));
    }
}
