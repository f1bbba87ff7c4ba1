//! What keeps hubs from being in step, each named by `larder why` in a sentence.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod liar;

use std::collections::BTreeMap;
use std::net::TcpListener;

use serde_json::{Value, json};
use tests::{Hub, await_status, now_ms, pair, stamped};

use crate::liar::{Liar, damaged_batch};

/// The reason has this in its sentence, and the command says the same.
#[track_caller]
fn check(hub: &Hub, query: &str, code: &str, words: &[&str]) {
    let reason = hub.await_reason(query, code);
    let sentence = reason["sentence"].as_str().unwrap();
    for word in words {
        assert!(sentence.contains(word), "{word}: {sentence}");
    }
    assert!(sentence.ends_with('.'), "{sentence}");
}

/// Two devices, one of them with a document that the other one has.
#[track_caller]
fn devices() -> (Hub, Hub) {
    let (first, second) = (Hub::start(), Hub::start());
    pair(&first, &second);
    first.put("/notes", "").expect(201);
    first.put("/notes/a", json!({})).expect(201);
    await_status(&second, "/notes/a", 200);
    (first, second)
}

#[test]
fn nobody_was_added() {
    let hub = Hub::start();
    check(&hub, "", "no_peers", &["larder pair"]);
    hub.get("/_hub/why?peer=phone").expect(404);
    let said = hub.larder(&["why"]).expect_finding();
    assert!(said.contains("No device and no friend"), "{said}");
}

#[test]
fn a_peer_that_was_never_there() {
    let (hub, other) = (Hub::start(), Hub::start());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("httpkey://127.0.0.1:{port}/ed25519publickey:{}/", other.key());
    hub.post("/_hub/devices", json!({"url": url, "name": "phone"})).expect(201);
    check(&hub, "peer=phone", "unreachable", &["phone", "refused", "has never been reached"]);
}

#[test]
fn a_peer_that_is_off() {
    let (first, second) = devices();
    let _folder = first.kill();
    check(&second, "peer=first", "unreachable", &["first", "was last reached", "tried again"]);
    let said = second.larder(&["why"]).expect_finding();
    assert!(said.contains("was last reached"), "{said}");
}

/// There is nothing to say, and the command says so.
#[track_caller]
fn check_all_is_well(hub: &Hub) {
    tests::eventually("nothing to say", || match hub.why("") {
        reasons if reasons.is_empty() => Ok(()),
        reasons => Err(format!("{reasons:?}")),
    });
    assert_eq!(hub.larder(&["why"]).expect_success().trim(), "Everything is in step.");
}

#[test]
fn a_friend_who_is_off() {
    let (anna, bert) = friends("read");
    bert.take_offer("Anna", "recipes");
    await_status(&bert, "/recipes/soup", 200);
    check_all_is_well(&anna);
    let _folder = bert.kill();
    check(&anna, "peer=Bert", "unreachable", &["Bert", "was last reached", "tried again"]);
    // Bert has everything, and owes nothing.
    check_all_is_well(&anna);
    let shown = anna.larder(&["status"]).expect_success();
    assert!(shown.contains("Bert: last seen"), "{shown}");
    // What Bert does not have is worth a word, and why he does not.
    anna.put("/recipes/cake", json!({})).expect(201);
    check(&anna, "", "not_fetched", &["Bert has not fetched the newest of recipes"]);
    check(&anna, "", "unreachable", &["Bert", "was last reached"]);
    anna.larder(&["why"]).expect_finding();
    // After a start nobody knows what he has until he is back.
    let anna = Hub::start_in(anna.stop());
    check(&anna, "peer=Bert", "unreachable", &["has never been reached since"]);
    check_all_is_well(&anna);
}

#[test]
fn another_hub_answers() {
    let (hub, meant, other) = (Hub::start(), Hub::start(), Hub::start());
    let url = other.key_url().replace(&other.key(), &meant.key());
    hub.post("/_hub/devices", json!({"url": url, "name": "phone"})).expect(201);
    check(&hub, "", "wrong_key", &["Another hub than phone answers"]);
}

#[test]
fn a_peer_that_has_not_been_told() {
    let (hub, other) = (Hub::start(), Hub::start());
    hub.add_device(&other, "phone");
    check(&hub, "", "unknown_there", &["phone", "its owner has to add it there"]);
}

#[test]
fn a_peer_that_shuts_the_door() {
    let (first, second) = (Hub::start(), Hub::start());
    first.add_friend(&second, "second");
    second.add_friend(&first, "first");
    first.post("/_hub/friends/second/block", json!({})).expect(200);
    check(&second, "", "refused", &["first", "shuts the door"]);
    let asked = format!("peer={}", first.key());
    check(&second, &asked, "refused", &["first"]);
}

#[test]
fn a_device_that_was_removed_is_told() {
    let (first, second) = devices();
    first.delete("/_hub/devices/second").expect(200);
    check(&second, "", "removed_there", &["first", "It says", "removed"]);
    check(&first, "peer=second", "removed", &["second", "removed here"]);
}

#[test]
fn a_database_that_stays_where_it_is() {
    let (first, second) = devices();
    first.larder(&["db", "create", "scratch", "--local"]).expect_success();
    check(&first, "db=scratch", "local_only", &["scratch", "local"]);
    check(&second, "peer=first&db=scratch", "right_missing_there", &["first", "scratch"]);
}

/// Two people's hubs, and a database that one shares with the other by this right.
#[track_caller]
fn friends(right: &str) -> (Hub, Hub) {
    let (anna, bert) = tests::friends();
    anna.put("/recipes", "").expect(201);
    anna.put("/recipes/soup", json!({})).expect(201);
    let grant = json!({"place": "recipes", "who": "Bert", "right": right});
    anna.post("/_hub/acl/grant", grant).expect(200);
    (anna, bert)
}

#[test]
fn a_database_that_nobody_has_taken() {
    let (_anna, bert) = friends("read");
    check(&bert, "db=recipes", "not_accepted", &["Anna", "recipes", "larder friend accept"]);
}

#[test]
fn a_right_that_is_missing_on_either_side() {
    let (anna, bert) = friends("read");
    bert.take_offer("Anna", "recipes");
    await_status(&bert, "/recipes/soup", 200);
    // Here: Anna does not take from Bert what he may not write.
    check(&anna, "db=recipes", "right_missing_here", &["Bert", "recipes"]);
    // Bert has everything, and still may not read.
    tests::eventually("the acknowledgement", || {
        let reasons = anna.why("peer=Bert&db=recipes");
        match reasons.iter().any(|reason| reason["code"] == "not_fetched") {
            true => Err(format!("{reasons:?}")),
            false => Ok(()),
        }
    });
    let revoke = json!({"place": "recipes", "who": "Bert"});
    anna.post("/_hub/acl/revoke", revoke).expect(200);
    check(&bert, "peer=Anna&db=recipes", "right_missing_there", &["Anna", "recipes"]);
    check(&anna, "peer=Bert&db=recipes", "right_missing_for_peer", &["Bert", "may not read"]);
}

#[test]
fn a_rule_for_conflicts_that_only_one_of_them_has() {
    let (anna, bert) = friends("write");
    bert.take_offer("Anna", "recipes");
    await_status(&bert, "/recipes/soup", 200);
    // Whose database it is says how its conflicts are decided, and the other follows.
    anna.larder(&["db", "set", "recipes", "conflicts=newest"]).expect_success();
    anna.put("/recipes/cake", json!({})).expect(201);
    await_status(&bert, "/recipes/cake", 200);
    bert.larder(&["db", "set", "recipes", "conflicts=keep"]).expect_success();
    anna.put("/recipes/tea", json!({})).expect(201);
    check(&bert, "db=recipes", "policy", &["Anna", "recipes", "different rules"]);
    bert.get("/recipes/tea").expect(404);
}

#[test]
fn a_document_that_is_refused() {
    let (anna, bert) = friends("write");
    let rule = json!({"validate_doc_update":
        "function (doc) { if (!doc.text) throw({forbidden: 'a recipe has a text'}); }"});
    anna.put("/recipes/_design/rules", rule).expect(201);
    bert.take_offer("Anna", "recipes");
    await_status(&bert, "/recipes/soup", 200);
    // Friends write no rules for each other, so Bert may write it, and Anna need not take it.
    bert.put("/recipes/air", json!({})).expect(201);
    let words = ["air", "recipes", "Bert", "a recipe has a text"];
    check(&anna, "peer=Bert&db=recipes&doc=air", "validation_refused", &words);
    anna.get("/recipes/air").expect(404);
}

#[test]
fn a_friends_design_document_that_is_left_out() {
    let (anna, bert) = friends("write");
    let views = json!({"views": {"all": {"map": "function (doc) { emit(doc._id); }"}}});
    anna.put("/recipes/_design/lists", views).expect(201);
    bert.take_offer("Anna", "recipes");
    await_status(&bert, "/recipes/soup", 200);
    let words = ["_design/lists", "Anna", "larder acl grant recipes Anna views", "`admin`"];
    check(&bert, "db=recipes", "design_not_taken", &words);
    check(&bert, "db=recipes&doc=_design/lists", "design_not_taken", &words);
    // It is left out by right, so all is as it should be, and nobody who does not ask is told.
    check_all_is_well(&bert);
    check_all_is_well(&anna);
    let said = bert.larder(&["why", "recipes"]).expect_success();
    assert!(said.contains("larder acl grant"), "{said}");
    bert.larder(&["acl", "grant", "recipes", "Anna", "views"]).expect_success();
    await_status(&bert, "/recipes/_design/lists", 200);
    tests::eventually("nothing left out", || match bert.why("db=recipes") {
        reasons if reasons.is_empty() => Ok(()),
        reasons => Err(format!("{reasons:?}")),
    });
    // One that decides what others may write takes more than that.
    let rule = json!({"validate_doc_update": "function () {}"});
    anna.put("/recipes/_design/rules", rule).expect(201);
    check(&bert, "db=recipes", "design_not_taken", &["_design/rules", "`admin`"]);
}

/// Writes notes that are more than the 200,000 bytes that may come in an hour.
#[track_caller]
fn more_than_a_budget(hub: &Hub) {
    hub.put("/notes", "").expect(201);
    let noise: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(n ^ 0x9e37) >> 7) as u8).collect();
    let attachment = tests::Body::bytes(noise, "application/octet-stream");
    hub.put("/notes/a/file", attachment).expect(201);
    hub.put("/notes/b", json!({})).expect(201);
}

#[test]
fn enough_has_come_for_now() {
    let (first, second) = (Hub::start(), Hub::start_with("[mesh]\nbytes_per_hour_max = 200_000\n"));
    pair(&first, &second);
    more_than_a_budget(&first);
    check(&second, "db=notes", "budget", &["in an hour", "notes goes on in"]);
    // What the hubs need themselves comes all the same.
    first.put("/later", "").expect(201);
    await_status(&second, "/later", 200);
}

#[test]
fn a_line_that_is_paid_for_by_the_byte() {
    let settings = "[mesh]\nmetered = true\nmetered_bytes_per_hour_max = 200_000\n";
    let (first, second) = (Hub::start(), Hub::start_with(settings));
    pair(&first, &second);
    more_than_a_budget(&first);
    check(&second, "db=notes", "metered", &["paid for by the byte", "notes goes on in"]);
    let status = second.get("/_hub/status").expect(200).json();
    assert_eq!(status["on_hold"]["code"], "metered", "{status}");
    let shown = second.larder(&["status"]).expect_success();
    assert!(shown.contains("paid for by the byte"), "{shown}");
}

/// A window of every hour that is closed now, and for some minutes more.
fn closed_window() -> String {
    // Where clocks differ by parts of an hour, by quarters: so one of these minutes may be open, but not yet.
    let minute = now_ms() / 60_000 % 15;
    format!(":{:02}+1", (minute + 8) % 15)
}

#[test]
fn a_window_that_is_closed() {
    let settings = format!("[mesh]\nwindows = [\"{}\"]\n", closed_window());
    let (first, second) = (Hub::start(), Hub::start_with(&settings));
    pair(&first, &second);
    first.put("/notes", "").expect(201);
    first.put("/notes/a", json!({})).expect(201);
    check(&second, "db=notes", "window", &["in its windows only", "notes goes on in"]);
    second.get("/notes/a").expect(404);
    // The other one fetches whenever it wants, also from this one.
    second.put("/notes/b", json!({})).expect(201);
    await_status(&first, "/notes/b", 200);
}

#[test]
fn a_rule_that_leaves_it_out() {
    let (first, second) = devices();
    first.put("/photos", "").expect(201);
    await_status(&second, "/photos", 200);
    second.larder(&["device", "rules", "this", "photos", "--skip"]).expect_success();
    first.put("/photos/a", json!({})).expect(201);
    check(&second, "db=photos", "rule", &["photos", "your rule for this device", "first"]);
    // It is as its owner wants it, and the other one knows.
    tests::eventually("nothing to say", || match second.why("") {
        reasons if reasons.is_empty() => Ok(()),
        reasons => Err(format!("{reasons:?}")),
    });
    let said = second.larder(&["why"]).expect_success();
    assert_eq!(said.trim(), "Everything is in step.");
    let said = second.larder(&["why", "photos"]).expect_success();
    assert!(said.contains("your rule for this device"), "{said}");
    check(&first, "peer=second&db=photos", "rule_there", &["second takes nothing of photos"]);
    second.get("/photos/a").expect(404);
}

#[test]
fn a_document_that_a_rule_leaves_out() {
    let (first, second) = devices();
    let rule = r#"{"keep": true}"#;
    second.larder(&["device", "rules", "this", "notes", "--selector", rule]).expect_success();
    first.put("/notes/b", json!({"keep": false})).expect(201);
    first.put("/notes/c", json!({"keep": true})).expect(201);
    await_status(&second, "/notes/c", 200);
    check(&second, "db=notes&doc=b", "rule", &["By your rule for this device", "b may be among"]);
    second
        .larder(&["device", "rules", "this", "notes", "--attachment-bytes-max", "10"])
        .expect_success();
    first.put("/notes/d/file", tests::Body::bytes(vec![7; 11], "text/plain")).expect(201);
    let words = ["d in notes", "your rule for this device", "more than 10 bytes"];
    check(&second, "db=notes", "rule", &words);
}

#[test]
fn as_much_as_may_be_brought_was() {
    let (anna, bert) = friends("write");
    bert.take_offer("Anna", "recipes");
    await_status(&bert, "/recipes/soup", 200);
    anna.larder(&["quota", "set", "--who", "Bert", "2000"]).expect_success();
    bert.put("/recipes/cake", json!({"text": "x".repeat(3000)})).expect(201);
    let words = ["cake in recipes", "Bert", "no room", "at most 2000 bytes"];
    check(&anna, "peer=Bert&db=recipes", "quota", &words);
}

#[test]
fn a_clock_that_is_ahead() {
    let hub = Hub::start();
    let cleo = tests::Key::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("httpkey://127.0.0.1:{port}/ed25519publickey:{}/", cleo.text());
    hub.post("/_hub/friends", json!({"url": url, "name": "Cleo"})).expect(201);
    hub.put("/recipes", "").expect(201);
    let grant = json!({"place": "recipes", "who": "Cleo", "right": "write"});
    hub.post("/_hub/acl/grant", grant).expect(200);
    let stamp = stamped(now_ms() + 2 * 60 * 60 * 1000);
    let edits = json!({"new_edits": false, "docs": [
        {"_id": "cake", "_rev": format!("1-{stamp}"), "_revisions": {"start": 1, "ids": [stamp]}},
    ]});
    hub.as_key(Some(&cleo)).post("/recipes/_bulk_docs", edits).expect(201);
    let words = ["1 of Cleo's edits in recipes", "dated in the future", "counts in"];
    check(&hub, "peer=Cleo&db=recipes", "clock_held", &words);
}

#[test]
fn a_peer_that_does_not_speak_the_protocol() {
    let hub = Hub::start();
    let peer = Liar::start(BTreeMap::new());
    peer.introduce_to(&hub, "old");
    check(&hub, "peer=old", "not_spoken", &["old cannot keep in step", "larder-sync/1"]);
}

#[test]
fn a_batch_that_was_damaged() {
    let hub = Hub::start();
    hub.put("/notes", "").expect(201);
    let listed = hub.get("/_hub/dbs").expect(200).json();
    let mut listed = listed["databases"].as_array().cloned().unwrap().into_iter();
    let notes = listed.find(|database| database["name"] == "notes").unwrap();
    let peer = Liar::start(damaged_batch(notes["sync_id"].as_str().unwrap()));
    peer.introduce_to(&hub, "phone");
    let words = ["phone", "notes", "damaged on the way", "thrown away"];
    check(&hub, "db=notes", "digest", &words);
    // It says also that it is another year.
    check(&hub, "peer=phone", "skew", &["phone's clock is", "behind this device's"]);
    assert_eq!(hub.get("/notes").expect(200).json()["doc_count"], 0);
}

#[test]
fn events_are_told() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let (first, second) = (Hub::start(), Hub::start());
    let address = first.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    let credentials = first.owner_url().trim_start_matches("http://").split('@').next().unwrap();
    let token = credentials.split(':').nth(1).unwrap();
    let token: String = percent_encoding::percent_decode_str(token).decode_utf8().unwrap().into();
    write!(
        stream,
        "GET /_hub/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    .unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut next = |event: &str| -> Value {
        loop {
            let line = lines.next().unwrap().unwrap();
            let Ok(told) = serde_json::from_str::<Value>(&line) else { continue };
            if told["event"] == event {
                return told;
            }
        }
    };
    next("listening");
    pair(&first, &second);
    assert_eq!(next("connected")["peer"], second.key());
    assert!(next("in_step")["db"].is_string());
    drop(second);
    assert!(next("disconnected")["reason"].is_string());
}

mod needs_mounts {
    use serde_json::json;
    use tempfile::TempDir;
    use tests::{Hub, SmallDisk, await_status, hidden, pair};

    #[test]
    fn a_full_disk() {
        hidden("needs_mounts::a_full_disk", || {
            let folder = TempDir::with_prefix("larder-full-").expect("a folder");
            let disk = SmallDisk::mount(&folder.path().join("data"), 24);
            let (first, second) = (Hub::start(), Hub::start_in(folder));
            pair(&first, &second);
            first.put("/notes", "").expect(201);
            first.put("/notes/a", json!({})).expect(201);
            await_status(&second, "/notes/a", 200);
            disk.fill();
            for number in 0..40 {
                let text = "x".repeat(100_000);
                first
                    .put(&format!("/notes/n{number}"), json!({"text": text, "n": number}))
                    .expect(201);
            }
            super::check(&second, "db=notes", "disk_full", &["disk", "full"]);
            disk.empty();
            await_status(&second, "/notes/n39", 200);
        });
    }
}
