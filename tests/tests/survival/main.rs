//! `kill -9` in a loop, during writes of every kind: every acknowledged write is there afterwards.
//!
//! `LARDER_KILL_ROUNDS` sets the number of kills, `LARDER_KILL_SEED` repeats a run's choices.

mod check;
mod ledger;
mod moments;
mod progress;
mod random;
mod writer;

use std::env;
use std::str::FromStr;
use std::thread;

use tests::Hub;

use check::check;
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
        let folder = write_and_kill(hub, &mut writers, writes);
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

/// Lets all writers write until so many writes are acknowledged, then kills the hub under them.
fn write_and_kill(hub: Hub, writers: &mut [Writer], writes: u64) -> tempfile::TempDir {
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
        progress.await_writes(writes);
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
