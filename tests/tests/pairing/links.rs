//! Links: good once, for a while, for one key; and their codes.

use serde_json::json;
use tests::{Body, Hub};

use super::*;

#[test]
fn a_link_is_good_once_and_not_for_ever() {
    let (anna, bert, clara) = (Hub::start(), Hub::start(), Hub::start());
    let waiting = open(&anna, json!({"kind": "friend", "minutes": 2}));
    let link = waiting["link"].as_str().unwrap();
    let (before, until) = link.split_once("until:").unwrap();
    let past = format!("{before}until:1700000000{}", &until[10..]);
    let expired = bert.post("/_hub/pairing/join", json!({"link": past})).expect(400);
    assert!(expired.text("reason").contains("has expired"), "{expired}");
    let own = anna.post("/_hub/pairing/join", json!({"link": link})).expect(400);
    assert!(own.text("reason").contains("of the hub itself"), "{own}");
    let other = bert.post("/_hub/pairing/join", json!({"link": link, "kind": "device"}));
    other.expect(409);
    let coming = join(&bert, json!({"link": link.to_uppercase()}));
    await_state(&bert, &coming, "confirm");
    // Somebody else who has it, and the same one again.
    for hub in [&clara, &bert] {
        let late = join(hub, json!({"link": link}));
        assert_eq!(await_state(hub, &late, "failed")["error"]["code"], "taken");
    }
    refuse(&anna, &waiting);
    await_state(&bert, &coming, "refused");
    let wrong = link.replace("secret:", "secret:a");
    let damaged = bert.post("/_hub/pairing/join", json!({"link": wrong})).expect(400);
    assert!(damaged.text("reason").contains("damaged"), "{damaged}");
    // One whose window was never opened, with another secret.
    let at = link.find("secret:").unwrap() + 7;
    let invented = format!("{}{}{}", &link[..at], "a".repeat(26), &link[at + 26..]);
    let coming = join(&bert, json!({"link": invented}));
    assert_eq!(await_state(&bert, &coming, "failed")["error"]["code"], "nobody");
}

#[test]
fn another_key_at_the_address_is_not_talked_to() {
    let (anna, bert, mallory) = (Hub::start(), Hub::start(), Hub::start());
    let waiting = open(&anna, json!({"kind": "device"}));
    let link = waiting["link"].as_str().unwrap().replace(&address(&anna), &address(&mallory));
    let coming = join(&bert, json!({"link": link}));
    assert_eq!(await_state(&bert, &coming, "failed")["error"]["code"], "wrong_key");
    assert_eq!(mallory.get("/_hub/pairing").json()["sessions"], json!([]));
    // A further way that leads to the right one is tried.
    let link = format!("{link}/at:{}", address(&anna));
    let coming = join(&bert, json!({"link": link}));
    assert_eq!(await_state(&bert, &coming, "confirm")["peer"]["key"], anna.key());
    let whole = json!({"address": anna.key_url().replace(&address(&anna), &address(&mallory))});
    let coming = join(&bert, whole);
    assert_eq!(await_state(&bert, &coming, "failed")["error"]["code"], "wrong_key");
}

#[test]
fn codes_are_drawn_and_read() {
    let anna = Hub::start();
    let waiting = open(&anna, json!({"kind": "device"}));
    let svg = anna.get(&format!("{}/qr", path(&waiting))).expect(200);
    assert_eq!(svg.header("content-type"), "image/svg+xml");
    assert!(String::from_utf8_lossy(&svg.body).contains("<svg"));
    refuse(&anna, &waiting);
    anna.get(&format!("{}/qr", path(&waiting))).expect(404);
    let picture = include_bytes!("../../../hub/tests/pictures/link.jpg");
    let read = anna.post("/_hub/qr", Body::bytes(picture.to_vec(), "image/jpeg")).expect(200);
    assert!(read.text("text").starts_with("LARDER:HTTPKEY://10.0.0.1:6984/"), "{read}");
    let large = vec![0xff; 8 * 1024 * 1024 + 1];
    anna.post("/_hub/qr", Body::bytes(large, "image/png")).expect(413);
}
