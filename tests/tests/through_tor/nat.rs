//! Hubs behind routers that let nothing in, and what leaves them.

mod needs_namespaces {
    mod needs_tor {
        mod needs_apt {
            mod needs_node {
                use serde_json::json;
                use tests::{
                    CTorOptions, Control, Hub, HubOptions, Incoming, Namespace, Namespaces, Packet,
                    Protocol, TestNet, demo,
                };

                use crate::support::*;

                /// Enough for a few batches each way; the whole index goes the same way by
                /// `LARDER_ONION_RECORDS`.
                const RECORDS: usize = 5_000;

                fn records() -> usize {
                    let wanted = std::env::var("LARDER_ONION_RECORDS").ok();
                    wanted.and_then(|text| text.parse().ok()).unwrap_or(RECORDS)
                }

                /// A hub on Arti inside a namespace, reachable.
                #[track_caller]
                fn hub_in(namespace: &Namespace, network: &TestNet) -> Hub {
                    let settings = settings(network, "");
                    let options = HubOptions {
                        settings: &settings,
                        onion: Some("arti"),
                        namespace: Some(namespace),
                        ..HubOptions::default()
                    };
                    let hub = Hub::start_as(&options);
                    await_reachable(&hub);
                    hub
                }

                /// Replicates the package index from the first to the second and back; they end alike.
                #[track_caller]
                fn replicate_index(a: &Hub, b: &Hub) {
                    b.put("/packages", "").expect(201);
                    // Design documents with full-text indexes are for those who administer it.
                    let names = json!({ "names": [key(a)], "roles": [] });
                    let members = json!({ "members": names, "admins": names });
                    b.put("/packages/_security", members).expect(200);
                    let options = demo::Options { records: Some(records()) };
                    let differences = demo::between(a, b, &url(b, "packages"), &options);
                    assert!(differences.is_empty(), "{differences:#?}");
                }

                /// Nothing leaves a namespace but to the private network and to itself, and nobody is
                /// asked where an onion service is.
                #[track_caller]
                fn assert_private(packets: &[Packet], network: &Namespace) {
                    assert!(packets.len() > 100, "the capture saw only {} packets", packets.len());
                    for packet in packets {
                        let ends = [packet.source, packet.destination];
                        let local = ends.iter().all(|end| end.is_loopback());
                        let tor = packet.protocol == Protocol::Tcp
                            && ends.contains(&network.address().into());
                        assert!(local || tor, "{packet:?}");
                        assert_eq!(packet.dns_name(), None, "{packet:?}");
                        assert!(local || !packet.contains(".onion"), "{packet:?}");
                    }
                }

                #[test]
                fn two_hubs_behind_nat_replicate_the_package_index() {
                    let world = Namespaces::new();
                    let network = TestNet::start_in(world.bridge());
                    let homes = ["a", "b"].map(|name| world.join(name, Incoming::Refused));
                    let captures = [&homes[0], &homes[1]].map(Namespace::capture);
                    let [a, b] = [&homes[0], &homes[1]].map(|home| hub_in(home, &network));
                    replicate_index(&a, &b);
                    a.stop();
                    b.stop();
                    for capture in captures {
                        assert_private(&capture.stop(), world.bridge());
                    }
                }

                #[test]
                fn and_with_one_of_them_on_a_system_tor() {
                    let world = Namespaces::new();
                    let network = TestNet::start_in(world.bridge());
                    let homes = ["a", "b"].map(|name| world.join(name, Incoming::Refused));
                    let a = hub_in(&homes[0], &network);
                    let tor = network.c_tor(&CTorOptions {
                        namespace: Some(&homes[1]),
                        control: Control::Cookie,
                        ..CTorOptions::default()
                    });
                    let settings = format!("[onion]\ncontrol = '{}'\n", tor.control());
                    let b = Hub::start_as(&HubOptions {
                        settings: &settings,
                        onion: Some("system"),
                        namespace: Some(&homes[1]),
                        ..HubOptions::default()
                    });
                    await_reachable(&b);
                    replicate_index(&a, &b);
                }

                #[test]
                fn a_hub_that_starts_offline_is_reachable_soon_after() {
                    let world = Namespaces::new();
                    let network = TestNet::start_in(world.bridge());
                    let home = world.join("home", Incoming::Refused);
                    home.set_cable(false);
                    let settings = settings(&network, "");
                    let hub = Hub::start_as(&HubOptions {
                        settings: &settings,
                        onion: Some("arti"),
                        namespace: Some(&home),
                        ..HubOptions::default()
                    });
                    // Until Tor has tried for a while in vain.
                    let offline = until(&hub, "offline", |status| {
                        !status["blocked"].is_null() && status["since_s"].as_u64() > Some(5)
                    });
                    assert_eq!(offline["reachable"], false);
                    home.set_cable(true);
                    // Left alone, Tor would try again after two and a half minutes, which is longer than
                    // this waits.
                    await_reachable(&hub);
                }
            }
        }
    }
}
