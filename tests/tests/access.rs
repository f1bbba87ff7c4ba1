//! Who gets in, by which door, with what, and for how long.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::exchange::app;
use tests::{Body, Finished, Hub, Reply, larder};

/// How long something that happens by itself may take.
const SOON: Duration = Duration::from_secs(20);

/// An app whose token a person chose.
#[track_caller]
fn app_with_token(hub: &Hub, name: &str, token: &str) {
    let new = json!({ "name": name, "token": token, "databases": [] });
    hub.post("/_hub/apps", new).expect(201);
}

fn address(hub: &Hub) -> String {
    hub.url().trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// What comes back for these bytes, until the hub closes the connection.
#[track_caller]
fn raw(hub: &Hub, request: &str) -> String {
    let mut stream = TcpStream::connect(address(hub)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    // It may refuse before it has read everything.
    let _refused = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _broken = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[track_caller]
fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < SOON, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn refused(reply: &Reply, word: &str, reason: &str) {
    assert_eq!((reply.text("error").as_str(), reply.text("reason").as_str()), (word, reason));
}

const WRONG: &str = "Name or password is incorrect.";

#[test]
fn nobody_sees_little() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    let nobody = hub.as_principal(None);
    for path in ["/", "/_up", "/_session"] {
        nobody.get(path).expect(200);
    }
    for path in [
        "/_all_dbs",
        "/_uuids",
        "/_active_tasks",
        "/_hub/status",
        "/_hub/apps",
        "/notes",
        "/nowhere",
        "/notes/doc",
        "/notes/_changes",
        "/_users",
        "/_apps",
        "/_nonsense",
        "/notes/_nonsense",
    ] {
        assert_eq!(nobody.get(path).expect(401).text("error"), "unauthorized", "{path}");
    }
    nobody.put("/notes", "").expect(401);
    nobody.post("/_replicate", json!({})).expect(401);
}

#[test]
fn wrong_credentials_are_refused_even_where_none_are_needed() {
    let hub = Hub::start();
    let nobody = hub.as_principal(None);
    for header in ["Basic bm9ib2R5Ondyb25n", "basic b3duZXI6d3Jvbmc=", "Bearer wrong"] {
        let reply = nobody.request("GET", "/").header("authorization", header).send("");
        refused(&reply.expect(401), "unauthorized", WRONG);
    }
    let reply = nobody.request("GET", "/").header("authorization", "Basic !").send("");
    assert_eq!(reply.expect(400).text("error"), "bad_request");
    // CouchDB's way of logging out, and schemes that the hub does not know.
    for header in ["Basic Xzpf", "Digest x", "Negotiate"] {
        nobody.request("GET", "/").header("authorization", header).send("").expect(200);
    }
}

#[test]
fn sessions_begin_and_end_as_in_couchdb() {
    let hub = Hub::start();
    let (_, token) = app(&hub, "notes-app", &["--db", "notes:rw"]);
    let nobody = hub.as_principal(None);
    let log_in = json!({ "name": "notes-app", "password": token });
    let reply = nobody.post("/_session", log_in.clone()).expect(200);
    assert_eq!(reply.body, b"{\"ok\":true,\"name\":\"notes-app\",\"roles\":[]}\n");
    let cookie = reply.header("set-cookie").to_owned();
    for part in ["Version=1", "Max-Age=600", "Path=/", "HttpOnly", "SameSite=Strict", "Expires="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let value = cookie.split(';').next().unwrap().to_owned();
    let with = |cookie: &str| nobody.request("GET", "/_session").header("cookie", cookie).send("");
    let expected = json!({
        "ok": true,
        "userCtx": { "name": "notes-app", "roles": [] },
        "info": {
            "authentication_handlers": ["cookie", "default"],
            "authenticated": "cookie",
            "authentication_db": "_users",
        },
    });
    let session = with(&format!("other=1; {value}; AuthSession=of-another-server")).expect(200);
    assert_eq!(session.json(), expected);
    assert_eq!(hub.get("/_session").json()["info"]["authenticated"], "default");

    let wrong = json!({ "name": "notes-app", "password": "wrong" });
    refused(&nobody.post("/_session", wrong).expect(401), "unauthorized", WRONG);
    nobody.post("/_session", json!({ "password": "x" })).expect(400);
    nobody.post("/_session", Body::bytes("{", "application/json")).expect(400);

    let out = nobody.delete("/_session").expect(200);
    assert!(out.header("set-cookie").starts_with("AuthSession=;"), "{:?}", out.headers);

    // A token that is taken away takes its sessions along, also when the name comes back.
    hub.larder(&["app", "remove", "notes-app"]).expect_success();
    assert_eq!(with(&value).expect(200).json()["userCtx"]["name"], Value::Null);
    app(&hub, "notes-app", &["--db", "notes:rw"]);
    assert_eq!(with(&value).expect(200).json()["userCtx"]["name"], Value::Null);
    nobody.post("/_session", log_in).expect(401);
}

#[test]
fn guessing_is_slowed_and_locks_nobody_out() {
    let hub = Hub::start();
    let (generated, _) = app(&hub, "generated", &[]);
    let token = "a token that somebody chose".replace(' ', "-");
    app_with_token(&hub, "chosen", &token);
    app_with_token(&hub, "known", &token);
    let chosen = hub.as_principal(Some(("chosen", &token)));
    let known = hub.as_principal(Some(("known", &token)));
    known.get("/_session").expect(200);

    for name in ["generated", "chosen", "known", "nobody", "owner"] {
        let guesser = hub.as_principal(Some((name, "wrong")));
        let statuses: Vec<_> = (0..8).map(|_| guesser.get("/").status).collect();
        assert_eq!(statuses[..6], [401; 6], "{name}");
        assert_eq!(statuses[6..], [429; 2], "{name}");
        assert!(guesser.get("/").expect(429).header("retry-after").parse::<u64>().unwrap() >= 1);
    }
    // The hub's own tokens work at any time, and who was in stays in.
    hub.get("/_all_dbs").expect(200);
    generated.get("/_session").expect(200);
    known.get("/_session").expect(200);
    soon("the chosen token works again", || chosen.get("/_session").status == 200);
}

#[test]
fn a_chosen_token_comes_from_standard_input() {
    use std::process::Stdio;
    let hub = Hub::start();
    let add = |token: &str| {
        let mut command = larder(&["app", "add", "chosen", "--token-stdin"], &hub.data_dir());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.as_mut().unwrap();
        child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
        child.wait().unwrap().success()
    };
    assert!(!add("too-short\n"));
    assert!(!add("spaces are not possible\n"));
    assert!(add("0123456789abcdef\n"));
    hub.as_principal(Some(("chosen", "0123456789abcdef"))).get("/_uuids").expect(200);
    let apps = hub.get("/_hub/apps").expect(200);
    let stored = hub.get("/_apps/chosen").expect(200);
    for reply in [apps, stored] {
        assert!(!String::from_utf8_lossy(&reply.body).contains("0123456789abcdef"), "{reply}");
    }
}

#[test]
fn hosts_and_origins_are_exact() {
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    let data_dir = folder.path().join("data");
    fs::create_dir(&data_dir).unwrap();
    let settings = "[http]\norigins = ['app://obsidian.md']\nhosts = ['hub.test']\n";
    fs::write(data_dir.join("larder.toml"), settings).unwrap();
    let hub = Hub::start_in(folder);
    let address = address(&hub);
    let port = address.rsplit(':').next().unwrap();

    let host = |host: &str| hub.request("GET", "/_all_dbs").header("host", host).send("").status;
    for good in [&address, &format!("localhost:{port}"), &format!("[::1]:{port}"), "hub.test"] {
        assert_eq!(host(good), 200, "{good}");
    }
    for bad in ["localhost", "evil.test", &format!("evil.test:{port}"), &format!("hub.test:{port}")]
    {
        assert_eq!(host(bad), 421, "{bad}");
    }
    assert!(raw(&hub, "GET / HTTP/1.1\r\nconnection: close\r\n\r\n").starts_with("HTTP/1.1 400"));
    let twice = format!(
        "GET / HTTP/1.1\r\nconnection: close\r\nhost: {address}\r\nhost: {address}\r\n\r\n"
    );
    assert!(raw(&hub, &twice).starts_with("HTTP/1.1 400"));
    let line =
        format!("GET http://evil.test/ HTTP/1.1\r\nconnection: close\r\nhost: {address}\r\n\r\n");
    assert!(raw(&hub, &line).starts_with("HTTP/1.1 421"));

    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "COPY"] {
        for origin in ["http://evil.test", "null", "http://localhost:1", "app://obsidian.md.evil"] {
            let reply = hub.request(method, "/_session").header("origin", origin).send("");
            assert_eq!(reply.status, 403, "{method} from {origin}");
            assert!(reply.headers.get("access-control-allow-origin").is_none());
        }
    }
    let own = format!("http://localhost:{port}");
    let reply = hub.request("GET", "/_all_dbs").header("origin", &own).send("").expect(200);
    assert!(reply.headers.get("access-control-allow-origin").is_none());

    let nobody = hub.as_principal(None);
    let preflight = nobody
        .request("OPTIONS", "/notes/doc")
        .header("origin", "app://obsidian.md")
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "authorization, content-type")
        .send("")
        .expect(204);
    assert_eq!(preflight.header("access-control-allow-origin"), "app://obsidian.md");
    assert_eq!(preflight.header("access-control-allow-credentials"), "true");
    assert!(preflight.header("access-control-allow-methods").contains("PUT"));
    assert_eq!(preflight.header("access-control-allow-headers"), "authorization, content-type");
    for (client, status) in [(hub.client(), 200), (&nobody, 401)] {
        let reply =
            client.request("GET", "/_all_dbs").header("origin", "app://obsidian.md").send("");
        let reply = reply.expect(status);
        assert_eq!(reply.header("access-control-allow-origin"), "app://obsidian.md");
        assert!(reply.header("access-control-expose-headers").contains("etag"));
        assert_eq!(reply.header("vary"), "Origin");
    }
}

#[test]
fn heads_of_requests_are_bounded() {
    let hub = Hub::start();
    let address = address(&hub);
    let long = format!("GET / HTTP/1.1\r\nhost: {address}\r\nx: {}\r\n\r\n", "x".repeat(100_000));
    assert!(raw(&hub, &long).starts_with("HTTP/1.1 431"));
    let many: String = (0..200).map(|number| format!("x-{number}: x\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nhost: {address}\r\n{many}\r\n");
    assert!(raw(&hub, &many).starts_with("HTTP/1.1 431"));
    assert!(raw(&hub, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    hub.get("/").expect(200);
}

#[test]
fn a_refusal_reaches_clients_that_send_a_lot() {
    let hub = Hub::start();
    let large = vec![b'x'; 20_000_000];
    for (client, status) in [(hub.as_principal(None), 401), (hub.client().clone(), 404)] {
        for path in ["/nowhere/doc/att", "/nowhere/doc"] {
            let body = Body::bytes(large.as_slice(), "application/octet-stream");
            let reply = client.request("PUT", path).header("connection", "close").send(body);
            assert!(reply.status == status || reply.status == 415, "{reply}");
        }
    }
}

#[track_caller]
fn run(data_dir: &Path) -> Finished {
    Finished::of(&mut larder(&["run", "--http", "127.0.0.1:0", "--onion", "off"], data_dir))
}

#[test]
fn a_damaged_key_stops_the_hub_and_stays() {
    let folder = Hub::start().stop();
    let data_dir = folder.path().join("data");
    for name in ["owner-token", "device"] {
        let path = data_dir.join(name);
        let good = fs::read(&path).unwrap();
        for bad in [&good[1..], b"", b"nonsense"] {
            fs::write(&path, bad).unwrap();
            let message = run(&data_dir).expect_failure();
            assert!(message.contains("damaged") && message.contains(name), "{message}");
            assert_eq!(fs::read(&path).unwrap(), bad);
        }
        fs::write(&path, &good).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let message = run(&data_dir).expect_failure();
        assert!(message.contains("chmod 600") && message.contains(name), "{message}");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    Hub::start_in(folder).get("/_all_dbs").expect(200);
}

#[test]
fn the_control_socket_is_the_owners_alone() {
    let hub = Hub::start();
    let runtime = hub.data_dir().join("run").canonicalize().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&runtime), 0o700);
    assert_eq!(mode(&runtime.join("control.sock")), 0o600);
    assert_eq!(mode(&runtime.join("hub.json")), 0o600);
    let json: Value = serde_json::from_slice(&fs::read(runtime.join("hub.json")).unwrap()).unwrap();
    assert_eq!(json["urls"][0], hub.url());
    // What a killed hub leaves is replaced; what a stopped one leaves is nothing.
    let hub = Hub::start_in(hub.kill());
    hub.larder(&["status"]).expect_success();
    let folder = hub.stop();
    assert!(!folder.path().join("data/run").exists());
}
