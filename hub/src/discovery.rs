//! How programs of the same person find the running hub: an owner-only directory with the control
//! socket and `hub.json`. `run` in the data directory is that directory, or a link to it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use identity::PublicKey;
use serde::{Deserialize, Serialize};

use crate::data_dir::DataDir;
use crate::file_error::FileError;

/// Longest path of a socket, in bytes: macOS takes 103, Linux 107.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// What `hub.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HubJson {
    /// Where the hub answers, without credentials.
    pub(crate) urls: Vec<String>,
    /// The key that it proves over TLS: who finds another one there has found another hub.
    pub(crate) key: PublicKey,
    /// Its process.
    pub(crate) pid: u32,
    /// Its release.
    pub(crate) version: String,
}

/// The runtime directory cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// Somebody else made a directory where ours belongs.
    #[error("{} belongs to another user or is open to others", .0.display())]
    Foreign(PathBuf),
    /// No directory has a path short enough.
    #[error("no place for the control socket; set XDG_RUNTIME_DIR")]
    NoPlace,
}

/// The runtime directory of a running hub; removed by [`Self::release`].
#[derive(Debug)]
pub(crate) struct RuntimeDir {
    dir: PathBuf,
    link: PathBuf,
}

impl RuntimeDir {
    /// Makes the directory for the hub that holds this data directory's lock; what a hub that was
    /// killed left there is replaced.
    pub(crate) fn claim(data_dir: &DataDir) -> Result<Self, DiscoveryError> {
        let link = link(data_dir);
        let left = Self { dir: link.clone(), link: link.clone() };
        if link.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            fs::remove_file(&link).map_err(FileError::at("remove", &link))?;
        }
        let mut outcome = Err(DiscoveryError::NoPlace);
        for dir in candidates(data_dir, &Environment::read()) {
            outcome = own(&dir).map(|()| dir);
            if outcome.is_ok() {
                break;
            }
        }
        let dir = outcome?;
        if dir != link {
            left.release();
            symlink(&dir, &link).map_err(FileError::at("link", &link))?;
        }
        Ok(Self { dir, link })
    }

    /// Listens on the control socket.
    pub(crate) fn listen(&self) -> Result<UnixListener, DiscoveryError> {
        let socket = self.dir.join(SOCKET);
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::at("remove", &socket)(error).into());
            }
            _ => {}
        }
        let listener = UnixListener::bind(&socket).map_err(FileError::at("listen on", &socket))?;
        let private = Permissions::from_mode(0o600);
        fs::set_permissions(&socket, private).map_err(FileError::at("close to others", &socket))?;
        listener.set_nonblocking(true).map_err(FileError::at("listen on", &socket))?;
        Ok(listener)
    }

    /// Writes `hub.json`, whole or not at all. On a full disk there is none: the hub serves who finds it
    /// otherwise, so that they can make room.
    pub(crate) fn announce(&self, hub: &HubJson) -> Result<(), DiscoveryError> {
        let path = self.dir.join(HUB_JSON);
        // A killed hub's is wrong in any case, and takes room.
        let _gone = fs::remove_file(&path);
        let write = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(".hub-").tempfile_in(&self.dir)?;
            serde_json::to_writer(&mut file, hub)?;
            writeln!(file)?;
            file.persist(&path)?;
            Ok(())
        };
        match write() {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                tracing::error!(path = %path.display(), "not written: the disk is full");
                Ok(())
            }
            written => Ok(written.map_err(FileError::at("write", &path))?),
        }
    }

    /// Takes away what this module made. What is gone already, or not ours to remove, is passed
    /// over: the next hub replaces it.
    pub(crate) fn release(self) {
        for file in [SOCKET, HUB_JSON] {
            let _gone = fs::remove_file(self.dir.join(file));
        }
        let _gone = fs::remove_dir(&self.dir);
        if self.link != self.dir {
            let _gone = fs::remove_file(&self.link);
        }
    }
}

/// The control socket of the hub on this data directory, where one may be running.
pub(crate) fn control_socket(data_dir: &DataDir) -> Option<PathBuf> {
    Some(link(data_dir).canonicalize().ok()?.join(SOCKET))
}

/// What the hub on this data directory says of itself, where one is running.
pub(crate) fn announced(data_dir: &DataDir) -> Option<HubJson> {
    // Whoever runs no hub, or one of another release, finds none.
    serde_json::from_slice(&fs::read(link(data_dir).join(HUB_JSON)).ok()?).ok()
}

const SOCKET: &str = "control.sock";
const HUB_JSON: &str = "hub.json";

fn link(data_dir: &DataDir) -> PathBuf {
    data_dir.path().join("run")
}

/// What the places for a runtime directory depend on.
struct Environment {
    runtime: Option<OsString>,
    temporary: PathBuf,
    uid: u32,
}

impl Environment {
    fn read() -> Self {
        Self {
            runtime: std::env::var_os("XDG_RUNTIME_DIR"),
            temporary: std::env::temp_dir(),
            uid: rustix::process::geteuid().as_raw(),
        }
    }
}

/// Where the runtime directory may be, best first, as far as paths are short enough.
fn candidates(data_dir: &DataDir, environment: &Environment) -> Vec<PathBuf> {
    let hash = blake3::hash(data_dir.path().as_os_str().as_bytes()).to_hex();
    let hash = hash.get(..8).unwrap_or_default();
    let runtime = environment.runtime.as_ref().map(PathBuf::from).filter(|dir| dir.is_absolute());
    let temporary = format!("larder-{}-{hash}", environment.uid);
    let places = [
        runtime.map(|dir| dir.join(format!("larder-{hash}"))),
        Some(link(data_dir)),
        Some(environment.temporary.join(temporary)),
    ];
    let short = |dir: &PathBuf| dir.join(SOCKET).as_os_str().len() < SOCKET_PATH_BYTES_MAX;
    places.into_iter().flatten().filter(short).collect()
}

/// Makes a directory that only we can enter, or checks that the one there is such.
fn own(dir: &Path) -> Result<(), DiscoveryError> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(FileError::at("make", dir)(error).into());
        }
        _ => {}
    }
    let metadata = dir.symlink_metadata().map_err(FileError::at("look at", dir))?;
    let ours = metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw();
    if ours && metadata.mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(DiscoveryError::Foreign(dir.into()))
    }
}

#[cfg(test)]
mod tests {
    use identity::DeviceKey;

    use super::*;

    fn check(data_dir: &str, runtime: Option<&str>, expected: &[&str]) {
        let environment = Environment {
            runtime: runtime.map(OsString::from),
            temporary: "/tmp".into(),
            uid: 1000,
        };
        let data_dir = DataDir::find(Path::new(data_dir));
        let found = candidates(&data_dir, &environment);
        let found: Vec<_> = found.iter().map(|path| path.to_string_lossy()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn places() {
        check(
            "/no/such/dir",
            Some("/run/user/1000"),
            &["/run/user/1000/larder-d2934c36", "/no/such/dir/run", "/tmp/larder-1000-d2934c36"],
        );
        let short = ["/no/such/dir/run", "/tmp/larder-1000-d2934c36"];
        check("/no/such/dir", None, &short);
        check("/no/such/dir", Some("relative"), &short);
        check("/no/such/dir", Some(""), &short);
        check("/no/such/dir", Some(&format!("/{}", "x".repeat(90))), &short);
        let long = format!("/{}", "x".repeat(90));
        let hash = blake3::hash(long.as_bytes()).to_hex();
        check(&long, None, &[&format!("/tmp/larder-1000-{}", &hash[..8])]);
    }

    #[test]
    fn a_hub_is_found_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::prepare(folder.path()).unwrap();
        let key = DeviceKey::from_seed(&[7; 32]).public();
        let urls = vec!["http://127.0.0.1:1/".into()];
        let hub = HubJson { urls, key, pid: 7, version: "1".into() };
        // The second time, what the first left is there: it was killed.
        for _ in 0..2 {
            let runtime = RuntimeDir::claim(&data_dir).unwrap();
            let listener = runtime.listen().unwrap();
            runtime.announce(&hub).unwrap();
            let socket = control_socket(&data_dir).unwrap();
            assert!(std::os::unix::net::UnixStream::connect(&socket).is_ok());
            assert_eq!(socket.metadata().unwrap().mode() & 0o777, 0o600);
            assert_eq!(announced(&data_dir).as_ref(), Some(&hub));
            drop(listener);
        }
        RuntimeDir::claim(&data_dir).unwrap().release();
        assert_eq!(control_socket(&data_dir), None);
        assert_eq!(announced(&data_dir), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_others_can_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("run");
        own(&dir).unwrap();
        own(&dir).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(own(&dir), Err(DiscoveryError::Foreign(_))));
        let link = folder.path().join("link");
        symlink(folder.path(), &link).unwrap();
        assert!(matches!(own(&link), Err(DiscoveryError::Foreign(_))));
    }
}
