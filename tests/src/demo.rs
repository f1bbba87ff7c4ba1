//! The demo: a real package index in one hub, replicated to another, edited on both.
//!
//! Run by `cargo xtask demo`, and with a few hundred records by `tests/demo.rs`. It prints what it
//! does as it goes; every number about a hub is asked from that hub.
//!
//! On the way a view, a Mango query and a full-text query are asked of both hubs, which have to answer
//! alike.

mod compare;
mod edit;
mod follower;
mod index;
mod load;
mod questions;
mod report;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Hub, encode};
use compare::compare;
use follower::Follower;
use report::{count, rate, say};

/// The database, under one name on both hubs.
const DATABASE: &str = "packages";

/// Written last, and only on hub B: whoever has seen it has seen everything before it.
const MARKER: &str = "end-of-demo";

/// How long the follower may take to catch up, however slow the machine.
const FOLLOWER_LIMIT: Duration = Duration::from_secs(15 * 60);

/// After edits on both sides, one exchange each way suffices; more would be a fault.
const EXCHANGES_MAX: usize = 3;

/// What the demo takes in.
#[derive(Debug, Default)]
pub struct Options {
    /// Only the first so many packages; all when `None`.
    pub records: Option<usize>,
}

/// Runs the demo and returns the differences found between the hubs: none when all is well.
///
/// # Panics
/// When a hub answers something unexpected on the way, with the request and its answer.
pub fn run(options: &Options) -> Vec<String> {
    let start = Instant::now();
    let mut index = index::read();
    index.packages.truncate(options.records.unwrap_or(usize::MAX));
    say(
        "index",
        format!(
            "{} packages from apt-cache dumpavail, {} of them under long ids, {} repeats left out ({:.1} s)",
            count(index.packages.len()),
            count(index.shared_names),
            count(index.repeated),
            start.elapsed().as_secs_f64()
        ),
    );

    let (a, b) = (Hub::start(), Hub::start());
    say("hub A", a.url());
    say("hub B", b.url());
    let b_database = format!("{}{DATABASE}", b.owner_url());
    let differences = Demo { a: &a, b: &b, b_database, creates: true }.run(index.packages);
    for hub in [a, b] {
        hub.stop();
    }
    say("time", format!("{:.1} s", start.elapsed().as_secs_f64()));
    for difference in &differences {
        say("DIFFERS", difference);
    }
    if differences.is_empty() {
        say(
            "result",
            "both hubs and the follower agree about every document, attachment and answer",
        );
    }
    differences
}

/// The same between two hubs of one's own, A reaching B's database by this URL; B has made it, and lets
/// A write there.
///
/// # Panics
/// As [`run`] does.
pub fn between(a: &Hub, b: &Hub, b_database: &str, options: &Options) -> Vec<String> {
    let mut packages = index::read().packages;
    packages.truncate(options.records.unwrap_or(usize::MAX));
    Demo { a, b, b_database: b_database.to_owned(), creates: false }.run(packages)
}

struct Demo<'a> {
    a: &'a Hub,
    b: &'a Hub,
    /// B's database, as A reaches it.
    b_database: String,
    /// Whether A makes it.
    creates: bool,
}

impl Demo<'_> {
    fn run(&self, packages: Vec<index::Package>) -> Vec<String> {
        let Self { a, b, creates, .. } = *self;
        a.put(&format!("/{DATABASE}"), "").expect(201);
        load::documents(a, &packages);
        let attached = load::attachments(a, &packages);
        let ids: Vec<String> = packages.into_iter().map(|package| package.id).collect();

        let asked = questions::begin("A", a);
        asked.show();

        self.push("new database", creates);
        let mut differences = asked.differences(&questions::ask("B", b));

        let follower = Follower::start(b, DATABASE, MARKER);
        edit::both_sides(a, b, &ids, &attached);
        self.exchange();
        b.put(&format!("/{DATABASE}/{MARKER}"), json!({})).expect(201);
        self.pull("the marker");

        let seen = follower.finish();
        differences.extend(compare(a, b, &seen));
        let [ours, theirs] = [("A", a), ("B", b)].map(|(name, hub)| questions::ask(name, hub));
        differences.extend(ours.differences(&theirs));
        for (name, hub) in [("hub A", a), ("hub B", b)] {
            report::sizes(name, hub);
        }
        differences
    }

    /// Replicates both ways until nothing new crosses.
    fn exchange(&self) {
        for round in 1..=EXCHANGES_MAX {
            let what = format!("exchange {round}");
            if self.push(&what, false) + self.pull(&what) == 0 {
                return;
            }
        }
        panic!(
            "after {EXCHANGES_MAX} exchanges in each direction there was still something to write"
        );
    }

    /// Has A push to B; returns how far that moved B.
    fn push(&self, what: &str, create_target: bool) -> u64 {
        let target = &self.b_database;
        let job = json!({ "source": DATABASE, "target": target, "create_target": create_target });
        replicate(self.a, self.b, &format!("A → B, {what}"), &job)
    }

    /// Has A pull from B; returns how far that moved A.
    fn pull(&self, what: &str) -> u64 {
        let job = json!({ "source": self.b_database, "target": DATABASE });
        replicate(self.a, self.a, &format!("B → A, {what}"), &job)
    }
}

/// Runs one replication to its end; returns by how much the target's update sequence rose.
fn replicate(hub: &Hub, target: &Hub, what: &str, job: &Value) -> u64 {
    let before = update_seq(target);
    let start = Instant::now();
    let reply = hub.post("/_replicate", job).expect(200);
    let took = start.elapsed();

    let written = update_seq(target).saturating_sub(before);
    let answer = reply.json();
    assert!(answer["ok"] == json!(true), "{what}: {reply}");
    // With nothing to do, CouchDB answers "no_changes" and shows an earlier session, or none.
    if answer["no_changes"] != json!(true) {
        let session = &answer["history"][0];
        let told = session["docs_written"].as_u64().unwrap_or_default();
        assert!(told >= written, "{what}: {told} written, it says, and {written} arrived: {reply}");
        assert!(session["doc_write_failures"] == json!(0), "{what}: {reply}");
    }
    say("replicate", format!("{what}: {} updates, {}", count(written), rate(written, took)));
    written
}

/// The number that an update sequence starts with; 0 where there is no database yet.
fn update_seq(hub: &Hub) -> u64 {
    let info = hub.get(&format!("/{DATABASE}")).json();
    let seq = info["update_seq"].to_string();
    let number = seq.trim_matches('"').split('-').next().and_then(|number| number.parse().ok());
    number.unwrap_or_default()
}

fn document_path(id: &str) -> String {
    format!("/{DATABASE}/{}", encode(id))
}

fn attachment_path(id: &str, name: &str) -> String {
    format!("{}/{}", document_path(id), encode(name))
}
