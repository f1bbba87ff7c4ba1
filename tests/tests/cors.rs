//! Pages of other origins: who is let in by CouchDB's settings, how far, and with what.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use serde_json::json;
use tests::exchange::{app, check};
use tests::{Client, Hub, Reply};

const OBSIDIAN: &str = "app://obsidian.md";

/// What LiveSync's set-up script writes, and what goes before it.
const LIVESYNC: [(&str, &str); 9] = [
    ("chttpd/require_valid_user", "true"),
    ("chttpd_auth/require_valid_user", "true"),
    ("httpd/WWW-Authenticate", "Basic realm=\"couchdb\""),
    ("httpd/enable_cors", "true"),
    ("chttpd/enable_cors", "true"),
    ("chttpd/max_http_request_size", "4294967296"),
    ("couchdb/max_document_size", "50000000"),
    ("cors/credentials", "true"),
    ("cors/origins", "app://obsidian.md,capacitor://localhost,http://localhost"),
];

fn hub(settings: &[(&str, &str)]) -> Hub {
    let hub = Hub::start();
    for (setting, value) in settings {
        hub.put(&format!("/_node/nonode@nohost/_config/{setting}"), json!(value)).expect(200);
    }
    hub
}

fn from(client: &Client, origin: &str, method: &str, path: &str) -> Reply {
    client.request(method, path).header("origin", origin).send("")
}

fn preflight(client: &Client, origin: &str, method: &str, headers: &str) -> Reply {
    let request = client.request("OPTIONS", "/db/doc").header("origin", origin);
    let request = request.header("access-control-request-method", method);
    request.header("access-control-request-headers", headers).send("")
}

/// The answer's CORS headers: origin and credentials.
fn let_in(reply: &Reply) -> (&str, &str) {
    let header = |name| reply.header(name);
    (header("access-control-allow-origin"), header("access-control-allow-credentials"))
}

#[test]
fn livesync_gets_in_once_its_script_has_run() {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    let nobody = hub.as_principal(None);
    from(&hub, OBSIDIAN, "GET", "/db").expect(403);
    preflight(&nobody, OBSIDIAN, "PUT", "authorization").expect(403);
    hub.post("/_cluster_setup", json!({"action": "enable_single_node"})).expect(201);
    for (setting, value) in LIVESYNC {
        hub.put(&format!("/_node/nonode@nohost/_config/{setting}"), json!(value)).expect(200);
    }
    let hub = Hub::start_in(hub.kill());
    let nobody = hub.as_principal(None);
    for origin in [OBSIDIAN, "capacitor://localhost", "http://localhost"] {
        let reply = preflight(&nobody, origin, "PUT", "authorization, content-type").expect(204);
        assert_eq!(let_in(&reply), (origin, "true"));
        assert_eq!(reply.header("access-control-allow-headers"), "authorization, content-type");
        assert_eq!(
            reply.header("access-control-allow-methods"),
            "CONNECT, COPY, DELETE, GET, HEAD, OPTIONS, POST, PUT, TRACE"
        );
        assert_eq!(reply.header("access-control-max-age"), "600");
        let reply = from(&hub, origin, "GET", "/db").expect(200);
        assert_eq!(let_in(&reply), (origin, "true"));
        let exposed = reply.header("access-control-expose-headers");
        assert!(exposed.starts_with("content-type, cache-control, accept-ranges, etag, server, "));
        assert!(exposed.contains("x-couch-request-id, x-couch-update-newrev"), "{exposed}");
        assert_eq!(reply.header("vary"), "Origin");
        // A page has to be able to read why it was refused.
        let refused = from(&nobody, origin, "GET", "/db").expect(401);
        assert_eq!(let_in(&refused), (origin, "true"));
        assert!(refused.headers.get("www-authenticate").is_none());
    }
    for origin in ["http://localhost:8080", "https://localhost", "app://obsidian.md.evil", "null"] {
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
            let reply = from(&hub, origin, method, "/db").expect(403);
            assert_eq!(let_in(&reply), ("", ""), "{method} {origin}");
        }
    }
}

#[test]
fn the_switch_decides() {
    let origins = ("cors/origins", "http://a.test");
    for (settings, status) in [
        (vec![origins], 403),
        (vec![("chttpd/enable_cors", "true")], 403),
        (vec![origins, ("chttpd/enable_cors", "true")], 200),
        (vec![origins, ("httpd/enable_cors", "true")], 200),
        (vec![origins, ("httpd/enable_cors", "true"), ("chttpd/enable_cors", "false")], 403),
    ] {
        let hub = hub(&settings);
        from(&hub, "http://a.test", "GET", "/_all_dbs").expect(status);
    }
    let hub = hub(&[origins, ("chttpd/enable_cors", "true")]);
    from(&hub, "http://a.test", "GET", "/").expect(200);
    hub.delete("/_node/_local/_config/chttpd/enable_cors").expect(200);
    from(&hub, "http://a.test", "GET", "/").expect(403);
}

#[test]
fn preflights_are_answered_as_the_settings_say() {
    let on = ("chttpd/enable_cors", "true");
    let hub = hub(&[on, ("cors/origins", "http://example.com"), ("cors/max_age", "300")]);
    let nobody = hub.as_principal(None);
    let origin = "http://example.com";
    let reply = preflight(&nobody, origin, "GET", "accept-language").expect(204);
    assert_eq!(let_in(&reply), (origin, ""));
    assert_eq!(reply.header("access-control-allow-headers"), "accept-language");
    assert_eq!(reply.header("access-control-max-age"), "300");
    assert!(reply.body.is_empty());
    preflight(&nobody, origin, "GET", "").expect(204);
    preflight(&nobody, origin, "GET", "Content-Type,X-Requested-With").expect(204);
    // What is not allowed is no preflight, but a request like any other.
    preflight(&nobody, origin, "GET", "x-not-an-allowed-header").expect(401);
    preflight(&nobody, origin, "get", "").expect(401);
    preflight(&hub, origin, "PATCH", "").expect(405);
    from(&hub, origin, "OPTIONS", "/_all_dbs").expect(405);
    for (setting, value) in
        [("methods", "GET, PATCH"), ("headers", "X-Mine"), ("exposed_headers", "X-Own")]
    {
        hub.put(&format!("/_node/_local/_config/cors/{setting}"), json!(value)).expect(200);
    }
    let reply = preflight(&nobody, origin, "PATCH", "x-mine").expect(204);
    assert_eq!(reply.header("access-control-allow-methods"), "GET, PATCH");
    preflight(&hub, origin, "PUT", "x-mine").expect(405);
    preflight(&hub, origin, "GET", "accept-language").expect(405);
    let reply = from(&hub, origin, "GET", "/").expect(200);
    assert_eq!(reply.header("access-control-expose-headers"), "content-type, cache-control, x-own");
}

#[test]
fn a_star_lets_nobody_in_with_what_a_browser_attaches() {
    let settings =
        [("chttpd/enable_cors", "true"), ("cors/origins", "*"), ("cors/credentials", "true")];
    let hub = hub(&settings);
    let (limited, token) = app(&hub, "notes", &["--db", "notes:rw"]);
    let nobody = hub.as_principal(None);
    let evil = "https://evil.test";
    let reply = preflight(&nobody, evil, "PUT", "authorization").expect(204);
    assert_eq!(let_in(&reply), (evil, ""));
    let reply = from(&nobody, evil, "GET", "/").expect(200);
    assert_eq!(let_in(&reply), (evil, ""));
    // Basic is refused, whoever attached it.
    let reply = from(&limited, evil, "GET", "/_all_dbs").expect(403);
    assert_eq!(let_in(&reply), (evil, ""));
    assert!(reply.text("reason").contains("Bearer"));
    from(&limited, evil, "PUT", "/notes").expect(403);
    limited.get("/notes").expect(404);
    // A cookie counts for nothing, and none is given.
    let log_in = json!({"name": "notes", "password": token});
    let session = nobody.post("/_session", &log_in).expect(200);
    let cookie = session.header("set-cookie").split(';').next().unwrap().to_owned();
    let with_cookie = |origin: &str, method: &str, path: &str| {
        let request = nobody.request(method, path).header("origin", origin);
        request.header("cookie", &cookie).send("")
    };
    with_cookie(evil, "GET", "/_all_dbs").expect(401);
    with_cookie(evil, "PUT", "/notes").expect(401);
    limited.get("/notes").expect(404);
    let reply = nobody.request("POST", "/_session").header("origin", evil).send(&log_in);
    assert!(reply.expect(200).headers.get("set-cookie").is_none());
    // A Bearer token is the page's own.
    let bearer = format!("Bearer {token}");
    let request = nobody.request("GET", "/_all_dbs").header("origin", evil);
    request.header("authorization", &bearer).send("").expect(200);
    // Named beside the star, an origin is let in as the settings say.
    hub.put("/_node/_local/_config/cors/origins", json!("*, http://named.test")).expect(200);
    let reply = from(&limited, "http://named.test", "GET", "/_all_dbs").expect(200);
    assert_eq!(let_in(&reply), ("http://named.test", "true"));
    with_cookie("http://named.test", "GET", "/_all_dbs").expect(200);
    let again = format!("{}/_all_dbs", hub.url().trim_end_matches('/'));
    let own = again.trim_end_matches("/_all_dbs").to_owned();
    let reply = with_cookie(&own, "GET", "/_all_dbs").expect(200);
    assert_eq!(let_in(&reply), ("", ""));
}

#[test]
fn a_listed_origin_without_credentials_gets_no_cookies_in() {
    let hub = hub(&[("chttpd/enable_cors", "true"), ("cors/origins", "http://a.test")]);
    let (limited, token) = app(&hub, "notes", &["--db", "notes:rw"]);
    let nobody = hub.as_principal(None);
    let session = nobody.post("/_session", json!({"name": "notes", "password": token})).expect(200);
    let cookie = session.header("set-cookie").split(';').next().unwrap().to_owned();
    let request = nobody.request("GET", "/_all_dbs").header("origin", "http://a.test");
    let reply = request.header("cookie", &cookie).send("").expect(401);
    assert_eq!(let_in(&reply), ("http://a.test", ""));
    // The page's own Authorization header is asked for by a preflight.
    let reply = from(&limited, "http://a.test", "GET", "/_all_dbs").expect(200);
    assert_eq!(let_in(&reply), ("http://a.test", ""));
    check(&hub, "GET /_session", "", "200 ");
}
