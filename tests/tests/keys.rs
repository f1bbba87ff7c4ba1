//! The device's key: shown, copied, protected, and never replaced.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use tests::{Finished, Hub, larder};

const START: [&str; 5] = ["run", "--http", "127.0.0.1:0", "--onion", "off"];

/// A folder with a data directory that a hub has been started on and stopped.
fn used() -> TempDir {
    Hub::start().stop()
}

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

/// Writes a passphrase to a file that only we can read.
fn passphrase(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, format!("{text}\n")).unwrap();
    allow(&path, 0o600);
    path
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs `larder ARGUMENTS` with files of passphrases: the one that holds and the one to come.
#[track_caller]
fn run(arguments: &[&str], data_dir: &Path, files: [Option<&Path>; 2]) -> Finished {
    let mut command = larder(arguments, data_dir);
    for (name, file) in ["LARDER_PASSPHRASE_FILE", "LARDER_NEW_PASSPHRASE_FILE"].iter().zip(files) {
        if let Some(file) = file {
            command.env(name, file);
        }
    }
    Finished::of(&mut command)
}

#[track_caller]
fn shown(data_dir: &Path) -> Value {
    let json = run(&["key", "show", "--json"], data_dir, [None; 2]).expect_success();
    serde_json::from_str(&json).unwrap()
}

#[test]
fn a_key_is_shown_with_and_without_a_hub() {
    let hub = Hub::start();
    let mut running = shown(&hub.data_dir());
    // While it runs, the URL says where it is.
    let place = hub.tls_url().replacen("https://", "httpkey://", 1);
    let url = running["url"].as_str().unwrap();
    assert!(url.starts_with(place.trim_end_matches('/')), "{url}");
    let text = hub.larder(&["key", "show"]).expect_success();
    let announced = fs::read(hub.data_dir().join("run/hub.json")).unwrap();
    let announced: Value = serde_json::from_slice(&announced).unwrap();
    assert_eq!(announced["key"], running["key"]);
    let folder = hub.stop();
    let stopped = shown(&data(&folder));
    running["url"] = stopped["url"].clone();
    assert_eq!(running, stopped);
    let key = stopped["key"].as_str().unwrap();
    assert_eq!(key.len(), 52);
    let url = format!("httpkey://localhost:6984/ed25519publickey:{key}/");
    assert_eq!(stopped["url"], url.as_str());
    assert!(stopped["pin"].as_str().unwrap().starts_with("sha256//"));
    assert_eq!(stopped["protected"], false);
    for part in [key, stopped["pin"].as_str().unwrap()] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    // It is made once.
    let hub = Hub::start_in(folder);
    assert_eq!(shown(&hub.data_dir())["key"], stopped["key"]);
}

#[test]
fn a_key_that_is_not_as_it_must_be_stops_the_hub_and_stays() {
    let folder = used();
    let file = data(&folder).join("device");
    let good = fs::read(&file).unwrap();
    let cut = &good[..good.len() / 2];
    let protected = b"larder-key-1 a argon2id 65536,3,4 a a a a\n";
    for bad in [cut, b"", b"\n", &good.repeat(2), &[0xff; 43], protected, &[b'x'; 4096]] {
        fs::write(&file, bad).unwrap();
        for command in [&START[..], &["key", "show"], &["key", "passphrase", "--remove"]] {
            let message = run(command, &data(&folder), [None; 2]).expect_failure();
            assert!(message.contains("is damaged"), "{command:?}: {message}");
            assert_eq!(fs::read(&file).unwrap(), bad, "{command:?}");
        }
    }
    fs::write(&file, &good).unwrap();
    for mode in [0o644, 0o620, 0o604] {
        allow(&file, mode);
        let message = run(&START, &data(&folder), [None; 2]).expect_failure();
        assert!(message.contains("chmod 600"), "{message}");
        assert_eq!(fs::read(&file).unwrap(), good);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, mode);
    }
    allow(&file, 0o600);
    Hub::start_in(folder).stop();
}

#[test]
fn somebody_elses_key_stops_the_hub() {
    let folder = used();
    let file = data(&folder).join("device");
    // Only root can give a file away; to others the case cannot happen in a test.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let before = fs::read(&file).unwrap();
    std::os::unix::fs::chown(&file, Some(65_534), None).unwrap();
    let message = run(&START, &data(&folder), [None; 2]).expect_failure();
    assert!(message.contains("belongs to another user"), "{message}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_protected_key_needs_its_passphrase() {
    let folder = used();
    let dir = data(&folder);
    let before = shown(&dir);
    let first = passphrase(&folder, "first", "correct horse");
    let second = passphrase(&folder, "second", "battery staple");
    let first = Some(first.as_path());
    let second = Some(second.as_path());
    run(&["key", "passphrase"], &dir, [first, None]).expect_success();
    let file = dir.join("device");
    let locked = fs::read(&file).unwrap();
    assert!(locked.starts_with(b"larder-key-1 "));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // Whose it is can be seen all the same.
    let protected = shown(&dir);
    assert_eq!(protected["key"], before["key"]);
    assert_eq!(protected["protected"], true);

    let message = run(&START, &dir, [None; 2]).expect_failure();
    assert!(message.contains("LARDER_PASSPHRASE_FILE"), "{message}");
    let message = run(&START, &dir, [second, None]).expect_failure();
    assert!(message.contains("the passphrase is wrong"), "{message}");
    assert_eq!(fs::read(&file).unwrap(), locked);

    // Changing it takes the old one; then the old one is of no use.
    run(&["key", "passphrase"], &dir, [second, first]).expect_failure();
    run(&["key", "passphrase"], &dir, [first, second]).expect_success();
    run(&["key", "passphrase", "--remove"], &dir, [first, None]).expect_failure();
    run(&["key", "passphrase", "--remove"], &dir, [second, None]).expect_success();
    assert_eq!(shown(&dir), before);
    Hub::start_in(folder).stop();
}

#[test]
fn a_hub_starts_with_the_passphrase_from_a_file() {
    let folder = used();
    let dir = data(&folder);
    let file = passphrase(&folder, "passphrase", "correct horse");
    let before = shown(&dir);
    run(&["key", "passphrase"], &dir, [Some(&file), None]).expect_success();
    let mut command = larder(&START, &dir);
    let mut hub = tests::Process::start(command.env("LARDER_PASSPHRASE_FILE", &file));
    let limit = std::time::Duration::from_secs(60);
    hub.await_line("larder: listening on ", limit).unwrap();
    assert_eq!(shown(&dir)["key"], before["key"]);
    hub.terminate();
    assert!(hub.await_end(limit).0.success());
}

#[test]
fn files_of_passphrases_are_checked() {
    let folder = used();
    let dir = data(&folder);
    let file = passphrase(&folder, "passphrase", "correct horse");
    let before = fs::read(dir.join("device")).unwrap();
    allow(&file, 0o644);
    let message = run(&["key", "passphrase"], &dir, [Some(&file), None]).expect_failure();
    assert!(message.contains("may be read by others"), "{message}");
    let short = passphrase(&folder, "short", "secret");
    let message = run(&["key", "passphrase"], &dir, [Some(&short), None]).expect_failure();
    assert!(message.contains("at least 8 characters"), "{message}");
    let nowhere = folder.path().join("nowhere");
    let message = run(&["key", "passphrase"], &dir, [Some(&nowhere), None]).expect_failure();
    assert!(message.contains("nowhere"), "{message}");
    assert_eq!(fs::read(dir.join("device")).unwrap(), before);
}

#[test]
fn a_copy_brings_the_same_device_back() {
    let folder = used();
    let dir = data(&folder);
    let key = shown(&dir)["key"].clone();
    let file = passphrase(&folder, "passphrase", "correct horse");
    let (locked, plain) = (folder.path().join("locked"), folder.path().join("plain"));
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    run(&["key", "backup", &path(&locked)], &dir, [Some(&file), None]).expect_success();
    run(&["key", "backup", "--plain", &path(&plain)], &dir, [None; 2]).expect_success();
    assert!(fs::read(&locked).unwrap().starts_with(b"larder-key-1 "));
    assert_eq!(fs::read(&plain).unwrap(), fs::read(dir.join("device")).unwrap());
    for copy in [&locked, &plain] {
        assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        // What is there stays.
        let before = fs::read(copy).unwrap();
        let backup = ["key", "backup", "--plain", &path(copy)];
        let message = run(&backup, &dir, [None; 2]).expect_failure();
        assert!(message.contains("is left as it is"), "{message}");
        assert_eq!(fs::read(copy).unwrap(), before);
        let device = fs::read(dir.join("device")).unwrap();
        let message = run(&["key", "restore", &path(copy)], &dir, [None; 2]).expect_failure();
        assert!(message.contains("has a device key"), "{message}");
        assert_eq!(fs::read(dir.join("device")).unwrap(), device);

        let other = TempDir::with_prefix("larder-test-").unwrap();
        run(&["key", "restore", &path(copy)], &data(&other), [None; 2]).expect_success();
        assert_eq!(shown(&data(&other))["key"], key);
        // A copy of a protected key is protected as it is.
        if copy == &locked {
            let again = folder.path().join("again");
            run(&["key", "backup", &path(&again)], &data(&other), [None; 2]).expect_success();
            assert_eq!(fs::read(&again).unwrap(), before);
            run(&["key", "passphrase", "--remove"], &data(&other), [Some(&file), None])
                .expect_success();
        }
        let hub = Hub::start_in(other);
        assert_eq!(shown(&hub.data_dir())["key"], key);
    }
}

#[test]
fn keys_that_are_not_there_are_missed() {
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    let message = run(&["key", "show"], &data(&folder), [None; 2]).expect_failure();
    assert!(message.contains("no device key yet"), "{message}");
    let nowhere = folder.path().join("nowhere");
    let restore = ["key", "restore", nowhere.to_str().unwrap()];
    let message = run(&restore, &data(&folder), [None; 2]).expect_failure();
    assert!(message.contains("there is no file"), "{message}");
    assert!(!data(&folder).exists());
}
