//! A hub that keeps its port for other hubs, and the replications it is asked for.

use serde_json::json;
use tests::{Hub, HubOptions};

use crate::middle::Middle;
use crate::needs_node::DATABASES;

/// Each request gets a line in the log, so that both protocols can be told from it.
const SETTINGS: &str = "[log]\nrequests = true\n";

/// One device.
pub(crate) struct Device {
    /// What its person calls it.
    pub(crate) name: &'static str,
    hub: Option<Hub>,
    port: String,
}

impl Device {
    /// A new one.
    pub(crate) fn start(name: &'static str) -> Self {
        let hub = Hub::start_with(SETTINGS);
        let port = hub.tls_url().trim_start_matches("https://").trim_end_matches('/').to_owned();
        // Failures wait only a second for their next chance.
        let penalty = "/_node/_local/_config/replicator/min_backoff_penalty_sec";
        hub.put(penalty, json!("1")).expect(200);
        Self { name, hub: Some(hub), port }
    }

    /// Its hub.
    pub(crate) fn hub(&self) -> &Hub {
        self.hub.as_ref().unwrap()
    }

    /// SIGKILL, and a start on what is left.
    pub(crate) fn kill_and_start(&mut self) {
        let folder = self.hub.take().unwrap().kill();
        let options = HubOptions { tls: Some(&self.port), ..HubOptions::default() };
        self.hub = Some(Hub::start_again(folder, &options));
    }

    /// Asks, by documents, for both databases to go both ways between here and pouchdb-server; what is
    /// asked for already stays.
    pub(crate) fn replicate_with(&self, middle: &Middle) {
        for (database, way, path) in jobs() {
            let there = middle.url(database);
            let (source, target) = match way {
                "out" => (database.to_owned(), there),
                _ => (there, database.to_owned()),
            };
            let asked = json!({"source": source, "target": target, "continuous": true});
            let reply = self.hub().put(&path, asked);
            assert!(matches!(reply.status, 201 | 409), "{reply}");
        }
    }

    /// Takes back what was asked for, or asks for it again.
    pub(crate) fn change_mind(&self, middle: &Middle) {
        let mut was_asked = false;
        for (.., path) in jobs() {
            let job = self.hub().get(&path);
            if job.status == 200 {
                was_asked = true;
                self.hub().delete(&format!("{path}?rev={}", job.text("_rev"))).expect(200);
            }
        }
        if !was_asked {
            self.replicate_with(middle);
        }
    }
}

/// The replications: database, way, and the document that asks for it.
fn jobs() -> impl Iterator<Item = (&'static str, &'static str, String)> {
    let both = |database| ["out", "back"].map(|way| (database, way));
    let all = DATABASES.into_iter().flat_map(both);
    all.map(|(database, way)| (database, way, format!("/_replicator/{database}-{way}")))
}
