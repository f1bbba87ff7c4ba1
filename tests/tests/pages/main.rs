//! The hub's pages, in Debian's Chromium as a person would use them: the scripts `pages-*.test.mjs` in
//! `tests/node`. Screenshots are kept below the target directory, in `tmp/pages`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod entry;
mod tor;

/// Where screenshots are kept.
const SCREENSHOTS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/pages");

mod needs_node {
    mod needs_chromium {
        use tests::{Hub, run_page_suite};

        use crate::SCREENSHOTS;

        #[track_caller]
        fn run(script: &str, hubs: usize) {
            let hubs: Vec<Hub> = (0..hubs).map(|_| Hub::start()).collect();
            let urls: Vec<&str> = hubs.iter().map(Hub::owner_url).collect();
            run_page_suite(script, &urls, SCREENSHOTS);
            for hub in hubs {
                hub.stop();
            }
        }

        #[test]
        fn whoever_has_a_link_gets_in_once() {
            run("pages-entry.test.mjs", 1);
        }

        #[test]
        fn every_page_is_right_for_everybody() {
            run("pages-every.test.mjs", 2);
        }

        #[test]
        fn people_do_what_they_came_for() {
            run("pages-use.test.mjs", 2);
        }

        #[test]
        fn pairing_goes_from_beginning_to_end() {
            run("pages-pairing.test.mjs", 1);
        }

        #[test]
        fn two_hubs_come_together() {
            run("pages-together.test.mjs", 4);
        }

        #[test]
        fn nothing_that_is_shown_is_more_than_text() {
            run("pages-hostile.test.mjs", 2);
        }
    }
}
