//! What lost to a later writer.

use std::io::{Read as _, Write as _};

use store::{Content, CopySource, Edit, Intake, Millis, NewAttachment, Overwritten, Purge, RevId};

use super::hub::Hub;
use super::support::put;
use super::{apart, path};

fn attach(hub: &Hub, bytes: &[u8]) -> NewAttachment {
    let mut writer = hub.database.stage(1 << 20, Intake::Plain).unwrap();
    writer.write_all(bytes).unwrap();
    let content = Content::Staged(writer.finish().unwrap());
    NewAttachment { name: "a".into(), content_type: None, revpos: None, content }
}

fn rows(hub: &Hub) -> Vec<Overwritten> {
    hub.database.overwritten(0, usize::MAX).unwrap()
}

#[test]
fn bodies_and_attachments_outlive_compaction_and_are_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::on_disk(folder.path(), 1, "newest");
    let mut edit = put("x", None, "{\"mine\":1}");
    edit.attachments = vec![attach(&hub, &[7; 100_000])];
    let mine = hub.write(edit, 100).unwrap();
    let other = Hub::new(2, "newest");
    let others = other.edit("x", "{\"others\":1}", 200);
    other.push(&hub, 300);
    hub.verify();
    let row = rows(&hub).remove(0);
    assert_eq!((row.doc.as_str(), &row.rev, row.deleted), ("x", &mine, false));
    assert_eq!((row.when, row.bytes), (Millis(300), 10 + 100_000));
    assert_eq!(row.seq, hub.database.update_seq().seq);
    hub.database.compact(&mut |_, _| {}).unwrap();
    hub.verify();
    let size = hub.database.info().unwrap().sizes;
    assert!(size.active > 100_000 && size.external < 100, "{size:?}");
    drop(hub.store);
    drop(hub.database);
    let hub = Hub::on_disk(folder.path(), 1, "newest");
    assert_eq!(rows(&hub), std::slice::from_ref(&row));
    hub.database
        .read(|snapshot| {
            let (found, body) = snapshot.overwritten_contents(row.id)?.unwrap();
            assert_eq!((&found, body.json.as_str()), (&row, "{\"mine\":1}"));
            let mut bytes = Vec::new();
            snapshot.attachment(&body.attachments[0])?.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, [7; 100_000]);
            assert_eq!(snapshot.overwritten_contents(row.id + 1)?, None);
            Ok::<_, store::Error>(())
        })
        .unwrap();

    let content = Content::Copied(CopySource { id: row.doc.clone(), rev: row.rev.clone() });
    let attachment = NewAttachment { name: "a".into(), content_type: None, revpos: None, content };
    let back = Edit { attachments: vec![attachment], ..put("x", Some(others), "{\"mine\":1}") };
    hub.write(back, 400).unwrap();
    assert!(hub.database.dismiss_overwritten(row.id).unwrap());
    assert!(!hub.database.dismiss_overwritten(row.id).unwrap());
    assert_eq!(rows(&hub), []);
    hub.database.compact(&mut |_, _| {}).unwrap();
    hub.verify();
    assert_eq!(hub.database.info().unwrap().sizes.external, 10 + 100_000 + 2, "and a tombstone");
}

#[test]
fn what_is_the_same_is_not_kept() {
    let (a, b) = (Hub::new(1, "newest"), Hub::new(2, "newest"));
    a.edit("x", "{\"n\":1}", 100);
    b.edit("x", "{\"n\":1}", 200);
    a.push(&b, 300);
    assert_eq!(rows(&b), []);
    b.push(&a, 300);
    assert_eq!(rows(&a), []);
    a.verify();
    b.verify();
    // Neither is that the same which has other attachments.
    let mut edit = put("y", None, "{}");
    edit.attachments = vec![attach(&a, b"here")];
    a.write(edit, 100).unwrap();
    b.edit("y", "{}", 200);
    b.push(&a, 300);
    assert_eq!(rows(&a).len(), 1);
    a.verify();
}

#[test]
fn little_that_took_the_place_of_much_is_marked() {
    let check = |lost: &str, won: Option<&str>, attention: bool| {
        let (a, b) = (Hub::new(1, "newest"), Hub::new(2, "newest"));
        a.edit("x", "{\"first\":true}", 100);
        a.push(&b, 100);
        a.edit("x", lost, 200);
        match won {
            Some(won) => drop(b.edit("x", won, 300)),
            None => drop(b.delete("x", 300)),
        }
        b.push(&a, 400);
        assert_eq!(rows(&a)[0].attention, attention, "{} over {}", won.is_some(), lost.len());
    };
    let large = format!("{{\"text\":\"{}\"}}", "word ".repeat(1000));
    check(&large, Some("{}"), true);
    check(&large, Some("{\"text\":\"\"}"), true);
    check(&large, None, true);
    check(&large, Some(&large.replace("word", "work")), false);
    check("{\"text\":\"small\"}", Some("{}"), false);

    // A document made anew over one with a history.
    let (a, b) = (Hub::new(1, "newest"), Hub::new(2, "newest"));
    a.edit("x", "{\"first\":true}", 100);
    a.edit("x", &large, 200);
    b.edit("x", &format!("{{\"text\":\"{}\"}}", "word ".repeat(400)), 300);
    b.push(&a, 400);
    assert!(rows(&a)[0].attention);
}

#[test]
fn age_and_bytes_are_bounded() {
    let (a, b) = (Hub::new(1, "newest"), Hub::new(2, "newest"));
    for number in 0..10 {
        let id = format!("doc-{number}");
        a.edit(&id, &format!("{{\"n\":{number}}}"), 100);
        b.edit(&id, "{\"won\":true}", 200);
        b.push(&a, 1000 + number);
    }
    let ids = |hub: &Hub| -> Vec<u64> { rows(hub).iter().map(|row| row.when.0 - 1000).collect() };
    assert_eq!(a.database.trim_overwritten(Millis(0), 1 << 20).unwrap(), 0);
    assert_eq!(a.database.trim_overwritten(Millis(1003), 1 << 20).unwrap(), 3);
    assert_eq!(ids(&a), [3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(a.database.trim_overwritten(Millis(0), 4 * 7).unwrap(), 3);
    assert_eq!(ids(&a), [6, 7, 8, 9]);
    a.verify();
    let last = rows(&a).last().unwrap().id;
    assert_eq!(a.database.trim_overwritten(Millis(u64::MAX), 0).unwrap(), 4);
    a.verify();
    a.edit("more", "{\"n\":1}", 100);
    b.edit("more", "{\"n\":2}", 200);
    b.push(&a, 300);
    assert!(rows(&a)[0].id > last, "numbers are not given twice");
    assert_eq!(b.database.trim_overwritten(Millis(u64::MAX), 0).unwrap(), 0);
}

#[test]
fn purges_reach_what_lost() {
    let purge = |hub: &Hub, revs: Vec<RevId>| {
        let purge = Purge { id: "x".parse().unwrap(), revs };
        hub.database.purge(vec![purge]).unwrap().remove(0)
    };
    let lost = || {
        let (a, b) = apart("newest");
        b.push(&a, 400);
        assert_eq!(a.lost(), ["{\"n\":1}"]);
        a
    };
    let hub = lost();
    let (_, leaves) = hub.leaves().pop_first().unwrap();
    purge(&hub, leaves.into_iter().map(|(rev, _)| rev).collect());
    assert!(hub.leaves().is_empty() && rows(&hub).is_empty());
    hub.verify();
    // By the tombstone, by its own name; not with something else.
    let hub = lost();
    let tombstone = hub.leaves().pop_first().unwrap().1[1].0.clone();
    assert_eq!(purge(&hub, vec![tombstone.clone()]), [tombstone]);
    assert!(rows(&hub).is_empty());
    hub.verify();
    let hub = lost();
    let rev = rows(&hub)[0].rev.clone();
    assert_eq!(purge(&hub, vec![rev]), []);
    assert!(rows(&hub).is_empty());
    hub.verify();
    let hub = lost();
    assert_eq!(purge(&hub, vec!["9-none".parse().unwrap()]), []);
    assert_eq!(rows(&hub).len(), 1);
    hub.verify();
    // With the winner gone, what lost to it is all there is.
    let winner = hub.leaves().pop_first().unwrap().1[0].0.clone();
    assert_eq!(purge(&hub, vec![winner.clone()]), [winner]);
    assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":1}"));
    assert!(rows(&hub).is_empty());
    hub.verify();
}

#[test]
fn what_follows_a_loser_finds_its_attachments() {
    let (a, b) = (Hub::new(1, "newest"), Hub::new(2, "newest"));
    let mut edit = put("x", None, "{\"n\":1}");
    edit.attachments = vec![attach(&a, b"bytes")];
    let first = a.write(edit, 100).unwrap();
    b.edit("x", "{\"n\":2}", 200);
    b.push(&a, 300);
    assert_eq!(a.lost(), ["{\"n\":1}"]);
    let next = store::stamp::stamped(
        store::stamp::Stamp::at(Millis(400)),
        &store::stamp::EditContent {
            parent: Some(&first),
            body: &[0; 32],
            attachments: &[],
            device: &[9; 32],
        },
    );
    let stub = NewAttachment { content: Content::Stub, ..attach(&a, b"") };
    let edit = Edit { attachments: vec![stub], ..path("x", &[&next, &first], "{\"n\":3}") };
    a.take(vec![edit], 500, "elsewhere");
    assert_eq!(a.shown("x").as_deref(), Some("{\"n\":3}"));
    a.verify();
}
