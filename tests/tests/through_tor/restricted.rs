//! Services that only those find whom they know.

mod needs_tor {
    use tests::TestNet;

    use crate::support::*;

    #[test]
    fn a_friends_key_finds_a_hub_and_nobody_else_does() {
        let network = TestNet::shared();
        let (ours, friend) = (hub(network), hub(network));
        let closed = hub_with(network, "restricted_discovery = true\nstrangers_door = true");
        let (friend_key, closed_address) = (key(&friend), address(&closed));
        share(&closed, "notes", 20, &friend_key);
        let source = url(&closed, "notes");
        for hub in [&ours, &friend] {
            hub.put("/notes", "").expect(201);
            let reply = replicate(hub, &source, "notes");
            assert!(reply.status >= 400, "{reply}");
        }

        let discovery = friend.larder(&["onion", "client-key", &closed_address]).expect_success();
        let discovery = discovery.trim();
        closed.larder(&["onion", "clients", "allow", &friend_key, discovery]).expect_success();
        let listed = closed.larder(&["onion", "clients", "list"]).expect_success();
        assert!(listed.contains(discovery), "{listed}");
        // A descriptor is published at most once a minute.
        tests::eventually("the friend's documents", || {
            match replicate(&friend, &source, "notes") {
                reply if reply.status == 200 => Ok(()),
                reply => Err(reply.to_string()),
            }
        });
        assert_eq!(count(&friend, "notes"), 20);
        let lost = replicate(&ours, &source, "notes");
        assert!(lost.status >= 400 && count(&ours, "notes") == 0, "{lost}");

        // By its other door it shows itself to everybody, and lets nobody in.
        let strangers = closed.larder(&["onion", "address", "--strangers"]).expect_success();
        let by_strangers = source.replace(&closed_address, strangers.trim());
        for hub in [&ours, &friend] {
            let turned_away = replicate(hub, &by_strangers, "notes");
            assert!(turned_away.status >= 400, "{turned_away}");
        }

        // Removed, it may still find the hub for a while; TLS refuses it at once.
        closed.larder(&["onion", "clients", "remove", &friend_key]).expect_success();
        let nobody = serde_json::json!({ "members": { "names": [], "roles": [] } });
        closed.put("/notes/_security", nobody).expect(200);
        write(&closed, "notes", 20..30);
        let refused = replicate(&friend, &source, "notes");
        assert!(refused.status >= 400 && count(&friend, "notes") == 20, "{refused}");
    }
}
