//! Feeds that live on: what they show, what they cost, what ends them.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::Hub;

use crate::socket::Live;
use crate::{put, row, with};

#[test]
fn event_sources() {
    let hub = with(&["a"]);
    let mut live = Live::open(&hub, "feed=eventsource&heartbeat=50");
    let data = live.line().expect("data");
    let seq = live.line().expect("id");
    let change: Value = serde_json::from_str(data.trim_start_matches("data: ")).expect("JSON");
    assert_eq!(row(&change), "1:a");
    assert_eq!(seq, format!("id: {}", change["seq"]));
    assert_eq!(live.line().expect("heartbeat"), "event: heartbeat");
    let reply = hub
        .request("GET", "/db/_changes?feed=eventsource&timeout=1&since=0")
        .header("last-event-id", change["seq"].to_string().as_str())
        .send("")
        .expect(200);
    assert_eq!(reply.header("content-type"), "text/event-stream");
    assert!(reply.body.is_empty(), "{reply}");
}

#[test]
fn deleting_the_database_ends_its_feeds() {
    let hub = with(&["a"]);
    let mut live = Live::open(&hub, "feed=continuous&heartbeat=true");
    assert!(live.line().expect("a row").contains("\"a\""));
    hub.delete("/db").expect(200);
    assert!(live.rest().contains("last_seq"));
}

#[test]
fn stopping_the_hub_ends_feeds_well() {
    let hub = with(&["a"]);
    let mut live = Live::open(&hub, "feed=continuous&heartbeat=true");
    let mut poll = Live::open(&hub, "feed=longpoll&since=now");
    assert!(live.line().expect("a row").contains("\"a\""));
    assert_eq!(poll.line().as_deref(), Some("{\"results\":["));
    hub.stop();
    assert!(live.rest().contains("{\"last_seq\":\"1-"));
    assert!(poll.rest().contains("\"last_seq\":\"1-"));
}

#[test]
fn taking_the_right_away_ends_the_feed() {
    let hub = with(&["a"]);
    let url = hub.larder(&["app", "add", "reader", "--db", "db:r"]).expect_success();
    let mut live = Live::open_as(url.trim(), "feed=continuous&heartbeat=100");
    assert!(live.line().expect("a row").contains("\"a\""));
    hub.larder(&["app", "remove", "reader"]).expect_success();
    put(&hub, "b");
    assert!(!live.rest().contains("\"b\""));
}

#[test]
fn heads_of_feeds_come_at_once() {
    let hub = with(&["a"]);
    for query in ["feed=continuous&since=now&heartbeat=true", "feed=normal", "feed=longpoll"] {
        let reply = hub.request("HEAD", &format!("/db/_changes?{query}")).send("").expect(200);
        assert!(reply.body.is_empty(), "{reply}");
        // Returns when the head of the answer is there.
        Live::open(&hub, query);
    }
}

#[test]
fn a_thousand_idle_feeds_cost_no_threads_and_no_files() {
    let hub = with(&["a"]);
    let pid = pid(&hub);
    let before = (threads(pid), files(pid));
    let mut feeds: Vec<Live> =
        (0..1000).map(|_| Live::open(&hub, "feed=continuous&heartbeat=true")).collect();
    for feed in &mut feeds {
        assert!(feed.line().expect("a row").contains("\"a\""));
    }
    put(&hub, "b");
    for feed in &mut feeds {
        assert!(feed.line().expect("a row").contains("\"b\""));
    }
    // Threads that may block are kept some ten seconds for the next work, so nothing is asked of
    // the hub meanwhile; the database keeps the connections that the feeds read with by turns.
    let began = Instant::now();
    loop {
        let now = (threads(pid), files(pid));
        if now.0 <= before.0 + 8 && now.1 <= before.1 + 50 {
            break;
        }
        let late = began.elapsed() > Duration::from_secs(60);
        assert!(!late, "(threads, files): {before:?} before, {now:?} with 1,000 feeds");
        thread::sleep(Duration::from_millis(200));
    }
}

fn threads(pid: u64) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads").count()
}

/// Files that are open, sockets aside.
fn files(pid: u64) -> usize {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("files");
    let names = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    names.filter(|name| !name.to_string_lossy().starts_with("socket:")).count()
}

fn pid(hub: &Hub) -> u64 {
    let status = hub.larder(&["status", "--json"]).expect_success();
    let status: Value = serde_json::from_str(&status).expect("JSON");
    status["pid"].as_u64().expect("a pid")
}
