//! Devices that are removed, by one of the others or by each other.

use serde_json::json;
use tests::{Hub, await_status, eventually};

use crate::support::{share, three};

#[test]
fn a_removal_cuts_a_device_off_here_at_once_and_elsewhere_when_confirmed() {
    let [laptop, phone, tablet] = three();
    share(&laptop, &[&phone, &tablet], "notes");
    eventually("the tablet says what it has", || {
        let why = laptop.why("peer=tablet&db=notes");
        if why.is_empty() { Ok(()) } else { Err(format!("{why:?}")) }
    });
    let removed = laptop.delete("/_hub/devices/tablet").expect(200).json();
    assert_eq!(removed["holds"], json!([{"database": "notes", "documents": 1}]));
    let shown = laptop.device("tablet");
    assert_eq!(
        (&shown["standing"], &shown["removal"]["mutual"]),
        (&json!("removed"), &json!(false))
    );
    // The phone hears of it, refuses the tablet, and asks its owner.
    let shown = phone.await_standing("tablet", "suspended");
    assert_eq!(shown["removal"]["by"], json!(["laptop"]));
    let reason = phone.await_reason("peer=tablet", "suspended");
    assert!(reason["sentence"].as_str().unwrap().contains("removed by laptop"), "{reason}");
    // It is for the owner to decide, so not everything is well.
    let said = phone.larder(&["why"]).expect_finding();
    assert!(said.contains("`larder device confirm`"), "{said}");
    for (from, says) in [("laptop", "it was removed here"), ("phone", "it was removed by laptop")] {
        let reason = tablet.await_reason(&format!("peer={from}"), "removed_there");
        assert!(reason["sentence"].as_str().unwrap().contains(says), "{reason}");
    }
    laptop.put("/notes/second", json!({})).expect(201);
    tablet.put("/notes/stolen", json!({})).expect(201);
    await_status(&phone, "/notes/second", 200);
    tablet.get("/notes/second").expect(404);
    laptop.get("/notes/stolen").expect(404);
    phone.get("/notes/stolen").expect(404);
    // Confirmed there, it is final there as well.
    phone.larder(&["device", "confirm", "tablet"]).expect_success();
    assert_eq!(phone.device("tablet")["standing"], "removed");
    phone.post("/_hub/devices/tablet/confirm-removal", json!({})).expect(404);
    // Nobody removes the device that is asked, nor one that nobody knows.
    phone.delete(&format!("/_hub/devices/{}", phone.key())).expect(400);
    phone.delete("/_hub/devices/fridge").expect(404);
}

#[test]
fn a_removal_is_undone_where_the_device_is_kept() {
    let [laptop, phone, tablet] = three();
    share(&phone, &[&laptop, &tablet], "notes");
    laptop.delete("/_hub/devices/tablet").expect(200);
    phone.await_standing("tablet", "suspended");
    phone.larder(&["device", "keep", "tablet"]).expect_success();
    assert_eq!(phone.device("tablet")["standing"], "listed");
    phone.put("/notes/second", json!({})).expect(201);
    await_status(&tablet, "/notes/second", 200);
    assert_eq!(laptop.device("tablet")["standing"], "removed", "each owner's word counts at home");
    phone.post("/_hub/devices/laptop/keep", json!({})).expect(400);
    phone.post("/_hub/devices/laptop/confirm-removal", json!({})).expect(404);
    // Added again by the first, it is everybody's.
    laptop.post("/_hub/devices/tablet/keep", json!({})).expect(200);
    assert_eq!(laptop.device("tablet")["standing"], "listed");
    laptop.put("/notes/third", json!({})).expect(201);
    await_status(&tablet, "/notes/third", 200);
}

#[test]
fn devices_that_remove_each_other_are_frozen_until_the_owner_decides() {
    let [laptop, phone, tablet] = three();
    share(&laptop, &[&phone, &tablet], "notes");
    // Neither hears of the other's.
    let laptop = laptop.stop();
    phone.delete("/_hub/devices/laptop").expect(200);
    tablet.await_standing("laptop", "suspended");
    let phone_folder = phone.stop();
    let laptop = Hub::start_in(laptop);
    // Suspended at the tablet, the laptop is not followed there: its word comes by the owner, say.
    laptop.delete("/_hub/devices/phone").expect(200);
    carry(&laptop, &tablet);
    tablet.await_alarm("mutual_removal");
    for name in ["laptop", "phone"] {
        let shown = tablet.await_standing(name, "suspended");
        assert_eq!(shown["removal"]["mutual"], true, "{name}");
    }
    let reasons = tablet.why("");
    assert!(reasons.iter().any(|reason| reason["code"] == "mutual_removal"), "{reasons:?}");
    // The owner says who is the thief, and with it goes all that it has said.
    tablet.post("/_hub/devices/phone/confirm-removal", json!({})).expect(200);
    assert_eq!(tablet.device("phone")["standing"], "removed");
    assert_eq!(tablet.device("laptop")["standing"], "listed");
    assert_eq!(tablet.alarms(), Vec::<String>::new());
    // It has another port since it was started again.
    tablet.add_device(&laptop, "laptop");
    laptop.put("/notes/after", json!({})).expect(201);
    await_status(&tablet, "/notes/after", 200);
    let phone = Hub::start_in(phone_folder);
    phone.await_reason("peer=tablet", "removed_there");
    phone.get("/notes/after").expect(404);
}

/// What one hub has heard is written at another, as a copy by hand would.
fn carry(from: &Hub, to: &Hub) {
    for mut statement in crate::support::statements(from) {
        let id = statement["_id"].as_str().unwrap().to_owned();
        statement.as_object_mut().unwrap().remove("_rev");
        if to.get(&format!("/_devices/{id}")).status == 404 {
            to.put(&format!("/_devices/{id}"), statement).expect(201);
        }
    }
}

#[test]
fn a_device_that_was_away_hears_later() {
    let [laptop, phone, tablet] = three();
    share(&laptop, &[&phone, &tablet], "notes");
    let away = tablet.stop();
    laptop.delete("/_hub/devices/phone").expect(200);
    assert_eq!(laptop.device("phone")["standing"], "removed");
    let tablet = Hub::start_in(away);
    tablet.await_standing("phone", "suspended");
    // It comes back after a restart as well, from what was kept.
    let tablet = Hub::start_in(tablet.stop());
    assert_eq!(tablet.device("phone")["standing"], "suspended");
    phone.await_reason("peer=laptop", "removed_there");
}

#[test]
fn whom_a_removed_device_added_waits_for_the_owner() {
    let [laptop, phone, tablet] = three();
    let fridge = Hub::start();
    tablet.add_device(&fridge, "fridge");
    fridge.add_device(&tablet, "tablet");
    laptop.await_standing("fridge", "listed");
    phone.await_standing("fridge", "listed");
    assert_eq!(laptop.device("fridge")["added_by"], "tablet");
    laptop.delete("/_hub/devices/tablet").expect(200);
    assert_eq!(laptop.device("fridge")["standing"], "suspended");
    laptop.post("/_hub/devices/fridge/keep", json!({})).expect(200);
    assert_eq!(laptop.device("fridge")["standing"], "listed");
}

#[test]
fn devices_have_one_name_everywhere() {
    let (first, second) = (Hub::start(), Hub::start());
    // Each calls the other the same before they meet.
    first.add_device(&second, "other");
    second.add_device(&first, "other");
    for (hub, other) in [(&first, &second), (&second, &first)] {
        let name = eventually("two names", || {
            let shown = hub.get("/_hub/devices").json();
            let devices = shown["devices"].as_array().unwrap().clone();
            let names: Vec<_> = devices.iter().map(|device| device["name"].clone()).collect();
            let apart = names.len() == 2 && names[0] != names[1];
            let starts = |name: &serde_json::Value| name.as_str().unwrap().starts_with("other");
            match apart && names.iter().all(starts) {
                true => Ok(names[0].as_str().unwrap().to_owned()),
                false => Err(format!("{names:?}")),
            }
        });
        assert_eq!(hub.device(&name)["key"], other.key());
    }
    // Renamed on one, renamed on both.
    first.larder(&["device", "rename", &second.key(), "phone"]).expect_success();
    first.larder(&["device", "rename", &first.key(), "laptop"]).expect_success();
    second.await_standing("laptop", "listed");
    assert_eq!(first.device("phone")["key"], second.key());
    let listed = second.larder(&["device", "list"]).expect_success();
    assert!(listed.contains("laptop") && listed.contains("this device"), "{listed}");
    first.put(&format!("/_hub/devices/{}", second.key()), json!({"name": "laptop"})).expect(409);
    first.put(&format!("/_hub/devices/{}", second.key()), json!({"name": "a\u{7}b"})).expect(400);
}

#[test]
fn a_device_that_was_removed_is_paired_with_anew() {
    let [laptop, phone, tablet] = three();
    share(&phone, &[&laptop, &tablet], "notes");
    laptop.delete("/_hub/devices/tablet").expect(200);
    phone.await_standing("tablet", "suspended");
    pair_anew(&laptop, &tablet, "removed here before");
    // The new word of whoever removed it counts everywhere where nobody else did.
    phone.await_standing("tablet", "listed");
    laptop.put("/notes/second", json!({})).expect(201);
    await_status(&tablet, "/notes/second", 200);
    // Where its removal was confirmed, it takes a word there as well, as the owner is told.
    laptop.delete("/_hub/devices/tablet").expect(200);
    phone.await_standing("tablet", "suspended");
    phone.larder(&["device", "confirm", "tablet"]).expect_success();
    eventually("the other removal", || {
        let removal = laptop.device("tablet")["removal"].to_string();
        if removal.contains("phone") { Ok(()) } else { Err(removal) }
    });
    pair_anew(&laptop, &tablet, "phone removed it too: `larder device keep` takes it back there");
    assert_eq!(laptop.device("tablet")["standing"], "listed");
    assert_eq!(phone.device("tablet")["standing"], "removed");
    phone.larder(&["device", "keep", "tablet"]).expect_success();
    phone.put("/notes/third", json!({})).expect(201);
    await_status(&tablet, "/notes/third", 200);
}

/// Pairs with a device that comes as the guest, and that is refused until then.
#[track_caller]
fn pair_anew(host: &Hub, guest: &Hub, warning: &str) {
    let waiting = host.post("/_hub/pairing", json!({"kind": "device"})).expect(201).json();
    let link = json!({"link": waiting["link"]});
    let coming = guest.post("/_hub/pairing/join", link).expect(201).json();
    let sides = [(host, &waiting), (guest, &coming)];
    let path = |session: &serde_json::Value| {
        format!("/_hub/pairing/{}", session["id"].as_str().unwrap_or_default())
    };
    let reach = |hub: &Hub, session: &serde_json::Value, state: &str| {
        eventually(state, || {
            let found = hub.get(&path(session)).expect(200).json();
            if found["state"] == state { Ok(found) } else { Err(found.to_string()) }
        })
    };
    let warnings = reach(host, &waiting, "confirm")["peer"]["warnings"].to_string();
    assert!(warnings.contains(warning), "{warnings}");
    for (hub, session) in sides {
        reach(hub, session, "confirm");
        let name = if hub.key() == host.key() { json!({"name": "tablet"}) } else { json!({}) };
        hub.post(&format!("{}/confirm", path(session)), name).expect(200);
    }
    for (hub, session) in sides {
        reach(hub, session, "done");
    }
}
