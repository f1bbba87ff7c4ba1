//! `larder pair`, on both sides.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tests::{Hub, Process, await_member, eventually, larder};

use super::*;

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn two_devices_by_a_link() {
    let (laptop, phone) = (Hub::start(), Hub::start());
    laptop.put("/notes", "").expect(201);
    laptop.put("/notes/milk", json!({"text": "buy"})).expect(201);
    let host = ["pair", "--print-link", "--yes", "--me", "Laptop"];
    let mut host = Process::start(&mut larder(&host, &laptop.data_dir()));
    let link = host.await_line("larder:", LIMIT).unwrap();
    let link = format!("larder:{link}");
    let joined = phone.larder(&["pair", &link, "--yes", "--name", "Big one"]);
    let said = joined.stderr.clone();
    joined.expect_success();
    // The hub's own databases are not a person's to count.
    let parts = [
        "Laptop is there, to become a device of yours",
        "Paired with Big one",
        "In step: 1 of 1 database.",
    ];
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (status, rest) = host.await_end(LIMIT);
    assert!(status.success(), "{status}");
    assert_eq!(rest, Vec::<String>::new(), "nothing but the link");
    await_member(&phone, "/notes/milk", "text", "buy");
    let devices = phone.larder(&["device", "list"]).expect_success();
    assert!(devices.contains("Big one"), "{devices}");
    let again = phone.larder(&["pair", &link, "--yes"]).expect_failure();
    assert!(again.contains("good once"), "{again}");
}

#[test]
fn what_the_system_is_called_is_suggested_to_the_owner_and_told_nobody() {
    let (laptop, phone) = (Hub::start(), Hub::start());
    let suggested = |hub: &Hub| {
        let shown = hub.get("/_hub/devices").expect(200).json();
        let mut devices = shown["devices"].as_array().unwrap().iter();
        devices.find(|device| device["this"] == true).unwrap()["suggested_name"].clone()
    };
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy();
    let host = host.split('.').next().unwrap_or_default();
    let suggests = suggested(&laptop);
    let suggests = suggests.as_str().unwrap();
    // Some systems are called nothing that could be suggested.
    let says_something = host.chars().any(char::is_alphanumeric) && host != "localhost";
    assert!(suggests == host || !says_something && suggests.starts_with("device-"), "{suggests}");
    let mut waiting =
        Process::start(&mut larder(&["pair", "--print-link", "--yes"], &laptop.data_dir()));
    let link = format!("larder:{}", waiting.await_line("larder:", LIMIT).unwrap());
    let joined = phone.larder(&["pair", &link, "--yes"]);
    assert!(waiting.await_end(LIMIT).0.success());
    let own = format!("device-{}", &laptop.key()[..4]);
    assert!(joined.stderr.contains(&own), "{joined}");
    assert!(!joined.stderr.contains(&format!("{host} is there")), "{joined}");
    joined.expect_success();
    laptop.larder(&["device", "rename", &laptop.key(), "kitchen"]).expect_success();
    assert!(suggested(&laptop).is_null());
}

#[test]
fn whoever_was_blocked_hears_how_to_come_back() {
    let (anna, bert) = (Hub::start(), Hub::start());
    let meet = || {
        let host = ["pair", "--friend", "--print-link", "--yes", "--me", "Anna"];
        let mut host = Process::start(&mut larder(&host, &anna.data_dir()));
        let link = format!("larder:{}", host.await_line("larder:", LIMIT).unwrap());
        let joined = bert.larder(&["pair", &link, "--yes", "--me", "Bert"]);
        if joined.succeeded() {
            assert!(host.await_end(LIMIT).0.success());
        }
        joined
    };
    meet().expect_success();
    anna.larder(&["friend", "block", "Bert"]).expect_success();
    let refused = meet().expect_failure();
    assert!(refused.contains("`larder friend unblock KEY`"), "{refused}");
    anna.larder(&["friend", "unblock", &bert.key()]).expect_success();
    meet().expect_success();
    let friends = anna.larder(&["friend", "list"]).expect_success();
    assert!(friends.contains("Bert") && !friends.contains("blocked"), "{friends}");
}

#[test]
fn friends_by_a_code() {
    let (anna, bert) = (Hub::start(), Hub::start());
    anna.put("/recipes", "").expect(201);
    let host = ["pair", "--friend", "--code", "--yes", "--share", "recipes:rw", "--me", "Anna"];
    let mut host = Process::start(&mut larder(&host, &anna.data_dir()));
    let code = host.await_line("", LIMIT).unwrap();
    let wanted = ["pair", "--friend", &address(&anna), "--code", &code, "--yes", "--me", "Bert"];
    let joined = bert.larder(&wanted);
    assert!(joined.stderr.contains("recipes (read and write)"), "{joined}");
    assert!(joined.stderr.contains("larder invitations accept ID"), "{joined}");
    joined.expect_success();
    assert!(host.await_end(LIMIT).0.success());
    assert_eq!(known(&anna)[0].1["verified"], "spoken");
}

#[test]
fn digits_are_typed_and_not_skipped() {
    let (anna, bert) = (Hub::start(), Hub::start());
    for right in [false, true] {
        let waiting = open(&anna, json!({"kind": "friend", "proof": "compare", "me": "Anna"}));
        let words = ["pair", "--friend", &address(&anna), "--yes"];
        let mut guest = piped(&mut larder(&words, &bert.data_dir()));
        let digits = await_state(&anna, &waiting, "compare")["digits"].as_str().unwrap().to_owned();
        let other = if digits == "000000" { "000001" } else { "000000" };
        let typed = if right { &digits } else { other };
        writeln!(guest.stdin.take().unwrap(), "{typed}").unwrap();
        if right {
            confirm(&anna, &waiting, json!({"digits_match": true}));
        } else {
            await_state(&anna, &waiting, "refused");
        }
        let status = guest.wait().unwrap();
        let mut said = String::new();
        guest.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(status.success(), right, "{said}");
        assert_eq!(known(&bert).len(), usize::from(right));
    }
    // Neither by saying beforehand what nobody can know.
    let waiting = open(&anna, json!({"kind": "friend", "proof": "compare"}));
    let words = ["pair", "--friend", &address(&anna), "--yes", "--digits", "12345"];
    let refused = bert.larder(&words).expect_failure();
    assert!(refused.contains("not the digits"), "{refused}");
    await_state(&anna, &waiting, "refused");
    // Nobody to ask, and nothing said beforehand.
    let (clara, waiting) = (Hub::start(), open(&anna, json!({"kind": "friend"})));
    let refused = clara.larder(&["pair", waiting["link"].as_str().unwrap()]).expect_failure();
    assert!(refused.contains("no terminal"), "{refused}");
    await_state(&anna, &waiting, "refused");
}

#[test]
fn a_person_who_goes_leaves_no_window_open() {
    let anna = Hub::start();
    let mut words = larder(&["pair", "--minutes", "1"], &anna.data_dir());
    let host = words.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut host = host.spawn().unwrap();
    let session = eventually("a window", || {
        let sessions = anna.get("/_hub/pairing").json()["sessions"].clone();
        sessions.get(0).cloned().ok_or_else(|| sessions.to_string())
    });
    let interrupt = Command::new("kill").args(["-INT", &host.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert!(!host.wait().unwrap().success());
    await_state(&anna, &session, "refused");
    let mut shown = String::new();
    host.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    assert!(shown.contains('█') && shown.contains("\nlarder:httpkey://"), "{shown}");
}

fn piped(command: &mut Command) -> std::process::Child {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    piped.spawn().unwrap()
}
