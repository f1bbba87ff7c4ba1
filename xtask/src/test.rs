//! `cargo xtask test`: needs, the hub's binary, every suite, and one closing line.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::command::{EVERYTHING, Outcome, Profile, build_hub, cargo, show};
use crate::needs::{self, Need};
use crate::total::Total;

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let must_not_skip =
        std::env::var_os("CI").is_some() || arguments.iter().any(|word| word == "--no-skip");
    let chosen: Vec<_> = arguments.iter().filter(|word| *word != "--no-skip").collect();

    let missing = needs::missing(needs::ALL);
    let hub = build_hub(Profile::Dev)?;

    let mut tests = cargo(["test", "--no-fail-fast"]);
    if chosen.is_empty() {
        tests.args(EVERYTHING);
    }
    tests.args(chosen).args(skip_words(&missing)).env("LARDER_BIN", hub);

    let line = show(&tests);
    let mut child = tests
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start `{line}`: {error}"))?;
    let mut total = Total::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            total.add_line(&line);
        }
    }
    let status = child.wait().map_err(|error| format!("waiting for `{line}`: {error}"))?;
    println!("{total}");

    if !status.success() || total.failed > 0 {
        Err("tests failed".into())
    } else if must_not_skip && (total.skipped > 0 || !missing.is_empty()) {
        Err("tests were skipped, and nothing may be".into())
    } else {
        Ok(())
    }
}

/// `-- --skip needs_node …`: what `cargo test` then counts as filtered out is our "skipped".
fn skip_words(missing: &[&Need]) -> Vec<String> {
    if missing.is_empty() {
        return Vec::new();
    }
    let words = missing.iter().flat_map(|need| ["--skip".to_owned(), need.skip_word()]);
    std::iter::once("--".to_owned()).chain(words).collect()
}
