use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use store::{Content, DbName, Edit, Intake, Lineage, Millis, NewAttachment, Options, Store};

use super::restore::RestoreError;
use super::{Summary, restore, write};

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

fn backup(store: &Store, scratch: &Path) -> (Vec<u8>, Summary) {
    let mut bytes = Vec::new();
    let summary = write(store, scratch, Millis(9), &mut bytes).unwrap();
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
        let original = store.database(restored.name()).unwrap();
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
        match restore(&dir, repack(&changed).as_slice()) {
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
