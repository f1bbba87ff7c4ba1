//! The libraries for apps, `clients/rust` and `clients/js`, with their examples.

mod needs_node {
    #[test]
    fn javascript_by_itself() {
        tests::run_client_suites();
    }
}
