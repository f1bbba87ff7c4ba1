//! Every row of the table of routes, as the compatibility page lists it, for those who may do nothing.

use serde_json::{Value, json};

use super::cast::{Cast, Kind};

/// A feed that has no end.
const FEED: &str = "/_hub/feed";

/// Method and path of each row that exists, and whether anybody may ask.
fn rows() -> Vec<(String, String, bool)> {
    let page = include_str!("../../../docs/compat.md");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [endpoint, _, "done" | "partly", _] = cells[..] else { return None };
        let endpoint = endpoint.trim_start_matches("| ").trim_matches('`');
        let (method, path) = endpoint.split_once(' ')?;
        let anybody =
            ["/", "/_up", "/_session", "/_utils", "/_utils/{rest}", "/favicon.ico", "/_hub/enrol"];
        // The pages, and whoever begins or ends a session with them.
        let pages = path.starts_with("/_hub/ui") || path == "/_hub/session";
        let is_public = anybody.contains(&path) || pages;
        let path = path.replace("{db}", "notes").replace("{doc}", "a").replace("{design}", "d");
        let path = path.replace("{view}", "all").replace("{node}", "_local");
        let path = path.replace(['{', '}'], "");
        Some((method.to_owned(), path, is_public))
    });
    rows.collect()
}

/// What requests of all kinds could have changed.
fn state(cast: &Cast) -> Vec<Value> {
    let paths = [
        "/notes/_all_docs",
        "/notes/_security",
        "/notes/_revs_limit",
        "/_all_dbs",
        "/_apps/_all_docs",
    ];
    let mut state: Vec<Value> = paths.map(|path| cast.hub.get(path).expect(200).json()).into();
    state.push(cast.hub.get("/notes").expect(200).json()["update_seq"].clone());
    state
}

#[test]
fn whoever_has_no_right_gets_nothing_from_any_row() {
    let cast = Cast::new();
    let rows = rows();
    assert!(rows.len() > 120, "{} rows", rows.len());
    let before = state(&cast);
    let mut wrong = Vec::new();
    for kind in [Kind::Anonymous, Kind::Stranger, Kind::Viewer, Kind::Blocked] {
        let client = cast.client(kind);
        for (method, path, is_public) in rows.iter().filter(|(.., is_public)| !is_public) {
            // Whoever is known at all may listen, and hears of what it may read.
            if kind == Kind::Viewer && path == FEED {
                continue;
            }
            let request = client.request(method, path).header("destination", "copied");
            let status = request.try_send(json!({})).map_or(0, |reply| reply.status);
            let in_database = path.starts_with("/notes");
            let expected = match kind {
                Kind::Anonymous => 401,
                // Whoever is known at all learns where the hub is found, and tells it by which key it
                // looks for it; `{}` is none.
                Kind::Viewer if path == "/_hub/onion/address" => 200,
                Kind::Viewer if path == "/_hub/onion/client-key" => 400,
                Kind::Viewer if path == "/_hub/reached" => 200,
                Kind::Viewer if path.starts_with("/_hub/sync/") => 404,
                Kind::Blocked => 0,
                // Nobody waits for anybody: there is nothing.
                Kind::Stranger | Kind::Viewer if path.starts_with("/_hub/pair/") => 404,
                Kind::Stranger if in_database => 404,
                _ => 403,
            };
            if status != expected {
                wrong.push(format!("{kind:?} {method} {path}: {status}, not {expected}"));
            }
            assert!(!is_public);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(state(&cast), before);
}

#[test]
fn a_reader_changes_nothing_by_any_row() {
    let cast = Cast::new();
    let before = state(&cast);
    for kind in [Kind::Reader, Kind::Member, Kind::AppReader] {
        let client = cast.client(kind);
        for (method, path, _) in rows() {
            if path.contains("/_local/") || path == "/_session" || path == FEED {
                continue;
            }
            let request = client.request(&method, &path).header("destination", "copied");
            let reply = request.send(json!({ "docs": [{ "_id": "written" }] }));
            assert!(reply.status < 500, "{kind:?} {method} {path}: {reply:?}");
        }
    }
    assert_eq!(state(&cast), before);
}
