//! Two people and three hubs, from the first start on: the same story in the hub's pages and by the command
//! line alone.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod command_line;

mod needs_node {
    mod needs_chromium {
        use std::process::Command;

        use serde_json::json;
        use tests::{Finished, Hub, Key, run_page_suite};

        /// Where screenshots are kept.
        const SCREENSHOTS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/story");

        #[test]
        fn by_clicking_in_the_pages() {
            let hubs = [Hub::start(), Hub::start(), Hub::start()];
            let databases = json!([{"name": "recipes", "write": true}]);
            let (name, key) = ("recipe-book", Key::new().text());
            let question = json!({"name": name, "key": key, "databases": databases});
            // As a program of the same person asks.
            let mut command = Command::new("curl");
            command.args(["--silent", "--fail", "--unix-socket"]);
            command.arg(hubs[0].data_dir().join("run/control.sock"));
            command.args(["-H", "Content-Type: application/json", "-d", &question.to_string()]);
            command.arg("http://localhost/_hub/enrolments");
            Finished::of(&mut command).expect_success();
            let urls: Vec<&str> = hubs.iter().map(Hub::owner_url).collect();
            run_page_suite("pages-story.test.mjs", &urls, SCREENSHOTS);
            for hub in hubs {
                hub.stop();
            }
        }
    }
}
