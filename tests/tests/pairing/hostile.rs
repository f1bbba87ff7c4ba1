//! Guests that do not keep to the rules, and somebody in between.

use serde_json::json;
use tests::{Client, Hub, Key, Reply};

use super::*;

const BYTES: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

pub(super) fn hello() -> Value {
    json!({"type": "hello", "version": 1, "proof": "compare", "commitment": BYTES})
}

fn reveal() -> Value {
    json!({"type": "reveal", "nonce": BYTES, "confirmation": BYTES})
}

fn sealed() -> Value {
    json!({"type": "sealed", "number": 1, "content": "{\"say\":\"commit\"}", "seal": BYTES})
}

fn say(client: &Client, message: &Value) -> Reply {
    client.post("/_hub/pair/compare", message.clone())
}

#[track_caller]
fn refused(reply: Reply, status: u16, word: &str) {
    let reply = reply.expect(status);
    assert_eq!(reply.text("error"), word, "{reply}");
}

#[test]
fn messages_out_of_turn_are_refused() {
    let anna = Hub::start();
    let (mallory, trudy) = (Key::new(), Key::new());
    let (mallory, trudy) = (anna.as_key(Some(&mallory)), anna.as_key(Some(&trudy)));
    refused(say(&mallory, &hello()), 404, "not_found");
    let waiting = open(&anna, json!({"kind": "device", "proof": "compare"}));
    refused(anna.as_key(None).post("/_hub/pair/compare", hello()), 401, "unauthorized");
    for early in [reveal(), sealed()] {
        refused(say(&mallory, &early), 409, "out_of_turn");
    }
    refused(say(&mallory, &json!({"type": "hello"})), 400, "malformed");
    let mut other = hello();
    other["version"] = 2.into();
    refused(say(&mallory, &other), 400, "version");
    other = hello();
    other["kind"] = "friend".into();
    refused(say(&mallory, &other), 409, "kind_differs");
    other = hello();
    other["proof"] = "link".into();
    refused(say(&mallory, &other), 409, "proof_not_offered");
    refused(mallory.post("/_hub/pair/spoken", hello()), 404, "not_found");
    let answer = say(&mallory, &hello()).expect(200).json();
    assert_eq!((&answer["type"], &answer["kind"]), (&json!("hello"), &json!("device")));
    refused(say(&mallory, &hello()), 409, "out_of_turn");
    refused(say(&trudy, &hello()), 409, "taken");
    refused(say(&trudy, &reveal()), 409, "taken");
    // What it reveals is not what it committed to, and that was its one attempt.
    refused(say(&mallory, &reveal()), 403, "commitment");
    refused(say(&mallory, &hello()), 404, "not_found");
    let session = await_state(&anna, &waiting, "failed");
    assert_eq!(session["error"]["code"], "commitment");
    assert_eq!(known(&anna).len(), 0);
    anna.get("/").expect(200);
}

#[test]
fn a_wrong_code_ends_it() {
    let (anna, mallory, bert) = (Hub::start(), Hub::start(), Hub::start());
    let waiting = open(&anna, json!({"kind": "device", "proof": "spoken"}));
    let code = waiting["code"].as_str().unwrap();
    let wrong = if code == "0000-0000" { "0000-0001" } else { "0000-0000" };
    let guessing = join(&mallory, json!({"address": address(&anna), "code": wrong}));
    assert_eq!(await_state(&mallory, &guessing, "failed")["error"]["code"], "wrong_code");
    assert_eq!(await_state(&anna, &waiting, "failed")["error"]["code"], "wrong_code");
    let late = join(&bert, json!({"address": address(&anna), "code": code}));
    assert_eq!(await_state(&bert, &late, "failed")["error"]["code"], "nobody");
    // New windows open until too many codes were guessed at.
    let mut opened = 0;
    let held_back = loop {
        let window = anna.post("/_hub/pairing", json!({"kind": "device", "proof": "spoken"}));
        if window.status != 201 || opened > 20 {
            break window;
        }
        opened += 1;
        let guessing = join(&mallory, json!({"address": address(&anna), "code": wrong}));
        await_state(&mallory, &guessing, "failed");
        await_state(&anna, &window.json(), "failed");
    };
    assert_eq!((held_back.status, opened), (429, 5), "{held_back}");
    open(&anna, json!({"kind": "device"}));
}

#[test]
fn somebody_in_between_shows_other_digits() {
    let (anna, bert, mallory) = (Hub::start(), Hub::start(), Hub::start());
    let at_anna = open(&anna, json!({"kind": "friend", "proof": "compare", "me": "Anna"}));
    let false_anna = open(&mallory, json!({"kind": "friend", "proof": "compare", "me": "Anna"}));
    let false_bert =
        join(&mallory, json!({"address": address(&anna), "kind": "friend", "me": "Bert"}));
    let at_bert =
        join(&bert, json!({"address": address(&mallory), "kind": "friend", "me": "Bert"}));
    let (at_anna, at_bert) =
        (await_state(&anna, &at_anna, "compare"), await_state(&bert, &at_bert, "compare"));
    // They look alike but for that.
    assert_eq!(
        (&at_anna["peer"]["name"], &at_bert["peer"]["name"]),
        (&json!("Bert"), &json!("Anna"))
    );
    assert_ne!(at_anna["digits"], at_bert["digits"]);
    refuse(&anna, &at_anna);
    refuse(&bert, &at_bert);
    await_state(&mallory, &false_bert, "refused");
    await_state(&mallory, &false_anna, "refused");
    assert_eq!((known(&anna).len(), known(&bert).len()), (0, 0));
}

#[test]
fn a_flood_is_held_back() {
    let (anna, bert) = (Hub::start(), Hub::start());
    let waiting = open(&anna, json!({"kind": "device"}));
    // Whoever does not know the window learns nothing by asking; who does not have the link changes nothing.
    let mallory = Key::new();
    let mallory = anna.as_key(Some(&mallory));
    refused(say(&mallory, &hello()), 404, "not_found");
    let compared = open(&anna, json!({"kind": "device", "proof": "compare"}));
    let mut held_back = 0;
    for _ in 0..200 {
        held_back += u32::from(say(&mallory, &sealed()).status == 429);
    }
    assert!(held_back > 100, "{held_back}");
    for _ in 0..20 {
        let stranger = Key::new();
        let stranger = anna.as_key(Some(&stranger));
        for _ in 0..20 {
            held_back += u32::from(say(&stranger, &sealed()).status == 429);
        }
    }
    assert!(held_back > 300, "{held_back}");
    let session = anna.get(&path(&compared)).expect(200).json();
    assert_eq!(session["state"], "waiting");
    // Whoever is meant gets through.
    let coming = join(&bert, json!({"link": waiting["link"]}));
    await_state(&bert, &coming, "confirm");
    // Windows have an end, too.
    let mut opened = 0;
    while anna.post("/_hub/pairing", json!({"kind": "device"})).status == 201 {
        opened += 1;
        assert!(opened < 20, "{opened}");
    }
}
