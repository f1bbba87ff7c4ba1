//! The changes feed: every kind, its options, its ends.

mod live;
mod normal;
mod selectors;
mod socket;
mod waiting;

use serde_json::{Value, json};
use tests::{Client, Hub, Reply, encode};

/// A hub with a database of these documents, written in this order.
fn with(ids: &[&str]) -> Hub {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    for id in ids {
        put(&hub, id);
    }
    hub
}

#[track_caller]
fn put(hub: &Client, id: &str) -> String {
    let path = if id.starts_with('_') { id.to_owned() } else { encode(id) };
    hub.put(&format!("/db/{path}"), json!({"of": id})).expect(201).rev()
}

/// The rows of a feed as `NUMBER:ID`, `-` for no sequence, `!` for deleted; then `last/pending`.
fn shown(feed: &Value) -> String {
    let rows = feed["results"].as_array().cloned().unwrap_or_default();
    let mut shown: Vec<String> = rows.iter().map(row).collect();
    shown.push(format!("{}/{}", number(&feed["last_seq"]), feed["pending"]));
    shown.join(" ")
}

fn row(row: &Value) -> String {
    let mark = if row["deleted"] == true { "!" } else { "" };
    format!("{}:{}{mark}", number(&row["seq"]), row["id"].as_str().unwrap_or_default())
}

fn number(seq: &Value) -> &str {
    seq.as_str().and_then(|seq| seq.split('-').next()).unwrap_or("-")
}

/// The feed, with quotes as they must be sent.
#[track_caller]
fn get(hub: &Client, query: &str) -> Reply {
    hub.get(&format!("/db/_changes?{}", query.replace('"', "%22")))
}

#[track_caller]
fn check(hub: &Client, query: &str, expected: &str) {
    let feed = get(hub, query).expect(200).json();
    assert_eq!(shown(&feed), expected, "{query}");
}

/// The lines of a continuous feed, `{last_seq, pending}` as `NUMBER/PENDING`.
#[track_caller]
fn lines(hub: &Client, query: &str) -> Vec<String> {
    let reply = get(hub, &format!("feed=continuous&{query}")).expect(200);
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let line = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(end) if end.get("last_seq").is_some() => {
            format!("{}/{}", number(&end["last_seq"]), end["pending"])
        }
        Ok(change) => row(&change),
        Err(_) => line.to_owned(),
    };
    text.lines().map(line).collect()
}
