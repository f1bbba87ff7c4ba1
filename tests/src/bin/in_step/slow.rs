//! Over a line with a round trip of 600 ms and 200 kB/s each way.

use std::time::{Duration, Instant};

use tests::{Hub, HubOptions, LinkOptions, median};

use crate::Extent;
use crate::pair::{introduce, tls_address, until, until_quiet, write};

const ROUND_TRIP: Duration = Duration::from_millis(600);

const LINE: LinkOptions =
    LinkOptions { delay: Duration::from_millis(300), bytes_per_second: Some(200_000) };

/// As much as comes, for what is not measured.
const FAST: LinkOptions = LinkOptions { delay: Duration::ZERO, bytes_per_second: None };

const DOCUMENTS: u64 = 10_000;

pub(crate) fn measure(extent: &Extent) {
    first_copy();
    news(extent.rounds);
    nothing_new(extent.quiet);
}

fn first_copy() {
    let (near, far) = (Hub::start(), Hub::start());
    far.put("/notes", "").expect(201);
    write(&far, "notes", 0..DOCUMENTS);
    let ([near, _far], links) = introduce(near, far, LINE);
    let began = Instant::now();
    until(&near, "notes", DOCUMENTS);
    let (took, bytes) = (began.elapsed(), links[1].bytes_back());
    let line = Duration::from_secs_f64(bytes as f64 / 200_000.0);
    println!(
        "{DOCUMENTS} documents over the slow line: {:.1} s for {:.2} MB, {:.2} times the bytes' own time",
        took.as_secs_f64(),
        bytes as f64 / 1e6,
        took.as_secs_f64() / line.as_secs_f64()
    );
}

fn news(rounds: usize) {
    let (near, far) = (Hub::start(), Hub::start());
    far.put("/notes", "").expect(201);
    let ([near, far], links) = introduce(near, far, LINE);
    write(&far, "notes", 0..1);
    until(&near, "notes", 1);
    until_quiet(&links);
    let mut trips = Vec::new();
    for round in 0..rounds as u64 {
        write(&far, "notes", 1 + round * 100..1 + (round + 1) * 100);
        let took = until(&near, "notes", 1 + (round + 1) * 100);
        trips.push(took.as_secs_f64() / ROUND_TRIP.as_secs_f64());
        until_quiet(&links);
    }
    println!("100 new documents visible at the other end: {:.2} round trips", median(&mut trips));
}

/// What it costs to find out, after a restart, that nothing is new: where nothing at all was written meanwhile, and
/// where each hub was told of another way to the other, which is written into the databases of the system.
fn nothing_new(documents: u64) {
    let (near, far) = (Hub::start(), Hub::start());
    far.put("/notes", "").expect(201);
    write(&far, "notes", 0..documents);
    let ([near, far], links) = introduce(near, far, FAST);
    until(&near, "notes", documents);
    until_quiet(&links);
    links.iter().for_each(|link| link.become_like(LINE));
    let before = links[1].bytes_back();
    // Whoever dials is started last, so that it need not try twice.
    let far = again(far);
    let near = again(near);
    say_when_in_step(&near, &far, &format!("nothing new in {documents} documents"), || {
        until_quiet(&links);
        links[1].bytes_back() - before
    });

    drop(links);
    let ([near, far], links) = introduce(near, far, LINE);
    say_when_in_step(&near, &far, "the same, and new ways to each other", || {
        until_quiet(&links);
        links[1].bytes_back()
    });
}

/// The same hub on the same port, started anew.
fn again(hub: Hub) -> Hub {
    let tls = tls_address(&hub).to_string();
    let options = HubOptions { tls: Some(&tls), ..HubOptions::default() };
    Hub::start_again(hub.stop(), &options)
}

/// Waits until it is known that nothing is new; `bytes` waits until nothing is said any more, and what was said.
fn say_when_in_step(near: &Hub, far: &Hub, what: &str, bytes: impl Fn() -> u64) {
    let began = Instant::now();
    while !is_in_step(near) {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", near.get("/_hub/status"));
        std::thread::sleep(Duration::from_millis(5));
    }
    let took = began.elapsed();
    let bytes = bytes();
    println!(
        "{what}: known {:.2} round trips after dialling (TCP and TLS take two), {} requests for changes, {bytes} bytes from the other hub",
        took.as_secs_f64() / ROUND_TRIP.as_secs_f64(),
        far.mesh_figure("answers"),
    );
}

fn is_in_step(hub: &Hub) -> bool {
    let peer = hub.peer("far")["databases"].clone();
    let has = |of: &serde_json::Value| of["offered"] == of["in_step"];
    peer["offered"].as_u64() > Some(0) && has(&peer) && has(&peer["system"])
}
