//! The keys of relays: made once, below the target directory, and copied into every network.

use std::fs::{self, DirBuilder};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Finished;
use crate::built::built;

/// The longest that `tor-gencert` allows; whoever keeps a target directory longer cleans it.
const CERTIFICATE_MONTHS: &str = "24";

/// What others know a relay by.
pub(crate) struct Identity {
    /// The digest of its RSA key, in hexadecimal.
    pub(crate) rsa: String,
    /// Its Ed25519 key, in base64.
    pub(crate) ed25519: String,
    /// Where its keys are kept.
    folder: PathBuf,
}

impl Identity {
    /// That of the relay with this nickname; made when nobody has asked for it yet.
    ///
    /// # Panics
    /// When it cannot be made.
    #[track_caller]
    pub(crate) fn of(nickname: &str) -> Self {
        let guardian = built("guardian", "tests");
        let cache = guardian.with_file_name("testnet-keys");
        let folder = cache.join(nickname);
        if !folder.is_dir() {
            fs::create_dir_all(&cache).expect("a folder for keys");
            let fresh = TempDir::with_prefix_in("making-", &cache).expect("a folder for keys");
            make_keys(fresh.path(), nickname);
            // Whoever comes second finds the name taken, and uses what is there.
            if fs::rename(fresh.path(), &folder).is_ok() {
                let _ = fresh.keep();
            }
        }
        let rsa = second_word(&folder.join("fingerprint"));
        let ed25519 = second_word(&folder.join("fingerprint-ed25519"));
        Self { rsa, ed25519, folder }
    }

    /// Copies the keys to where `tor` looks for them.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub(crate) fn copy_to(&self, data_directory: &Path) {
        let (from, to) = (self.folder.join("keys"), data_directory.join("keys"));
        private_folder(&to);
        for entry in fs::read_dir(from).expect("keys").flatten() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy of a key");
        }
    }

    /// The digest of the key that an authority signs votes with.
    ///
    /// # Panics
    /// When there is no certificate of it.
    #[track_caller]
    pub(crate) fn v3(&self) -> String {
        let certificate = fs::read_to_string(self.folder.join("keys/authority_certificate"));
        let certificate = certificate.expect("a certificate");
        let mut lines = certificate.lines();
        let digest = lines.find_map(|line| line.strip_prefix("fingerprint "));
        digest.expect("a fingerprint").to_owned()
    }
}

#[track_caller]
fn make_keys(folder: &Path, nickname: &str) {
    private_folder(&folder.join("keys"));
    make_authority_keys(&folder.join("keys"));

    let settings = folder.join("torrc");
    fs::write(&settings, "").expect("settings");
    let mut tor = Command::new("tor");
    tor.arg("-f").arg(&settings).arg("--defaults-torrc").arg(&settings);
    tor.arg("--datadirectory").arg(folder).args(["--nickname", nickname, "--orport", "1"]);
    tor.args(["--list-fingerprint", "--hush"]);
    // Without an authority of its own it would ask the real ones for the time of day.
    tor.args(["--dirauthority", "none 127.0.0.1:1 FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"]);
    Finished::of(&mut tor).expect_success();
}

/// Every relay gets them: they cost little, and only the authority's are looked at.
#[track_caller]
fn make_authority_keys(keys: &Path) {
    let mut gencert = Command::new("tor-gencert");
    gencert.args(["--create-identity-key", "--passphrase-fd", "0", "-m", CERTIFICATE_MONTHS]);
    gencert.arg("-i").arg(keys.join("authority_identity_key"));
    gencert.arg("-s").arg(keys.join("authority_signing_key"));
    gencert.arg("-c").arg(keys.join("authority_certificate"));
    gencert.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut gencert = gencert.spawn().expect("tor-gencert");
    let passphrase = gencert.stdin.take().expect("a pipe").write_all(b"passphrase\n");
    passphrase.expect("a passphrase");
    assert!(gencert.wait().is_ok_and(|status| status.success()), "tor-gencert made no keys");
}

fn private_folder(path: &Path) {
    DirBuilder::new().mode(0o700).create(path).expect("a folder for keys");
}

/// The second word of a file like `relay1 5F64…`.
#[track_caller]
fn second_word(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let word = text.split_whitespace().nth(1).map(str::to_owned);
    word.unwrap_or_else(|| panic!("{} has no second word", path.display()))
}
