//! Conflicts: decided or left, what lost kept, what comes from the future held.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "conflicts/convergence.rs"]
mod convergence;
#[cfg(feature = "deliberate-bugs")]
#[path = "conflicts/deliberate.rs"]
mod deliberate;
#[path = "conflicts/held.rs"]
mod held;
#[path = "conflicts/hub.rs"]
mod hub;
#[path = "conflicts/overwritten.rs"]
mod overwritten;
mod support;

use hub::Hub;
use store::rev_tree::Derived;
use store::stamp::{EditContent, Stamp, stamp_of, stamped};
use store::{ConflictRule, DocId, Edit, EditError, Lineage, Millis, Preview, RevId};
use support::put;

/// An edit that brings a revision which follows this path.
fn path(id: &str, path: &[&RevId], body: &str) -> Edit {
    let path = path.iter().map(|rev| (*rev).clone()).collect();
    Edit { lineage: Lineage::Path(path), ..put(id, None, body) }
}

fn rule(policy: &str, version: u64) -> ConflictRule {
    ConflictRule { policy: policy.parse().unwrap(), version }
}

/// Two hubs that edited the same document unknown to each other, the second one later, in touch now.
fn apart(policy: &str) -> (Hub, Hub) {
    let (a, b) = (Hub::new(1, policy), Hub::new(2, policy));
    a.edit("x", "{\"n\":0}", 100);
    a.push(&b, 100);
    a.edit("x", "{\"n\":1}", 200);
    b.edit("x", "{\"n\":2}", 300);
    (a, b)
}

#[test]
fn the_last_writer_wins() {
    let (a, b) = apart("newest");
    assert_eq!(a.push(&b, 400), 1);
    assert_eq!(b.shown("x").as_deref(), Some("{\"n\":2}"));
    assert_eq!(b.lost(), ["{\"n\":1}"]);
    assert_eq!(b.push(&a, 400), 2, "the winner, and the tombstone of the loser");
    for hub in [&a, &b] {
        assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":2}"));
        assert_eq!(hub.lost(), ["{\"n\":1}"], "whoever had it keeps it");
        let tree = hub.tree("x");
        assert_eq!((tree.conflicts().len(), tree.deleted_conflicts().len()), (0, 1));
        hub.verify();
    }
    assert_eq!((a.push(&b, 400), b.push(&a, 400)), (0, 0));
    assert_eq!(a.leaves(), b.leaves());
}

#[test]
fn of_the_same_moment_the_longer_history_wins_then_the_greater_id() {
    let (a, b) = (Hub::new(1, "newest"), Hub::new(2, "newest"));
    a.edit("x", "{\"n\":1}", 100);
    let second = a.edit("x", "{\"n\":2}", 100);
    // Counters of the same moment: the second edit is later.
    b.edit("x", "{\"n\":3}", 100);
    b.push(&a, 100);
    assert_eq!(a.shown("x").as_deref(), Some("{\"n\":2}"));
    assert!(stamp_of(&second) > stamp_of(&b.leaves().values().next().unwrap()[0].0));
    let (a, b) = (Hub::new(1, "newest"), Hub::new(2, "newest"));
    let mine = a.edit("x", "{\"n\":1}", 100);
    let others = b.edit("x", "{\"n\":2}", 100);
    b.push(&a, 100);
    let expected = if mine > others { "{\"n\":1}" } else { "{\"n\":2}" };
    assert_eq!(a.shown("x").as_deref(), Some(expected));
}

#[test]
fn conflicts_are_kept_where_the_policy_says_so() {
    let (a, b) = apart("keep");
    a.push(&b, 400);
    let tree = b.tree("x");
    assert_eq!((tree.conflicts().len(), tree.leaves().len()), (1, 2));
    assert_eq!(b.lost(), [""; 0]);
    b.verify();

    // Set to another policy, it decides what is there already.
    let before = b.database.update_seq();
    b.database.set_conflict_rule(rule("newest", 2)).unwrap();
    assert_eq!(b.database.update_seq(), before);
    assert_eq!(b.database.conflict_rule().unwrap(), rule("newest", 2));
    assert_eq!(b.database.resolve_conflicts(Millis(500)).unwrap(), 1);
    assert_eq!(b.shown("x").as_deref(), Some("{\"n\":2}"));
    assert_eq!(b.lost(), ["{\"n\":1}"]);
    assert_eq!(b.database.resolve_conflicts(Millis(500)).unwrap(), 0, "once and for all");
    b.database.compact(&mut |_, _| {}).unwrap();
    assert_eq!(b.database.conflict_rule().unwrap(), rule("newest", 2));
    b.verify();

    // Whoever keeps conflicts obeys the tombstones of others, and keeps what they take away.
    b.push(&a, 500);
    assert_eq!(a.lost(), ["{\"n\":1}"]);
    assert_eq!(a.leaves(), b.leaves());
    a.verify();
}

#[test]
fn a_field_may_say_when() {
    let hubs = || (Hub::new(1, "newest_by:/m/t"), Hub::new(2, "newest_by:/m/t"));
    let check = |mine: &str, others: &str, expected: &str| {
        let (a, b) = hubs();
        a.edit("x", mine, 1_000);
        b.edit("x", others, 2_000);
        a.push(&b, 3_000);
        b.push(&a, 3_000);
        assert_eq!(a.shown("x").as_deref(), Some(expected));
        assert_eq!(a.leaves(), b.leaves());
        a.verify();
        b.verify();
    };
    check(r#"{"m":{"t":9}}"#, r#"{"m":{"t":8}}"#, r#"{"m":{"t":9}}"#);
    check(r#"{"m":{"t":1999}}"#, "{}", "{}");
    check(r#"{"m":{"t":2001}}"#, "{}", r#"{"m":{"t":2001}}"#);
    let text = r#"{"m":{"t":"1970-01-01T00:00:02.001Z"}}"#;
    check(text, r#"{"m":{"t":2000}}"#, text);

    // What a server wrote that stamps nothing is comparable by the field.
    let (a, _) = hubs();
    let rev = "1-a".parse().unwrap();
    a.write(path("x", &[&rev], r#"{"m":{"t":5}}"#), 1).unwrap();
    let rev = "1-b".parse().unwrap();
    a.write(path("x", &[&rev], r#"{"m":{"t":4}}"#), 1).unwrap();
    assert_eq!(a.shown("x").as_deref(), Some(r#"{"m":{"t":5}}"#));
    assert_eq!(a.lost(), [r#"{"m":{"t":4}}"#]);
    a.verify();
}

#[test]
fn very_many_leaves_are_decided_at_once() {
    const LEAVES: u64 = 1500;
    let (hub, other) = (Hub::new(1, "keep"), Hub::new(2, "newest"));
    let edits = (0..LEAVES).map(|number| {
        let content =
            EditContent { parent: None, body: &[0; 32], attachments: &[], device: &[9; 32] };
        let rev = stamped(Stamp::at(Millis(number)), &content);
        path("x", &[&rev], &format!("{{\"n\":{number}}}"))
    });
    hub.take(edits.collect(), LEAVES, "elsewhere");
    assert_eq!(hub.tree("x").conflicts().len() as u64, LEAVES - 1);
    hub.database.set_conflict_rule(rule("newest", 2)).unwrap();
    assert_eq!(hub.database.resolve_conflicts(Millis(LEAVES)).unwrap(), 1);
    assert_eq!(hub.shown("x"), Some(format!("{{\"n\":{}}}", LEAVES - 1)));
    assert_eq!(hub.lost().len() as u64, LEAVES - 1);
    hub.verify();
    assert_eq!(hub.push(&other, LEAVES) as u64, LEAVES);
    assert_eq!(hub.leaves(), other.leaves());
    other.verify();
}

#[test]
fn what_bears_no_stamp_is_for_somebody_to_decide() {
    let hub = Hub::new(1, "newest");
    let first = hub.edit("x", "{\"n\":1}", 100);
    let foreign: RevId = "2-ffffffffffffffffffffffffffffffff".parse().unwrap();
    hub.edit("x", "{\"n\":2}", 200);
    hub.write(path("x", &[&foreign, &first], "{\"foreign\":true}"), 300).unwrap();
    assert_eq!(hub.tree("x").conflicts().len(), 1);
    assert_eq!(hub.shown("x").as_deref(), Some("{\"foreign\":true}"), "as CouchDB has it");
    // Nor does a foreign deletion take anything away but what it deletes.
    let gone: RevId = "3-gone".parse().unwrap();
    let deletion = Edit { deleted: true, ..path("x", &[&gone, &foreign], "{}") };
    hub.write(deletion, 400).unwrap();
    assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":2}"));
    assert_eq!(hub.lost(), [""; 0]);
    hub.verify();
}

#[test]
fn a_deletion_is_a_writing_like_others() {
    let (a, b) = apart("newest");
    b.delete("x", 400);
    b.push(&a, 500);
    assert_eq!(a.shown("x"), None, "deleted later");
    assert_eq!(a.lost(), ["{\"n\":1}"]);
    let (a, b) = apart("newest");
    a.delete("x", 250);
    a.push(&b, 500);
    assert_eq!(b.shown("x").as_deref(), Some("{\"n\":2}"), "edited later");
    assert_eq!(b.lost(), [""; 0]);
    assert_eq!(b.tree("x").leaves().len(), 2, "nothing is to be done about a deletion that lost");
    // Whoever writes on makes the deleted document anew.
    let (a, b) = apart("newest");
    b.delete("x", 400);
    b.push(&a, 500);
    a.edit("x", "{\"n\":3}", 600);
    a.push(&b, 700);
    assert_eq!(b.shown("x").as_deref(), Some("{\"n\":3}"));
    a.verify();
    b.verify();
}

#[test]
fn clients_that_settle_conflicts_themselves_delete_no_documents() {
    let (a, b) = apart("keep");
    a.push(&b, 400);
    let tree = b.tree("x");
    let loser = tree.node(tree.conflicts()[0]).rev.clone();
    let deletion = Edit { deleted: true, ..put("x", Some(loser.clone()), "{}") };
    let discarded = b.write(deletion, 500).unwrap();
    assert_eq!(discarded, Derived::Discarded.tombstone(&loser));
    let shown = b.shown("x");
    assert_eq!(b.lost(), [""; 0], "somebody meant that");
    for hub in [&a, &b] {
        hub.database.set_conflict_rule(rule("newest", 2)).unwrap();
        hub.database.resolve_conflicts(Millis(600)).unwrap();
    }
    b.push(&a, 600);
    assert_eq!((a.shown("x"), b.shown("x")), (shown.clone(), shown));
    // The last live leaf is the document.
    b.delete("x", 700);
    assert_eq!(b.shown("x"), None);
    b.push(&a, 800);
    assert_eq!(a.shown("x"), None);

    // Two that settle it in opposite ways have not deleted it either.
    let (a, b) = apart("newest");
    for hub in [&a, &b] {
        hub.database.set_conflict_rule(rule("keep", 2)).unwrap();
    }
    a.push(&b, 400);
    b.push(&a, 400);
    for (hub, at) in [(&a, 0), (&b, 1)] {
        let tree = hub.tree("x");
        let rev = tree.node(tree.leaves()[at]).rev.clone();
        hub.write(Edit { deleted: true, ..put("x", Some(rev), "{}") }, 500).unwrap();
        hub.database.set_conflict_rule(rule("newest", 3)).unwrap();
    }
    a.push(&b, 600);
    b.push(&a, 600);
    for hub in [&a, &b] {
        assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":2}"));
        hub.verify();
    }
    assert_eq!(a.leaves(), b.leaves());
}

#[test]
fn a_tombstone_may_come_before_the_winner() {
    let (a, b) = apart("newest");
    a.push(&b, 400);
    let mut edits = b.lacking(&a);
    edits.sort_by_key(|edit| !edit.deleted);
    let winner = edits.pop().unwrap();
    a.take(edits, 500, "b");
    assert_eq!(a.shown("x").as_deref(), Some("{\"n\":1}"), "nothing else is here: it is revived");
    assert_eq!(a.lost(), [""; 0]);
    a.verify();
    a.take(vec![winner], 500, "b");
    assert_eq!(a.shown("x").as_deref(), Some("{\"n\":2}"));
    assert_eq!(a.lost(), ["{\"n\":1}"]);
    a.push(&b, 600);
    b.push(&a, 600);
    assert_eq!(a.leaves(), b.leaves());
    assert_eq!(b.shown("x").as_deref(), Some("{\"n\":2}"));
    a.verify();
    b.verify();
}

#[test]
fn a_loser_that_was_edited_elsewhere_goes_on() {
    let (a, b) = apart("newest");
    a.push(&b, 400);
    // Unknown to the one who edits it, its branch has lost.
    a.edit("x", "{\"n\":4}", 500);
    a.push(&b, 600);
    b.push(&a, 600);
    for hub in [&a, &b] {
        assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":4}"));
        hub.verify();
    }
    assert_eq!(a.leaves(), b.leaves());
    assert_eq!(b.lost(), ["{\"n\":1}", "{\"n\":2}"]);
    assert_eq!(a.lost(), [""; 0], "here the one was followed, and the other never seen");
}

#[test]
fn revivals_have_an_end() {
    // Somebody shows us tombstones only, again and again, and never what he sees.
    let hub = Hub::new(1, "newest");
    hub.edit("x", "{\"n\":1}", 100);
    let mut rounds = 0;
    while hub.shown("x").is_some() {
        assert_eq!(hub.shown("x").as_deref(), Some("{\"n\":1}"));
        let tree = hub.tree("x");
        let at = tree.winner_id().unwrap();
        let lineage: Vec<RevId> = tree.ancestry(at).map(|node| node.rev.clone()).collect();
        let tombstone = Derived::Overwritten.tombstone(&lineage[0]);
        let lineage: Vec<&RevId> = std::iter::once(&tombstone).chain(&lineage).collect();
        hub.take(vec![Edit { deleted: true, ..path("x", &lineage, "{}") }], 200, "liar");
        hub.verify();
        rounds += 1;
    }
    assert_eq!(rounds, 3);
    assert_eq!(hub.lost(), ["{\"n\":1}"], "it is kept all the same");
}

#[test]
fn stemming_keeps_what_tells_a_tombstone() {
    let (a, b) = apart("newest");
    a.database.set_revs_limit(1).unwrap();
    b.database.set_revs_limit(1).unwrap();
    a.push(&b, 400);
    b.push(&a, 400);
    for hub in [&a, &b] {
        let tree = hub.tree("x");
        let at = tree.deleted_conflicts()[0];
        assert_eq!(tree.derived(at), Some(Derived::Overwritten));
        assert_eq!(tree.nodes().len(), 3);
        hub.verify();
    }
    assert_eq!(a.leaves(), b.leaves());
}

#[test]
fn nothing_but_an_empty_deletion_bears_the_id_of_a_tombstone() {
    let hub = Hub::new(1, "newest");
    let rev = hub.edit("x", "{\"n\":1}", 100);
    for kind in [Derived::Overwritten, Derived::Discarded] {
        let tombstone = kind.tombstone(&rev);
        assert_eq!(stamp_of(&tombstone), None);
        let live = path("x", &[&tombstone, &rev], "{}");
        assert_eq!(hub.write(live.clone(), 200), Err(EditError::InvalidPath));
        let full = Edit { deleted: true, ..path("x", &[&tombstone, &rev], "{\"n\":2}") };
        assert_eq!(hub.write(full, 200), Err(EditError::InvalidPath));
    }
    assert_eq!(hub.tree("x").nodes().len(), 1);
}

#[test]
fn generations_end_before_numbers_do() {
    let hub = Hub::new(1, "newest");
    let planted = |generation: u64, at: u64| {
        let parent = RevId { generation: generation - 1, ..Hub::new(9, "keep").edit("x", "{}", 1) };
        let content = EditContent {
            parent: Some(&parent),
            body: &[0; 32],
            attachments: &[],
            device: &[9; 32],
        };
        stamped(Stamp::at(Millis(at)), &content)
    };
    for generation in [u64::MAX, u64::MAX - 1, (1 << 53) + 1] {
        let rev = planted(generation, 100);
        assert_eq!(hub.write(path("x", &[&rev], "{}"), 200), Err(EditError::InvalidPath));
    }
    hub.write(path("x", &[&planted(1 << 53, 100)], "{\"planted\":1}"), 200).unwrap();
    hub.write(path("x", &[&planted(1 << 53, 90)], "{\"planted\":2}"), 200).unwrap();
    assert_eq!(hub.lost(), ["{\"planted\":2}"]);
    hub.edit("x", "{\"n\":1}", 300);
    hub.verify();
    let other = Hub::new(2, "newest");
    hub.push(&other, 400);
    assert_eq!(other.shown("x").as_deref(), Some("{\"n\":1}"));
    assert_eq!(hub.leaves(), other.leaves());
}

#[test]
fn only_a_tombstone_beside_a_greater_leaf_needs_no_leave() {
    let preview = |hub: &Hub, edit: &Edit| hub.database.read(|s| s.preview(edit)).unwrap();
    let hub = Hub::new(1, "newest");
    let first = hub.edit("x", "{\"n\":1}", 100);
    let second = hub.edit("x", "{\"n\":2}", 200);
    let other = Hub::new(2, "newest");
    let early = other.edit("x", "{\"n\":3}", 50);
    let late = other.edit("y", "{\"n\":3}", 900);
    let tombstone = |rev: &RevId| {
        let tombstone = Derived::Overwritten.tombstone(rev);
        Edit { deleted: true, ..path("x", &[&tombstone, rev], "{}") }
    };
    assert_eq!(preview(&hub, &tombstone(&early)), Preview::Resolution);
    assert_eq!(preview(&hub, &tombstone(&first)), Preview::Resolution);
    for justified_by_nothing in [&second, &late, &"1-foreign".parse().unwrap()] {
        let shown = preview(&hub, &tombstone(justified_by_nothing));
        assert!(matches!(shown, Preview::Document { .. }), "{justified_by_nothing}");
    }
    let discarded = Derived::Discarded.tombstone(&early);
    let discarded = Edit { deleted: true, ..path("x", &[&discarded, &early], "{}") };
    assert!(matches!(preview(&hub, &discarded), Preview::Document { .. }));
    hub.database.set_conflict_rule(rule("keep", 2)).unwrap();
    assert!(matches!(preview(&hub, &tombstone(&early)), Preview::Document { .. }));
    let id: DocId = "x".parse().unwrap();
    assert!(hub.database.read(|snapshot| snapshot.held_revs(&id)).unwrap().is_empty());
}
