//! Whatever the policies are, nothing of a database reaches whoever may not read it.

use serde_json::{Value, json};
use tests::{Client, Hub, Key, Reply};

/// Policies that are tried; each asks some hundred questions.
const ROUNDS: u64 = 12;

const DATABASES: [&str; 4] = ["amber", "birch", "cobalt", "dune"];

/// Numbers that follow from a seed: the same policies every time.
struct Chance(u64);

impl Chance {
    /// The next number below `bound`.
    ///
    /// Source: SplitMix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// What a key may do with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Nothing,
    View,
    Read,
}

/// A hub with four databases, in each of which everything is marked by a word of its own.
fn hub() -> Hub {
    let hub = Hub::start();
    for name in DATABASES {
        hub.put(&format!("/{name}"), "").expect(201);
        let marked = |what: &str| format!("{name}-{what}-kestrel");
        for n in 0..7 {
            let id = marked(&format!("id{n}"));
            let doc = json!({ "secret": marked("body"), "n": n, "tag": marked("tag") });
            hub.put(&format!("/{name}/{id}"), doc).expect(201);
        }
        // Conflicts and tombstones say something too.
        let conflict = json!({ "docs": [{ "_id": marked("id0"), "_rev": format!("1-{name}"), "x": 1 },
            { "_id": marked("gone"), "_rev": format!("2-{name}"), "_deleted": true }], "new_edits": false });
        hub.post(&format!("/{name}/_bulk_docs"), conflict).expect(201);
        let design = json!({
            "marker": marked("design"),
            "views": {
                "one": { "map": "function (d) { if (d.n === 1) { emit('shown', 'row'); } }" },
                "sum": { "map": "function (d) { if (d.n) { emit('k', d.n); } }", "reduce": "_sum" },
            },
        });
        hub.put(&format!("/{name}/_design/d"), design).expect(201);
    }
    hub
}

/// Draws who may do what, and tells the hub.
fn draw(hub: &Hub, keys: &[Key], chance: &mut Chance) -> Vec<Vec<Right>> {
    let mut rights = vec![vec![Right::Nothing; DATABASES.len()]; keys.len()];
    for (place, name) in DATABASES.into_iter().enumerate() {
        let (mut readers, mut members, mut viewers) = (Vec::new(), Vec::new(), Vec::new());
        for (who, key) in keys.iter().enumerate() {
            let (list, right) = match chance.below(5) {
                0 => (&mut readers, Right::Read),
                1 => (&mut members, Right::Read),
                2 => (&mut viewers, Right::View),
                _ => continue,
            };
            list.push(key.text());
            rights[who][place] = right;
        }
        let policy = json!({
            "readers": { "names": readers, "roles": [] },
            "members": { "names": members, "roles": [] },
            "views": { "d/one": { "names": viewers, "roles": [] } },
        });
        hub.put(&format!("/{name}/_security"), policy).expect(200);
    }
    rights
}

/// Every question that is asked about a database.
fn questions(name: &str) -> Vec<(&'static str, String, Value)> {
    let id = format!("{name}-id1-kestrel");
    let get = |path: String| ("GET", path, Value::Null);
    let mut all: Vec<_> = [
        "",
        "/_all_docs",
        "/_all_docs?include_docs=true&conflicts=true",
        "/_all_docs?update_seq=true",
        "/_changes",
        "/_changes?style=all_docs&include_docs=true",
        "/_changes?descending=true&limit=1",
        "/_design_docs?include_docs=true",
        "/_local_docs",
        "/_design/d",
        "/_design/d/_info",
        "/_design/d/_view/one?include_docs=true",
        "/_design/d/_view/one?update_seq=true",
        "/_design/d/_view/one?conflicts=true&include_docs=true",
        "/_design/d/_view/sum",
        "/_design/d/_view/sum?reduce=false",
        "/_index",
        "/_revs_limit",
        "/_purged_infos_limit",
        "/_purged_infos",
        "/_security",
        "/_shards",
        "/_partition/x",
        "/_nonsense",
    ]
    .into_iter()
    .map(|rest| get(format!("/{name}{rest}")))
    .collect();
    all.extend([
        get(format!("/{name}/{id}")),
        get(format!("/{name}/{id}?revs=true&meta=true")),
        get(format!("/{name}/{id}?open_revs=all")),
        get(format!("/{name}/{name}-gone-kestrel")),
        get(format!("/{name}/{id}/file")),
        ("HEAD", format!("/{name}"), Value::Null),
        ("HEAD", format!("/{name}/{id}"), Value::Null),
        ("POST", format!("/{name}/_all_docs"), json!({ "keys": [id] })),
        ("POST", format!("/{name}/_all_docs/queries"), json!({ "queries": [{}] })),
        ("POST", format!("/{name}/_bulk_get"), json!({ "docs": [{ "id": id }] })),
        ("POST", format!("/{name}/_changes?filter=_doc_ids"), json!({ "doc_ids": [id] })),
        ("POST", format!("/{name}/_revs_diff"), json!({ (id.clone()): ["9-x"] })),
        ("POST", format!("/{name}/_missing_revs"), json!({ (id.clone()): ["9-x"] })),
        ("POST", format!("/{name}/_find"), json!({ "selector": { "n": { "$gt": 0 } } })),
        ("POST", format!("/{name}/_explain"), json!({ "selector": { "n": 1 } })),
        ("POST", format!("/{name}/_design/d/_view/one"), json!({ "include_docs": true })),
        (
            "POST",
            format!("/{name}/_design/d/_view/one/queries"),
            json!({ "queries": [{ "include_docs": true }] }),
        ),
        ("PUT", format!("/{name}/{id}"), json!({})),
        ("PUT", format!("/{name}"), Value::Null),
        ("DELETE", format!("/{name}/{id}"), Value::Null),
        ("POST", format!("/{name}/_bulk_docs"), json!({ "docs": [{ "_id": id }] })),
    ]);
    all
}

fn ask(client: &Client, (method, path, body): &(&str, String, Value)) -> Reply {
    let request = client.request(method, path);
    if body.is_null() { request.send("") } else { request.send(body) }
}

/// Everything that came back, headers too.
fn text(reply: &Reply) -> String {
    format!("{:?} {}", reply.headers, String::from_utf8_lossy(&reply.body))
}

#[test]
fn nothing_of_a_forbidden_database_reaches_anybody() {
    let hub = hub();
    let keys: Vec<_> = (0..3).map(|_| Key::new()).collect();
    let clients: Vec<_> = keys.iter().map(|key| hub.as_key(Some(key))).collect();
    let sequences: Vec<String> = DATABASES
        .iter()
        .map(|name| hub.get(&format!("/{name}")).json()["update_seq"].as_str().unwrap().to_owned())
        .collect();
    let missing = |client: &Client, question: &(&str, String, Value), name: &str| {
        let path = question.1.replacen(name, "nowhere", 1);
        let reply = ask(client, &(question.0, path, question.2.clone()));
        (reply.status, String::from_utf8_lossy(&reply.body).into_owned())
    };
    for seed in 0..ROUNDS {
        let mut chance = Chance(seed);
        let rights = draw(&hub, &keys, &mut chance);
        for (who, client) in clients.iter().enumerate() {
            for (place, name) in DATABASES.into_iter().enumerate() {
                let right = rights[who][place];
                if right == Right::Read {
                    client.get(&format!("/{name}/_all_docs")).expect(200);
                    continue;
                }
                let told = format!("seed {seed}, key {who}, {name}, {right:?}");
                for question in questions(name) {
                    let reply = ask(client, &question);
                    let said = text(&reply);
                    for trace in ["kestrel", "etag", &sequences[place], "doc_count", "_rev\""] {
                        assert!(!said.contains(trace), "{told}: {question:?} said {trace}: {said}");
                    }
                    assert!(matches!(reply.status, 403 | 404), "{told}: {question:?}: {reply:?}");
                    if right == Right::Nothing {
                        let body = String::from_utf8_lossy(&reply.body).into_owned();
                        assert_eq!(
                            (reply.status, body),
                            missing(client, &question, name),
                            "{told}"
                        );
                    }
                }
                let view = client.get(&format!("/{name}/_design/d/_view/one"));
                match right {
                    Right::View => {
                        let row = json!([{ "id": format!("{name}-id1-kestrel"), "key": "shown",
                            "value": "row" }]);
                        assert_eq!(view.expect(200).json()["rows"], row, "{told}");
                    }
                    Right::Nothing | Right::Read => assert_eq!(view.status, 404, "{told}"),
                }
            }
            client.get("/_all_dbs").expect(403);
            client.get("/_active_tasks").expect(403);
        }
    }
}
