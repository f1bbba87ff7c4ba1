use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
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
    assert!(matches!(read_or_make(&link), Err(KeyFileError::File { .. })));
}

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse".into()).unwrap()
}

#[test]
fn a_protected_key_is_no_plain_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device");
    let key = Key::random().unwrap();
    let protected = ProtectedKey::seal(&key, &passphrase()).unwrap();
    write_new(&path, &StoredKey::Protected(protected)).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(read_or_make(&path), Err(KeyFileError::Protected(_))));
    let Some(StoredKey::Protected(found)) = load(&path).unwrap() else { panic!("another key") };
    assert_eq!(found.public(), key.device_key().public());
    assert_eq!(found.unlock(&passphrase()).unwrap().bytes(), key.bytes());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_new_file_replaces_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device");
    let (first, second) = (Key::random().unwrap(), Key::random().unwrap());
    write_new(&path, &StoredKey::Plain(first.clone())).unwrap();
    let refused = write_new(&path, &StoredKey::Plain(second.clone()));
    assert!(matches!(refused, Err(KeyFileError::Exists(_))));
    assert_eq!(read(&path).unwrap().bytes(), first.bytes());
    replace(&path, &StoredKey::Plain(second.clone())).unwrap();
    assert_eq!(read(&path).unwrap().bytes(), second.bytes());
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device");
    std::fs::create_dir(&path).unwrap();
    mode(&path, 0o700);
    assert!(matches!(read_or_make(&path), Err(KeyFileError::Damaged(_))));
    // A pipe at which nobody writes: looking at it must not wait.
    let pipe = folder.path().join("pipe");
    let only_ours = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, only_ours).unwrap();
    assert!(matches!(load(&pipe), Err(KeyFileError::Damaged(_))));
}

#[test]
fn debug_shows_no_secret() {
    let key = Key::random().unwrap();
    let shown = format!("{:?}", StoredKey::Plain(key.clone()));
    assert!(!shown.contains(&key.to_text()[..8]) && shown.contains("PublicKey("), "{shown}");
}
