//! Edits as validation functions see them before they are written.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::Write as _;
use std::sync::Arc;

use store::{
    Content, Database, Edit, EditError, Error, Intake, Lineage, Millis, NewAttachment, Preview,
    RevId, Store,
};
use support::{options, put};

const NOW: Millis = Millis(1_700_000_000_000);

fn database() -> (tempfile::TempDir, Arc<Store>, Arc<Database>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    (folder, store, database)
}

fn preview(database: &Database, edit: &Edit) -> Preview {
    database.read::<_, Error>(|snapshot| snapshot.preview(edit)).unwrap()
}

/// What is previewed, and what writing it then makes of it.
fn check(database: &Database, edit: Edit, new: &str, old: Option<&str>) -> RevId {
    let old = old.map(str::to_owned);
    assert_eq!(preview(database, &edit), Preview::Document { new: new.into(), old });
    database.write(vec![edit], NOW).unwrap().remove(0).unwrap()
}

/// The same for what is refused: writing it is refused alike.
fn check_refused(database: &Database, edit: Edit, expected: EditError) {
    assert_eq!(preview(database, &edit), Preview::Refused(expected.clone()));
    assert_eq!(database.write(vec![edit], NOW).unwrap().remove(0), Err(expected));
}

fn hex(rev: &RevId) -> String {
    rev.to_string().split_once('-').unwrap().1.to_owned()
}

#[test]
fn edits() {
    let (_folder, _store, database) = database();
    let first = check(&database, put("a", None, r#"{"n":1}"#), r#"{"_id":"a","n":1}"#, None);
    check_refused(&database, put("a", None, "{}"), EditError::Conflict);
    let shown = format!(
        r#"{{"_id":"a","_rev":"{first}","n":1,"_revisions":{{"start":1,"ids":["{}"]}}}}"#,
        hex(&first)
    );
    let new = format!(
        r#"{{"_id":"a","_rev":"{first}","_deleted":true,"_revisions":{{"start":1,"ids":["{}"]}}}}"#,
        hex(&first)
    );
    let deletion = Edit { deleted: true, ..put("a", Some(first.clone()), "{}") };
    check(&database, deletion, &new, Some(&shown));
    check_refused(&database, put("a", Some(first), "{}"), EditError::Conflict);
    // It begins anew for whoever does not name the tombstone.
    check(&database, put("a", None, "{}"), r#"{"_id":"a"}"#, None);
}

#[test]
fn revisions_of_others() {
    let (_folder, _store, database) = database();
    let rev = |text: &str| -> RevId { text.parse().unwrap() };
    let path = |revs: &[&str], body: &str| Edit {
        lineage: Lineage::Path(revs.iter().map(|text| rev(text)).collect()),
        ..put("a", None, body)
    };
    let new = |revs: &str| format!(r#"{{"_id":"a","_rev":{revs}"#);
    check(
        &database,
        path(&["2-b", "1-a"], r#"{"n":2}"#),
        &new(r#""2-b","n":2,"_revisions":{"start":2,"ids":["b","a"]}}"#),
        None,
    );
    let old = new(r#""2-b","n":2,"_revisions":{"start":2,"ids":["b","a"]}}"#);
    check(
        &database,
        path(&["4-d", "3-c", "2-b", "1-a"], "{}"),
        &new(r#""4-d","_revisions":{"start":4,"ids":["d","c","b","a"]}}"#),
        Some(&old),
    );
    assert_eq!(preview(&database, &path(&["4-d", "3-c"], "{}")), Preview::Known);
    check_refused(&database, path(&[], "{}"), EditError::InvalidPath);
}

#[test]
fn attachments_are_stubs() {
    let (_folder, _store, database) = database();
    let mut writer = database.stage(100, Intake::Plain).unwrap();
    writer.write_all(b"abc").unwrap();
    let content = Content::Staged(writer.finish().unwrap());
    let attachment = |content| NewAttachment {
        name: "x".into(),
        content_type: Some("text/plain".into()),
        revpos: None,
        content,
    };
    let mut edit = put("a", None, "{}");
    edit.attachments = vec![attachment(content)];
    let stub = r#""_attachments":{"x":{"content_type":"text/plain","revpos":1,"digest":"md5-kAFQmDzST7DWlj99KOF/cg==","length":3,"stub":true}}}"#;
    let first = check(&database, edit, &format!(r#"{{"_id":"a",{stub}"#), None);
    let mut edit = put("a", Some(first.clone()), "{}");
    edit.attachments = vec![attachment(Content::Stub)];
    let shown = format!(
        r#"{{"_id":"a","_rev":"{first}","_revisions":{{"start":1,"ids":["{}"]}},{stub}"#,
        hex(&first)
    );
    check(&database, edit, &shown, Some(&shown));
}
