//! Pairings that come to an end, by a link, a code, or digits; and those where somebody says no.

use std::time::Duration;

use serde_json::json;
use tests::{Hub, HubOptions, Link, LinkOptions, await_member, eventually};

use super::*;

#[test]
fn a_device_is_in_step_at_once() {
    let (laptop, phone) = (Hub::start(), Hub::start());
    laptop.put("/notes", "").expect(201);
    laptop.put("/notes/milk", json!({"text": "buy"})).expect(201);
    phone.put("/photos", "").expect(201);
    phone.put("/photos/cat", json!({"text": "grey"})).expect(201);
    let waiting = open(&laptop, json!({"kind": "device", "me": "Laptop"}));
    assert_eq!((&waiting["role"], &waiting["state"]), (&json!("host"), &json!("waiting")));
    let coming = join(&phone, json!({"link": waiting["link"], "me": "Phone", "scanned": true}));
    assert_eq!(coming["role"], "guest");
    let (host, guest) =
        (await_state(&laptop, &waiting, "confirm"), await_state(&phone, &coming, "confirm"));
    assert_eq!(host["digits"], guest["digits"]);
    assert_eq!(host["digits"].as_str().unwrap().len(), 6);
    assert_eq!(
        (&host["peer"]["name"], &host["peer"]["key"]),
        (&json!("Phone"), &json!(phone.key()))
    );
    assert_eq!(guest["peer"]["reach"], json!([laptop.key_url()]));
    assert!(host.get("link").is_none(), "a link that was used is not shown: {host}");
    // Nothing is there before both have said yes.
    confirm(&laptop, &waiting, json!({"name": "Telephone"}));
    assert_eq!((known(&laptop).len(), known(&phone).len()), (0, 0));
    confirm(&phone, &coming, json!({}));
    let host = await_state(&laptop, &waiting, "done");
    let guest = await_state(&phone, &coming, "done");
    assert_eq!((&host["verified"], &guest["verified"]), (&json!("link"), &json!("scanned")));
    await_member(&phone, "/notes/milk", "text", "buy");
    await_member(&laptop, "/photos/cat", "text", "grey");
    assert_eq!(known(&laptop)[0].0, "Telephone");
    assert_eq!(known(&phone)[0].1["verified"], "scanned");
    assert_eq!(known(&phone)[0].1["reach"], json!([laptop.key_url()]));
}

#[test]
fn friends_share_both_ways_by_six_digits() {
    let (anna, bert) = (Hub::start(), Hub::start());
    anna.put("/recipes", "").expect(201);
    anna.put("/recipes/soup", json!({"text": "water"})).expect(201);
    bert.put("/songs", "").expect(201);
    bert.put("/songs/one", json!({"text": "la"})).expect(201);
    bert.put("/diary", "").expect(201);
    let share = json!([{"database": "recipes", "right": "write"}]);
    let asked = json!({"kind": "friend", "proof": "compare", "share": share, "me": "Anna"});
    let waiting = open(&anna, asked);
    let share = json!([{"database": "songs", "right": "read"}]);
    let asked = json!({"address": address(&anna), "kind": "friend", "share": share, "me": "Bert"});
    let coming = join(&bert, asked);
    let (host, guest) =
        (await_state(&anna, &waiting, "compare"), await_state(&bert, &coming, "compare"));
    assert_eq!(host["digits"], guest["digits"]);
    // Who is there is not known yet, so it learns a name and no more.
    assert_eq!((&guest["peer"]["name"], &guest["peer"]["share"]), (&json!("Anna"), &json!([])));
    assert_eq!((&host["peer"]["reach"], &host["peer"]["share"]), (&json!([]), &json!([])));
    let unseen = anna.post(&format!("{}/confirm", path(&waiting)), json!({}));
    assert!(unseen.expect(400).text("reason").contains("compare the digits"));
    confirm(&anna, &waiting, json!({"digits_match": true}));
    let guest = eventually("what is shared", || {
        let found = bert.get(&path(&coming)).json();
        let shares = found["peer"]["share"].as_array().map_or(0, Vec::len);
        if shares == 1 { Ok(found) } else { Err(found.to_string()) }
    });
    assert_eq!(guest["peer"]["share"][0]["database"], "recipes");
    confirm(&bert, &coming, json!({"digits_match": true}));
    await_state(&anna, &waiting, "done");
    assert_eq!(await_state(&bert, &coming, "done")["verified"], "compared");
    for (hub, friend, offered) in [(&bert, "Anna", "recipes"), (&anna, "Bert", "songs")] {
        eventually("an offer", || {
            let offers = hub.get(&format!("/_hub/friends/{friend}/databases")).expect(200).json();
            let names: Vec<_> =
                offers["databases"].as_array().unwrap().iter().map(|o| o["name"].clone()).collect();
            if names == [json!(offered)] { Ok(()) } else { Err(offers.to_string()) }
        });
    }
    let called = bert.larder(&["friend", "accept", "Anna", "recipes"]).expect_success();
    assert_eq!(called.trim(), "anna/recipes");
    await_member(&bert, "/anna%2Frecipes/soup", "text", "water");
    bert.put("/anna%2Frecipes/cake", json!({"text": "flour"})).expect(201);
    await_member(&anna, "/recipes/cake", "text", "flour");
}

#[test]
fn a_code_is_told() {
    let (anna, bert) = (Hub::start(), Hub::start());
    let waiting = open(&anna, json!({"kind": "friend", "proof": "spoken", "me": "Anna"}));
    let code = waiting["code"].as_str().unwrap();
    assert_eq!(code.len(), 9, "{code}");
    let again = anna.post("/_hub/pairing", json!({"kind": "friend", "proof": "spoken"}));
    again.expect(409);
    // Where the whole URL is known, nobody but that key is talked to.
    let asked = json!({"address": anna.key_url(), "code": code.replace('-', " "), "me": "Bert"});
    let coming = join(&bert, asked);
    await_state(&anna, &waiting, "confirm");
    let guest = await_state(&bert, &coming, "confirm");
    assert_eq!(guest["kind"], "friend", "the host says so, where the guest says nothing");
    confirm(&bert, &coming, json!({}));
    confirm(&anna, &waiting, json!({}));
    await_state(&bert, &coming, "done");
    assert_eq!(known(&anna)[0].1["verified"], "spoken");
    assert_eq!(known(&bert)[0].1["verified"], "spoken");
}

#[test]
fn a_no_on_either_side_writes_nothing() {
    let (anna, bert) = (Hub::start(), Hub::start());
    // The guest says no after the host's yes.
    let (waiting, coming) = met(&anna, &bert, "device");
    confirm(&anna, &waiting, json!({}));
    refuse(&bert, &coming);
    let host = await_state(&anna, &waiting, "refused");
    assert_eq!(host["error"]["code"], "refused");
    assert_eq!(await_state(&bert, &coming, "refused")["error"]["code"], "refused_here");
    // The host says no after the guest's yes, and after its own.
    let (waiting, coming) = met(&anna, &bert, "device");
    confirm(&bert, &coming, json!({}));
    refuse(&anna, &waiting);
    assert_eq!(await_state(&bert, &coming, "refused")["error"]["code"], "refused");
    let late = anna.post(&format!("{}/confirm", path(&waiting)), json!({}));
    late.expect(410);
    // A guest whose hub ends after its yes.
    let (waiting, coming) = met(&anna, &bert, "device");
    confirm(&bert, &coming, json!({}));
    let folder = bert.kill();
    confirm(&anna, &waiting, json!({}));
    let bert = Hub::start_in(folder);
    assert_eq!((known(&anna).len(), known(&bert).len()), (0, 0));
    assert_eq!(bert.get("/_hub/pairing").json()["sessions"], json!([]));
    refuse(&anna, &waiting);
}

#[test]
fn a_connection_that_breaks_is_made_again() {
    let (anna, bert) = (Hub::start(), Hub::start());
    // A line to it, whose address it knows itself by.
    let near = address(&anna);
    let line = LinkOptions { delay: Duration::ZERO, bytes_per_second: None };
    let line = Link::to(near.parse().unwrap(), line);
    let settings = format!("[http]\nhosts = ['{}']\n", line.address());
    let options = HubOptions { settings: &settings, tls: Some(&near), ..HubOptions::default() };
    let anna = Hub::start_again(anna.stop(), &options);
    let waiting = open(&anna, json!({"kind": "device", "me": "Anna"}));
    let link = waiting["link"].as_str().unwrap();
    let link = link.replacen(&address(&anna), &line.address().to_string(), 1);
    let coming = join(&bert, json!({"link": format!("{link}/at:{}", address(&anna))}));
    await_state(&bert, &coming, "confirm");
    confirm(&bert, &coming, json!({}));
    assert!(line.connections() > 0, "nobody came this way");
    // Between the two yeses: what was agreed to so far goes on over another connection.
    drop(line);
    confirm(&anna, &waiting, json!({}));
    await_state(&anna, &waiting, "done");
    await_state(&bert, &coming, "done");
    assert_eq!((known(&anna).len(), known(&bert).len()), (1, 1));
}

#[test]
fn names_are_settled_before_a_yes_counts() {
    let (anna, bert, clara) = (Hub::start(), Hub::start(), Hub::start());
    let (waiting, coming) = met(&anna, &bert, "friend");
    for bad in ["a/b", "", "x:y"] {
        let refused = anna.post(&format!("{}/confirm", path(&waiting)), json!({"name": bad}));
        refused.expect(400);
    }
    confirm(&anna, &waiting, json!({"name": "Bert"}));
    confirm(&bert, &coming, json!({}));
    await_state(&anna, &waiting, "done");
    // Another one who calls himself so: with letters that look like it.
    let waiting = open(&anna, json!({"kind": "friend"}));
    let coming =
        join(&clara, json!({"link": waiting["link"], "me": "B\u{435}rt\u{202e}\u{1b}[2J"}));
    let host = await_state(&anna, &waiting, "confirm");
    let warnings = host["peer"]["warnings"].to_string();
    for part in ["several alphabets", "not seen"] {
        assert!(warnings.contains(part), "{warnings}");
    }
    assert!(!host.to_string().contains('\u{202e}') && !host.to_string().contains("\\u001b"));
    let taken = anna.post(&format!("{}/confirm", path(&waiting)), json!({"name": "Bert"}));
    assert!(taken.expect(409).text("reason").contains("somebody else is called Bert"));
    confirm(&anna, &waiting, json!({"name": "Clara"}));
    await_state(&clara, &coming, "confirm");
    confirm(&clara, &coming, json!({}));
    await_state(&anna, &waiting, "done");
    let names: Vec<_> = known(&anna).into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"Bert".into()) && names.contains(&"Clara".into()), "{names:?}");
}

#[test]
fn two_pairings_at_once_do_not_mix() {
    let (anna, bert, clara) = (Hub::start(), Hub::start(), Hub::start());
    let first = open(&anna, json!({"kind": "friend", "name": "Bert", "me": "A for Bert"}));
    let second = open(&anna, json!({"kind": "device", "name": "Phone", "me": "A for Clara"}));
    let of_clara = join(&clara, json!({"link": second["link"], "me": "C"}));
    let of_bert = join(&bert, json!({"link": first["link"], "me": "B"}));
    let (at_bert, at_clara) =
        (await_state(&bert, &of_bert, "confirm"), await_state(&clara, &of_clara, "confirm"));
    assert_eq!((&at_bert["kind"], &at_clara["kind"]), (&json!("friend"), &json!("device")));
    assert_eq!(at_bert["peer"]["name"], "A for Bert");
    assert_eq!(await_state(&anna, &first, "confirm")["peer"]["key"], bert.key());
    assert_eq!(await_state(&anna, &second, "confirm")["peer"]["key"], clara.key());
    assert_ne!(at_bert["digits"], at_clara["digits"]);
    refuse(&anna, &first);
    // Whoever compares the digits as well knows more than the link says.
    confirm(&anna, &second, json!({"digits_match": true}));
    confirm(&clara, &of_clara, json!({}));
    await_state(&anna, &second, "done");
    await_state(&bert, &of_bert, "refused");
    assert_eq!(known(&anna).len(), 1);
    assert_eq!(known(&anna)[0].1["key"], clara.key());
    assert_eq!(known(&anna)[0].1["verified"], "compared");
    assert_eq!(known(&clara)[0].1["verified"], "link");
}
