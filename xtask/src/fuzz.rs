//! `cargo xtask fuzz`: the fuzz targets, one after the other.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use crate::command::{self, Outcome, output_of, workspace};

/// How long each target runs unless it is said.
const SECONDS: u64 = 60;

/// What a target may hold in memory, in MiB.
const MEMORY_MIB_MAX: u64 = 2048;

/// Seconds that one input may take.
const INPUT_SECONDS_MAX: u64 = 20;

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let Wanted { target, seconds } = Wanted::parse(arguments)?;
    if output_of("rustup", &["run", "nightly", "cargo", "fuzz", "--version"]).is_none() {
        return Err(
            "needs `rustup toolchain install nightly` and `cargo install cargo-fuzz`".into()
        );
    }
    let targets = match target {
        Some(target) => vec![target],
        None => targets()?,
    };
    targets.iter().try_for_each(|target| fuzz(target, seconds))
}

#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    target: Option<String>,
    seconds: u64,
}

impl Wanted {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut wanted = Self { target: None, seconds: SECONDS };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--seconds" {
                let seconds = arguments.next().and_then(|text| text.parse().ok());
                wanted.seconds = seconds.ok_or("--seconds needs a number")?;
            } else if argument.starts_with('-') || wanted.target.is_some() {
                return Err(format!("unexpected {argument:?}"));
            } else {
                wanted.target = Some(argument.clone());
            }
        }
        Ok(wanted)
    }
}

/// The names of all targets: one folder of seeds each.
fn targets() -> Result<Vec<String>, String> {
    let folder = workspace().join("fuzz/seeds");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<_> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// What is found grows in `fuzz/target/corpus`; what fails is kept in `fuzz/target/failures`.
fn fuzz(target: &str, seconds: u64) -> Outcome {
    let folder = workspace().join("fuzz");
    let corpus = folder.join("target/corpus").join(target);
    let failures = folder.join("target/failures").join(target);
    for made in [&corpus, &failures] {
        fs::create_dir_all(made).map_err(|error| format!("{}: {error}", made.display()))?;
    }
    let mut prefix = OsString::from("-artifact_prefix=");
    prefix.push(failures.join(""));
    let mut cargo = Command::new("rustup");
    // The crates hold no unsafe code, so that there is nothing to find for a sanitizer.
    cargo.args(["run", "nightly", "cargo", "fuzz", "run", "--sanitizer", "none", target]);
    cargo.arg(corpus).arg(folder.join("seeds").join(target)).arg("--").arg(prefix);
    cargo.arg(format!("-max_total_time={seconds}"));
    cargo.arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"));
    cargo.arg(format!("-timeout={INPUT_SECONDS_MAX}"));
    command::run(cargo.arg("-print_final_stats=1").current_dir(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str], expected: Result<(Option<&str>, u64), &str>) {
        let arguments: Vec<_> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let parsed = Wanted::parse(&arguments);
        let expected =
            expected.map(|(target, seconds)| Wanted { target: target.map(str::to_owned), seconds });
        assert_eq!(parsed, expected.map_err(str::to_owned), "{arguments:?}");
    }

    #[test]
    fn arguments() {
        check(&[], Ok((None, SECONDS)));
        check(&["rev", "--seconds", "5"], Ok((Some("rev"), 5)));
        check(&["--seconds", "5"], Ok((None, 5)));
        check(&["--seconds"], Err("--seconds needs a number"));
        check(&["a", "b"], Err("unexpected \"b\""));
        check(&["--x"], Err("unexpected \"--x\""));
    }
}
