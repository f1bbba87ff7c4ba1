//! Two hubs, and the way between them.

mod needs_tor {
    use serde_json::json;
    use tests::{CTor, CTorOptions, Control, Hub, HubOptions, OnionService, TestNet};

    use crate::support::*;

    #[test]
    fn two_hubs_replicate_both_ways_by_address() {
        let network = TestNet::shared();
        let (friend, ours) = (hub(network), hub(network));
        share(&friend, "notes", 500, &key(&ours));
        ours.put("/notes", "").expect(201);
        let theirs = url(&friend, "notes");
        assert_eq!(replicated(&ours, &theirs, "notes"), 500);
        write(&ours, "notes", 500..700);
        assert_eq!(replicated(&ours, "notes", &theirs), 200);
        assert_eq!(count(&friend, "notes"), 700);

        // Whoever holds another key is nobody, however they come.
        let stranger = hub(network);
        stranger.put("/notes", "").expect(201);
        let refused = replicate(&stranger, &theirs, "notes");
        assert!(refused.status >= 400 && count(&stranger, "notes") == 0, "{refused}");
    }

    #[test]
    fn an_address_that_answers_with_another_key_is_not_talked_to() {
        let network = TestNet::shared();
        let (friend, ours) = (hub(network), hub(network));
        share(&friend, "notes", 1, &key(&ours));
        ours.put("/notes", "").expect(201);
        let wrong = url(&friend, "notes").replace(&key(&friend), &key(&ours));
        let refused = replicate(&ours, &wrong, "notes");
        assert!(refused.status >= 400 && count(&ours, "notes") == 0, "{refused}");
    }

    #[test]
    fn a_live_replication_carries_news() {
        let network = TestNet::shared();
        let (friend, ours) = (hub(network), hub(network));
        share(&friend, "notes", 10, &key(&ours));
        let source = url(&friend, "notes");
        let job = json!({
            "source": source, "target": "notes", "create_target": true, "continuous": true,
        });
        ours.put("/_replicator/notes", job).expect(201);
        let arrived = |wanted| {
            tests::eventually("the news", || match ours.get("/notes") {
                reply if reply.status == 200 && reply.json()["doc_count"] == wanted => Ok(()),
                reply => Err(reply.to_string()),
            });
        };
        arrived(10);
        write(&friend, "notes", 10..30);
        arrived(30);
    }

    #[test]
    fn the_address_stays_without_a_hub_and_without_what_tor_knows() {
        let network = TestNet::shared();
        let first = hub(network);
        let wanted = address(&first);
        assert!(wanted.len() == 62 && wanted.ends_with(".onion"), "{wanted}");
        let folder = first.stop();
        let data_dir = folder.path().join("data");
        let said = without_hub(&["onion", "address"], &data_dir).expect_success();
        assert_eq!(said.trim(), wanted);
        std::fs::remove_dir_all(data_dir.join("onion")).expect("what Tor knew");
        let options = HubOptions { onion: Some("arti"), ..HubOptions::default() };
        let again = Hub::start_again(folder, &options);
        await_reachable(&again);
        assert_eq!(address(&again), wanted);
    }

    #[test]
    fn a_hub_says_how_it_is_reachable() {
        let hub = hub(TestNet::shared());
        let status = status(&hub);
        assert_eq!(status["stage"], "reachable", "{status}");
        assert_eq!(status["address"], address(&hub).as_str());
        assert_eq!(status["mode"], "arti");
        assert!(status["last_self_dial"]["took_ms"].is_u64(), "{status}");
        assert!(status["child_memory_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20));
        let said = hub.larder(&["status"]).expect_success();
        assert!(said.contains("reachable"), "{said}");
        let checked = hub.larder(&["onion", "check"]).expect_success();
        assert!(checked.contains("dialled itself  fine"), "{checked}");
        let metrics = hub.get("/_node/_local/_prometheus").expect(200).body;
        let metrics = String::from_utf8_lossy(&metrics);
        assert!(metrics.contains("onion"), "metrics name it");
    }

    #[test]
    fn a_hub_on_a_system_tor_and_one_on_arti_reach_each_other() {
        let network = TestNet::shared();
        let tor =
            network.c_tor(&CTorOptions { control: Control::Cookie, ..CTorOptions::default() });
        let settings = format!("[onion]\ncontrol = '{}'\n", tor.control());
        let options =
            HubOptions { settings: &settings, onion: Some("system"), ..HubOptions::default() };
        let system = Hub::start_as(&options);
        await_reachable(&system);
        let arti = hub(network);
        share(&system, "notes", 300, &key(&arti));
        share(&arti, "letters", 300, &key(&system));
        arti.put("/notes", "").expect(201);
        system.put("/letters", "").expect(201);
        assert_eq!(replicated(&arti, &url(&system, "notes"), "notes"), 300);
        assert_eq!(replicated(&system, &url(&arti, "letters"), "letters"), 300);
    }

    /// A C Tor that publishes a hub.
    fn host(network: &TestNet, hub: &Hub) -> CTor {
        let target = hub.tls_url().trim_start_matches("https://").trim_end_matches('/').parse();
        let service = Some(OnionService { port: 9898, target: target.expect("an address") });
        network.c_tor(&CTorOptions { service, ..CTorOptions::default() })
    }

    /// What a C Tor publishes, as our hubs name it.
    fn source(host: &CTor, hub: &Hub) -> String {
        let (address, key) = (host.onion_address(), key(hub));
        format!("httpkey://{address}:9898/ed25519publickey:{key}/notes")
    }

    #[test]
    fn a_hub_that_c_tor_publishes_is_reached_by_ours_also_when_it_has_moved() {
        let network = TestNet::shared();
        let (published, ours) = (Hub::start(), hub(network));
        let old = host(network, &published);
        share(&published, "notes", 200, &key(&ours));
        ours.put("/notes", "").expect(201);
        let fetched = |source: &str| {
            // Its descriptor is on its way.
            tests::eventually("its documents", || match replicate(&ours, source, "notes") {
                reply if reply.status == 200 => Ok(()),
                reply => Err(reply.to_string()),
            });
        };
        let before = source(&old, &published);
        fetched(&before);
        assert_eq!(count(&ours, "notes"), 200);

        drop(old);
        let new = host(network, &published);
        write(&published, "notes", 200..210);
        let lost = replicate(&ours, &before, "notes");
        assert!(lost.status >= 400 && lost.to_string().contains("onion service"), "{lost}");
        fetched(&source(&new, &published));
        assert_eq!(count(&ours, "notes"), 210);
    }

    #[test]
    fn no_name_of_an_onion_service_is_dialled_when_it_is_off() {
        let off = Hub::start();
        off.put("/notes", "").expect(201);
        for source in [
            "httpkey://aoqqpp7tzyil4hlwbzsxk2lxscbt3erisvdlhjkrw4h5xhcbdsbqbead.onion/x/notes",
            "http://abc.onion/notes",
            "https://abc.onion./notes",
            "http://x.ABC.Onion:80/notes",
        ] {
            let reply = replicate(&off, source, "notes");
            assert!(reply.status >= 400, "{source}: {reply}");
        }
    }
}
