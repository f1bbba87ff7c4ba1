//! A hub that runs out of file handles: it says so, waits, and goes on when there are some again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use tests::exchange::error;
use tests::{Body, Hub};

const PATIENCE: Duration = Duration::from_secs(60);

/// Lets the hub have so many handles.
fn allow(hub: &Hub, handles: u64) {
    let pid = i32::try_from(hub.pid()).ok().and_then(Pid::from_raw);
    let limit = prlimit(pid, Resource::Nofile, Rlimit { current: Some(handles), maximum: None });
    limit
        .map(drop)
        .or_else(|_| {
            // Who may not lift the upper limit leaves it.
            let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
            let limit = Rlimit { current: Some(handles), maximum };
            prlimit(pid, Resource::Nofile, limit).map(drop)
        })
        .expect("another limit");
}

fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !seen() {
        assert!(Instant::now() < deadline, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn waits_for_file_handles() {
    let hub = Hub::start();
    for name in ["open", "other"] {
        hub.put(&format!("/{name}"), "").expect(201);
        hub.put(&format!("/{name}/doc"), json!({"n": 1})).expect(201);
    }
    // The connection of `hub` is open by now, and so is the database's file.
    hub.get("/open/doc").expect(200);
    // What is open stays open, and there is more of it than that.
    allow(&hub, 8);

    let full = error(503, "service unavailable", "too many files are open");
    let refused = hub.put("/more", "");
    assert_eq!(
        format!("{} {}", refused.status, String::from_utf8_lossy(&refused.body).trim()),
        full
    );
    let large = Body::bytes(vec![7; 300_000], "image/png");
    hub.put("/open/late/a", large).expect(503);
    hub.put("/open/doc2", json!({"n": 2})).expect(201);
    hub.get("/open/doc2").expect(200);

    let address = hub.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut waiting: Vec<_> =
        (0..10).map(|_| TcpStream::connect(&address).expect("the system accepts")).collect();
    for stream in &mut waiting {
        stream
            .write_all(b"GET /_up HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .expect("sent");
    }
    until("running out of handles", || hub.log().contains("cannot accept connections"));
    for number in 0..100 {
        hub.put(&format!("/open/while-{number}"), json!({"n": number})).expect(201);
    }
    assert_eq!(hub.log().matches("cannot accept connections").count(), 1, "{}", hub.log());

    allow(&hub, 4096);
    for mut stream in waiting {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    }
    hub.put("/more", "").expect(201);
    let large = Body::bytes(vec![7; 300_000], "image/png");
    hub.put("/open/late/a", large).expect(201);
    assert_eq!(hub.get("/open").expect(200).json()["doc_count"], json!(103));
    hub.larder(&["verify"]).expect_success();
    let hub = Hub::start_in(hub.stop());
    assert_eq!(hub.get("/open").expect(200).json()["doc_count"], json!(103));
}
