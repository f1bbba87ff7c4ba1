//! Databases replicating over a simulated link: virtual time, lost and doubled messages, crashes.
//!
//! Every run follows from one seed, which a failing run prints. `LARDER_SEED=n` runs that one only;
//! `LARDER_SEEDS=n` runs that many.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "pair/link.rs"]
mod link;
#[path = "pair/random.rs"]
mod random;
#[path = "pair/seeds.rs"]
mod seeds;
#[path = "pair/site.rs"]
mod site;

use std::sync::atomic::{AtomicU32, Ordering};

use link::{Ending, Faults, Link};
use random::Random;
use replication::{Outcome, PeerError, RefusalReason, Spec, State};
use seeds::each_seed;
use site::{Site, agree};

/// Replicates both ways between all sites, without faults, until nothing moves.
fn settle(sites: &[Site], random: &mut Random) {
    for _ in 0..10 {
        let mut moved = false;
        for source in sites {
            for target in sites.iter().filter(|target| target.name != source.name) {
                let link = Link::new(source, target, Spec::new(source.id_to(target)), random);
                let Ending::Over(Outcome::Completed(report)) = link.run(&Faults::NONE, random)
                else {
                    panic!("a replication without faults did not complete");
                };
                moved |= report.stats.docs_written > 0;
                assert_eq!(report.stats.doc_write_failures, 0);
            }
        }
        if !moved {
            return;
        }
    }
    panic!("still moving");
}

fn sites(count: u8) -> Vec<Site> {
    (0..count).map(Site::new).collect()
}

#[test]
fn two_databases_agree_after_every_fault() {
    each_seed(150, |random| {
        let sites = sites(2);
        for _ in 0..8 {
            let (a, b) = if random.chance(50) { (0, 1) } else { (1, 0) };
            sites.iter().for_each(|site| site.edit_some(random));
            let spec = Spec {
                batch_changes_max: random.below(5) as usize + 1,
                checkpoint_interval_ms: random.below(2_000),
                ..Spec::new(sites[a].id_to(&sites[b]))
            };
            let link = Link::new(&sites[a], &sites[b], spec, random);
            link.run(&Faults::ALL, random);
        }
        settle(&sites, random);
        agree(&sites);
    });
}

#[test]
fn three_databases_agree_in_any_order() {
    each_seed(60, |random| {
        let sites = sites(3);
        for _ in 0..12 {
            let a = random.below(3) as usize;
            let b = (a + 1 + random.below(2) as usize) % 3;
            sites.iter().for_each(|site| site.edit_some(random));
            let spec = Spec { batch_changes_max: 4, ..Spec::new(sites[a].id_to(&sites[b])) };
            Link::new(&sites[a], &sites[b], spec, random).run(&Faults::ALL, random);
        }
        settle(&sites, random);
        agree(&sites);
    });
}

#[test]
fn continuous_replication_follows_edits_through_faults() {
    each_seed(40, |random| {
        let sites = sites(2);
        let spec = Spec {
            continuous: true,
            retries_max: None,
            batch_changes_max: 3,
            checkpoint_interval_ms: 500,
            ..Spec::new(sites[0].id_to(&sites[1]))
        };
        let mut link = Link::new(&sites[0], &sites[1], spec, random);
        for _ in 0..10 {
            sites[0].edit_some(random);
            link.run_for(random.below(5_000), &Faults::ONE_WAY, random);
        }
        link.run_for(600_000, &Faults::NONE, random);
        let progress = link.progress();
        assert_eq!(progress.state, State::Idle);
        assert_eq!(progress.checkpointed_source_seq, sites[0].seq());
        link.cancel();
        let ending = link.run(&Faults::NONE, random);
        assert!(matches!(ending, Ending::Over(Outcome::Cancelled)));
        agree(&sites);
    });
}

#[test]
fn a_second_run_finds_nothing_to_do() {
    each_seed(10, |random| {
        let sites = sites(2);
        let run = |random: &mut Random| {
            let link =
                Link::new(&sites[0], &sites[1], Spec::new(sites[0].id_to(&sites[1])), random);
            match link.run(&Faults::NONE, random) {
                Ending::Over(Outcome::Completed(report)) => report,
                _ => panic!("did not complete"),
            }
        };
        assert_eq!(run(random).to_json(), r#"{"ok":true,"no_changes":true}"#);
        sites[0].edit_some(random);
        let first = run(random).to_json();
        assert!(first.starts_with(r#"{"ok":true,"session_id":""#), "{first}");
        let second = run(random);
        assert!(second.is_unchanged());
        assert_eq!(
            second.to_json(),
            first.replace("\"ok\":true", "\"ok\":true,\"no_changes\":true")
        );
        sites[0].edit_some(random);
        let third = run(random).to_json();
        assert_eq!(third.matches("recorded_seq").count(), 2, "{third}");
    });
}

#[test]
fn a_crash_costs_no_more_than_the_last_interval() {
    each_seed(20, |random| {
        let sites = sites(2);
        for _ in 0..20 {
            sites[0].edit_some(random);
        }
        let spec = Spec {
            batch_changes_max: 1,
            checkpoint_interval_ms: 0,
            ..Spec::new(sites[0].id_to(&sites[1]))
        };
        let mut link = Link::new(&sites[0], &sites[1], spec.clone(), random);
        while link.progress().checkpointed_source_seq.is_start() {
            link.run_for(10, &Faults::NONE, random);
        }
        let remembered = link.progress().checkpointed_source_seq;
        drop(link);
        let mut link = Link::new(&sites[0], &sites[1], spec, random);
        while link.progress().state == State::Starting {
            link.run_for(1, &Faults::NONE, random);
        }
        assert_eq!(link.progress().checkpointed_source_seq, remembered);
        settle(&sites, random);
        agree(&sites);
    });
}

#[test]
fn a_database_made_anew_is_replicated_from_its_start() {
    each_seed(20, |random| {
        let mut sites = sites(2);
        sites[0].edit_some(random);
        settle(&sites, random);
        let renewed = random.below(2) as usize;
        sites[renewed].make_anew();
        sites[0].edit_some(random);
        settle(&sites, random);
        agree(&sites);
    });
}

#[test]
fn only_the_documents_asked_for_move() {
    each_seed(20, |random| {
        let sites = sites(2);
        for _ in 0..10 {
            sites[0].edit_some(random);
        }
        let wanted: Vec<_> = ["a", "c", "nowhere"].map(|id| id.parse().unwrap()).into();
        let filter = replication::Filter::DocIds(wanted.into());
        let spec = Spec { filter, batch_changes_max: 1, ..Spec::new(sites[0].id_to(&sites[1])) };
        let ending = Link::new(&sites[0], &sites[1], spec, random).run(&Faults::NONE, random);
        assert!(matches!(ending, Ending::Over(Outcome::Completed(_))));
        let moved = sites[1].documents();
        assert!(moved.keys().all(|id| ["a", "c"].contains(&id.as_str())), "{moved:?}");
        let all = sites[0].documents();
        assert!(moved.iter().all(|(id, document)| all[id] == *document));
        assert_eq!(moved.len(), ["a", "c"].iter().filter(|id| all.contains_key(**id)).count());
    });
}

#[tokio::test]
async fn only_what_a_selector_matches_moves() {
    struct OfOneId;
    impl replication::Select for OfOneId {
        fn select(&self, documents: Vec<String>) -> Result<Vec<bool>, PeerError> {
            let is_meant = |text: &String| text.starts_with(r#"{"_id":"a","_rev":""#);
            Ok(documents.iter().map(is_meant).collect())
        }
    }
    let mut random = Random::new(7);
    let sites = sites(2);
    for _ in 0..20 {
        sites[0].edit_some(&mut random);
    }
    sites[0].add_leaves("a", 3);
    let filter = replication::Filter::Selector("{}".into());
    let spec = Spec { filter, batch_changes_max: 1, ..Spec::new(sites[0].id_to(&sites[1])) };
    let source = std::sync::Arc::new(sites[0].selecting(std::sync::Arc::new(OfOneId)));
    let surroundings = replication::Surroundings {
        clock: std::sync::Arc::new(|| store::Millis(1_000_000)),
        random: 1,
    };
    let job = replication::Job::start(spec, source, sites[1].peer(), surroundings);
    let outcome = job.outcome().await;
    assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
    let (all, moved) = (sites[0].documents(), sites[1].documents());
    assert_eq!(moved.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(moved["a"], all["a"]);
}

#[tokio::test]
async fn what_the_target_refuses_stays_away_and_is_counted() {
    struct NotA;
    impl replication::Judge for NotA {
        fn judge(
            &self,
            _: &std::sync::Arc<store::Database>,
            edits: &[store::Edit],
        ) -> Result<Vec<Result<(), RefusalReason>>, PeerError> {
            let judged = edits.iter().map(|edit| match edit.id.as_str() {
                "a" => Err(RefusalReason::Final("no".into())),
                _ => Ok(()),
            });
            Ok(judged.collect())
        }
    }
    let mut random = Random::new(9);
    let sites = sites(2);
    for _ in 0..20 {
        sites[0].edit_some(&mut random);
    }
    sites[0].add_leaves("a", 3);
    let spec = Spec::new(sites[0].id_to(&sites[1]));
    let target = std::sync::Arc::new(sites[1].judged_by(std::sync::Arc::new(NotA)));
    let surroundings = replication::Surroundings {
        clock: std::sync::Arc::new(|| store::Millis(1_000_000)),
        random: 1,
    };
    let job = replication::Job::start(spec, sites[0].peer(), target, surroundings);
    let Outcome::Completed(report) = job.outcome().await else { panic!("not completed") };
    let (mut all, moved) = (sites[0].documents(), sites[1].documents());
    let refused = all.remove("a").unwrap().leaves.len() as u64;
    assert!(refused >= 3);
    assert_eq!(report.stats.doc_write_failures, refused);
    assert!(!all.is_empty() && moved.keys().eq(all.keys()));
}

/// A judge that is too busy at first, then misses what stubs stand for.
#[derive(Default)]
struct BusyTwice {
    asked: AtomicU32,
    stubs: AtomicU32,
}

impl replication::Judge for BusyTwice {
    fn judge(
        &self,
        _: &std::sync::Arc<store::Database>,
        edits: &[store::Edit],
    ) -> Result<Vec<Result<(), RefusalReason>>, PeerError> {
        if self.asked.fetch_add(1, Ordering::Relaxed) < 2 {
            return Err(PeerError::Unavailable { status: 503, reason: "busy".into() });
        }
        let has_stub = |edit: &store::Edit| {
            edit.attachments.iter().any(|one| matches!(one.content, store::Content::Stub))
        };
        let judged = edits.iter().map(|edit| match has_stub(edit) {
            true => {
                self.stubs.fetch_add(1, Ordering::Relaxed);
                Err(RefusalReason::MissingStub)
            }
            false => Ok(()),
        });
        Ok(judged.collect())
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_target_could_not_judge_comes_again() {
    let mut random = Random::new(11);
    let sites = sites(2);
    let began = tokio::time::Instant::now();
    let clock: replication::Clock = std::sync::Arc::new(move || {
        let passed = began.elapsed().as_millis();
        store::Millis(1_000_000 + u64::try_from(passed).unwrap())
    });
    for _ in 0..20 {
        sites[0].edit_some(&mut random);
    }
    for round in 0..2 {
        let spec = Spec::new(sites[0].id_to(&sites[1]));
        let judge = std::sync::Arc::new(BusyTwice::default());
        let target = std::sync::Arc::new(sites[1].judged_by(std::sync::Arc::clone(&judge) as _));
        let surroundings =
            replication::Surroundings { clock: std::sync::Arc::clone(&clock), random: 1 };
        let job = replication::Job::start(spec, sites[0].peer(), target, surroundings);
        let outcome = job.outcome().await;
        let Outcome::Completed(report) = outcome else { panic!("{outcome:?}") };
        assert_eq!(report.stats.doc_write_failures, 0);
        assert_eq!(judge.stubs.load(Ordering::Relaxed) > 0, round == 1);
        agree(&sites);
        sites[0].edit_bodies();
    }
}

#[test]
fn winners_alone_move_when_they_alone_are_asked_for() {
    each_seed(20, |random| {
        let sites = sites(2);
        for _ in 0..20 {
            sites[0].edit_some(random);
        }
        sites[0].add_leaves("a", 3);
        let spec = Spec {
            leaves: replication::Leaves::Winner,
            batch_changes_max: random.below(5) as usize + 1,
            ..Spec::new(sites[0].id_to(&sites[1]))
        };
        let ending = Link::new(&sites[0], &sites[1], spec, random).run(&Faults::NONE, random);
        assert!(matches!(ending, Ending::Over(Outcome::Completed(_))));
        let (all, moved) = (sites[0].documents(), sites[1].documents());
        assert!(all["a"].leaves.len() > 1);
        assert_eq!(moved.len(), all.len());
        for (id, document) in moved {
            assert_eq!(document.winner, all[&id].winner);
            let leaves: Vec<_> = document.leaves.into_iter().collect();
            let [(rev, leaf)] = leaves.as_slice() else { panic!("{id}: {leaves:?}") };
            assert_eq!(leaf, &all[&id].leaves[rev]);
        }
    });
}

#[test]
fn a_document_with_very_many_leaves_moves_whole() {
    each_seed(2, |random| {
        let sites = sites(2);
        sites[0].add_leaves("a", 230);
        settle(&sites, random);
        agree(&sites);
        assert_eq!(sites[1].documents()["a"].leaves.len(), 230);
    });
}
