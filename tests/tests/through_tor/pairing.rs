//! Two people who are far from each other, and pair.

mod needs_tor {
    use std::time::Duration;

    use serde_json::json;
    use tests::{Hub, Process, TestNet, await_status, eventually, larder};

    use crate::support::*;

    /// Far longer than a pairing takes.
    const LIMIT: Duration = Duration::from_secs(120);

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
