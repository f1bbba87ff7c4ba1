//! JavaScript clients against hubs, each with its own idioms: the scripts in `tests/node`.

mod needs_node {
    use tests::{Hub, run_suite};

    #[track_caller]
    fn run(script: &str) {
        let hub = Hub::start();
        run_suite(script, &[hub.owner_url()]);
        hub.stop();
    }

    #[test]
    fn documents() {
        run("documents.test.mjs");
    }

    #[test]
    fn databases() {
        run("databases.test.mjs");
    }

    #[test]
    fn attachments() {
        run("attachments.test.mjs");
    }

    #[test]
    fn changes() {
        run("changes.test.mjs");
    }

    #[test]
    fn replication() {
        let (hub, other) = (Hub::start(), Hub::start());
        run_suite("replication.test.mjs", &[hub.owner_url(), other.owner_url()]);
        hub.stop();
        other.stop();
    }

    #[test]
    fn pouchdb_server() {
        run("pouchdb-server.test.mjs");
    }

    #[test]
    fn sync() {
        run("sync.test.mjs");
    }

    #[test]
    fn views() {
        run("views.test.mjs");
    }

    #[test]
    fn find() {
        run("find.test.mjs");
    }

    #[test]
    fn nano() {
        run("nano.test.mjs");
    }

    #[test]
    fn nano_server() {
        run("nano-server.test.mjs");
    }

    #[test]
    fn cloudant() {
        run("cloudant.test.mjs");
    }

    #[test]
    fn cloudant_feeds() {
        run("cloudant-feeds.test.mjs");
    }

    #[test]
    fn couchbackup() {
        run("couchbackup.test.mjs");
    }

    #[test]
    fn couchimport() {
        run("couchimport.test.mjs");
    }

    #[test]
    fn livesync() {
        run("livesync.test.mjs");
    }
}
