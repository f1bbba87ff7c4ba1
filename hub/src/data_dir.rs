//! The directory that holds everything a hub knows.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::file_error::FileError;

/// A data directory that exists and that nobody else may look into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataDir(PathBuf);

/// Only its owner may list, enter and change the directory.
const OWNER_ONLY: u32 = 0o700;

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// Somebody else's directory.
    #[error("{} belongs to another user", .0.display())]
    Foreign(PathBuf),
}

impl DataDir {
    /// Makes the directory where there is none, and closes it to others.
    pub(crate) fn prepare(path: &Path) -> Result<Self, DataDirError> {
        let failed = |action| FileError::at(action, path);
        store::make_private_folder(path).map_err(failed("make"))?;
        let dir = path.canonicalize().map_err(failed("find"))?;
        let metadata = dir.metadata().map_err(failed("look at"))?;
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(DataDirError::Foreign(dir));
        }
        if metadata.mode() & 0o077 != 0 {
            let private = Permissions::from_mode(OWNER_ONLY);
            std::fs::set_permissions(&dir, private).map_err(failed("close to others"))?;
        }
        Ok(Self(dir))
    }

    /// The directory where it exists, or as it was written.
    pub(crate) fn find(path: &Path) -> Self {
        Self(path.canonicalize().unwrap_or_else(|_| path.to_path_buf()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether a hub has kept anything here.
    pub(crate) fn holds_store(&self) -> bool {
        self.0.join("catalog.sqlite").is_file()
    }

    /// The file with the owner's token.
    pub(crate) fn owner_token(&self) -> PathBuf {
        self.0.join("owner-token")
    }

    /// The file with the device key.
    pub(crate) fn device(&self) -> PathBuf {
        self.0.join("device")
    }

    /// The file with CouchDB's settings as clients wrote them.
    pub(crate) fn couch_config(&self) -> PathBuf {
        self.0.join("couch-config.json")
    }

    /// The file that says how often the hub was started.
    pub(crate) fn boot(&self) -> PathBuf {
        self.0.join("boot.json")
    }

    /// The file with what devices have said of each other.
    pub(crate) fn statements(&self) -> PathBuf {
        self.0.join("statements.jsonl")
    }

    /// The file that says which starts of other hubs were seen.
    pub(crate) fn starts(&self) -> PathBuf {
        self.0.join("starts.json")
    }

    /// The file with what this device says of its owner.
    pub(crate) fn profile(&self) -> PathBuf {
        self.0.join("profile.json")
    }

    /// The file with what strangers ask.
    pub(crate) fn requests(&self) -> PathBuf {
        self.0.join("requests.json")
    }

    /// The folder in which Tor keeps what it would have to fetch anew.
    pub(crate) fn onion(&self) -> PathBuf {
        self.0.join("onion")
    }

    /// A folder for what lives only as long as one task; emptied at each start.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.0.join("scratch")
    }
}

/// The platform's place for a user's data, where the environment names one.
pub(crate) fn default_path() -> Option<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(target_os = "macos") {
        return Some(absolute("HOME")?.join("Library/Application Support/larder"));
    }
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    Some(data?.join("larder"))
}

/// The directory that a file lies in.
pub(crate) fn folder_of(file: &Path) -> &Path {
    let named = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    named.unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let dir = DataDir::prepare(&path).unwrap();
        assert_eq!(dir.path().metadata().unwrap().mode() & 0o777, 0o700);
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(DataDir::prepare(&path).unwrap(), dir);
        assert_eq!(dir.path().metadata().unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_file_in_its_place_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "").unwrap();
        let error = DataDir::prepare(&path).unwrap_err();
        assert!(matches!(error, DataDirError::File(FileError { action: "make", .. })), "{error}");
    }
}
