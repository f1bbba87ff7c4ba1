//! `cargo xtask test`: needs, the hub's binary, every suite, and one closing line.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::command::{Outcome, Profile, build_hub, cargo, show};
use crate::needs::{self, Need};
use crate::total::Total;

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let must_not_skip =
        std::env::var_os("CI").is_some() || arguments.iter().any(|word| word == "--no-skip");
    let chosen: Vec<_> = arguments.iter().filter(|word| *word != "--no-skip").collect();

    let missing = needs::missing(needs::ALL);
    let hub = build_hub(if chosen.is_empty() { Profile::Tests } else { Profile::Dev })?;

    let skips = skip_words(&missing);
    let mut total = Total::default();
    let mut succeeded = true;
    for arguments in invocations(&chosen) {
        let mut tests = cargo(["test", "--no-fail-fast"]);
        tests.args(arguments).args(&skips).env("LARDER_BIN", &hub);
        succeeded &= count(&mut tests, &mut total)?;
    }
    println!("{total}");

    if !succeeded || total.failed > 0 {
        Err("tests failed".into())
    } else if must_not_skip && (total.skipped > 0 || !missing.is_empty()) {
        Err("tests were skipped, and nothing may be".into())
    } else {
        Ok(())
    }
}

/// What cargo is told to test: what was asked for, else everything.
fn invocations(chosen: &[&String]) -> Vec<Vec<String>> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    if chosen.is_empty() {
        // By itself: cargo would give that crate's `reqwest` to couch_rs too, whose users never chose a
        // provider of cryptography.
        let alone = ["--package", "larder-client", "--features", "reqwest", "--test", "reqwest"];
        // With the bugs on purpose that the simulation has to find, each switched on for a test alone.
        vec![words(&["--workspace", "--features", "simulation/deliberate-bugs"]), words(&alone)]
    } else {
        vec![chosen.iter().map(|word| (*word).clone()).collect()]
    }
}

/// Runs tests to their end, adding them up; whether all went well.
fn count(tests: &mut Command, total: &mut Total) -> Result<bool, String> {
    let line = show(tests);
    let mut child = tests
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            total.add_line(&line);
        }
    }
    let status = child.wait().map_err(|error| format!("waiting for `{line}`: {error}"))?;
    Ok(status.success())
}

/// `-- --skip needs_node …`: what `cargo test` then counts as filtered out is our "skipped".
fn skip_words(missing: &[&Need]) -> Vec<String> {
    if missing.is_empty() {
        return Vec::new();
    }
    let words = missing.iter().flat_map(|need| ["--skip".to_owned(), need.skip_word()]);
    std::iter::once("--".to_owned()).chain(words).collect()
}
