//! Node scripts in `tests/node` and Python scripts in `tests/python`, run against hubs; the library for
//! apps in `clients/js`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Process;

const SUITE_LIMIT: Duration = Duration::from_secs(5 * 60);

/// A `node` command in `tests/node`.
///
/// # Panics
/// When the scripts' modules are not installed.
#[track_caller]
pub fn node() -> Command {
    node_in(&here().join("node"))
}

/// A `node` command in `clients/js`.
///
/// # Panics
/// When the modules of its example are not installed.
#[track_caller]
pub fn node_client() -> Command {
    node_in(&here().join("../clients/js"))
}

#[track_caller]
fn node_in(folder: &Path) -> Command {
    assert!(
        folder.join("node_modules").is_dir(),
        "{} has no node_modules: `cargo xtask test` installs them",
        folder.display()
    );
    let mut command = Command::new("node");
    command.current_dir(folder);
    command
}

/// Runs one of the scripts with Node's test runner; `urls` are the hubs it may use.
///
/// # Panics
/// With everything it printed, when a test in it fails.
#[track_caller]
pub fn run_suite(script: &str, urls: &[&str]) {
    let mut command = node();
    command.args(["--test", "--test-reporter=spec", script]).env("LARDER_URLS", urls.join(" "));
    run(script, &mut command);
}

/// Runs one of the scripts that drive a browser; what it shows is kept in the folder `screenshots`.
///
/// # Panics
/// With everything it printed, when a test in it fails.
#[track_caller]
pub fn run_page_suite(script: &str, urls: &[&str], screenshots: &str) {
    let mut command = node();
    command.args(["--test", "--test-reporter=spec", script]).env("LARDER_URLS", urls.join(" "));
    run(script, command.env("LARDER_SCREENSHOTS", screenshots));
}

/// Runs one of the Python scripts in the environment that has their packages, on one hub.
///
/// # Panics
/// When the packages are not installed, and with everything it printed, when a test in it fails.
#[track_caller]
pub fn run_python_suite(script: &str, url: &str) {
    let tests = here();
    let python = tests.join("../target/python/bin/python");
    assert!(python.is_file(), "{} is not there: `cargo xtask test` installs it", python.display());
    let mut command = Command::new(python);
    // Warnings are about the packages' own code.
    command.args(["-B", "-W", "ignore", script, url]).current_dir(tests.join("python"));
    run(script, &mut command);
}

#[track_caller]
fn run(script: &str, command: &mut Command) {
    let (status, lines) = Process::start(command).await_end(SUITE_LIMIT);
    assert!(status.success(), "{script} ended with {status}\n{}", lines.join("\n"));
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
