//! Revisions from the future.

use store::{ConflictRule, Content, Edit, EditError, Intake, Millis, NewAttachment, Purge, RevId};

use super::hub::Hub;
use super::path;
use super::support::put;

const NOW: u64 = 1_000_000_000;
const MINUTE: u64 = 60_000;
const YEAR: u64 = 365 * 24 * 60 * MINUTE;

/// A hub whose clock is right, and one that lives in the next year.
fn hubs() -> (Hub, Hub) {
    (Hub::new(1, "newest"), Hub::new(2, "newest"))
}

#[test]
fn what_is_stamped_far_ahead_is_accepted_and_not_seen() {
    let (hub, ahead) = hubs();
    hub.edit("x", "{\"n\":1}", NOW);
    hub.push(&ahead, NOW);
    let early = ahead.edit("y", "{\"n\":2}", NOW + 10 * MINUTE);
    let late = ahead.edit("x", "{\"n\":3}", NOW + 11 * MINUTE);
    assert_eq!(ahead.push(&hub, NOW), 2);
    assert_eq!(hub.shown("y").as_deref(), Some("{\"n\":2}"), "ten minutes are granted");
    assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":1}"));
    let held = hub.database.held().unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!((&held[0].rev, held[0].by.as_str()), (&late, "hub-2"));
    assert_eq!(held[0].due, Millis(NOW + MINUTE));
    assert_eq!(hub.database.next_due().unwrap(), Some(Millis(NOW + MINUTE)));
    assert_eq!(ahead.push(&hub, NOW), 0, "it counts as known");
    hub.take(vec![path("x", &[&late, &early], "{}")], NOW, "again");
    assert_eq!(hub.database.held().unwrap().len(), 1, "once is enough");
    let other = ahead.edit("z", "{}", NOW + YEAR);
    let nonsense = vec![path("z", &[&other, &late], "{}")];
    let outcome = hub.database.deliver(nonsense, Millis(NOW), "liar").unwrap().remove(0);
    assert_eq!(outcome, Err(EditError::InvalidPath));
    ahead.database.purge(vec![Purge { id: "z".parse().unwrap(), revs: vec![other] }]).unwrap();
    hub.verify();

    assert_eq!(hub.database.release_due(Millis(NOW + MINUTE - 1)).unwrap(), 0);
    let before = hub.database.update_seq();
    assert_eq!(hub.database.release_due(Millis(NOW + MINUTE)).unwrap(), 1);
    assert!(hub.database.update_seq().seq > before.seq);
    assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":3}"));
    assert_eq!(hub.leaves(), ahead.leaves());
    assert_eq!(hub.database.next_due().unwrap(), None);
    hub.verify();
}

#[test]
fn our_own_writes_are_never_held() {
    let hub = Hub::new(1, "newest");
    hub.edit("x", "{\"n\":1}", NOW);
    hub.edit("x", "{\"n\":2}", NOW + YEAR);
    assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":2}"));
    let late = Hub::new(2, "newest");
    late.edit("y", "{}", NOW + YEAR);
    late.push(&hub, NOW);
    assert!(hub.database.held().unwrap().is_empty(), "we have written later ourselves");
    let foreign: RevId = "1-ffffffffffffffffffffffffffffffff".parse().unwrap();
    hub.take(vec![path("z", &[&foreign], "{}")], NOW, "couch");
    assert!(hub.database.held().unwrap().is_empty(), "what only looks like a stamp is none");
}

#[test]
fn held_revisions_outlive_compaction_with_their_attachments() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::on_disk(folder.path(), 1, "newest");
    let late = Hub::new(2, "newest");
    let rev = late.edit("x", "{\"n\":1}", NOW + YEAR);
    let mut writer = hub.database.stage(1 << 20, Intake::Plain).unwrap();
    std::io::Write::write_all(&mut writer, &[3; 80_000]).unwrap();
    let content = Content::Staged(writer.finish().unwrap());
    let mut edit = path("x", &[&rev], "{\"n\":1}");
    edit.attachments =
        vec![NewAttachment { name: "a".into(), content_type: None, revpos: None, content }];
    hub.take(vec![edit], NOW, "late");
    assert!(hub.leaves().is_empty());
    assert_eq!(hub.database.held().unwrap()[0].bytes, 7 + 80_000);
    hub.database.compact(&mut |_, _| {}).unwrap();
    hub.verify();
    drop((hub.store, hub.database));
    let hub = Hub::on_disk(folder.path(), 1, "newest");
    hub.verify();
    assert_eq!(hub.database.release_due(Millis(NOW + YEAR)).unwrap(), 1);
    assert_eq!(hub.database.info().unwrap().sizes.external, 7 + 80_000);
    hub.verify();
}

#[test]
fn whoever_brings_too_many_is_told_to_wait() {
    let (hub, ahead) = hubs();
    let bring = |from: usize, count: usize, by: &str| {
        let edits = (from..from + count).map(|number| {
            let id = format!("doc-{number}");
            let rev = ahead.edit(&id, "{}", NOW + YEAR);
            path(&id, &[&rev], "{}")
        });
        let outcomes = hub.database.deliver(edits.collect(), Millis(NOW), by).unwrap();
        outcomes.into_iter().filter(|outcome| *outcome == Err(EditError::TooManyHeld)).count()
    };
    assert_eq!(bring(0, 990, "a"), 0);
    assert_eq!(bring(990, 20, "a"), 10);
    assert_eq!(bring(2000, 10, "b"), 0, "others may");
    let early = ahead.edit("early", "{}", NOW);
    hub.take(vec![path("early", &[&early], "{}")], NOW, "a");
    assert_eq!(hub.database.release_due(Millis(NOW + YEAR)).unwrap(), 1010);
    assert_eq!(bring(3000, 10, "a"), 0);
    hub.verify();
    let large = format!("{{\"a\":\"{}\"}}", "b".repeat(40 << 20));
    for (id, expected) in [("large", true), ("larger", false)] {
        let rev = ahead.edit(id, &large, NOW + 3 * YEAR);
        let edit = path(id, &[&rev], &large);
        let outcome = hub.database.deliver(vec![edit], Millis(NOW), "c").unwrap().remove(0);
        assert_eq!(outcome.is_ok(), expected);
    }
}

#[test]
fn a_tombstone_waits_with_its_winner() {
    let (hub, ahead) = hubs();
    hub.edit("x", "{\"n\":1}", NOW);
    ahead.edit("x", "{\"n\":2}", NOW + YEAR);
    hub.push(&ahead, NOW);
    assert_eq!(ahead.shown("x").as_deref(), Some("{\"n\":2}"));
    for _ in 0..4 {
        let moved = ahead.push(&hub, NOW);
        assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":1}"));
        assert!(moved == 0 || hub.database.held().unwrap().len() == 2);
        hub.push(&ahead, NOW);
    }
    assert_eq!((hub.push(&ahead, NOW), ahead.push(&hub, NOW)), (0, 0), "no ping, no pong");
    hub.edit("x", "{\"n\":3}", NOW + 5);
    hub.push(&ahead, NOW);
    ahead.push(&hub, NOW);
    assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":3}"));
    hub.database.release_due(Millis(NOW + YEAR)).unwrap();
    ahead.push(&hub, NOW + YEAR);
    hub.push(&ahead, NOW + YEAR);
    assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":2}"));
    assert!(hub.lost().contains(&"{\"n\":3}".to_owned()));
    assert_eq!(hub.leaves(), ahead.leaves());
    hub.verify();
}

#[test]
fn the_owner_may_let_one_in_now() {
    let (hub, ahead) = hubs();
    hub.edit("x", "{\"n\":1}", NOW);
    hub.push(&ahead, NOW);
    let late = ahead.edit("x", "{\"n\":2}", NOW + YEAR);
    ahead.push(&hub, NOW);
    let id = hub.database.held().unwrap()[0].id;
    assert!(!hub.database.release(id + 1, Millis(NOW)).unwrap());
    assert!(hub.database.release(id, Millis(NOW + 100)).unwrap());
    assert!(!hub.database.release(id, Millis(NOW + 100)).unwrap());
    assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":2}"));
    let tree = hub.tree("x");
    let winner = tree.winner().unwrap();
    let stamp = store::stamp::stamp_of(&winner.rev).unwrap();
    assert_eq!(stamp.millis(), Millis(NOW + 100));
    assert_eq!(tree.node(winner.parent.unwrap()).rev, late);
    hub.verify();
    hub.push(&ahead, NOW + 200);
    assert_eq!(hub.leaves(), ahead.leaves());
    // Beside a tombstone that waited for it.
    let (hub, ahead) = hubs();
    hub.edit("x", "{\"n\":1}", NOW);
    ahead.edit("x", "{\"n\":2}", NOW + YEAR);
    hub.push(&ahead, NOW);
    ahead.push(&hub, NOW);
    let held = hub.database.held().unwrap();
    let id = held.iter().find(|held| !held.deleted).unwrap().id;
    assert!(hub.database.release(id, Millis(NOW + 100)).unwrap());
    assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":2}"));
    assert!(hub.database.held().unwrap().is_empty());
    hub.push(&ahead, NOW + 200);
    assert_eq!(hub.leaves(), ahead.leaves());
    hub.verify();
}

#[test]
fn what_was_overwritten_while_it_was_held_is_kept() {
    let (hub, ahead) = hubs();
    let first = ahead.edit("x", "{\"n\":1}", NOW + YEAR);
    ahead.push(&hub, NOW);
    // Its tombstone comes by a way on which nobody saw the winner.
    let tombstone = store::rev_tree::Derived::Overwritten.tombstone(&first);
    let edit = Edit { deleted: true, ..path("x", &[&tombstone, &first], "{}") };
    hub.write(edit, NOW).unwrap();
    hub.edit("y", "{}", NOW);
    assert_eq!(hub.database.release_due(Millis(NOW + YEAR)).unwrap(), 1);
    assert_eq!(hub.lost(), ["{\"n\":1}"]);
    hub.verify();
}

#[test]
fn purges_and_other_rules_reach_what_is_held() {
    let (hub, ahead) = hubs();
    let purge = |revs: Vec<RevId>| {
        let purge = Purge { id: "x".parse().unwrap(), revs };
        hub.database.purge(vec![purge]).unwrap();
        hub.verify();
    };
    let mine = hub.edit("x", "{\"n\":1}", NOW);
    hub.push(&ahead, NOW);
    let late = ahead.edit("x", "{\"n\":2}", NOW + YEAR);
    ahead.push(&hub, NOW);
    purge(vec!["9-none".parse().unwrap()]);
    assert_eq!(hub.database.held().unwrap().len(), 1);
    purge(vec![late]);
    assert!(hub.database.held().unwrap().is_empty());
    ahead.push(&hub, NOW);
    assert_eq!(hub.database.held().unwrap().len(), 1);
    purge(vec![mine]);
    assert!(hub.database.held().unwrap().is_empty() && hub.leaves().is_empty());

    // Conflicts that are kept do not bring the future in.
    let rule = ConflictRule { policy: "keep".parse().unwrap(), version: 2 };
    hub.database.set_conflict_rule(rule).unwrap();
    ahead.push(&hub, NOW);
    assert!(hub.leaves().is_empty() && hub.database.held().unwrap().len() == 1);
    hub.write(put("x", None, "{\"n\":5}"), NOW).unwrap();
    hub.database.release_due(Millis(NOW + YEAR)).unwrap();
    assert_eq!(hub.tree("x").conflicts().len(), 1);
    hub.verify();
}
