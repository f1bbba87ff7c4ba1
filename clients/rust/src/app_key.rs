//! An app's own key: made where the app runs, and never sent anywhere.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use identity::{DeviceKey, PublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use crate::private_file::{self, PrivateFileError};

/// Bytes of the seed at the end of a key as PKCS#8.
const SEED_BYTES: usize = 32;

/// The Ed25519 key by which a hub knows an app.
///
/// Its file is PKCS#8 as PEM, mode 0600, which Node's library for apps and OpenSSL read as well.
#[derive(Clone, Debug)]
pub struct AppKey(DeviceKey);

/// There is no key to be had.
#[derive(Debug, thiserror::Error)]
pub enum AppKeyError {
    /// The file cannot be read, written or trusted.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// What it holds is no such key.
    #[error("{} holds no Ed25519 key; put it back, or move it away to have a new one made", .0.display())]
    Damaged(PathBuf),
    /// The system has no random bytes.
    #[error("could not get random bytes: {0}")]
    Random(String),
}

impl AppKey {
    /// A fresh key, for an app that keeps it elsewhere than in a file.
    ///
    /// # Errors
    /// [`AppKeyError::Random`].
    pub fn make() -> Result<Self, AppKeyError> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        getrandom::fill(seed.as_mut()).map_err(|error| AppKeyError::Random(error.to_string()))?;
        Ok(Self(DeviceKey::from_seed(&seed)))
    }

    /// The key in this file, made where there is no file.
    ///
    /// # Errors
    /// When the file is open to others, damaged or out of reach; it is never replaced.
    pub fn load_or_make(path: &Path) -> Result<Self, AppKeyError> {
        match Self::load(path) {
            Err(AppKeyError::File(error)) if error.is_absence() => {}
            loaded => return loaded,
        }
        let key = Self::make()?;
        match key.write(path) {
            Ok(()) => Ok(key),
            // Somebody else was quicker: theirs is the key.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::load(path),
            Err(error) => Err(PrivateFileError::at("write", path)(error).into()),
        }
    }

    /// The key in this PEM text, as [`Self::to_pem`] writes it.
    pub fn from_pem(text: &str) -> Option<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).ok()?;
        let der = der.secret_pkcs8_der();
        let seed = der.last_chunk::<SEED_BYTES>()?;
        let key = DeviceKey::from_seed(seed);
        (*key.to_pkcs8() == der).then_some(Self(key))
    }

    /// The secret as text.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(STANDARD.encode(&*self.0.to_pkcs8()));
        Zeroizing::new(
            ["-----BEGIN PRIVATE KEY-----\n", &secret, "\n-----END PRIVATE KEY-----\n"].concat(),
        )
    }

    /// What the owner sees and approves.
    pub fn public(&self) -> PublicKey {
        self.0.public()
    }

    /// The key as TLS shows it.
    pub(crate) fn device_key(&self) -> &DeviceKey {
        &self.0
    }

    fn load(path: &Path) -> Result<Self, AppKeyError> {
        let text = private_file::read(path).map_err(|error| match error {
            PrivateFileError::Damaged(path) => AppKeyError::Damaged(path),
            other => other.into(),
        })?;
        Self::from_pem(&text).ok_or_else(|| AppKeyError::Damaged(path.into()))
    }

    /// Durable before anything depends on it, and never over another file.
    fn write(&self, path: &Path) -> io::Result<()> {
        let named = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = named.unwrap_or_else(|| Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".key-").tempfile_in(folder)?;
        file.write_all(self.to_pem().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn is_made_once_and_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.key");
        let made = AppKey::load_or_make(&path).unwrap();
        assert_eq!(AppKey::load_or_make(&path).unwrap().public(), made.public());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
        assert_ne!(AppKey::make().unwrap().public(), made.public());
    }

    #[test]
    fn a_damaged_file_is_reported_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.key");
        let good = AppKey::load_or_make(&path).unwrap().to_pem();
        let long = "x".repeat(100_000);
        for bad in ["", "x", &good[30..], &good.replace("MC4C", "MC5C"), &long, "\0"] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(AppKey::load_or_make(&path), Err(AppKeyError::Damaged(_))), "{bad:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), bad);
        }
    }

    #[test]
    fn a_file_that_others_can_reach_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.key");
        AppKey::load_or_make(&path).unwrap();
        for open in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, Permissions::from_mode(open)).unwrap();
            let error = AppKey::load_or_make(&path).unwrap_err();
            assert!(matches!(error, AppKeyError::File(PrivateFileError::Open(_))), "{error}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(AppKey::load_or_make(&path).is_ok());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(AppKey::load_or_make(&link), Err(AppKeyError::File(_))));
        fs::remove_file(&path).unwrap();
        assert!(matches!(AppKey::load_or_make(&link), Err(AppKeyError::File(_))));
    }

    #[test]
    fn keys_of_openssl_and_node_are_read() {
        // RFC 8410, section 10.3.
        let text = "-----BEGIN PRIVATE KEY-----\n\
                    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                    -----END PRIVATE KEY-----\n";
        assert_eq!(*AppKey::from_pem(text).unwrap().to_pem(), text);
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = AppKey::make().unwrap();
        assert!(format!("{key:?}").len() < 60, "{key:?}");
    }
}
