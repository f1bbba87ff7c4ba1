//! Where the hub is, as it says itself in a directory that only its person can write to.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use identity::PublicKey;
use serde::Deserialize;

use crate::address::Address;
use crate::private_file::{PrivateFileError, PrivateFolder};

/// The hub cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The environment names no place for a data directory.
    #[error("no data directory: set LARDER_DATA_DIR")]
    NoDataDir,
    /// None runs on this data directory.
    #[error("no hub is running on {}", .0.display())]
    NoHub(PathBuf),
    /// It does not listen for TLS.
    #[error("the hub on {} does not listen for TLS", .0.display())]
    NoTls(PathBuf),
    /// What it says of itself makes no sense.
    #[error("{} does not say where the hub is and which key it has", .0.display())]
    Damaged(PathBuf),
    /// What it says of itself cannot be read, or not be trusted.
    #[error(transparent)]
    File(PrivateFileError),
}

/// What a hub says of itself, and where it is asked without TLS.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) address: Address,
    pub(crate) key: PublicKey,
    pub(crate) control_socket: PathBuf,
}

/// `hub.json`, as far as it matters here.
#[derive(Deserialize)]
struct HubJson {
    urls: Vec<String>,
    key: PublicKey,
}

/// Finds the hub that runs on a data directory.
pub(crate) fn find(data_dir: &Path) -> Result<Found, FindError> {
    let absent = |error: PrivateFileError| {
        if error.is_absence() { FindError::NoHub(data_dir.into()) } else { FindError::File(error) }
    };
    let folder = PrivateFolder::open(&data_dir.join("run")).map_err(absent)?;
    let text = folder.read("hub.json").map_err(absent)?;
    let damaged = || FindError::Damaged(folder.path().join("hub.json"));
    let HubJson { urls, key } = serde_json::from_str(&text).map_err(|_| damaged())?;
    let mut https = urls.iter().filter(|url| url.starts_with("https://"));
    let url = https.next().ok_or_else(|| FindError::NoTls(data_dir.into()))?;
    let address = Address::parse(url).map_err(|_| damaged())?;
    Ok(Found { address, key, control_socket: folder.path().join("control.sock") })
}

/// The data directory of this person's hub: `LARDER_DATA_DIR`, else the platform's.
pub(crate) fn default_data_dir() -> Option<PathBuf> {
    data_dir_of(|name| std::env::var_os(name))
}

fn data_dir_of(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(chosen) = variable("LARDER_DATA_DIR").filter(|chosen| !chosen.is_empty()) {
        return Some(chosen.into());
    }
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(target_os = "macos") {
        return Some(absolute("HOME")?.join("Library/Application Support/larder"));
    }
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    Some(data?.join("larder"))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::*;

    const KEY: &str = "nnvaasbf2qpiyfmhwaln4jbi2tbjrvi5lmxcghdivbgh5igkcqga";

    fn good() -> Value {
        let urls = ["http://127.0.0.1:5984/", "https://127.0.0.1:6984/"];
        json!({"urls": urls, "key": KEY, "pid": 1, "version": "0.1.0", "later": true})
    }

    fn data_dir(hub_json: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        fs::set_permissions(&run, Permissions::from_mode(0o700)).unwrap();
        fs::write(run.join("hub.json"), hub_json).unwrap();
        folder
    }

    #[test]
    fn a_hub_is_found_directly_and_by_a_link() {
        let folder = data_dir(&good().to_string());
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(folder.path().join("run"), elsewhere.path().join("run")).unwrap();
        for data_dir in [folder.path(), elsewhere.path()] {
            let found = find(data_dir).unwrap();
            assert_eq!(found.address.to_string(), "https://127.0.0.1:6984/");
            assert_eq!(found.key.to_string(), KEY);
            let run = folder.path().join("run").canonicalize().unwrap();
            assert_eq!(found.control_socket, run.join("control.sock"));
        }
    }

    #[test]
    fn what_others_could_have_written_is_not_believed() {
        let folder = data_dir(&good().to_string());
        for mode in [0o750, 0o701, 0o777] {
            fs::set_permissions(folder.path().join("run"), Permissions::from_mode(mode)).unwrap();
            let error = find(folder.path()).unwrap_err();
            assert!(matches!(error, FindError::File(PrivateFileError::Open(_))), "{error}");
        }
        let folder = data_dir("");
        let hub_json = folder.path().join("run/hub.json");
        fs::write(folder.path().join("theirs"), good().to_string()).unwrap();
        fs::remove_file(&hub_json).unwrap();
        symlink(folder.path().join("theirs"), hub_json).unwrap();
        let error = find(folder.path()).unwrap_err();
        assert!(matches!(error, FindError::File(PrivateFileError::File { .. })), "{error}");
    }

    #[test]
    fn no_hub_and_one_without_tls() {
        let mut plain = good();
        plain["urls"] = json!(["http://127.0.0.1:5984/"]);
        let folder = data_dir(&plain.to_string());
        assert!(matches!(find(folder.path()), Err(FindError::NoTls(_))));
        fs::remove_file(folder.path().join("run/hub.json")).unwrap();
        assert!(matches!(find(folder.path()), Err(FindError::NoHub(_))));
        fs::remove_dir(folder.path().join("run")).unwrap();
        assert!(matches!(find(folder.path()), Err(FindError::NoHub(_))));
    }

    #[test]
    fn a_damaged_file_is_named() {
        let with = |name: &str, value: Value| {
            let mut bad = good();
            bad[name] = value;
            bad.to_string()
        };
        let bad = ["".into(), "{".into(), "null".into(), with("key", json!("x"))];
        let more = [with("urls", json!([7])), with("urls", json!(["https://a@b/"]))];
        for text in bad.iter().chain(&more) {
            let folder = data_dir(text);
            assert!(matches!(find(folder.path()), Err(FindError::Damaged(_))), "{text}");
        }
    }

    #[test]
    fn the_platforms_data_directory() {
        let check = |variables: &[(&str, &str)], expected: Option<&str>| {
            let found = data_dir_of(|name| {
                variables.iter().find(|(other, _)| *other == name).map(|(_, value)| value.into())
            });
            assert_eq!(found.as_deref(), expected.map(Path::new), "{variables:?}");
        };
        check(&[("LARDER_DATA_DIR", "/d"), ("HOME", "/h")], Some("/d"));
        check(&[], None);
        if cfg!(target_os = "macos") {
            check(&[("HOME", "/h")], Some("/h/Library/Application Support/larder"));
        } else {
            check(&[("HOME", "/h"), ("LARDER_DATA_DIR", "")], Some("/h/.local/share/larder"));
            check(&[("HOME", "/h"), ("XDG_DATA_HOME", "/x")], Some("/x/larder"));
            check(&[("HOME", "/h"), ("XDG_DATA_HOME", "x")], Some("/h/.local/share/larder"));
        }
    }
}
