//! By which protocol hubs were asked, as their logs and pouchdb-server tell.

use serde_json::Value;

use crate::device::Device;
use crate::middle::Middle;

/// Lines of `larder-sync/1` in a log.
const SYNC: &str = "route=\"/_hub/sync/{doc}\"";

/// Lines of CouchDB's protocol in a log.
const COUCHDB: [&str; 4] = [
    "route=\"/{db}/_changes\"",
    "route=\"/{db}/_revs_diff\"",
    "route=\"/{db}/_bulk_docs\"",
    "route=\"/{db}/_local/{local}\"",
];

/// What was asked.
pub(crate) struct Trace {
    /// The log of each hub, whatever became of it.
    logs: Vec<(&'static str, String)>,
    /// What hubs asked pouchdb-server for.
    of_server: Value,
    /// Names of those whom each hub knows, and whether they speak `larder-sync/1`.
    known: Vec<(&'static str, Vec<String>)>,
}

impl Trace {
    /// What the logs tell so far.
    pub(crate) fn of(hubs: &[Device]) -> Self {
        let logs = hubs.iter().map(|device| (device.name, device.hub().log())).collect();
        Self { logs, of_server: Value::Null, known: Vec::new() }
    }

    /// And what was asked for since.
    pub(crate) fn add(&mut self, hubs: &[Device], middle: &Middle) {
        for device in hubs {
            self.logs.push((device.name, device.hub().log()));
            let status = device.hub().get("/_hub/status").expect(200).json();
            let peers = status["peers"].as_array().unwrap().iter();
            let names = peers.map(|peer| peer["name"].as_str().unwrap().to_owned());
            self.known.push((device.name, names.collect()));
        }
        self.of_server = middle.asked();
    }

    fn count(&self, hub: &str, text: &str) -> usize {
        // The last log of a hub has the lines of those before it.
        let last = self.logs.iter().rfind(|(name, _)| *name == hub);
        last.map_or(0, |(_, log)| log.lines().filter(|line| line.contains(text)).count())
    }

    /// Both were spoken: `larder-sync/1` between the devices of each person, CouchDB's protocol by hubs
    /// to pouchdb-server and by PouchDB to a hub; and nothing else joins the two people.
    #[track_caller]
    pub(crate) fn assert_both_protocols(&self) {
        for hub in ["laptop", "phone", "desktop", "tablet"] {
            println!("{hub}: {} times larder-sync/1", self.count(hub, SYNC));
            assert!(self.count(hub, SYNC) > 0, "nobody asked the {hub} by larder-sync/1");
        }
        for route in COUCHDB {
            println!("tablet: {} times {route}", self.count("tablet", route));
            assert!(self.count("tablet", route) > 0, "PouchDB never asked for {route}");
        }
        println!("pouchdb-server: {}", self.of_server);
        for word in ["_changes", "_revs_diff", "_bulk_docs", "_local"] {
            assert!(self.of_server[word].as_u64() > Some(0), "no hub asked for {word}");
        }
        let known = [("laptop", "phone"), ("desktop", "tablet"), ("tablet", "desktop")];
        for (hub, peer) in known {
            let found = self.known.iter().find(|(name, _)| *name == hub).unwrap();
            assert_eq!(found.1, [peer], "{hub} knows one other hub");
        }
    }
}
