//! The loss of power at any moment: what was acknowledged is there at the next start, and nothing
//! else but the one write that was in flight.
//!
//! A store does its work under strace; from what it did to its files, the disks are made that a loss
//! of power could have left behind, and a store is opened on each. `LARDER_POWER_CUTS` sets how many,
//! `LARDER_POWER_SEED` repeats a run's choices.

#![allow(clippy::unwrap_used, reason = "tests")]

mod disk;
mod state;
#[path = "../support/mod.rs"]
mod support;
mod trace;
mod workload;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use disk::{Disk, Loss};
use store::Store;
use support::{Random, fresh_seed, options};
use trace::Event;
use workload::{Runner, Step};

/// Names the folder to work in, for the process that is traced.
const WORK_IN: &str = "LARDER_POWER_FOLDER";

const CUTS: u64 = 300;
const STEPS: u64 = 60;

/// Above so many cuts the write-ahead log is filled until it is checkpointed by itself.
const CUTS_WITH_CHECKPOINT: u64 = 1000;

mod needs_strace {
    use super::*;

    #[test]
    fn nothing_acknowledged_is_lost_with_the_power() {
        let cuts = setting("LARDER_POWER_CUTS").unwrap_or(CUTS);
        let seed = setting("LARDER_POWER_SEED").unwrap_or_else(fresh_seed);
        let steps = workload::steps(seed, STEPS, cuts >= CUTS_WITH_CHECKPOINT);
        if let Some(folder) = env::var_os(WORK_IN) {
            return work(&PathBuf::from(folder), &steps);
        }
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let events = traced(&folder, seed);
        let states = states(&steps);
        let tally = cut(&events, &steps, &states, cuts, seed);
        assert!(tally.wrong.is_empty(), "LARDER_POWER_SEED={seed}\n{}", tally.wrong.join("\n"));
        assert!(tally.cuts >= cuts / 2, "{} cuts only", tally.cuts);
    }
}

/// The traced process: takes the steps, telling of each when it is done.
fn work(folder: &Path, steps: &[Step]) {
    let mut acks = fs::File::create_new(folder.join("acks")).unwrap();
    let data = folder.join("disk/data");
    let mut runner = Runner::new(Some(&data));
    for (number, step) in steps.iter().enumerate() {
        runner.take(number as u64, step);
        acks.write_all(format!("{}\n", number + 1).as_bytes()).unwrap();
    }
    runner.join();
    runner.store().close();
}

fn traced(folder: &Path, seed: u64) -> Vec<Event> {
    fs::create_dir(folder.join("disk")).unwrap();
    let trace = folder.join("trace");
    let mut command = trace::strace(&trace, &env::current_exe().unwrap());
    command.args(["--exact", "needs_strace::nothing_acknowledged_is_lost_with_the_power"]);
    command.env(WORK_IN, folder).env("LARDER_POWER_SEED", seed.to_string());
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let events = trace::read(&trace, &folder.join("disk"), &folder.join("acks"));
    fs::remove_file(trace).unwrap();
    events
}

/// What can be seen after each step, the state before the first one included.
fn states(steps: &[Step]) -> Vec<String> {
    let mut runner = Runner::new(None);
    let mut states = vec![state::of(runner.store()).unwrap()];
    for (number, step) in steps.iter().enumerate() {
        runner.take(number as u64, step);
        states.push(state::of(runner.store()).unwrap());
    }
    runner.join();
    states
}

#[derive(Default)]
struct Tally {
    cuts: u64,
    wrong: Vec<String>,
}

/// Findings that are shown; the first tell enough.
const WRONG_MAX: usize = 5;

fn cut(events: &[Event], steps: &[Step], states: &[String], cuts: u64, seed: u64) -> Tally {
    let mut random = Random::new(seed ^ 0x5eed);
    let moments = moments(events, cuts / 3, &mut random);
    let losses = (cuts / moments.len().max(1) as u64).max(1);
    let (mut disk, mut done, mut tally) = (Disk::new(), 0, Tally::default());
    let scratch = scratch(cuts);
    let remains = scratch.path().join("remains");
    for (at, event) in events.iter().enumerate() {
        disk.apply(event);
        if let Event::Done(step) = event {
            done = *step as usize;
        }
        if !moments.contains(&at) {
            continue;
        }
        for number in 0..losses {
            let all = Loss::ALL;
            let kind = if losses >= all.len() as u64 { number } else { random.next() };
            let loss = all[kind as usize % all.len()];
            disk.write_remains(&remains, loss, &mut random);
            let step = steps.get(done);
            if let Err(wrong) = check(&remains.join("data"), &states[done..], random.below(4) == 0)
            {
                let event = format!("{event:?}");
                let event = &event[..event.len().min(200)];
                tally.wrong.push(format!(
                    "cut {} after event {at} ({event}), {done} steps done, then {step:?}, \
                     {loss:?} lost: {wrong}",
                    tally.cuts
                ));
            }
            tally.cuts += 1;
            fs::remove_dir_all(&remains).unwrap();
            if tally.wrong.len() >= WRONG_MAX {
                return tally;
            }
        }
    }
    tally
}

/// Where the disks are made: in memory, where nothing waits for a real one, as long as they are small.
fn scratch(cuts: u64) -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if cuts < CUTS_WITH_CHECKPOINT && memory.is_dir() {
        return tempfile::tempdir_in(memory).unwrap();
    }
    tempfile::tempdir().unwrap()
}

/// When the power goes: mostly around what makes things durable, moves, removes or acknowledges.
fn moments(events: &[Event], count: u64, random: &mut Random) -> BTreeSet<usize> {
    let telling = |(at, event): (usize, &Event)| match event {
        Event::Write { .. } | Event::SetLength { .. } => vec![],
        Event::Make { .. } | Event::Rename { .. } | Event::Remove { .. } | Event::Done(_) => {
            vec![at]
        }
        Event::Sync { .. } => vec![at.saturating_sub(1), at],
    };
    let telling: Vec<usize> = events.iter().enumerate().flat_map(telling).collect();
    let mut moments = BTreeSet::new();
    for number in 0..count {
        moments.insert(match number % 4 {
            0 => random.below(events.len() as u64) as usize,
            _ => telling[random.below(telling.len() as u64) as usize],
        });
    }
    moments
}

/// Whether a store opens and shows the first of these states or the second.
fn check(data: &Path, states: &[String], use_it: bool) -> Result<(), String> {
    let store = Store::open(data, &options()).map_err(|error| format!("not opened: {error:?}"))?;
    let found = state::of(&store).map_err(|error| format!("not read: {error:?}"))?;
    let expected = &states[..states.len().min(2)];
    if !expected.contains(&found) {
        return Err(format!("found:\n{found}\nexpected:\n{}", expected.join("\nor:\n")));
    }
    for database in store.databases() {
        let findings = database.verify().map_err(|error| format!("not verified: {error:?}"))?;
        if !findings.is_empty() {
            return Err(format!("{}: {findings:?}", database.name()));
        }
        if use_it {
            let compacted = database.compact(&mut |_, _| {});
            compacted.map_err(|error| format!("not compacted: {error:?}"))?;
        }
    }
    if use_it {
        let left = leftovers(data);
        if !left.is_empty() {
            return Err(format!("left over: {left:?}"));
        }
        let again = state::of(&store).map_err(|error| format!("not read again: {error:?}"))?;
        if again != found {
            return Err(format!("compaction changed it from:\n{found}\nto:\n{again}"));
        }
    }
    store.close();
    Ok(())
}

/// Files that a store should have removed.
fn leftovers(data: &Path) -> Vec<PathBuf> {
    let mut left: Vec<_> = fs::read_dir(data.join("trash")).unwrap().flatten().collect();
    let databases = fs::read_dir(data.join("databases")).unwrap().flatten();
    // What is in the trash is tidied when it comes back.
    let is_live =
        |entry: &fs::DirEntry| !entry.file_name().to_string_lossy().starts_with("deleted-");
    for database in databases.filter(is_live) {
        let files = fs::read_dir(database.path()).unwrap().flatten();
        let mains: Vec<_> =
            files.filter(|file| file.file_name().to_string_lossy().ends_with(".sqlite")).collect();
        if mains.len() != 1 {
            left.extend(mains);
        }
        let attachments = fs::read_dir(database.path().join("att")).unwrap().flatten();
        left.extend(attachments.filter(|file| file.path().is_file()));
    }
    left.into_iter().map(|entry| entry.path()).collect()
}

fn setting<T: FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}
