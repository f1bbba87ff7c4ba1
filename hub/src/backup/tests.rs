use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::{Content, DbName, Edit, Intake, Lineage, Millis, NewAttachment, Options, Store};

use super::restore::RestoreError;
use super::schedule::{Place, ScheduleError, make};
use super::{Summary, check, files, restore, write};
use crate::file_error::FileError;

const OPTIONS: Options = Options { writer_threads: 0, open_databases_max: 4, device: [7; 32] };

fn name(text: &str) -> DbName {
    text.parse().unwrap()
}

/// A store with a database that has documents, a large and a small attachment, and an empty one.
fn filled(dir: &Path) -> Arc<Store> {
    let store = Store::open(dir, &OPTIONS).unwrap();
    let database = store.create(&name("full"), Millis(5)).unwrap();
    store.create(&name("a/empty"), Millis(6)).unwrap();
    for (id, length) in [("small", 10), ("large", 300_000)] {
        let mut writer = database.stage(1 << 20, Intake::Compress(8)).unwrap();
        writer.write_all(&vec![7; length]).unwrap();
        let attachment = NewAttachment {
            name: "att".into(),
            content_type: None,
            revpos: None,
            content: Content::Staged(writer.finish().unwrap()),
        };
        let edit = Edit {
            id: id.parse().unwrap(),
            lineage: Lineage::Child(None),
            deleted: false,
            body: "{\"a\":1}".into(),
            attachments: vec![attachment],
        };
        database.write(vec![edit], Millis(7)).unwrap().pop().unwrap().unwrap();
    }
    store
}

/// The file with CouchDB's settings, beside the folder for copies.
fn settings(scratch: &Path) -> PathBuf {
    scratch.parent().unwrap().join("couch-config.json")
}

fn backup(store: &Store, scratch: &Path) -> (Vec<u8>, Summary) {
    let mut bytes = Vec::new();
    let summary = write(store, &settings(scratch), scratch, Millis(9), &mut bytes).unwrap();
    assert_eq!(check(bytes.as_slice()).unwrap(), summary);
    assert_eq!(fs::read_dir(scratch).unwrap().count(), 0);
    (bytes, summary)
}

#[test]
fn comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(&folder.path().join("a"));
    let (bytes, summary) = backup(&store, &folder.path().join("scratch"));
    assert_eq!(summary.databases, 2);
    let dir = folder.path().join("b/c");
    assert_eq!(restore(&dir, bytes.as_slice()).unwrap(), summary);
    let again = Store::open(&dir, &OPTIONS).unwrap();
    let names: Vec<_> = again.databases().iter().map(|d| d.name().to_string()).collect();
    assert_eq!(names, ["a/empty", "full"]);
    for restored in again.databases() {
        let original = store.database(&restored.name()).unwrap();
        assert_eq!(restored.uuid(), original.uuid());
        assert_eq!(restored.created(), original.created());
        assert_ne!(restored.update_seq().epoch, original.update_seq().epoch);
        assert_eq!(restored.update_seq().seq, original.update_seq().seq);
        assert_eq!(restored.verify().unwrap(), Vec::<String>::new());
        let info = restored.info().unwrap();
        assert_eq!(info.doc_count, original.info().unwrap().doc_count);
    }
    assert_eq!(fs::read_dir(folder.path().join("b")).unwrap().count(), 1);
}

#[test]
fn takes_only_an_empty_directory() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(&folder.path().join("a"));
    let (bytes, _) = backup(&store, &folder.path().join("scratch"));
    let dir = folder.path().join("b");
    fs::create_dir(&dir).unwrap();
    restore(&dir, bytes.as_slice()).unwrap();
    assert!(matches!(
        restore(&dir, bytes.as_slice()),
        Err(RestoreError::Open(store::OpenError::NotEmpty { .. }))
    ));
}

#[test]
fn a_cut_or_changed_backup_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(&folder.path().join("a"));
    let (bytes, _) = backup(&store, &folder.path().join("scratch"));
    let dir = folder.path().join("b");
    for length in (0..bytes.len()).step_by(bytes.len() / 50) {
        assert!(restore(&dir, &bytes[..length]).is_err(), "{length} bytes");
        assert!(check(&bytes[..length]).is_err(), "{length} bytes");
        assert!(!dir.exists());
    }
    let plain = zstd::decode_all(bytes.as_slice()).unwrap();
    let repack = |plain: &[u8]| zstd::encode_all(plain, 1).unwrap();
    restore(&dir, repack(&plain).as_slice()).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    // One bit in each of many places: padding may go unnoticed, contents may not.
    let original = Store::open(&folder.path().join("c"), &OPTIONS).unwrap();
    drop(original);
    for place in (0..plain.len()).step_by(plain.len() / 60) {
        let mut changed = plain.clone();
        changed[place] ^= 1;
        let changed = repack(&changed);
        let checked = check(changed.as_slice());
        let restored = restore(&dir, changed.as_slice());
        assert_eq!(checked.is_ok(), restored.is_ok(), "a change at {place}: {checked:?}");
        match restored {
            Err(_) => assert!(!dir.exists()),
            Ok(_) => {
                let restored = Store::open(&dir, &OPTIONS).unwrap();
                let sound = restored.databases().iter().all(|d| d.verify().unwrap().is_empty());
                assert!(sound, "a change at {place} went unnoticed");
                restored.close();
                drop(restored);
                fs::remove_dir_all(&dir).unwrap();
            }
        }
    }
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        3,
        "a, c and scratch are left, and nothing else"
    );
}

#[test]
fn says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("b");
    let tar = |entries: &[(&str, &str)]| {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        zstd::encode_all(tar.into_inner().unwrap().as_slice(), 1).unwrap()
    };
    let message = |bytes: &[u8]| restore(&dir, bytes).unwrap_err().to_string();
    let manifest = r#"{"format":1,"hub":"0","created":0,"databases":[]}"#;
    assert!(message(b"plain text").contains("no backup"));
    assert_eq!(message(&tar(&[])), "this backup is cut short");
    assert_eq!(message(&tar(&[("manifest.json", manifest)])), "this backup is cut short");
    assert!(message(&tar(&[("x", "")])).contains("it begins with \"x\""));
    assert!(message(&tar(&[("manifest.json", r#"{"format":2}"#)])).contains("format 2"));
    let stranger = ("databases/0/main.sqlite", "");
    assert!(message(&tar(&[("manifest.json", manifest), stranger])).contains("it holds"));
    let end = ("end.json", r#"{"databases":[]}"#);
    let summary = restore(&dir, tar(&[("manifest.json", manifest), end]).as_slice()).unwrap();
    assert_eq!(summary.databases, 0);
}

#[test]
fn the_settings_come_along() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(&folder.path().join("a"));
    let text = r#"{"cors":{"origins":"app://notes"}}"#;
    fs::write(folder.path().join("couch-config.json"), text).unwrap();
    let (bytes, summary) = backup(&store, &folder.path().join("scratch"));
    let dir = folder.path().join("b");
    assert_eq!(restore(&dir, bytes.as_slice()).unwrap(), summary);
    assert_eq!(fs::read_to_string(dir.join("couch-config.json")).unwrap(), text);
    // Settings that no hub could start with leave nothing behind.
    fs::write(folder.path().join("couch-config.json"), "{").unwrap();
    let mut bytes = Vec::new();
    let scratch = folder.path().join("scratch");
    write(&store, &settings(&scratch), &scratch, Millis(9), &mut bytes).unwrap();
    let other = folder.path().join("c");
    let damaged = restore(&other, bytes.as_slice()).unwrap_err();
    assert_eq!(damaged.to_string(), "this backup is damaged: the settings");
    assert!(!other.exists());
}

const DAY: u64 = 86_400_000;

#[test]
fn scheduled_backups_are_read_back_before_old_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(&folder.path().join("a"));
    let backups = folder.path().join("backups");
    let place = |folder| Place {
        store: &store,
        settings: backups.join("no-such-file"),
        scratch: backups.with_file_name("scratch"),
        folder,
    };
    let names = || {
        let found = files::backups(&backups, Millis(u64::MAX)).unwrap();
        found.into_iter().map(|(at, _)| at.0 / DAY).collect::<Vec<_>>()
    };
    for day in 1..=4 {
        let (file, bytes) = make(&place(&backups), 2, Millis(day * DAY), &|| false).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().len(), bytes);
        check(fs::File::open(&file).unwrap()).unwrap();
    }
    assert_eq!(names(), [4, 3]);
    // A hub that stops, and a disk that is not there, cost nothing that is there already.
    let stopped = make(&place(&backups), 1, Millis(5 * DAY), &|| true);
    assert!(matches!(stopped, Err(ScheduleError::Write(_))), "{stopped:?}");
    assert_eq!(names(), [4, 3]);
    let missing = folder.path().join("not/there");
    let refused = make(&place(&missing), 1, Millis(5 * DAY), &|| false);
    assert!(
        matches!(refused, Err(ScheduleError::Folder(FileError { action: "make", .. }))),
        "{refused:?}"
    );
    // What was broken off goes with the next one that is whole.
    let partial = backups.join(format!("{}.partial", files::file_name(Millis(6 * DAY))));
    fs::write(&partial, "broken off").unwrap();
    make(&place(&backups), 1, Millis(7 * DAY), &|| false).unwrap();
    assert_eq!(names(), [7]);
    assert!(!partial.exists());
}
