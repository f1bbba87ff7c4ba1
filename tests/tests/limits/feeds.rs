//! A thousand followers of one database.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;

use serde_json::json;

use super::socket::{connections, head, send};
use super::{assert_grown_at_most, assert_serves, hub_with, resident_mib};

#[test]
fn a_thousand_feeds_each_get_every_row() {
    let hub = hub_with("");
    let before = resident_mib(&hub);
    let line = "GET /db/_changes?feed=continuous&heartbeat=1000";
    let request = format!("{}\r\n", head(&hub, line));
    let feeds = 0..connections(1_000);
    let feeds: Vec<_> = feeds.map(|_| send(&hub, request.as_bytes())).collect();
    let writes = 20;
    for n in 0..writes {
        assert_serves(&hub, &format!("d{n:02}"));
    }
    for feed in feeds.iter().rev() {
        assert_eq!(ids(feed, writes), (0..writes).map(|n| format!("d{n:02}")).collect::<Vec<_>>());
    }
    // A tenth of a MiB a feed would still be too much.
    assert_grown_at_most(&hub, before, 100);
    // And they go on.
    hub.put("/db/last", json!({})).expect(201);
    for feed in &feeds {
        assert_eq!(ids(feed, 1), ["last"]);
    }
    drop(feeds);
    assert_serves(&hub, "after");
}

/// The ids of the next rows.
fn ids(feed: &TcpStream, count: usize) -> Vec<String> {
    // Nothing is read ahead and lost: rows come only as documents are written.
    let lines = BufReader::new(feed).lines().map(|line| line.expect("a line"));
    let rows = lines.filter(|line| line.starts_with("{\"seq\""));
    let id = |row: String| {
        let row: serde_json::Value = serde_json::from_str(&row).expect("a row");
        row["id"].as_str().unwrap_or_default().to_owned()
    };
    rows.map(id).take(count).collect()
}
