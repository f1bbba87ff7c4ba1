//! Two hubs of one person.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Body, Hub, HubOptions, Link, LinkOptions};

/// Documents written by one request.
const BATCH: u64 = 1000;

/// Where a hub listens for TLS.
pub(crate) fn tls_address(hub: &Hub) -> SocketAddr {
    let url = hub.tls_url();
    url.trim_start_matches("https://").trim_end_matches('/').parse().unwrap()
}

/// Tells a hub of another device of its owner's, which it reaches by this address.
fn add(hub: &Hub, other: &Hub, address: SocketAddr, name: &str) {
    let url = format!("httpkey://{address}/ed25519publickey:{}/", other.key());
    let added = hub.post("/_hub/devices", json!({ "url": url, "name": name }));
    // It may be known by another address.
    assert!(matches!(added.status, 200 | 201), "{added}");
}

/// Makes two hubs devices of one person, each reached over lines of this kind; both start anew, as they have to
/// know what they are called at the other end.
pub(crate) fn introduce(near: Hub, far: Hub, options: LinkOptions) -> ([Hub; 2], [Link; 2]) {
    let links = [&near, &far].map(|hub| Link::to(tls_address(hub), options));
    let again = |hub: Hub, link: &Link| {
        let tls = tls_address(&hub).to_string();
        let settings = format!("[http]\nhosts = ['{}']\n", link.address());
        let options = HubOptions { settings: &settings, tls: Some(&tls), ..HubOptions::default() };
        Hub::start_again(hub.stop(), &options)
    };
    let (near, far) = (again(near, &links[0]), again(far, &links[1]));
    add(&far, &near, links[0].address(), "near");
    add(&near, &far, links[1].address(), "far");
    ([near, far], links)
}

/// About 0.9 kB of JSON that cannot be pressed to less than half.
pub(crate) fn body(number: u64) -> Value {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + (state % 26) as u8)
    };
    let pad: String = (0..800).map(|_| letter()).collect();
    json!({ "_id": format!("doc-{number:08}"), "type": "order", "n": number, "pad": pad })
}

/// Writes documents with these numbers.
pub(crate) fn write(hub: &Hub, database: &str, numbers: std::ops::Range<u64>) {
    let mut start = numbers.start;
    while start < numbers.end {
        let end = (start + BATCH).min(numbers.end);
        let docs: Vec<Value> = (start..end).map(body).collect();
        let text = json!({ "docs": docs }).to_string();
        hub.post(&format!("/{database}/_bulk_docs"), Body::json_text(text)).expect(201);
        start = end;
    }
}

/// How many documents a database has; none where it is not.
pub(crate) fn count(hub: &Hub, database: &str) -> u64 {
    let reply = hub.get(&format!("/{database}"));
    if reply.status == 200 { reply.json()["doc_count"].as_u64().unwrap_or_default() } else { 0 }
}

/// Waits until a database has so many documents; how long that took.
pub(crate) fn until(hub: &Hub, database: &str, documents: u64) -> Duration {
    let began = Instant::now();
    let limit = Duration::from_secs(900);
    while count(hub, database) < documents {
        assert!(began.elapsed() < limit, "{}", hub.get("/_hub/status"));
        std::thread::sleep(Duration::from_millis(5));
    }
    began.elapsed()
}

/// Waits until nothing has been carried for a second.
pub(crate) fn until_quiet(links: &[Link]) {
    let carried = || links.iter().map(|link| link.bytes_there() + link.bytes_back()).sum::<u64>();
    let mut before = carried();
    loop {
        std::thread::sleep(Duration::from_secs(3));
        let now = carried();
        if now == before {
            return;
        }
        before = now;
    }
}
