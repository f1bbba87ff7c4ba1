//! Feeds that wait, read when they have ended.

use std::thread;
use std::time::{Duration, Instant};

use crate::{check, lines, put, shown, with};

#[test]
fn continuous_feeds_end_by_limit_or_silence() {
    let hub = with(&["a", "b", "c"]);
    assert_eq!(lines(&hub, "timeout=0"), ["1:a", "2:b", "3:c", "3/0"]);
    assert_eq!(lines(&hub, "limit=2"), ["1:a", "2:b", "2/1"]);
    assert_eq!(lines(&hub, "limit=3"), ["1:a", "2:b", "3:c", "3/0"]);
    assert_eq!(lines(&hub, "limit=0"), ["0/3"]);
    assert_eq!(lines(&hub, "since=now&timeout=1"), ["3/0"]);
    assert_eq!(lines(&hub, "descending=true"), ["3:c", "2:b", "1:a", "1/0"]);
    assert_eq!(lines(&hub, "filter=_doc_ids&doc_ids=[\"b\"]&timeout=0"), ["2:b", "3/0"]);
    let begun = Instant::now();
    lines(&hub, "since=now&timeout=300");
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn longpolls_wait_for_one_change() {
    let hub = with(&["a"]);
    let client = hub.client();
    check(&hub, "feed=longpoll", "1:a 1/0");
    check(&hub, "feed=longpoll&since=now&timeout=1", "1/0");
    thread::scope(|scope| {
        // From here, not from now: a request that comes late misses nothing.
        let here = hub.get("/db").expect(200).text("update_seq");
        let poll = format!("/db/_changes?feed=longpoll&since={here}&heartbeat=100");
        let waiting = scope.spawn(move || client.get(&poll).expect(200));
        thread::sleep(Duration::from_millis(500));
        put(&hub, "b");
        let reply = waiting.join().expect("a reply");
        assert_eq!(shown(&reply.json()), "2:b 2/0");
        let newlines = reply.body.iter().filter(|&&byte| byte == b'\n').count();
        assert!(newlines > 5, "too few heartbeats: {reply}");
    });
    thread::scope(|scope| {
        let here = hub.get("/db").expect(200).text("update_seq");
        let only_d = "filter=_doc_ids&doc_ids=[%22d%22]";
        let poll = format!("/db/_changes?feed=longpoll&since={here}&{only_d}");
        let waiting = scope.spawn(move || client.get(&poll).expect(200).json());
        thread::sleep(Duration::from_millis(200));
        put(&hub, "c");
        put(&hub, "d");
        assert_eq!(shown(&waiting.join().expect("a reply")), "4:d 4/0");
    });
}

#[test]
fn continuous_feeds_follow_until_their_limit() {
    let hub = with(&["a"]);
    let client = hub.client();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| lines(client, "limit=101&timeout=30000"));
        for n in 0..100 {
            put(&hub, &format!("b{n:03}"));
        }
        let lines = waiting.join().expect("lines");
        assert_eq!((lines.len(), lines[0].as_str()), (102, "1:a"));
        assert_eq!(&lines[100..], ["101:b099", "101/0"]);
    });
}
