//! The libraries for apps, `clients/rust` and `clients/js`, with their examples.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tests::{Hub, Process, larder};

/// How long a suite or an example may take.
const LIMIT: Duration = Duration::from_secs(120);

/// The example of the crate `larder-client`, which cargo builds before it runs all tests.
#[track_caller]
fn rust_example() -> PathBuf {
    let ourselves = std::env::current_exe().unwrap_or_default();
    // target/debug/deps/clients-…
    let folder = ourselves.ancestors().nth(2).unwrap_or_else(|| Path::new(""));
    let example = folder.join("examples/notes");
    let how = "run `cargo build -p larder-client --example notes` first";
    assert!(example.is_file(), "{} is not there: {how}", example.display());
    example
}

/// A command as a person runs it in a folder of an app's, with a hub to find.
fn app(program: impl AsRef<Path>, folder: &TempDir, hub: &Hub) -> Command {
    let mut command = Command::new(program.as_ref());
    command.current_dir(folder.path()).env("LARDER_DATA_DIR", hub.data_dir());
    command
}

/// Runs a command to its end, and returns what it printed.
#[track_caller]
fn finish(process: &mut Process) -> Vec<String> {
    let (status, lines) = process.await_end(LIMIT);
    assert!(status.success(), "it ended with {status}\n{}", lines.join("\n"));
    lines
}

/// Lets the app in that waits for its owner.
#[track_caller]
fn approve(waiting: &Process, hub: &Hub) {
    waiting.await_line("waiting for the owner", LIMIT).expect("the question to the owner");
    hub.larder(&["app", "approve", "notes-app"]).expect_success();
}

#[test]
fn the_example_in_rust_keeps_notes() {
    let (hub, folder) = (Hub::start(), TempDir::new().expect("a folder"));
    let mut first = Process::start(app(rust_example(), &folder, &hub).arg("buy milk"));
    approve(&first, &hub);
    assert_eq!(finish(&mut first), ["buy milk"]);
    // It is known now, after a restart of the hub too.
    let hub = Hub::start_in(hub.stop());
    assert_eq!(finish(&mut Process::start(&mut app(rust_example(), &folder, &hub))), ["buy milk"]);
    // Another key under its name is not.
    let other = TempDir::new().expect("a folder");
    let mut impostor = app(rust_example(), &other, &hub);
    let mut impostor = Process::start(impostor.stderr(Stdio::null()));
    assert!(!impostor.await_end(LIMIT).0.success());
    hub.stop();
}

mod needs_node {
    use tests::{eventually, node, node_client};

    use super::*;

    const SUITE: [&str; 2] = ["--test", "--test-reporter=spec"];

    #[test]
    fn javascript_by_itself() {
        finish(&mut Process::start(node_client().args(SUITE)));
    }

    #[test]
    fn javascript_with_a_hub() {
        let hub = Hub::start();
        let mut suite = node();
        suite.args(SUITE).arg("client.test.mjs");
        suite.env("LARDER_URLS", hub.owner_url()).env("LARDER_DATA_DIR", hub.data_dir());
        suite.env("LARDER_BIN", larder(&[], &hub.data_dir()).get_program());
        finish(&mut Process::start(&mut suite));
        hub.stop();
    }

    #[test]
    fn the_example_in_javascript_keeps_notes() {
        let (hub, folder) = (Hub::start(), TempDir::new().expect("a folder"));
        let client = node_client();
        let script = client.get_current_dir().expect("a folder").join("examples/notes.mjs");
        let mut example =
            Process::start(app(client.get_program(), &folder, &hub).arg(script).arg("buy milk"));
        approve(&example, &hub);
        example.await_line("in sync", LIMIT).expect("a live sync");
        eventually("the note", || {
            let rows = hub.get("/notes/_all_docs?include_docs=true").json()["rows"].take();
            let mut notes = rows.as_array().into_iter().flatten().map(|row| &row["doc"]["text"]);
            notes.any(|text| text == "buy milk").then_some(()).ok_or_else(|| rows.to_string())
        });
        hub.put("/notes/theirs", serde_json::json!({ "text": "buy bread" })).expect(201);
        example.await_line("pull theirs", LIMIT).expect("the owner's note");
        example.terminate();
        finish(&mut example);
        hub.stop();
    }
}
