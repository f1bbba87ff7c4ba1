use std::io::Write as _;
use std::sync::Arc;

use super::*;
use crate::{Content, Database, Edit, Intake, Lineage, Millis, NewAttachment, Options, Store};

fn database() -> Arc<Database> {
    let options = Options { writer_threads: 0, open_databases_max: 4, device: [0; 32] };
    let store = Store::in_memory(&options).unwrap();
    store.create(&"db".parse().unwrap(), Millis(1)).unwrap()
}

/// Writes a revision under foreign ids, so that the test knows them.
fn write(
    database: &Database,
    path: &[&str],
    deleted: bool,
    body: &str,
    attached: &[(&str, usize)],
) {
    write_as(Intake::Plain, database, path, deleted, body, attached);
}

fn write_as(
    intake: Intake,
    database: &Database,
    path: &[&str],
    deleted: bool,
    body: &str,
    attached: &[(&str, usize)],
) {
    let attachments = attached.iter().map(|(name, length)| {
        let mut writer = database.stage(u64::MAX, intake).unwrap();
        writer.write_all(&vec![b'a'; *length]).unwrap();
        NewAttachment {
            name: (*name).into(),
            content_type: Some("text/plain".into()),
            revpos: None,
            content: Content::Staged(writer.finish().unwrap()),
        }
    });
    let edit = Edit {
        id: "d\"oc".parse().unwrap(),
        lineage: Lineage::Path(path.iter().map(|rev| rev.parse().unwrap()).collect()),
        deleted,
        body: body.into(),
        attachments: attachments.collect(),
    };
    database.write(vec![edit], Millis(1)).unwrap()[0].clone().unwrap();
}

fn render(database: &Database, rev: Option<&str>, show: &Show) -> String {
    let id = "d\"oc".parse().unwrap();
    let mut out = Output::new();
    database
        .read::<_, Error>(|snapshot| {
            let head = snapshot.head(&id)?.unwrap();
            match rev {
                None => snapshot.render_winner(&head, show, &mut out),
                Some(rev) => {
                    let document = snapshot.tree(&id)?.unwrap();
                    let rev = rev.parse().unwrap();
                    let found = snapshot.render_revision(&id, &document, &rev, show, &mut out)?;
                    assert_eq!(found, !out.is_empty());
                    Ok(())
                }
            }
        })
        .unwrap();
    let mut text = Vec::new();
    out.write_to(database, &mut text).unwrap();
    assert!(out.is_empty());
    String::from_utf8(text).unwrap()
}

#[test]
fn bodies_stay_as_they_were_written() {
    let database = database();
    write(&database, &["1-a"], false, r#"{"z":1.0,"a":1e5}"#, &[]);
    let show = Show::default();
    assert_eq!(render(&database, None, &show), r#"{"_id":"d\"oc","_rev":"1-a","z":1.0,"a":1e5}"#);
    write(&database, &["2-b", "1-a"], true, "{}", &[]);
    let tombstone = r#"{"_id":"d\"oc","_rev":"2-b","_deleted":true}"#;
    assert_eq!(render(&database, None, &show), tombstone);
    assert_eq!(render(&database, Some("2-b"), &show), tombstone);
    assert_eq!(render(&database, Some("2-c"), &show), "");
}

#[test]
fn what_a_document_says_of_its_tree() {
    let database = database();
    write(&database, &["1-a"], false, "{}", &[]);
    write(&database, &["3-c", "2-b", "1-a"], false, "{}", &[]);
    write(&database, &["2-x", "1-a"], false, "{}", &[]);
    write(&database, &["2-y", "1-a"], true, "{}", &[]);
    let show = Show {
        revs: true,
        revs_info: true,
        conflicts: true,
        deleted_conflicts: true,
        local_seq: true,
        ..Show::default()
    };
    let expected = concat!(
        r#"{"_id":"d\"oc","_rev":"3-c","_revisions":{"start":3,"ids":["c","b","a"]},"#,
        r#""_revs_info":[{"rev":"3-c","status":"available"},{"rev":"2-b","status":"missing"},"#,
        r#"{"rev":"1-a","status":"available"}],"_conflicts":["2-x"],"#,
        r#""_deleted_conflicts":["2-y"],"_local_seq":4}"#,
    );
    assert_eq!(render(&database, None, &show), expected);
    let expected = r#"{"_id":"d\"oc","_rev":"2-x","_revisions":{"start":2,"ids":["x","a"]}}"#;
    assert_eq!(render(&database, Some("2-x"), &show), expected);
    assert_eq!(render(&database, Some("2-b"), &show), "");
}

#[test]
fn attachments_are_stubs_or_data() {
    let database = database();
    write(&database, &["1-a"], false, "{}", &[("s", 4)]);
    let render = |attachments| render(&database, None, &Show { attachments, ..Show::default() });
    let begin = concat!(
        r#"{"_id":"d\"oc","_rev":"1-a","_attachments":{"s":{"content_type":"text/plain","#,
        r#""revpos":1,"digest":"md5-dLhzN0VCANTTP4DEZj3F5Q==","#,
    );
    let stub = format!(r#"{begin}"length":4,"stub":true}}}}}}"#);
    assert_eq!(render(ShowAttachments::Stubs), stub);
    assert_eq!(render(ShowAttachments::All), format!(r#"{begin}"data":"YWFhYQ=="}}}}}}"#));
    let since = |rev: &str| ShowAttachments::Since(vec![rev.parse().unwrap()]);
    assert!(render(since("1-a")).contains("stub"));
    assert!(render(since("1-x")).contains("data"));
}

#[test]
fn large_attachments_are_read_while_they_are_written() {
    let database = database();
    let lengths = [("a", 2_000_000), ("b", 49_153), ("c", 1_500_000), ("d", 0)];
    write(&database, &["1-a"], false, "{}", &lengths);
    let show = Show { attachments: ShowAttachments::All, ..Show::default() };
    let text = render(&database, None, &show);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (name, length) in lengths {
        use base64::Engine as _;
        let data = document["_attachments"][name]["data"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
        assert_eq!(bytes, vec![b'a'; length], "{name}");
    }
}

#[test]
fn compressed_attachments_say_how_they_are_stored() {
    let database = database();
    let stored = [("s", 4), ("large", 2_000_000)];
    write_as(Intake::Compress(8), &database, &["1-a"], false, "{}", &stored);
    let parsed = |show: &Show| -> serde_json::Value {
        let text = render(&database, None, show);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["_attachments"].clone()
    };
    let plain = parsed(&Show::default());
    assert_eq!(plain["s"]["length"], 4);
    assert_eq!(plain["s"].get("encoding"), None);
    assert_ne!(plain["s"]["digest"], "md5-dLhzN0VCANTTP4DEZj3F5Q==");
    let told = parsed(&Show { encoding_info: true, ..Show::default() });
    assert_eq!(told["s"]["encoding"], "gzip");
    assert_eq!(told["large"]["length"], 2_000_000);
    assert!(told["large"]["encoded_length"].as_u64().unwrap() < 10_000);
    let whole = parsed(&Show { attachments: ShowAttachments::All, ..Show::default() });
    assert_eq!(whole["s"]["data"], "YWFhYQ==");
    assert_eq!(whole["large"]["data"].as_str().unwrap().len(), 2_666_668);
    assert_eq!(whole["s"].get("encoding"), None);
}
