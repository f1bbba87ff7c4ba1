//! `larder-sync/1` between databases: virtual connections that break anywhere, sources that lie, both protocols at
//! once, and the drivers on Tokio.
//!
//! Every run follows from one seed, which a failing run prints. `LARDER_SEED=n` runs that one only;
//! `LARDER_SEEDS=n` runs that many.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "sync/job.rs"]
mod job;
#[path = "sync/liar.rs"]
mod liar;
#[path = "pair/link.rs"]
#[allow(dead_code, reason = "the other protocol runs without faults here")]
mod link;
#[path = "pair/random.rs"]
mod random;
#[path = "pair/seeds.rs"]
mod seeds;
#[path = "pair/site.rs"]
mod site;
#[path = "sync/vectors.rs"]
mod vectors;
#[path = "sync/wire.rs"]
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use link::{Ending, Link};
use random::Random;
use replication::sync::{
    Delivered, Mode, RefusalCode, SkipReason, SyncError, SyncRefusal, Visible,
};
use replication::{Judge, Outcome, PeerError, RefusalReason, Select, Spec};
use seeds::each_seed;
use site::{Site, agree};
use store::{ConflictPolicy, ConflictRule, Database, Edit};
use wire::{Faults, Wire, trees};

fn sites(count: u8) -> Vec<Site> {
    (0..count).map(Site::new).collect()
}

/// Pulls both ways between all sites, without faults, until nothing moves; then all hold the same, down to
/// every known ancestor.
fn settle(sites: &[Site], random: &mut Random) {
    for _ in 0..10 {
        let mut moved = false;
        for source in sites {
            for target in sites.iter().filter(|target| target.name != source.name) {
                let before = target.database().update_seq();
                Wire::new(source, target).run(Faults::NONE, random).completed();
                moved |= target.database().update_seq() != before;
            }
        }
        if !moved {
            agree(sites);
            let first = trees(sites[0].database());
            for site in &sites[1..] {
                assert_eq!(trees(site.database()), first, "{}", site.name);
            }
            return;
        }
    }
    panic!("still moving");
}

#[test]
fn two_databases_agree_after_every_fault() {
    each_seed(120, |random| {
        let sites = sites(2);
        for _ in 0..8 {
            let (a, b) = if random.chance(50) { (0, 1) } else { (1, 0) };
            sites.iter().for_each(|site| site.edit_some(random));
            let wire = Wire::new(&sites[a], &sites[b]).batches_of(random.below(4) as usize + 1);
            wire.run(Faults::ALL, random);
        }
        settle(&sites, random);
    });
}

#[test]
fn three_databases_agree_in_any_order() {
    each_seed(40, |random| {
        let sites = sites(3);
        for _ in 0..12 {
            let a = random.below(3) as usize;
            let b = (a + 1 + random.below(2) as usize) % 3;
            sites.iter().for_each(|site| site.edit_some(random));
            Wire::new(&sites[a], &sites[b]).batches_of(3).run(Faults::ALL, random);
        }
        settle(&sites, random);
    });
}

#[test]
fn both_protocols_at_once() {
    each_seed(40, |random| {
        let sites = sites(3);
        for round in 0..10 {
            sites.iter().for_each(|site| site.edit_some(random));
            let (a, b) = if random.chance(50) { (0, 1) } else { (1, 0) };
            if round % 2 == 0 {
                let spec = Spec::new(sites[a].id_to(&sites[b]));
                let link = Link::new(&sites[a], &sites[b], spec, random);
                let ending = link.run(&link::Faults::NONE, random);
                assert!(matches!(ending, Ending::Over(Outcome::Completed(_))));
            } else {
                Wire::new(&sites[a + 1], &sites[b + 1]).run(Faults::ALL, random);
            }
        }
        settle(&sites, random);
    });
}

#[test]
fn the_last_writer_wins_everywhere() {
    each_seed(40, |random| {
        let sites = sites(3);
        for site in &sites {
            let rule = ConflictRule { policy: ConflictPolicy::Newest, version: 1 };
            site.database().set_conflict_rule(rule).unwrap();
        }
        for _ in 0..10 {
            let a = random.below(3) as usize;
            let b = (a + 1 + random.below(2) as usize) % 3;
            sites.iter().for_each(|site| site.edit_some(random));
            Wire::new(&sites[a], &sites[b]).batches_of(3).run(Faults::ALL, random);
        }
        settle(&sites, random);
        for (id, held) in sites[0].documents() {
            let live = held.leaves.values().filter(|(deleted, ..)| !deleted).count();
            assert!(live <= 1, "{id} has {live} live leaves");
        }
    });
}

#[test]
fn a_first_copy_goes_on_where_it_was_cut() {
    each_seed(20, |random| {
        let sites = sites(2);
        (0..400).for_each(|n| sites[0].write(&format!("doc{n}"), r#"{"a":1}"#));
        let (mut sent, mut runs) = (0, 0);
        loop {
            runs += 1;
            let wire = Wire::new(&sites[0], &sites[1]).batches_of(10);
            let before = wire.checkpoint().map_or(0, |checkpoint| checkpoint.through.seq.0);
            let faults = Faults { cut: 30, crash: 30, ..Faults::NONE };
            let run = wire.run(faults, random);
            sent += run.feed.documents;
            let after = wire.checkpoint().map_or(0, |checkpoint| checkpoint.through.seq.0);
            assert!(after >= before);
            assert_eq!(run.named.documents, 0, "a first copy asks for nothing twice");
            if run.outcome.is_some_and(|outcome| outcome.ending.is_ok()) {
                break;
            }
        }
        // What is under way when a connection breaks, and no more, is sent again.
        assert!(sent <= 400 + runs * 80, "{sent} documents in {runs} runs");
        settle(&sites, random);
    });
}

#[test]
fn nothing_new_takes_one_question_and_writes_nothing() {
    each_seed(10, |random| {
        let sites = sites(2);
        let empty = Wire::new(&sites[0], &sites[1]).run(Faults::NONE, random).completed();
        assert_eq!((empty.questions, empty.feed.documents), (1, 0));
        sites[0].edit_some(random);
        let wire = Wire::new(&sites[0], &sites[1]);
        wire.run(Faults::NONE, random).completed();
        let checkpoint = wire.checkpoint().unwrap();
        assert_eq!(checkpoint.stage, Mode::Send);
        assert_eq!(checkpoint.through, sites[0].database().update_seq());
        let before = sites[1].database().update_seq();
        let again = wire.run(Faults::NONE, random).completed();
        assert_eq!((again.questions, again.feed.documents), (1, 0));
        assert!(again.feed.bytes < 120, "{} bytes", again.feed.bytes);
        assert_eq!(sites[1].database().update_seq(), before);
    });
}

#[test]
fn what_came_from_a_peer_is_not_sent_back() {
    let random = &mut Random::new(5);
    let sites = sites(2);
    // Each has told the other that there is nothing.
    Wire::new(&sites[0], &sites[1]).run(Faults::NONE, random).completed();
    Wire::new(&sites[1], &sites[0]).run(Faults::NONE, random).completed();
    (0..50).for_each(|n| sites[0].write(&format!("doc{n}"), r#"{"a":1}"#));
    let there = Wire::new(&sites[0], &sites[1]).run(Faults::NONE, random).completed();
    assert_eq!((there.feed.documents, there.feed.revisions), (50, 50));
    let back = Wire::new(&sites[1], &sites[0]).run(Faults::NONE, random).completed();
    assert_eq!((back.feed.documents, back.feed.revisions, back.questions), (50, 0, 1));
    let again = Wire::new(&sites[0], &sites[1]).run(Faults::NONE, random).completed();
    assert_eq!(again.feed.documents, 0);
}

#[test]
fn a_source_remembers_what_it_was_brought() {
    let random = &mut Random::new(6);
    let sites = sites(2);
    (0..50).for_each(|n| sites[0].write(&format!("doc{n}"), r#"{"a":1}"#));
    let known = Arc::new(Delivered::new(1000));
    let mut there = Wire::new(&sites[0], &sites[1]);
    there.delivered = Some(Arc::clone(&known));
    there.run(Faults::NONE, random).completed();
    // The first site asks as if for the first time, from a position of which it knows nothing.
    let mut back = Wire::new(&sites[1], &sites[0]);
    back.options.delivered = Some(known);
    let start = sites[1].database().seq(store::Seq(0));
    let stage = Mode::Send;
    let checkpoint = replication::sync::Checkpoint { through: start, stage, postponed: false };
    back.target().remember(&checkpoint).unwrap();
    let back = back.run(Faults::NONE, random).completed();
    assert_eq!((back.feed.documents, back.feed.revisions, back.questions), (50, 0, 1));
}

#[test]
fn rings_do_not_echo() {
    let random = &mut Random::new(7);
    let sites = sites(3);
    let around = |random: &mut Random| {
        let mut revisions = 0;
        for (a, b) in [(0, 1), (1, 2), (2, 0)] {
            let run = Wire::new(&sites[a], &sites[b]).run(Faults::NONE, random).completed();
            revisions += run.feed.revisions + run.named.revisions;
        }
        revisions
    };
    assert_eq!(around(random), 0);
    (0..50).for_each(|n| sites[0].write(&format!("doc{n}"), r#"{"a":1}"#));
    assert_eq!(around(random), 100, "each of the two others gets each document once");
    assert_eq!(around(random), 0);
}

#[test]
fn a_target_without_checkpoint_is_offered_what_it_may_have() {
    let random = &mut Random::new(8);
    let sites = sites(2);
    (0..60).for_each(|n| sites[0].write(&format!("doc{n}"), r#"{"a":1}"#));
    Wire::new(&sites[0], &sites[1]).run(Faults::NONE, random).completed();
    Wire::new(&sites[0], &sites[1]).target().forget().unwrap();
    (60..80).for_each(|n| sites[0].write(&format!("doc{n}"), r#"{"a":1}"#));
    let run = Wire::new(&sites[0], &sites[1]).run(Faults::NONE, random).completed();
    assert_eq!((run.feed.documents, run.feed.revisions), (80, 0));
    assert_eq!(run.named.revisions, 20);
    settle(&sites, random);
}

#[test]
fn long_histories_are_cut_and_joined() {
    let random = &mut Random::new(9);
    let sites = sites(2);
    sites[0].write("a", "{}");
    (0..150).for_each(|_| sites[0].edit_bodies());
    Wire::new(&sites[0], &sites[1]).run(Faults::NONE, random).completed();
    // Few enough that the cut history reaches what is there.
    (0..20).for_each(|_| sites[0].edit_bodies());
    let near = Wire::new(&sites[0], &sites[1]).run(Faults::NONE, random).completed();
    assert_eq!((near.feed.revisions, near.questions), (1, 1));
    assert!(near.feed.bytes < 1500, "{} bytes", near.feed.bytes);
    // So many that it does not.
    (0..70).for_each(|_| sites[0].edit_bodies());
    let far = Wire::new(&sites[0], &sites[1]).run(Faults::NONE, random).completed();
    assert_eq!((far.feed.revisions, far.named.revisions, far.questions), (1, 1, 2));
    settle(&sites, random);
    assert_eq!(trees(sites[1].database())["a"].len(), 241);
}

#[test]
fn a_document_with_very_many_leaves_moves_whole() {
    let random = &mut Random::new(10);
    let sites = sites(2);
    sites[0].add_leaves("a", 300);
    Wire::new(&sites[0], &sites[1]).run(Faults::NONE, random).completed();
    settle(&sites, random);
    assert_eq!(sites[1].documents()["a"].leaves.len(), 300);
}

#[test]
fn a_database_made_anew_is_compared() {
    each_seed(20, |random| {
        let mut sites = sites(2);
        sites[0].edit_some(random);
        settle(&sites, random);
        sites[random.below(2) as usize].make_anew();
        sites[0].edit_some(random);
        settle(&sites, random);
    });
}

/// A judge that does not want documents `a`, or has no time.
struct NotA {
    busy: AtomicUsize,
}

impl Judge for NotA {
    fn judge(
        &self,
        _: &Arc<Database>,
        edits: &[Edit],
    ) -> Result<Vec<Result<(), RefusalReason>>, PeerError> {
        let left = |busy: usize| busy.checked_sub(1);
        if self.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok() {
            return Err(PeerError::Unavailable { status: 503, reason: "busy".into() });
        }
        let judged = edits.iter().map(|edit| match edit.id.as_str() {
            "a" => Err(RefusalReason::Final("no".into())),
            "large" => Err(RefusalReason::NoRoom("full".into())),
            _ => Ok(()),
        });
        Ok(judged.collect())
    }
}

#[test]
fn what_is_refused_is_left_out_and_told() {
    each_seed(20, |random| {
        let sites = sites(2);
        (0..10).for_each(|_| sites[0].edit_some(random));
        sites[0].add_leaves("a", 3);
        let mut wire = Wire::new(&sites[0], &sites[1]).batches_of(2);
        wire.judge = Some(Arc::new(NotA { busy: AtomicUsize::new(0) }));
        let outcome = wire.run(Faults::NONE, random).outcome.unwrap();
        assert!(outcome.ending.is_ok());
        let (mut all, moved) = (sites[0].documents(), sites[1].documents());
        let refused = all.remove("a").unwrap();
        assert!(!all.is_empty() && moved.keys().eq(all.keys()));
        assert_eq!(outcome.skipped_count, refused.leaves.len() as u64);
        let told = |reason: &SkipReason| match reason {
            SkipReason::Refused(reason) => reason == "no",
            SkipReason::Sibling => true,
            _ => false,
        };
        assert!(outcome.skipped.iter().all(|one| one.id.as_str() == "a" && told(&one.reason)));
        // Asked for again, once somebody has changed his mind.
        let mut again = Wire::new(&sites[0], &sites[1]);
        let wish = |one: &replication::sync::Skipped| replication::sync::Wish {
            id: one.id.clone(),
            revs: vec![one.rev.clone()],
            ancestors: vec![],
            whole: true,
        };
        again.spec.retry = outcome.skipped.iter().map(wish).collect();
        again.run(Faults::NONE, random).completed();
        settle(&sites, random);
    });
}

#[test]
fn what_there_is_no_room_for_is_asked_for_again_after_all_was_passed() {
    let random = &mut Random::new(14);
    let sites = sites(2);
    (0..20).for_each(|n| sites[0].write(&format!("doc{n}"), "{}"));
    sites[0].write("large", r#"{"text":"much"}"#);
    (20..40).for_each(|n| sites[0].write(&format!("doc{n}"), "{}"));
    let mut wire = Wire::new(&sites[0], &sites[1]).batches_of(5);
    wire.judge = Some(Arc::new(NotA { busy: AtomicUsize::new(0) }));
    let outcome = wire.run(Faults::NONE, random).outcome.unwrap();
    assert!(outcome.ending.is_ok() && outcome.postponed);
    assert_eq!(outcome.skipped.len(), 1);
    assert!(matches!(&outcome.skipped[0].reason, SkipReason::NoRoom(why) if why == "full"));
    assert_eq!(sites[1].documents().len(), 40);
    // What the checkpoint has passed is not forgotten, whatever comes later.
    sites[0].write("later", "{}");
    let outcome = wire.run(Faults::NONE, random).outcome.unwrap();
    assert!(outcome.ending.is_ok() && outcome.postponed && outcome.skipped.is_empty());
    assert!(wire.target().checkpoint().unwrap().unwrap().postponed);
    // With room, everything is compared anew.
    wire.target().forget().unwrap();
    wire.judge = None;
    let outcome = wire.run(Faults::NONE, random).outcome.unwrap();
    assert!(outcome.ending.is_ok() && !outcome.postponed);
    settle(&sites, random);
}

#[test]
fn what_cannot_be_judged_now_comes_again() {
    let random = &mut Random::new(12);
    let sites = sites(2);
    (0..20).for_each(|n| sites[0].write(&format!("doc{n}"), "{}"));
    let mut wire = Wire::new(&sites[0], &sites[1]).batches_of(5);
    wire.judge = Some(Arc::new(NotA { busy: AtomicUsize::new(1) }));
    let outcome = wire.run(Faults::NONE, random).outcome.unwrap();
    assert!(matches!(&outcome.ending, Err(error @ SyncError::Here(_)) if error.is_passing()));
    assert!(outcome.progress.checkpointed.is_none_or(|through| through.seq.0 < 20));
    wire.run(Faults::NONE, random).completed();
    settle(&sites, random);
}

#[test]
fn what_is_too_large_is_left_out_until_it_is_deleted() {
    let random = &mut Random::new(13);
    let sites = sites(2);
    sites[0].write("small", r#"{"a":1}"#);
    sites[0].write("large", &format!(r#"{{"a":"{}"}}"#, "x".repeat(5000)));
    sites[0].write_attachment("pictured", &[7; 90_000]);
    let mut wire = Wire::new(&sites[0], &sites[1]);
    wire.limits.body_bytes_max = 1000;
    wire.filter.attachment_bytes_max = Some(80_000);
    let outcome = wire.run(Faults::NONE, random).outcome.unwrap();
    assert!(outcome.ending.is_ok());
    let skipped: Vec<_> =
        outcome.skipped.iter().map(|one| (one.id.as_str(), one.reason.clone())).collect();
    let expected = [("large", SkipReason::TooLarge), ("pictured", SkipReason::AttachmentTooLarge)];
    assert_eq!(skipped, expected);
    assert_eq!(sites[1].documents().keys().collect::<Vec<_>>(), ["small"]);
    ["small", "large", "pictured"].iter().for_each(|id| sites[0].delete(id));
    wire.run(Faults::NONE, random).completed();
    assert!(sites[1].documents().values().all(|held| held.leaves[&held.winner].0));
    assert_eq!(sites[1].documents().len(), 3);
}

/// A selector that means documents with `"n":1`.
struct OnlyOnes;

impl Select for OnlyOnes {
    fn select(&self, documents: Vec<String>) -> Result<Vec<bool>, PeerError> {
        Ok(documents.iter().map(|text| text.contains(r#""n":1"#)).collect())
    }
}

#[test]
fn a_selector_lets_deletions_pass() {
    each_seed(10, |random| {
        let sites = sites(2);
        for n in 0..500 {
            sites[0].write(&format!("doc{n}"), &format!(r#"{{"n":{}}}"#, n % 5));
        }
        let wire = Wire::new(&sites[0], &sites[1])
            .batches_of(random.below(40) as usize + 1)
            .selecting(r#"{"n":1}"#, Arc::new(OnlyOnes));
        let run = wire.run(Faults::NONE, random).completed();
        assert_eq!((run.feed.documents, run.feed.revisions), (100, 100));
        let moved = sites[1].documents();
        assert!(
            moved.len() == 100
                && moved.values().all(|held| held.leaves[&held.winner].1.contains("1"))
        );
        ["doc1", "doc2"].iter().for_each(|id| sites[0].delete(id));
        let run = wire.run(Faults::NONE, random).completed();
        assert_eq!(run.feed.documents, 2);
        let moved = sites[1].documents();
        let is_deleted = |id: &str| moved[id].leaves[&moved[id].winner].0;
        assert!(is_deleted("doc1") && is_deleted("doc2") && !is_deleted("doc6"));
        assert_eq!(wire.checkpoint().unwrap().through, sites[0].database().update_seq());
    });
}

#[test]
fn a_selector_is_asked_of_winners() {
    let random = &mut Random::new(21);
    let sites = sites(2);
    // Conflicts `"n":0` to `"n":2`, of which the last wins; in `b` the winner is one that matches.
    sites[0].add_leaves("a", 3);
    sites[0].add_leaves("b", 2);
    let wire = Wire::new(&sites[0], &sites[1]).selecting(r#"{"n":1}"#, Arc::new(OnlyOnes));
    wire.run(Faults::NONE, random).completed();
    let moved = sites[1].documents();
    assert_eq!(moved.keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(moved["b"].leaves.len(), 2);
}

/// Sees so many pieces.
struct SeesFor(AtomicUsize);

impl Visible for SeesFor {
    fn check(&self) -> Result<(), SyncRefusal> {
        let left = |left: usize| left.checked_sub(1);
        let seen = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
        let refusal = |_| SyncRefusal::new(RefusalCode::Forbidden, "not any more");
        seen.map(|_| ()).map_err(refusal)
    }
}

#[test]
fn rights_that_go_end_the_answer() {
    let random = &mut Random::new(15);
    let sites = sites(2);
    (0..50).for_each(|n| sites[0].write(&format!("doc{n}"), "{}"));
    let mut wire = Wire::new(&sites[0], &sites[1]).batches_of(10);
    wire.options.visible = Some(Arc::new(SeesFor(AtomicUsize::new(3))));
    let outcome = wire.run(Faults::NONE, random).outcome.unwrap();
    let Err(SyncError::Refused(refusal)) = outcome.ending else { panic!("{:?}", outcome.ending) };
    assert_eq!((refusal.code, refusal.reason.as_str()), (RefusalCode::Forbidden, "not any more"));
    assert!(sites[1].documents().len() <= 20);
    assert!(outcome.progress.checkpointed.is_none_or(|through| through.seq.0 <= 20));
}

#[test]
fn hubs_under_different_rules_wait() {
    let random = &mut Random::new(16);
    let sites = sites(2);
    sites[0].write("a", "{}");
    let mut wire = Wire::new(&sites[0], &sites[1]);
    wire.options.policy_version = 2;
    let outcome = wire.run(Faults::NONE, random).outcome.unwrap();
    let refused = |error: &SyncError| matches!(error, SyncError::Refused(refusal) if refusal.code == RefusalCode::PolicyVersion);
    assert!(outcome.ending.as_ref().is_err_and(refused), "{:?}", outcome.ending);
    assert!(sites[1].documents().is_empty());
    wire.spec.policy_version = 2;
    wire.run(Faults::NONE, random).completed();
    settle(&sites, random);
}

#[test]
fn what_is_held_counts_as_known() {
    let random = &mut Random::new(19);
    let sites = sites(2);
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    sites[0].advance(DAY_MS);
    (0..20).for_each(|n| sites[0].write(&format!("doc{n}"), "{}"));
    let wire = Wire::new(&sites[0], &sites[1]);
    wire.run(Faults::NONE, random).completed();
    assert!(sites[1].documents().is_empty());
    assert_eq!(sites[1].database().held().unwrap().len(), 20);
    wire.target().forget().unwrap();
    // The target is empty for all anybody sees, and gets all of it again, in vain.
    let again = wire.run(Faults::NONE, random).completed();
    assert_eq!((again.named.documents, again.questions), (0, 1));
    assert_eq!(sites[1].database().held().unwrap().len(), 20);
    sites[1].advance(DAY_MS);
    assert_eq!(sites[1].database().release_due(sites[1].now()).unwrap(), 20);
    settle(&sites, random);
}

#[test]
fn more_than_may_be_held_stops_at_the_checkpoint() {
    let random = &mut Random::new(20);
    let sites = sites(2);
    sites[0].advance(24 * 60 * 60 * 1000);
    (0..1100).for_each(|n| sites[0].write(&format!("doc{n}"), "{}"));
    let wire = Wire::new(&sites[0], &sites[1]).batches_of(100);
    let outcome = wire.run(Faults::NONE, random).outcome.unwrap();
    assert!(matches!(&outcome.ending, Err(error @ SyncError::Here(_)) if error.is_passing()));
    assert!(outcome.progress.checkpointed.is_none_or(|through| through.seq.0 <= 1000));
    assert_eq!(sites[1].database().held().unwrap().len(), 1000);
}

#[test]
fn attachments_of_every_size_arrive_as_they_were() {
    let random = &mut Random::new(17);
    let sites = sites(2);
    for (n, length) in [0, 1, 65_535, 65_536, 65_537, 300_000, 1_000_000].iter().enumerate() {
        let bytes: Vec<u8> = (0..*length).map(|at: u32| (at * 31 % 251) as u8).collect();
        sites[0].write_attachment(&format!("doc{n}"), &bytes);
    }
    // Some of which other documents have, too.
    for n in 0..2 {
        sites[0].write_attachment(&format!("twin{n}"), &[77; 200_000]);
    }
    // As many small ones as no batch holds.
    for n in 0..60 {
        sites[0].write_attachment(&format!("small{n}"), &[n; 60_000]);
    }
    let run = Wire::new(&sites[0], &sites[1]).run(Faults::NONE, random).completed();
    assert!(run.feed.parcel_bytes > 1_500_000);
    settle(&sites, random);
    // A change of the body alone moves no attachment.
    sites[0].edit_bodies();
    let run = Wire::new(&sites[0], &sites[1]).run(Faults::NONE, random).completed();
    assert_eq!((run.feed.parcel_bytes, run.questions), (0, 1));
    assert!(run.feed.bytes < 20_000, "{} bytes", run.feed.bytes);
    settle(&sites, random);
}

#[cfg(feature = "deliberate-bugs")]
#[test]
fn a_checkpoint_ahead_of_what_is_durable_loses_documents() {
    let lost = (0..50).any(|seed| {
        let random = &mut Random::new(seed);
        let sites = sites(2);
        (0..50).for_each(|n| sites[0].write(&format!("doc{n}"), "{}"));
        let mut wire = Wire::new(&sites[0], &sites[1]).batches_of(5);
        wire.remembers_early = true;
        wire.run(Faults { crash: 200, ..Faults::NONE }, random);
        let through = wire.checkpoint().map_or(0, |checkpoint| checkpoint.through.seq.0);
        through > sites[1].documents().len() as u64
    });
    assert!(lost);
}
