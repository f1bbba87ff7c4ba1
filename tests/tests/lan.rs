//! Hubs of one network: dialled where they say that they are, in networks where both sides have opted in, and
//! nowhere else.

mod needs_namespaces {
    use std::net::{IpAddr, Ipv4Addr};

    use serde_json::{Value, json};
    use tempfile::TempDir;
    use tests::{
        Hub, HubOptions, Incoming, Namespace, Namespaces, Packet, Protocol, await_status,
        eventually,
    };

    const PORT: u16 = 6984;

    /// Where Bert's hub is to be found later on.
    const MOVED_TO: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 103);

    /// What TLS begins with: a handshake's record, of a version that all of them write.
    const CLIENT_HELLO: [u8; 3] = [22, 3, 1];

    /// What is in documents, and on no cable.
    const SECRET: &str = "the-words-of-a-diary";

    /// Whose the two hubs are.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Whose {
        /// Two people's, who are friends.
        Friends,
        /// One person's.
        Devices,
    }

    /// Two homes on a bridge, Anna's and Bert's, and whether they have opted in.
    struct Street {
        homes: [Namespace; 2],
        lan: [bool; 2],
        _network: Namespaces,
    }

    impl Street {
        fn new(lan: [bool; 2]) -> Self {
            let network = Namespaces::new();
            let homes = ["anna", "bert"].map(|name| network.join(name, Incoming::Accepted));
            Self { homes, lan, _network: network }
        }

        /// Starts a hub at home, on any address.
        fn start(&self, at: usize, folder: Option<TempDir>) -> Hub {
            self.start_on(at, folder, Ipv4Addr::UNSPECIFIED)
        }

        fn start_on(&self, at: usize, folder: Option<TempDir>, address: Ipv4Addr) -> Hub {
            let options = HubOptions {
                settings: &format!("[mesh]\nlan = {}\n", self.lan[at]),
                tls: Some(&format!("{address}:{PORT}")),
                namespace: Some(&self.homes[at]),
                ..HubOptions::default()
            };
            match folder {
                Some(folder) => Hub::start_again(folder, &options),
                None => Hub::start_as(&options),
            }
        }

        /// Two hubs that were told of each other, by the addresses that they have now.
        fn meet(&self, whose: Whose) -> [Hub; 2] {
            let hubs = [self.start(0, None), self.start(1, None)];
            let [anna, bert] = &hubs;
            for (at, hub, other, name) in [(1, anna, bert, "Bert"), (0, bert, anna, "Anna")] {
                let named = json!({"url": self.url(at, other), "name": name});
                let path = match whose {
                    Whose::Friends => "/_hub/friends",
                    Whose::Devices => "/_hub/devices",
                };
                hub.post(path, named).expect(201);
            }
            bert.put("/diary", "").expect(201);
            bert.put("/diary/first", json!({"text": SECRET})).expect(201);
            if whose == Whose::Friends {
                let granted = json!({"place": "diary", "who": "Anna", "right": "write"});
                bert.post("/_hub/acl/grant", granted).expect(200);
                anna.take_offer("Bert", "diary");
            }
            await_status(anna, "/diary/first", 200);
            hubs
        }

        fn url(&self, at: usize, hub: &Hub) -> String {
            let address = self.homes[at].address();
            format!("httpkey://{address}:{PORT}/ed25519publickey:{}/", hub.key())
        }

        /// Gives Bert's home the address that his hub is to be found at later.
        fn add_address(&self) {
            self.homes[1].set_address(&format!("{MOVED_TO}/24"), true);
        }

        /// Takes the address away that Bert's hub was found at first.
        fn remove_address(&self) {
            let first = self.homes[1].address();
            self.homes[1].set_address(&format!("{first}/24"), false);
        }
    }

    /// What Anna's hub notes of Bert's.
    #[track_caller]
    fn noted(anna: &Hub, whose: Whose) -> Value {
        match whose {
            Whose::Devices => anna.device("Bert"),
            Whose::Friends => {
                let shown = anna.get("/_hub/friends").expect(200).json();
                shown["friends"][0].clone()
            }
        }
    }

    /// Waits until Anna's hub has heard that Bert's is at the other address, too.
    #[track_caller]
    fn await_announced(anna: &Hub, whose: Whose) {
        eventually("the new address", || {
            let noted = noted(anna, whose);
            let urls = noted["announced"].as_array().into_iter().flatten();
            let mut urls = urls.filter_map(Value::as_str);
            let is_there = urls.any(|url| url.contains(&format!("//{MOVED_TO}:{PORT}/")));
            if is_there { Ok(()) } else { Err(noted.to_string()) }
        });
    }

    /// Waits until Anna's hub has tried all ways to Bert's in vain.
    #[track_caller]
    fn await_lost(anna: &Hub) {
        eventually("no way is left", || {
            let peer = anna.peer("Bert");
            if peer["state"] == "waiting" { Ok(()) } else { Err(peer.to_string()) }
        });
    }

    /// The packets that left a home, or came there.
    fn on_cable(packets: Vec<Packet>) -> Vec<Packet> {
        let is_within = |packet: &Packet| {
            packet.source == packet.destination
                || packet.source.is_loopback() && packet.destination.is_loopback()
        };
        packets.into_iter().filter(|packet| !is_within(packet)).collect()
    }

    /// Fails when anything but TLS between two hubs was on the cable, or anything could be read there.
    #[track_caller]
    fn assert_tls_alone(packets: &[Packet], homes: &[IpAddr]) {
        for packet in packets {
            assert_eq!(packet.protocol, Protocol::Tcp, "{packet:?}");
            for end in [packet.source, packet.destination] {
                assert!(homes.contains(&end), "{packet:?}");
            }
            let ports = [packet.source_port, packet.destination_port];
            assert!(ports.contains(&PORT), "{packet:?}");
            assert!(!packet.contains(SECRET), "{packet:?}");
        }
    }

    /// Whether somebody was dialled at an address, and began with TLS.
    fn is_dialled(packets: &[Packet], address: Ipv4Addr) -> bool {
        let mut packets = packets.iter().filter(|packet| packet.destination == address);
        packets.any(|packet| {
            packet.destination_port == PORT && packet.payload.starts_with(&CLIENT_HELLO)
        })
    }

    /// Fails when anything was sent to where a hub would listen.
    #[track_caller]
    fn assert_not_dialled(packets: &[Packet], address: Ipv4Addr) {
        let sent = packets
            .iter()
            .find(|packet| packet.destination == address && packet.destination_port == PORT);
        assert_eq!(sent, None, "it was dialled");
    }

    /// Fails when anything was sent to one of these.
    #[track_caller]
    fn assert_silent(packets: &[Packet], to: &[IpAddr]) {
        let sent = packets.iter().find(|packet| to.contains(&packet.destination));
        assert_eq!(sent, None, "sent where nobody is to be dialled");
    }

    /// Both have opted in, and Bert's hub moves: it is found where it has said that it is.
    #[track_caller]
    fn finds_where_it_has_moved(whose: Whose) {
        let street = Street::new([true, true]);
        let [anna, bert] = street.meet(whose);
        let captures = [0, 1].map(|at| street.homes[at].capture());
        // That it has one more, it notices by itself.
        street.add_address();
        await_announced(&anna, whose);
        let folder = bert.stop();
        street.remove_address();
        let bert = street.start(1, Some(folder));
        bert.put("/diary/moved", json!({"text": SECRET})).expect(201);
        await_status(&anna, "/diary/moved", 200);
        anna.put("/diary/answer", json!({"text": SECRET})).expect(201);
        await_status(&bert, "/diary/answer", 200);
        let [at_anna, at_bert] = captures.map(|capture| on_cable(capture.stop()));
        let first = street.homes.each_ref().map(|home| IpAddr::from(home.address()));
        let homes = [first[0], first[1], MOVED_TO.into()];
        assert_tls_alone(&at_anna, &homes);
        assert_tls_alone(&at_bert, &homes);
        assert!(is_dialled(&at_anna, MOVED_TO), "Anna's hub dialled what was announced");
        assert!(is_dialled(&at_bert, street.homes[0].address()), "and Bert's hub Anna's");
    }

    #[test]
    fn a_friend_who_has_opted_in_is_found_where_they_have_moved() {
        finds_where_it_has_moved(Whose::Friends);
    }

    #[test]
    fn a_device_that_has_opted_in_is_found_where_it_has_moved() {
        finds_where_it_has_moved(Whose::Devices);
    }

    /// Bert says where he is, and Anna wants nobody dialled by such words.
    #[track_caller]
    fn is_not_dialled_by_whoever_has_not_opted_in(whose: Whose) {
        let street = Street::new([false, true]);
        let [anna, bert] = street.meet(whose);
        street.add_address();
        await_announced(&anna, whose);
        let capture = street.homes[0].capture();
        let folder = bert.stop();
        street.remove_address();
        let bert = street.start(1, Some(folder));
        // Bert's hub finds Anna's, where he was told by hand that it is.
        anna.put("/diary/answer", json!({})).expect(201);
        await_status(&bert, "/diary/answer", 200);
        await_lost(&anna);
        let packets = on_cable(capture.stop());
        assert_not_dialled(&packets, MOVED_TO);
        anna.get("/diary/moved").expect(404);
    }

    #[test]
    fn whoever_has_not_opted_in_dials_no_friend() {
        is_not_dialled_by_whoever_has_not_opted_in(Whose::Friends);
    }

    #[test]
    fn whoever_has_not_opted_in_dials_no_device() {
        is_not_dialled_by_whoever_has_not_opted_in(Whose::Devices);
    }

    /// Anna would dial Bert, who does not want it said where he is, not even where he has said himself on which
    /// address he listens.
    #[track_caller]
    fn does_not_say_where_it_is(whose: Whose) {
        let street = Street::new([true, false]);
        let [anna, bert] = street.meet(whose);
        let capture = street.homes[0].capture();
        street.add_address();
        let folder = bert.stop();
        // It is reached there, and at the first address for as long as that goes on.
        let first = street.homes[1].address();
        let bert = street.start_on(1, Some(folder), first);
        bert.put("/_hub/profile", json!({"name": "Bert himself"})).expect(200);
        bert.put("/diary/second", json!({})).expect(201);
        await_status(&anna, "/diary/second", 200);
        if whose == Whose::Friends {
            eventually("what Bert says of himself", || {
                let noted = noted(&anna, whose);
                let is_heard = noted["profile"]["name"] == "Bert himself";
                if is_heard { Ok(()) } else { Err(noted.to_string()) }
            });
        }
        let announced = noted(&anna, whose)["announced"].clone();
        assert!(announced.is_null() || announced == json!([]), "{announced}");
        let folder = bert.stop();
        street.remove_address();
        let bert = street.start_on(1, Some(folder), MOVED_TO);
        anna.put("/diary/answer", json!({})).expect(201);
        await_status(&bert, "/diary/answer", 200);
        await_lost(&anna);
        let packets = on_cable(capture.stop());
        assert_not_dialled(&packets, MOVED_TO);
    }

    #[test]
    fn a_friend_who_has_not_opted_in_does_not_say_where_they_are() {
        does_not_say_where_it_is(Whose::Friends);
    }

    #[test]
    fn a_device_that_has_not_opted_in_does_not_say_where_it_is() {
        does_not_say_where_it_is(Whose::Devices);
    }

    /// Addresses that are nobody's business: everybody's, this machine's own, and those of other networks.
    #[track_caller]
    fn nobody_is_dialled_elsewhere(whose: Whose) {
        let elsewhere: [Ipv4Addr; 5] =
            ["198.51.100.7", "127.0.0.1", "10.99.0.5", "192.168.7.7", "169.254.7.7"]
                .map(|address| address.parse().expect("an address"));
        let street = Street::new([true, true]);
        let [anna, bert] = street.meet(whose);
        // Bert's hub says itself that it is in another network, too.
        street.homes[1].set_address("10.99.0.5/24", true);
        eventually("the other network", || {
            let noted = noted(&anna, whose).to_string();
            if noted.contains("10.99.0.5") { Ok(()) } else { Err(noted) }
        });
        let (database, key) = match whose {
            Whose::Friends => ("_contacts", bert.key()),
            Whose::Devices => ("_devices", bert.key()),
        };
        let folder = bert.stop();
        let capture = street.homes[0].capture();
        let path = format!("/{database}/{key}");
        let mut record = anna.get(&path).expect(200).json();
        let url = |host: &Ipv4Addr| format!("httpkey://{host}:7777/ed25519publickey:{key}/");
        record["announced"] = elsewhere.iter().map(url).collect();
        anna.put(&path, record).expect(201);
        let dials = anna.mesh_figure("dials");
        await_lost(&anna);
        eventually("more was tried", || {
            let now = anna.mesh_figure("dials");
            if now > dials + 1 { Ok(()) } else { Err(now.to_string()) }
        });
        let packets = capture.stop();
        let wrong = packets.iter().find(|packet| packet.destination_port == 7777);
        assert_eq!(wrong, None, "somebody was dialled");
        let away: Vec<IpAddr> = elsewhere
            .iter()
            .filter(|there| !there.is_loopback())
            .map(|there| (*there).into())
            .collect();
        assert_silent(&packets, &away);
        // What the owner has named goes on being tried, and is found again.
        let bert = street.start(1, Some(folder));
        bert.put("/diary/back", json!({})).expect(201);
        await_status(&anna, "/diary/back", 200);
    }

    #[test]
    fn a_friend_who_says_that_they_are_elsewhere_is_not_dialled_there() {
        nobody_is_dialled_elsewhere(Whose::Friends);
    }

    #[test]
    fn a_device_that_says_that_it_is_elsewhere_is_not_dialled_there() {
        nobody_is_dialled_elsewhere(Whose::Devices);
    }
}
