//! Rights that go while an answer is on its way.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::cast::{Cast, Kind};

/// A request of curl's that goes on.
struct Feed {
    curl: Child,
    _folder: TempDir,
}

impl Feed {
    #[track_caller]
    fn open(cast: &Cast, kind: Kind, path: &str) -> Self {
        let folder = TempDir::with_prefix("larder-test-").unwrap();
        let (certificate, key) = cast.key(kind).write_to(folder.path());
        let mut command = Command::new("curl");
        command.args(["--silent", "--insecure", "--no-buffer", "--max-time", "60"]);
        command.arg("--cert").arg(certificate).arg("--key").arg(key);
        command.arg(format!("{}{path}", cast.hub.tls_url().trim_end_matches('/')));
        let curl = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        Self { curl, _folder: folder }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let _ended = self.curl.kill();
        let _reaped = self.curl.wait();
    }
}

/// Takes the reader's right away.
fn withdraw(cast: &Cast) {
    let mut policy = cast.policy();
    policy["readers"] = json!({ "names": [], "roles": [] });
    cast.grant(policy);
}

#[test]
fn a_feed_ends_with_the_right() {
    let cast = Cast::new();
    let path = "/notes/_changes?feed=continuous&heartbeat=1000&include_docs=true";
    let mut feed = Feed::open(&cast, Kind::Reader, path);
    let mut lines = BufReader::new(feed.curl.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("_design/d") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the feed ended early");
    }
    withdraw(&cast);
    cast.hub.put("/notes/later", json!({ "secret": "later" })).expect(201);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("later"), "{rest}");
}

#[test]
fn a_longpoll_ends_with_the_right() {
    let cast = Cast::new();
    let last: Value = cast.hub.get("/notes/_changes").expect(200).json();
    let path =
        format!("/notes/_changes?feed=longpoll&since={}", last["last_seq"].as_str().unwrap());
    let mut feed = Feed::open(&cast, Kind::Reader, &path);
    let mut answer = BufReader::new(feed.curl.stdout.take().unwrap());
    let mut beginning = String::new();
    // The answer begins before it waits.
    answer.read_line(&mut beginning).unwrap();
    withdraw(&cast);
    cast.hub.put("/notes/later", json!({ "secret": "later" })).expect(201);
    let mut rest = String::new();
    answer.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("later"), "{rest}");
}

#[test]
fn a_bulk_read_ends_with_the_right() {
    let cast = Cast::new();
    let text = "x".repeat(100_000);
    for round in 0..40 {
        let docs: Vec<_> = (0..20)
            .map(|n| json!({ "_id": format!("large-{round:02}-{n:02}"), "text": text }))
            .collect();
        cast.hub.post("/notes/_bulk_docs", json!({ "docs": docs })).expect(201);
    }
    let mut feed = Feed::open(&cast, Kind::Reader, "/notes/_all_docs?include_docs=true");
    let mut answer = feed.curl.stdout.take().unwrap();
    let mut first = vec![0; 1 << 20];
    answer.read_exact(&mut first).unwrap();
    // Pipes and sockets hold a few megabytes of the 80 that the whole answer is.
    withdraw(&cast);
    std::thread::sleep(Duration::from_millis(100));
    let mut rest = Vec::new();
    answer.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < 60_000_000, "{} bytes after the right was gone", rest.len());
    assert!(!feed.curl.wait().unwrap().success(), "a part was taken for the whole");
}
