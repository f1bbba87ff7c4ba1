//! Paths and headers that mean something else than they seem to.

use std::process::Command;

use tempfile::TempDir;
use tests::Finished;

use super::cast::{Cast, Kind};

/// What curl says a request got, sent exactly as it is written.
#[track_caller]
fn curl(cast: &Cast, kind: Kind, arguments: &[&str], path: &str) -> (u16, String) {
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    let (certificate, key) = cast.key(kind).write_to(folder.path());
    let mut command = Command::new("curl");
    command.args(["--silent", "--insecure", "--path-as-is", "--globoff", "--max-time", "60"]);
    command.arg("--cert").arg(certificate).arg("--key").arg(key);
    command.args(["--write-out", "\n%{http_code}"]).args(arguments);
    command.arg(format!("{}{path}", cast.hub.tls_url().trim_end_matches('/')));
    let printed = Finished::of(&mut command).expect_success();
    let (body, status) = printed.trim_end().rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

#[test]
fn no_way_around_through_the_path() {
    let cast = Cast::new();
    for path in [
        "/other",
        "/%6Fther",
        "/other%2Fo",
        "/other/",
        "//other",
        "//other/o",
        "/notes/../other",
        "/notes/%2e%2e/other",
        "/notes/..%2Fother",
        "/./other",
        "/other;x",
        "/other?",
        "/other/o",
        "/notes%2F..%2Fother",
        "/notes//_security",
        "/notes/%5Fsecurity",
        "/notes/_security/",
        "/notes/_security%00",
        "/notes/_security;a=b",
        "/notes/%5f%73ecurity",
        "/notes/_design/../_security",
        "/notes/_local/..%2F_security",
        "/_hub/status",
        "/%5Fhub/status",
        "/_hub%2Fstatus",
        "/_node/_local/_config",
    ] {
        for kind in [Kind::Reader, Kind::Viewer, Kind::Stranger] {
            let (status, body) = curl(&cast, kind, &[], path);
            assert!(matches!(status, 400 | 403 | 404), "{kind:?} {path}: {status} {body}");
            assert!(!body.contains("kestrel"), "{kind:?} {path}: {body}");
        }
    }
}

#[test]
fn no_way_around_through_headers_and_methods() {
    let cast = Cast::new();
    let writes = |arguments: &[&str]| curl(&cast, Kind::Reader, arguments, "/notes/a");
    for header in ["X-HTTP-Method-Override: DELETE", "X-HTTP-Method: PUT", "X-Method-Override: PUT"]
    {
        let (status, _) =
            writes(&["-H", header, "-X", "POST", "-H", "Content-Type: application/json"]);
        assert!(matches!(status, 400 | 403 | 405 | 415), "{header}: {status}");
    }
    for method in ["delete", "DELETE", "put", "Put", "PATCH", "MOVE", "COPY"] {
        let (status, _) = writes(&["-X", method, "-H", "Destination: copied"]);
        assert!(matches!(status, 400 | 403 | 404 | 405), "{method}: {status}");
    }
    cast.hub.get("/notes/a").expect(200);
    cast.hub.get("/notes/copied").expect(404);
}

#[test]
fn whole_urls_in_the_request_line_name_this_hub_or_nobody() {
    let cast = Cast::new();
    let key = serde_json::from_slice::<serde_json::Value>(
        &std::fs::read(cast.hub.data_dir().join("run/hub.json")).unwrap(),
    )
    .unwrap()["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = cast.key(Kind::Stranger).text();
    let tls = cast.hub.tls_url();
    let host = tls.trim_start_matches("https://").trim_end_matches('/').to_owned();
    for (target, expected) in [
        (format!("httpkey://{host}/ed25519publickey:{key}/notes/a"), 200),
        (format!("httpkey://{host}/ed25519publickey:{other}/notes/a"), 421),
        (format!("httpkey://{host}/ed25519publickey:{key}/other"), 404),
        (format!("httpkey://{host}/nonsense/notes/a"), 400),
        ("https://evil.example/notes/a".into(), 421),
    ] {
        // HTTP/2 has no request line.
        let arguments = ["--http1.1", "--request-target", &*target];
        let (status, body) = curl(&cast, Kind::Reader, &arguments, "/notes/a");
        assert_eq!(status, expected, "{target}: {body}");
    }
}

#[test]
fn a_key_and_a_token_are_not_both_heard() {
    let cast = Cast::new();
    let owner = cast.hub.owner_url().trim_start_matches("http://");
    let credentials = owner.split('@').next().unwrap().to_owned();
    let (status, body) = curl(&cast, Kind::Stranger, &["--user", &credentials], "/notes/a");
    assert_eq!(status, 401, "{body}");
    let (status, body) =
        curl(&cast, Kind::Reader, &["-H", "Origin: https://evil.example"], "/notes/a");
    assert_eq!(status, 403, "{body}");
    let (status, body) = curl(&cast, Kind::Reader, &["-H", "Host: evil.example"], "/notes/a");
    assert_eq!(status, 421, "{body}");
}

/// A hub dials by whatever name and port lead here; a browser that could show its key says that it is one.
#[test]
fn another_name_is_heard_from_hubs_that_the_owner_named_and_from_nobody_else() {
    let cast = Cast::new();
    let by_name = |kind, more: &[&str]| {
        let arguments = [&["-H", "Host: forwarded.example:7"], more].concat();
        curl(&cast, kind, &arguments, "/notes/a").0
    };
    assert_eq!(by_name(Kind::Reader, &[]), 421, "a key that is no hub's");
    let key = cast.key(Kind::Reader).text();
    let url = format!("httpkey://127.0.0.1:1/ed25519publickey:{key}/");
    let friend = serde_json::json!({"url": url, "name": "reader's hub"});
    cast.hub.post("/_hub/friends", friend).expect(201);
    assert_eq!(by_name(Kind::Reader, &[]), 200);
    for header in [
        "Origin: https://forwarded.example:7",
        "Sec-Fetch-Site: none",
        "Sec-Fetch-Mode: navigate",
        "sec-ch-ua: x",
        "Referer: https://forwarded.example:7/",
    ] {
        assert_eq!(by_name(Kind::Reader, &["-H", header]), 421, "{header}");
    }
    assert_eq!(by_name(Kind::Reader, &["-X", "DELETE"]), 403, "its rights are what they were");
    assert_eq!(by_name(Kind::Stranger, &[]), 421);
}
