//! The demo's own logic on the first few hundred records of the package index.

/// The index comes from apt, the follower runs in Node.
mod needs_apt {
    mod needs_node {
        use tests::demo::{self, Options};

        #[test]
        fn two_hubs_and_a_follower_agree_about_600_packages() {
            let differences = demo::run(&Options { records: Some(600) });
            assert!(differences.is_empty(), "{}", differences.join("\n"));
        }
    }
}
