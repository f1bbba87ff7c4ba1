//! `kill -9` in a loop, during writes of every kind: every acknowledged write is there afterwards.
//!
//! `LARDER_KILL_ROUNDS` sets the number of kills, `LARDER_KILL_SEED` repeats a run's choices.

mod check;
mod files;
mod indexes;
mod ledger;
mod moments;
mod progress;
#[path = "../../../store/tests/support/random.rs"]
mod random;
mod writer;

use std::env;
use std::str::FromStr;
use std::thread;

use tests::Hub;

use check::check;
use files::is_compacting;
use progress::Progress;
use random::Random;
use writer::{Kind, Writer};

/// Where all writers but the databases' own write.
const DATABASE: &str = "survival";

const ROUNDS: u64 = 8;

/// How many acknowledged writes a round lets pass before it kills, at the most.
const WRITES_MAX: u64 = 1_200;

#[test]
fn every_acknowledged_write_survives_kill_9() {
    let rounds = setting("LARDER_KILL_ROUNDS").unwrap_or(ROUNDS);
    let seed = setting("LARDER_KILL_SEED").unwrap_or_else(random::fresh_seed);
    let mut random = Random::new(seed);
    let mut writers: Vec<_> = Kind::ALL
        .iter()
        .enumerate()
        .map(|(number, kind)| Writer::new(*kind, number, random.next()))
        .collect();

    let mut hub = Hub::start();
    hub.put(&format!("/{DATABASE}"), "").expect(201);
    for round in 1..=rounds {
        let writes = 1 + random.below(WRITES_MAX);
        let folder = write_and_kill(hub, &mut writers, |progress| progress.await_writes(writes));
        hub = Hub::start_in(folder);
        // Now and then the hub is killed again before anybody has spoken to it.
        if round % 3 == 0 {
            hub = Hub::start_in(hub.kill());
        }
        let wrong = check(&hub, &mut writers);
        assert!(
            wrong.is_empty(),
            "round {round} of LARDER_KILL_SEED={seed}, killed after {writes} writes:\n{}",
            wrong.join("\n")
        );
    }

    hub.larder(&["verify"]).expect_success();
    let hub = Hub::start_in(hub.stop());
    assert_eq!(check(&hub, &mut writers), Vec::<String>::new(), "after a clean end and start");
}

/// Compaction that nobody asks for: the least that is superseded begins it.
const COMPACTING: &str = "[compaction]\nsuperseded_percent = 1\nbytes_min = 1\n";

/// Kills in the middle of it that are enough, and attempts at them.
const COMPACTIONS_MET: usize = 3;
const ATTEMPTS: usize = 30;

#[test]
fn every_acknowledged_write_survives_kill_9_while_databases_compact_themselves() {
    let seed = setting("LARDER_KILL_SEED").unwrap_or_else(random::fresh_seed);
    let mut random = Random::new(seed);
    let kinds = Kind::ALL.iter().filter(|kind| !matches!(kind, Kind::Compaction));
    let mut writers: Vec<_> =
        kinds.enumerate().map(|(number, kind)| Writer::new(*kind, number, random.next())).collect();
    let mut hub = Hub::start_with(COMPACTING);
    hub.put(&format!("/{DATABASE}"), "").expect(201);
    let (mut met, mut attempts) = (0, 0);
    while met < COMPACTIONS_MET {
        attempts += 1;
        assert!(attempts <= ATTEMPTS, "{met} compactions met in {ATTEMPTS} attempts");
        let data = hub.data_dir();
        let folder = write_and_kill(hub, &mut writers, |progress| {
            progress.await_writes(1 + random.below(WRITES_MAX / 4));
            progress.await_sight("a database that compacts itself", || is_compacting(&data));
        });
        // What is seen now was under way when the hub died.
        met += usize::from(is_compacting(&folder.path().join("data")));
        hub = Hub::start_in(folder);
        let wrong = check(&hub, &mut writers);
        assert!(
            wrong.is_empty(),
            "attempt {attempts} of LARDER_KILL_SEED={seed}:\n{}",
            wrong.join("\n")
        );
    }
    hub.larder(&["verify"]).expect_success();
    let hub = Hub::start_in(hub.stop());
    assert_eq!(check(&hub, &mut writers), Vec::<String>::new(), "after a clean end and start");
}

/// Lets all writers write until the time has come, then kills the hub under them.
fn write_and_kill(
    hub: Hub,
    writers: &mut [Writer],
    await_moment: impl FnOnce(&Progress),
) -> tempfile::TempDir {
    let progress = Progress::default();
    thread::scope(|scope| {
        let client = hub.client().clone();
        let threads: Vec<_> = writers
            .iter_mut()
            .map(|writer| {
                let (client, progress) = (client.clone(), &progress);
                scope.spawn(move || writer.run(&client, progress))
            })
            .collect();
        await_moment(&progress);
        progress.announce_kill();
        let folder = hub.kill();
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        folder
    })
}

fn setting<T: FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}
