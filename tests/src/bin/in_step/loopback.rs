//! A first copy from hub to hub, as fast as it goes.

use std::time::Instant;

use serde_json::json;
use tests::{Hub, Process, median, node, pair};

use crate::Extent;
use crate::pair::{until, write};

/// Documents that PouchDB copies: it takes its time.
const POUCHDB_DOCUMENTS: u64 = 10_000;

/// What Apache CouchDB 3.5.0 does alone on two cores of this kind, between two databases of one node.
const COUCHDB_PER_SECOND: f64 = 3_840.0;

pub(crate) fn measure(extent: &Extent) {
    let (mut sync, mut couch, mut pouch) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=extent.rounds {
        sync.push(by_sync(extent.documents));
        couch.push(by_couchdb_protocol(extent.documents));
        pouch.push(by_pouchdb());
        let last = [&sync, &couch, &pouch].map(|rates| rates[rates.len() - 1]);
        println!("round {round}: larder-sync/1, CouchDB's protocol, PouchDB: {last:.0?} docs/s");
    }
    let [sync, couch, pouch] = [&mut sync, &mut couch, &mut pouch].map(|rates| median(rates));
    println!("larder-sync/1, hub to hub over TLS: {sync:.0} docs/s");
    println!("CouchDB's protocol, the same: {couch:.0} docs/s");
    println!("PouchDB's replicator between two hubs: {pouch:.0} docs/s");
    println!(
        "{:.1} times Apache CouchDB's replicator, {:.1} times PouchDB's",
        sync / COUCHDB_PER_SECOND,
        sync / pouch
    );
}

fn full(documents: u64) -> Hub {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    write(&hub, "notes", 0..documents);
    hub
}

fn by_sync(documents: u64) -> f64 {
    let (near, far) = (Hub::start(), full(documents));
    let began = Instant::now();
    pair(&near, &far);
    until(&near, "notes", documents);
    documents as f64 / began.elapsed().as_secs_f64()
}

fn by_couchdb_protocol(documents: u64) -> f64 {
    let (near, far) = (Hub::start(), full(documents));
    let members = json!({ "members": { "names": [near.key()], "roles": [] } });
    far.put("/notes/_security", members).expect(200);
    let source = format!("{}notes", far.key_url());
    let job = json!({ "source": source, "target": "notes", "create_target": true });
    let began = Instant::now();
    near.post("/_replicate", job).expect(200);
    let rate = documents as f64 / began.elapsed().as_secs_f64();
    until(&near, "notes", documents);
    rate
}

fn by_pouchdb() -> f64 {
    let (near, far) = (Hub::start(), full(POUCHDB_DOCUMENTS));
    near.put("/notes", "").expect(201);
    let script = "const PouchDB = require('pouchdb');
        const [from, to] = process.argv.slice(1).map((url) => new PouchDB(url, { skip_setup: true }));
        PouchDB.replicate(from, to, { batch_size: 1000 }).then((done) => process.exit(done.ok ? 0 : 1));";
    let urls = [&far, &near].map(|hub| format!("{}notes", hub.owner_url()));
    let mut command = node();
    command.args(["--eval", script, "--"]).args(urls);
    let began = Instant::now();
    let (status, lines) =
        Process::start(&mut command).await_end(std::time::Duration::from_secs(600));
    assert!(status.success(), "{lines:?}");
    POUCHDB_DOCUMENTS as f64 / began.elapsed().as_secs_f64()
}
