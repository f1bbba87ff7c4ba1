//! Several guests, and several windows, at the same time.

use std::sync::Barrier;

use serde_json::json;
use tests::Hub;

use super::*;

/// Several hubs go to windows at the same moment; their sessions, in that order.
fn join_at_once<const N: usize>(guests: [(&Hub, Value); N]) -> [Value; N] {
    let start = Barrier::new(N);
    std::thread::scope(|scope| {
        let going = guests.map(|(hub, asked)| {
            let (start, owner) = (&start, hub.client().clone());
            scope.spawn(move || {
                start.wait();
                owner.post("/_hub/pairing/join", asked).expect(201).json()
            })
        });
        going.map(|guest| guest.join().unwrap())
    })
}

/// Waits until a session of a guest is no longer on its way, and hands it over.
#[track_caller]
fn await_arrival(hub: &Hub, session: &Value) -> Value {
    eventually("an arrival", || {
        let found = hub.get(&path(session)).expect(200).json();
        if found["state"] == "connecting" { Err(found.to_string()) } else { Ok(found) }
    })
}

#[test]
fn of_two_guests_with_one_link_one_is_asked_for() {
    let (anna, bert, clara) = (Hub::start(), Hub::start(), Hub::start());
    let waiting = open(&anna, json!({"kind": "friend", "me": "Anna"}));
    let asked = |me: &str| json!({"link": waiting["link"], "me": me});
    let sessions = join_at_once([(&bert, asked("Bert")), (&clara, asked("Clara"))]);
    let bert_came = await_arrival(&bert, &sessions[0])["state"] == "confirm";
    let [first, second] = &sessions;
    let ((won, coming), (lost, late), name) = match bert_came {
        true => ((&bert, first), (&clara, second), "Clara"),
        false => ((&clara, second), (&bert, first), "Bert"),
    };
    let late = await_state(lost, late, "failed");
    assert_eq!(late["error"]["code"], "taken", "{late}");
    let sentence = late["error"]["sentence"].as_str().unwrap();
    assert!(sentence.contains("Somebody has come there already"), "{sentence}");
    let host = await_state(&anna, &waiting, "confirm");
    let guest = await_state(won, coming, "confirm");
    assert_eq!((&host["peer"]["key"], &host["digits"]), (&json!(won.key()), &guest["digits"]));
    let sessions = anna.get("/_hub/pairing").expect(200).json()["sessions"].clone();
    assert_eq!(sessions.as_array().map(Vec::len), Some(1), "{sessions}");
    agree((&anna, &waiting), (won, coming));
    assert_eq!((known(&anna).len(), known(won).len(), known(lost).len()), (1, 1, 0));

    // Whoever was too late comes by a link of its own.
    let waiting = open(&anna, json!({"kind": "friend", "me": "Anna"}));
    let coming = join(lost, json!({"link": waiting["link"], "me": name}));
    await_state(&anna, &waiting, "confirm");
    await_state(lost, &coming, "confirm");
    agree((&anna, &waiting), (lost, &coming));
    assert_eq!(known(&anna).len(), 2);
    assert_eq!(known(lost)[0].1["key"], anna.key());
}

#[test]
fn windows_that_are_open_at_once_do_not_mix() {
    let (laptop, phone, bert, mallory) = (Hub::start(), Hub::start(), Hub::start(), Hub::start());
    laptop.put("/recipes", "").expect(201);
    let for_device = open(&laptop, json!({"kind": "device", "me": "Laptop"}));
    let share = json!([{"database": "recipes", "right": "read"}]);
    let for_friend = open(&laptop, json!({"kind": "friend", "me": "Anna", "share": share}));
    // Whoever was let in as a friend does not become a device by saying so.
    let link = for_friend["link"].as_str().unwrap().replace("kind:friend", "kind:device");
    let coming = join(&mallory, json!({"link": link, "me": "Mallory"}));
    assert_eq!(await_state(&mallory, &coming, "failed")["error"]["code"], "kind_differs");
    for session in [&for_device, &for_friend] {
        assert_eq!(laptop.get(&path(session)).expect(200).json()["state"], "waiting");
    }
    let [as_device, as_friend] = join_at_once([
        (&phone, json!({"link": for_device["link"], "me": "Phone"})),
        (&bert, json!({"link": for_friend["link"], "me": "Bert"})),
    ]);
    let guests = [(&for_device, &phone, &as_device), (&for_friend, &bert, &as_friend)];
    for ((waiting, hub, coming), (kind, me)) in
        guests.into_iter().zip([("device", "Laptop"), ("friend", "Anna")])
    {
        let host = await_state(&laptop, waiting, "confirm");
        let guest = await_state(hub, coming, "confirm");
        assert_eq!((&host["kind"], &guest["kind"]), (&json!(kind), &json!(kind)));
        assert_eq!((&host["peer"]["key"], &host["digits"]), (&json!(hub.key()), &guest["digits"]));
        assert_eq!(guest["peer"]["name"], me);
    }
    assert_eq!(known(&laptop).len(), 0);
    agree((&laptop, &for_friend), (&bert, &as_friend));
    // The yes to one is none to the other.
    assert_eq!(laptop.get(&path(&for_device)).expect(200).json()["state"], "confirm");
    agree((&laptop, &for_device), (&phone, &as_device));
    let listed = |path: &str, member: &str| laptop.get(path).expect(200).json()[member].to_string();
    let (devices, friends) =
        (listed("/_hub/devices", "devices"), listed("/_hub/friends", "friends"));
    assert!(devices.contains(&phone.key()) && !devices.contains(&bert.key()), "{devices}");
    assert!(friends.contains(&bert.key()) && !friends.contains(&phone.key()), "{friends}");
}
