//! Python clients against hubs, each with its own idioms: the scripts in `tests/python`.

mod needs_python {
    use tests::{Hub, run_python_suite};

    #[track_caller]
    fn run(script: &str) {
        let hub = Hub::start();
        run_python_suite(script, hub.owner_url());
        hub.stop();
    }

    #[test]
    fn couchdb3() {
        run("couchdb3_suite.py");
    }

    #[test]
    fn ibmcloudant() {
        run("ibmcloudant_suite.py");
    }

    #[test]
    fn older_clients() {
        run("older_suite.py");
    }
}
