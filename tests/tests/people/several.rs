//! Friends with several devices: a friend's key vouches for the others.

use std::time::Duration;

use data_encoding::BASE64;
use rcgen::SigningKey as _;
use serde_json::{Value, json};
use tests::{Client, Hub, Key, Link, LinkOptions, eventually};

/// Who is nobody.
const NOBODY: &str = "httpkey://127.0.0.1:9/ed25519publickey:";

/// A hub, and a friend of its owner's called Anna who may write notes.
#[track_caller]
fn hub_and_anna() -> (Hub, Key) {
    let (hub, anna) = (Hub::start(), Key::new());
    hub.put("/notes", "").expect(201);
    befriend(&hub, &anna, "Anna", &json!([{"database": "notes", "right": "write"}]));
    (hub, anna)
}

#[track_caller]
fn befriend(hub: &Hub, friend: &Key, name: &str, share: &Value) {
    let url = format!("{NOBODY}{}/", friend.text());
    hub.post("/_hub/friends", json!({"url": url, "name": name, "share": share})).expect(201);
}

/// A profile of this friend's with these devices, as it travels.
fn signed(friend: &Key, seq: u64, devices: &[&str], valid_until: Option<u64>) -> Value {
    let devices: Vec<_> =
        devices.iter().map(|key| json!({"key": key, "label": "a phone"})).collect();
    let profile = json!({
        "v": 1, "key": friend.text(), "seq": seq, "devices": devices, "valid_until": valid_until,
    });
    let profile = profile.to_string();
    let bytes = [b"larder profile 1\0", profile.as_bytes()].concat();
    let signature = BASE64.encode(&friend.pair().sign(&bytes).unwrap());
    json!({"profile": profile, "signature": signature})
}

/// Has the hub note that a friend has said this.
#[track_caller]
fn note(hub: &Hub, friend: &Key, seq: u64, signed: &Value) {
    let path = format!("/_contacts/{}", friend.text());
    let mut record = hub.get(&path).expect(200).json();
    record["profile"] = json!({"seq": seq, "signed": signed});
    hub.put(&path, record).expect(201);
}

/// Has the hub note that a friend has named these devices.
#[track_caller]
fn vouch(hub: &Hub, friend: &Key, seq: u64, devices: &[&Key]) {
    let keys: Vec<_> = devices.iter().map(|device| device.text()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    note(hub, friend, seq, &signed(friend, seq, &keys, None));
}

/// Waits until the hub shows so many devices of a friend's.
#[track_caller]
fn await_devices(hub: &Hub, friend: &str, count: usize) -> Vec<Value> {
    eventually("the friend's devices", || {
        let devices = devices(hub, friend);
        if devices.len() == count { Ok(devices) } else { Err(format!("{devices:?}")) }
    })
}

#[track_caller]
fn devices(hub: &Hub, friend: &str) -> Vec<Value> {
    let shown = hub.get("/_hub/friends").expect(200).json();
    let friends = shown["friends"].as_array().into_iter().flatten();
    let of_friend = friends.filter(|one| one["name"] == friend).map(|one| one["devices"].clone());
    of_friend.flat_map(|devices| devices.as_array().cloned().unwrap_or_default()).collect()
}

/// Whether whoever asks is told that there are no notes, on this connection or, where it was ended, another.
fn sees_nothing(client: &Client) -> bool {
    let asked = client.request("GET", "/notes").try_send("");
    asked.is_ok_and(|reply| reply.status == 404)
        || client.request("GET", "/notes").try_send("").is_ok_and(|reply| reply.status == 404)
}

/// Whether nobody answers who comes over this connection.
fn is_refused(client: &Client) -> bool {
    client.request("GET", "/").try_send("").is_err()
}

#[test]
fn a_device_that_a_friend_names_is_the_friend_and_only_for_so_long() {
    let (hub, anna) = hub_and_anna();
    let (phone, laptop) = (Key::new(), Key::new());
    let phone_here = hub.as_key(Some(&phone));
    phone_here.get("/notes").expect(404);
    vouch(&hub, &anna, 1, &[&anna, &phone, &laptop]);
    let shown = await_devices(&hub, "Anna", 3);
    assert_eq!((&shown[0]["key"], &shown[0]["noted"]), (&json!(anna.text()), &json!(true)));
    assert_eq!(shown[1]["label"], "a phone");
    // On a connection that was there before, as on another one.
    phone_here.put("/notes/a", json!({})).expect(201);
    let laptop_here = hub.as_key(Some(&laptop));
    laptop_here.get("/notes/a").expect(200);
    let session = laptop_here.get("/_session").expect(200).json();
    assert_eq!(session["userCtx"]["name"], anna.text(), "{session}");
    // One friend everywhere.
    let status = hub.get("/_hub/status").expect(200).json();
    assert_eq!(status["peers"].as_array().unwrap().len(), 1, "{status}");
    assert_eq!(status["peers"][0]["devices"].as_array().unwrap().len(), 3, "{status}");
    let listed = hub.larder(&["friend", "list"]).expect_success();
    assert!(listed.matches("a phone").count() == 3 && listed.matches("Anna").count() == 1);
    eventually("what was read is the friend's", || {
        let reads = hub.get("/_hub/reads").expect(200).json();
        match reads["reads"][0]["who"]["name"] == "Anna" {
            true => Ok(()),
            false => Err(reads.to_string()),
        }
    });
    let explained = hub.larder(&["acl", "explain", &phone.text(), "PUT", "/notes/b"]);
    let explained = explained.expect_success();
    assert!(explained.contains("as a device of Anna"), "{explained}");
    // A quota is the friend's, however many devices there are.
    let limit = json!({"who": "Anna", "db": "notes", "bytes_max": 3000});
    hub.put("/_hub/quotas", limit).expect(200);
    let text = json!({"text": "x".repeat(1500)});
    phone_here.put("/notes/first", text.clone()).expect(201);
    let over = laptop_here.put("/notes/second", text.clone());
    assert!(over.status == 413, "{}", over.status);
    // The word for a device is a word for the friend.
    hub.post("/_hub/shares", json!({"place": "notes", "with": phone.text()})).expect(201);
    assert_eq!(devices(&hub, "Anna").len(), 3);
    laptop_here.put("/notes/third", json!({})).expect(403);
    // What the friend names no longer loses everything at once.
    vouch(&hub, &anna, 2, &[&anna, &laptop]);
    await_devices(&hub, "Anna", 2);
    assert!(sees_nothing(&phone_here) && sees_nothing(&hub.as_key(Some(&phone))));
    laptop_here.get("/notes").expect(200);
    // The friend is blocked, and with them all that is theirs.
    hub.larder(&["friend", "block", "Anna"]).expect_success();
    assert!(is_refused(&laptop_here) && is_refused(&hub.as_key(Some(&laptop))));
    hub.larder(&["friend", "unblock", "Anna"]).expect_success();
    let laptop_here = hub.as_key(Some(&laptop));
    laptop_here.get("/notes").expect(200);
    hub.larder(&["friend", "remove", "Anna"]).expect_success();
    assert!(sees_nothing(&laptop_here) && sees_nothing(&hub.as_key(Some(&laptop))));
}

#[test]
fn an_open_connection_ends_when_the_friend_names_its_device_no_longer() {
    let (hub, anna) = hub_and_anna();
    let (phone, laptop) = (Key::new(), Key::new());
    vouch(&hub, &anna, 1, &[&anna, &phone, &laptop]);
    await_devices(&hub, "Anna", 3);
    let to = hub.tls_url().trim_start_matches("https://").trim_end_matches('/').parse().unwrap();
    let fast = LinkOptions { delay: Duration::ZERO, bytes_per_second: None };
    let through = |key: &Key| {
        let line = Link::to(to, fast);
        let client = Client::with_key(&format!("https://{}/", line.address()), Some(key));
        client.get("/notes").expect(200);
        client.get("/notes").expect(200);
        assert_eq!(line.connections(), 1, "it is kept open");
        (line, client)
    };
    let (phones_line, phone_here) = through(&phone);
    let (laptops_line, laptop_here) = through(&laptop);
    vouch(&hub, &anna, 2, &[&anna, &laptop]);
    await_devices(&hub, "Anna", 2);
    // What it asks from now on, it asks as a stranger, on another connection.
    eventually("another connection", || {
        let asked = phone_here.request("GET", "/notes").try_send("");
        assert!(!asked.is_ok_and(|reply| reply.status == 200));
        if phones_line.connections() > 1 { Ok(()) } else { Err("the same".into()) }
    });
    laptop_here.get("/notes").expect(200);
    assert_eq!(laptops_line.connections(), 1, "nobody else's is ended");
}

#[test]
fn nobody_vouches_for_somebody() {
    let (hub, anna) = hub_and_anna();
    let [phone, bert, own, gone, banned, listed] = [(); 6].map(|()| Key::new());
    befriend(&hub, &bert, "Bert", &json!([]));
    befriend(&hub, &gone, "Carl", &json!([]));
    befriend(&hub, &banned, "Dora", &json!([]));
    hub.delete("/_hub/friends/Carl").expect(200);
    hub.post("/_hub/friends/Dora/block", json!({})).expect(200);
    hub.add_device_key(&own.text(), "tablet");
    hub.put("/other", "").expect(201);
    let granted = json!({"place": "other", "who": listed.text(), "right": "read"});
    hub.post("/_hub/acl/grant", granted).expect(200);
    let hub_key = hub.key();
    let others = [&bert, &own, &gone, &banned, &listed].map(Key::text);
    let mut names: Vec<&str> = others.iter().map(String::as_str).collect();
    names.extend([hub_key.as_str()]);
    let phone_key = phone.text();
    names.push(&phone_key);
    note(&hub, &anna, 1, &signed(&anna, 1, &names, None));
    let shown = await_devices(&hub, "Anna", 2);
    assert_eq!(shown[1]["key"], phone.text());
    hub.as_key(Some(&bert)).get("/notes").expect(404);
    hub.as_key(Some(&listed)).get("/notes").expect(404);
    hub.as_key(Some(&listed)).get("/other").expect(200);
    assert!(is_refused(&hub.as_key(Some(&gone))) && is_refused(&hub.as_key(Some(&banned))));
    // The owner's device is one still; removed, it is nobody's.
    hub.as_key(Some(&own)).get("/other").expect(200);
    hub.delete("/_hub/devices/tablet").expect(200);
    let refused = hub.as_key(Some(&own)).request("GET", "/notes").try_send("");
    assert!(refused.is_err() || refused.is_ok_and(|reply| reply.status == 403));
    // Who becomes a friend by themselves is one, and loses what was not theirs.
    befriend(&hub, &phone, "Anna's phone", &json!([]));
    hub.as_key(Some(&phone)).get("/notes").expect(404);
    assert!(devices(&hub, "Anna").is_empty());
}

#[test]
fn a_key_that_two_friends_name_is_nobodys() {
    let (hub, anna) = hub_and_anna();
    let (bert, phone, laptop) = (Key::new(), Key::new(), Key::new());
    befriend(&hub, &bert, "Bert", &json!([]));
    vouch(&hub, &anna, 1, &[&anna, &phone, &laptop]);
    await_devices(&hub, "Anna", 3);
    let phone_here = hub.as_key(Some(&phone));
    phone_here.get("/notes").expect(200);
    vouch(&hub, &bert, 1, &[&bert, &phone]);
    hub.await_alarm("contested_device");
    await_devices(&hub, "Anna", 2);
    assert!(sees_nothing(&phone_here) && sees_nothing(&hub.as_key(Some(&phone))));
    hub.as_key(Some(&laptop)).get("/notes").expect(200);
    assert!(!hub.log().contains(&phone.text()) && !hub.log().contains("Bert"));
    // Whoever is blocked is in nobody's way.
    hub.post("/_hub/friends/Bert/block", json!({})).expect(200);
    await_devices(&hub, "Anna", 3);
    hub.as_key(Some(&phone)).get("/notes").expect(200);
}

#[test]
fn what_has_run_out_or_is_not_signed_vouches_for_nobody() {
    let (hub, anna) = hub_and_anna();
    let (phone, thief) = (Key::new(), Key::new());
    let names = [anna.text(), phone.text()];
    let names = [names[0].as_str(), names[1].as_str()];
    // Signed by somebody else in the friend's name.
    let mut forged = signed(&thief, 1, &names, None);
    let text = forged["profile"].as_str().unwrap().replace(&thief.text(), &anna.text());
    forged["profile"] = text.into();
    note(&hub, &anna, 1, &forged);
    // One that runs out while the hub looks on.
    let now = tests::now_ms();
    note(&hub, &anna, 2, &signed(&anna, 2, &names, Some(now + 3000)));
    await_devices(&hub, "Anna", 2);
    let phone_here = hub.as_key(Some(&phone));
    phone_here.get("/notes").expect(200);
    await_devices(&hub, "Anna", 0);
    assert!(sees_nothing(&phone_here) && sees_nothing(&hub.as_key(Some(&phone))));
}

mod needs_namespaces {
    use tempfile::TempDir;
    use tests::{HubOptions, Incoming, Namespace, Namespaces, await_status};

    use super::*;

    /// A hub that is reached in the network at the address of its namespace.
    #[track_caller]
    fn hub_in(namespace: &Namespace, folder: Option<TempDir>) -> Hub {
        let tls = format!("{}:6984", namespace.address());
        let options = HubOptions {
            settings: "[mesh]\nlan = true\n",
            tls: Some(&tls),
            namespace: Some(namespace),
            ..HubOptions::default()
        };
        match folder {
            Some(folder) => Hub::start_again(folder, &options),
            None => Hub::start_as(&options),
        }
    }

    /// Waits until the hub is connected to so many devices of a friend's.
    #[track_caller]
    fn await_connected(hub: &Hub, friend: &str, count: usize) {
        eventually("connections to the friend's devices", || {
            let devices = devices(hub, friend);
            let connected = devices.iter().filter(|device| device["connected"] == true).count();
            if connected == count { Ok(()) } else { Err(format!("{devices:?}")) }
        });
    }

    #[test]
    fn whichever_device_of_a_friend_is_there_will_do() {
        let network = Namespaces::new();
        let [first_home, second_home, bobs_home] =
            ["first", "second", "bob"].map(|name| network.join(name, Incoming::Accepted));
        let (first, second) = (hub_in(&first_home, None), hub_in(&second_home, None));
        let bob = hub_in(&bobs_home, None);
        tests::pair(&first, &second);
        first.put("/notes", "").expect(201);
        first.put("/notes/a", json!({})).expect(201);
        await_status(&second, "/notes/a", 200);
        // Bob meets one of Anna's devices.
        first.add_friend(&bob, "Bob");
        bob.add_friend(&first, "Anna");
        first.larder(&["share", "notes", "--with", "Bob", "--write"]).expect_success();
        await_devices(&bob, "Anna", 2);
        await_connected(&bob, "Anna", 2);
        let invitation = eventually("one invitation", || {
            let shown = bob.get("/_hub/invitations").expect(200).json();
            let all = shown["invitations"].as_array().cloned().unwrap_or_default();
            match all.as_slice() {
                [one] if one["from"]["name"] == "Anna" => Ok(one.clone()),
                _ => Err(shown.to_string()),
            }
        });
        let path = format!("/_hub/invitations/{}", invitation["id"].as_str().unwrap());
        let taken = bob.post(&path, json!({"accept": true})).expect(201).json();
        assert_eq!(taken["database"], "anna/notes");
        await_status(&bob, "/anna%2Fnotes/a", 200);
        eventually("Anna's other device is in step with Bob", || {
            let peer = second.peer("Bob");
            match peer["state"] == "connected" && peer["databases"]["in_step"] == json!(1) {
                true => Ok(()),
                false => Err(peer.to_string()),
            }
        });

        // The one that Bob has met is off.
        let annas_key = first.key();
        let first = first.stop();
        await_connected(&bob, "Anna", 1);
        second.put("/notes/from-second", json!({})).expect(201);
        await_status(&bob, "/anna%2Fnotes/from-second", 200);
        bob.put("/anna%2Fnotes/from-bob", json!({})).expect(201);
        await_status(&second, "/notes/from-bob", 200);
        assert_eq!(bob.peer("Anna")["state"], "connected");
        // Whichever has brought it, Anna is charged.
        let charged = bob.get("/_hub/quotas").expect(200).json().to_string();
        assert!(charged.contains(&annas_key) && !charged.contains(&second.key()), "{charged}");
        eventually("Bob lacks nothing", || {
            let reasons = bob.why("");
            if reasons.is_empty() { Ok(()) } else { Err(format!("{reasons:?}")) }
        });

        // It is back, and hears from its sibling what has happened; the sibling is taken away.
        let first = hub_in(&first_home, Some(first));
        await_status(&first, "/notes/from-bob", 200);
        await_connected(&bob, "Anna", 2);
        first.delete("/_hub/devices/second").expect(200);
        await_devices(&bob, "Anna", 0);
        second.await_reason("peer=Bob", "unknown_there");
        second.put("/notes/too-late", json!({})).expect(201);
        first.put("/notes/from-first", json!({})).expect(201);
        await_status(&bob, "/anna%2Fnotes/from-first", 200);
        bob.get("/anna%2Fnotes/too-late").expect(404);

        // Bob has enough of all of them.
        first.post("/_hub/devices/second/keep", json!({})).expect(200);
        await_connected(&bob, "Anna", 2);
        bob.larder(&["friend", "block", "Anna"]).expect_success();
        first.await_reason("peer=Bob", "refused");
        second.await_reason("peer=Bob", "refused");
    }
}
