//! Two people who are far from each other, and pair.

mod needs_tor {
    use std::time::Duration;

    use serde_json::{Value, json};
    use tests::{CTor, Hub, Process, TestNet, await_status, eventually, eventually_within, larder};

    use crate::support::*;

    /// Far longer than a pairing takes.
    const LIMIT: Duration = Duration::from_secs(120);

    /// Far longer than a guest looks for a hub that it does not find, and than descriptors take.
    const SEARCH_LIMIT: Duration = Duration::from_secs(600);

    /// `larder pair`, which waits, and what it prints to go by.
    #[track_caller]
    fn wait(hub: &Hub, words: &[&str], begins: &str) -> (Process, String) {
        let waiting = Process::start(&mut larder(words, &hub.data_dir()));
        let printed = waiting.await_line(begins, LIMIT).expect("what to go by");
        (waiting, format!("{begins}{printed}"))
    }

    #[test]
    fn friends_by_a_link_who_share() {
        let network = TestNet::shared();
        let (anna, bert) = (hub(network), hub(network));
        anna.put("/recipes", "").expect(201);
        anna.put("/recipes/bread", json!({"flour": 500})).expect(201);
        let asked =
            ["pair", "--friend", "--print-link", "--yes", "--share", "recipes", "--me", "Anna"];
        let (mut waiting, link) = wait(&anna, &asked, "larder:");
        assert!(link.contains(".onion"), "{link}");
        bert.larder(&["pair", &link, "--yes", "--me", "Bert"]).expect_success();
        assert!(waiting.await_end(LIMIT).0.success());
        let id = eventually("the invitation", || {
            let found = bert.get("/_hub/invitations").expect(200).json();
            let id = found["invitations"][0]["id"].as_str().map(str::to_owned);
            id.ok_or_else(|| found.to_string())
        });
        let accepted = bert.post(&format!("/_hub/invitations/{id}"), json!({"accept": true}));
        assert!(accepted.status < 300, "{accepted}");
        await_status(&bert, "/anna%2Frecipes/bread", 200);
        let peers = bert.get("/_hub/status").expect(200).json()["peers"].clone();
        assert_eq!(peers[0]["way"], "onion", "{peers}");
    }

    /// A database that the friend may read, if any.
    fn share(database: Option<&str>) -> Value {
        let share = |database| json!({"database": database, "right": "read"});
        database.map(share).into_iter().collect()
    }

    #[track_caller]
    fn open(hub: &Hub, database: &str, me: &str) -> Value {
        let share = share(Some(database));
        let asked = json!({"kind": "friend", "share": share, "me": me, "minutes": 30});
        hub.post("/_hub/pairing", asked).expect(201).json()
    }

    #[track_caller]
    fn join(hub: &Hub, link: &str, database: Option<&str>, me: &str) -> Value {
        let share = share(database);
        hub.post("/_hub/pairing/join", json!({"link": link, "share": share, "me": me}))
            .expect(201)
            .json()
    }

    /// Waits until a pairing is in this state.
    #[track_caller]
    fn await_state(hub: &Hub, session: &Value, state: &str) -> Value {
        let path = format!("/_hub/pairing/{}", session["id"].as_str().expect("an id"));
        eventually_within(SEARCH_LIMIT, state, || {
            let found = hub.get(&path).expect(200).json();
            if found["state"] == state { Ok(found) } else { Err(found.to_string()) }
        })
    }

    #[track_caller]
    fn answer(hub: &Hub, session: &Value, word: &str) {
        let id = session["id"].as_str().expect("an id");
        hub.post(&format!("/_hub/pairing/{id}/{word}"), json!({})).expect(200);
    }

    #[track_caller]
    fn write_in(hub: &Hub, database: &str) {
        hub.put(&format!("/{database}"), "").expect(201);
        hub.put(&format!("/{database}/one"), json!({"n": 1})).expect(201);
    }

    /// Takes what a friend shares, and waits until it is here.
    #[track_caller]
    fn accept(hub: &Hub, friend: &str, database: &str) {
        let path = format!("/_hub/friends/{friend}/accept");
        let place = format!("/{database}/one");
        // A descriptor with a new key is published once a minute, and not found before.
        let mut accepted = false;
        eventually_within(SEARCH_LIMIT, &place, || {
            let asked = json!({"database": database, "as": database});
            accepted = accepted || hub.post(&path, asked).status == 201;
            let seen = || hub.get("/_hub/status").json()["peers"].to_string();
            if hub.get(&place).status == 200 { Ok(()) } else { Err(seen()) }
        });
    }

    /// Anna and Bert, who are found by those alone whom they know, and have no door for strangers; and two others.
    fn a_hub_that_few_find_pairs(hub: impl Fn(&str) -> (Hub, Option<CTor>)) {
        let restricted = "restricted_discovery = true";
        let ((anna, _tor_a), (bert, _tor_b)) = (hub(restricted), hub(restricted));
        let ((clara, _tor_c), (dora, _tor_d)) = (hub(""), hub(""));
        write_in(&anna, "recipes");
        write_in(&bert, "songs");
        write_in(&dora, "films");
        let waiting = open(&anna, "recipes", "Anna");
        let link = waiting["link"].as_str().expect("a link").to_owned();
        // By Tor, by the service that few find, and by nothing else.
        assert!(link.starts_with(&format!("larder:httpkey://{}:", address(&anna))), "{link}");
        assert!(link.contains("#2/kind:friend/secret:") && !link.contains("/at:"), "{link}");
        let (before, behind) = link.split_once("/find:").expect("what finds it");
        let without = format!("{before}{}", &behind[26..]).replace("#2/", "#1/");

        // Whoever lacks what finds it does not find it, though everything else is there.
        let lost = join(&clara, &without, None, "Clara");
        let coming = join(&bert, &link, Some("songs"), "Bert");
        let host = await_state(&anna, &waiting, "confirm");
        let guest = await_state(&bert, &coming, "confirm");
        assert_eq!(host["digits"], guest["digits"]);
        answer(&anna, &waiting, "confirm");
        answer(&bert, &coming, "confirm");
        await_state(&anna, &waiting, "done");
        await_state(&bert, &coming, "done");
        let lost = await_state(&clara, &lost, "failed");
        assert_eq!(lost["error"]["code"], "unreachable", "{lost}");

        // Each finds the other by its own key.
        accept(&bert, "Anna", "recipes");
        accept(&anna, "Bert", "songs");
        for (hub, other) in [(&anna, &bert), (&bert, &anna)] {
            let clients = hub.get("/_hub/onion/clients").expect(200).json()["clients"].clone();
            let told = other.larder(&["onion", "client-key", &address(hub)]).expect_success();
            assert_eq!(clients[&key(other)]["key"], told.trim(), "{clients}");
        }

        // A new link finds it, once its descriptor is published; the one before finds it no longer.
        let waiting = open(&anna, "recipes", "Anna");
        let fresh = waiting["link"].as_str().expect("a link").to_owned();
        assert_ne!(fresh.split("/find:").nth(1), Some(behind));
        let coming = join(&dora, &fresh, Some("films"), "Dora");
        await_state(&anna, &waiting, "confirm");
        let late = join(&clara, &link, None, "Clara");
        let late = await_state(&clara, &late, "failed");
        assert_eq!(late["error"]["code"], "unreachable", "{late}");
        answer(&anna, &waiting, "refuse");
        await_state(&dora, &coming, "refused");
    }

    /// By either Tor, side by side: most of it is waiting for descriptors.
    #[test]
    fn friends_by_a_link_to_a_hub_that_few_find() {
        let network = TestNet::shared();
        std::thread::scope(|scope| {
            scope.spawn(|| a_hub_that_few_find_pairs(|lines| (hub_with(network, lines), None)));
            a_hub_that_few_find_pairs(|lines| {
                let (hub, tor) = hub_on_system_tor(network, lines);
                (hub, Some(tor))
            });
        });
    }

    #[test]
    fn devices_by_a_spoken_code() {
        let network = TestNet::shared();
        let (laptop, phone) = (hub(network), hub(network));
        laptop.put("/notes", "").expect(201);
        laptop.put("/notes/milk", json!({"text": "buy"})).expect(201);
        let asked = ["pair", "--code", "--yes", "--me", "Laptop"];
        let (mut waiting, code) = wait(&laptop, &asked, "");
        let at = address(&laptop);
        let words = ["pair", &at, "--code", &code, "--yes", "--me", "Phone"];
        phone.larder(&words).expect_success();
        assert!(waiting.await_end(LIMIT).0.success());
        await_status(&phone, "/notes/milk", 200);
    }
}
