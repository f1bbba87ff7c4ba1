//! `simulation`: one seed, or many.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use simulation::{Bug, Sink, run};

const USAGE: &str =
    "usage: simulation [--seed N [--trace]] [--seeds N] [--from N] [--jobs N] [--bug NAME]";

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    from: u64,
    seeds: u64,
    jobs: u64,
    trace: bool,
    bug: Option<Bug>,
}

impl Wanted {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut wanted = Self { from: 0, seeds: 1000, jobs: 1, trace: false, bug: None };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--bug" {
                let name = arguments.next().ok_or("--bug needs a name")?;
                wanted.bug = Some(name.parse()?);
                continue;
            }
            let mut number = || {
                let text = arguments.next().ok_or_else(|| format!("{argument} needs a number"))?;
                text.parse().map_err(|_| format!("{argument} needs a number, not {text:?}"))
            };
            match argument.as_str() {
                "--seed" => (wanted.from, wanted.seeds) = (number()?, 1),
                "--seeds" => wanted.seeds = number()?,
                "--from" => wanted.from = number()?,
                "--jobs" => wanted.jobs = number()?,
                "--trace" => wanted.trace = true,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(wanted)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted = match Wanted::parse(&arguments) {
        Ok(wanted) => wanted,
        Err(error) => {
            say(&error);
            return ExitCode::FAILURE;
        }
    };
    let begun = Instant::now();
    let failures = run_all(&wanted);
    let seconds = begun.elapsed().as_secs_f64().max(0.001);
    let rate = wanted.seeds as f64 / seconds * 60.0;
    say(&format!("{} seeds in {seconds:.1} s: {rate:.0} a minute", wanted.seeds));
    if failures == 0 {
        return ExitCode::SUCCESS;
    }
    say(&format!("{failures} of {} seeds failed", wanted.seeds));
    ExitCode::FAILURE
}

/// Runs every seed, several at a time, each in a world of its own; how many failed.
fn run_all(wanted: &Wanted) -> u64 {
    let (next, failures) = (AtomicU64::new(wanted.from), AtomicU64::new(0));
    let end = wanted.from.saturating_add(wanted.seeds);
    let work = || {
        // More of them say no more.
        while failures.load(Ordering::Relaxed) < FAILURES_MAX {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let sink: Option<Sink> = wanted.trace.then(|| Box::new(say) as Sink);
            if let Err(failure) = run(seed, wanted.bug, sink) {
                // At once: whoever ends a long run knows what it has found.
                say(&format!("{failure}\n  {} --seed {seed} --trace", replay(wanted.bug)));
                failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        (0..wanted.jobs.max(1)).for_each(|_| drop(scope.spawn(work)));
    });
    failures.into_inner()
}

/// The command that replays a seed, which follows it.
fn replay(bug: Option<Bug>) -> String {
    match bug {
        None => "cargo run -p simulation --".into(),
        Some(bug) => {
            format!("cargo run -p simulation --features deliberate-bugs -- --bug {bug}")
        }
    }
}

/// Failures after which it stops.
const FAILURES_MAX: u64 = 20;

fn say(line: &str) {
    // Whoever listened may have gone.
    let _gone = writeln!(io::stdout(), "{line}");
}
