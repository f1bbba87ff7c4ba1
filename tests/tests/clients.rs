//! The libraries for apps, `clients/rust` and `clients/js`, with their examples.

use std::process::Command;
use std::time::Duration;

use tests::Process;

/// How long a suite or an example may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a command to its end.
#[track_caller]
fn finish(command: &mut Command) {
    let (status, lines) = Process::start(command).await_end(LIMIT);
    assert!(status.success(), "it ended with {status}\n{}", lines.join("\n"));
}

mod needs_node {
    use tests::{Hub, node, node_client};

    use super::finish;

    const SUITE: [&str; 2] = ["--test", "--test-reporter=spec"];

    #[test]
    fn javascript_by_itself() {
        finish(node_client().args(SUITE));
    }

    #[test]
    fn javascript_with_a_hub() {
        let hub = Hub::start();
        let mut suite = node();
        suite.args(SUITE).arg("client.test.mjs");
        suite.env("LARDER_URLS", hub.owner_url()).env("LARDER_DATA_DIR", hub.data_dir());
        finish(&mut suite);
        hub.stop();
    }
}
