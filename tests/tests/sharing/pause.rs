//! Paused by the owner, and going on.

use std::io::ErrorKind;
use std::net::TcpListener;

use serde_json::json;
use tests::{Hub, HubOptions, Key, await_status, eventually, pair};

use super::{accept, friends, path, share};

#[test]
fn a_paused_hub_neither_fetches_nor_answers_and_goes_on_where_it_was() {
    let (anna, bert) = friends();
    share(&anna, "recipes", "Bert", "write");
    let here = accept(&bert, "recipes");
    await_status(&bert, &(path(&here) + "/soup"), 200);
    let said = anna.larder(&["pause", "sync"]).expect_success();
    assert_eq!(said.trim(), "Being in step with other hubs is paused.");
    let status = anna.get("/_hub/status").expect(200).json();
    assert_eq!(status["paused"], json!({"sync": true, "onion": false}));
    assert_eq!(anna.peer("Bert")["state"], "paused");
    let shown = anna.larder(&["status"]).expect_success();
    assert!(shown.contains("being in step with other hubs: larder resume"), "{shown}");
    let reason = bert.await_reason("peer=Anna", "paused");
    let sentence = reason["sentence"].as_str().unwrap();
    assert!(sentence.contains("is paused by its owner"), "{sentence}");
    assert!(anna.why("").iter().any(|reason| reason["code"] == "paused_here"));
    // What other hubs ask is refused by a code of its own.
    let key = Key::new();
    let url = format!("httpkey://127.0.0.1:1/ed25519publickey:{}/", key.text());
    anna.post("/_hub/friends", json!({"url": url, "name": "Carl"})).expect(201);
    let answer = anna.as_key(Some(&key)).get("/_hub/feed").expect(503).json();
    assert_eq!(answer["error"], "paused", "{answer}");
    // Local programs do as always.
    anna.put("/recipes/tea", json!({})).expect(201);
    bert.put(&(path(&here) + "/cake"), json!({})).expect(201);

    // It stays so over a restart.
    let anna = Hub::start_in(anna.stop());
    assert_eq!(anna.get("/_hub/status").json()["paused"]["sync"], true);
    bert.add_friend(&anna, "Anna");
    bert.await_reason("peer=Anna", "paused");
    bert.get(&(path(&here) + "/tea")).expect(404);
    anna.get("/recipes/cake").expect(404);
    anna.larder(&["resume"]).expect_success();
    await_status(&bert, &(path(&here) + "/tea"), 200);
    await_status(&anna, "/recipes/cake", 200);
}

#[test]
fn a_pause_of_one_device_is_no_pause_of_the_others() {
    let (first, second) = (Hub::start(), Hub::start());
    pair(&first, &second);
    first.put("/notes", "").expect(201);
    await_status(&second, "/notes", 200);
    first.post("/_hub/pause", json!({"sync": true})).expect(200);
    assert_eq!(second.get("/_hub/status").json()["paused"]["sync"], false);
    first.post("/_hub/pause", json!({"sync": false, "more": 1})).expect(400);
    first.post("/_hub/pause", json!({"sync": false})).expect(200);
    first.put("/notes/a", json!({})).expect(201);
    await_status(&second, "/notes/a", 200);
}

/// A stand-in for the control port of a Tor that runs here anyway.
struct ControlPort(TcpListener);

impl ControlPort {
    fn open() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let settings =
            format!("[onion]\nmode = 'system'\ncontrol = '{}'\n", listener.local_addr().unwrap());
        (Self(listener), settings)
    }

    /// Whether anybody has come since the last time.
    fn was_dialled(&self) -> bool {
        match self.0.accept() {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    fn await_dial(&self) {
        eventually("a connection", || match self.was_dialled() {
            true => Ok(()),
            false => Err("nobody came".to_owned()),
        });
    }
}

#[test]
fn with_tor_paused_nothing_is_dialled_not_even_after_a_restart() {
    let (control, settings) = ControlPort::open();
    let options =
        HubOptions { settings: &settings, onion: Some("system"), ..HubOptions::default() };
    let hub = Hub::start_as(&options);
    control.await_dial();
    hub.larder(&["pause", "tor"]).expect_success();
    let status = hub.get("/_hub/status").expect(200).json();
    assert_eq!(status["paused"], json!({"sync": false, "onion": true}));
    assert_eq!(
        (&status["onion"]["stage"], &status["onion"]["reachable"]),
        (&json!("off"), &json!(false))
    );
    while control.was_dialled() {}
    let folder = hub.stop();
    let hub = Hub::start_again(folder, &options);
    // Asking dials, where anything does.
    let answer = hub.post("/_hub/onion/check", json!({})).expect(200).json();
    assert_eq!(answer["reachable"], false, "{answer}");
    assert!(!control.was_dialled(), "a paused hub has dialled");
    hub.larder(&["resume", "tor"]).expect_success();
    control.await_dial();
    let status = hub.get("/_hub/status").expect(200).json();
    assert_ne!(status["onion"]["stage"], "off", "{status}");
}
