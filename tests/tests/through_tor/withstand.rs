//! What a hub goes through on its way to others.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::json;
use tests::{Hub, HubOptions};

use crate::support::*;

mod needs_tor {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use tests::{CTorOptions, Control, TestNet};

    use super::*;

    #[test]
    fn a_child_that_is_killed_again_and_again_loses_nothing() {
        let network = TestNet::shared();
        let (friend, ours) = (hub(network), hub(network));
        const DOCUMENTS: u64 = 20_000;
        let arrived = |hub: &Hub| match hub.get("/notes") {
            reply if reply.status == 200 => reply.json()["doc_count"].as_u64().unwrap_or_default(),
            _ => 0,
        };
        share(&friend, "notes", 0, &key(&ours));
        for start in (0..20_000).step_by(1000) {
            write(&friend, "notes", start..start + 1000);
        }
        let source = url(&friend, "notes");
        let job = json!({
            "source": source, "target": "notes", "create_target": true, "continuous": true,
        });
        ours.put("/_replicator/notes", job).expect(201);
        for round in 0..6 {
            let killed = if round % 2 == 0 { &ours } else { &friend };
            let pid = await_reachable(killed)["child_pid"].as_u64().expect("a process");
            // In the middle of it, while it is not over.
            let before = arrived(&ours);
            tests::eventually("more documents", || match arrived(&ours) {
                DOCUMENTS => Ok(()),
                now if now > before => Ok(()),
                now => Err(format!("{now} documents")),
            });
            signal(pid, "-KILL");
            // The local API does not notice.
            killed.get("/_up").expect(200);
        }
        tests::eventually("every document", || match arrived(&ours) {
            DOCUMENTS => Ok(()),
            count => Err(format!("{count} documents: {}", ours.get("/_scheduler/jobs"))),
        });
        let both = [&friend, &ours].map(|hub| {
            let listed = hub.get("/notes/_all_docs").expect(200).json();
            listed["rows"].clone()
        });
        assert_eq!(both[0], both[1]);
    }

    #[test]
    fn relays_go_one_by_one_and_come_back() {
        let mut network = TestNet::start();
        // Relays that have been away know no descriptors: the hub has to find out that it is lost.
        let friend = hub_with(&network, "check_every_s = 10");
        let ours = hub(&network);
        share(&friend, "notes", 10, &key(&ours));
        ours.put("/notes", "").expect(201);
        let source = url(&friend, "notes");
        assert_eq!(replicated(&ours, &source, "notes"), 10);
        // Fewer than four relays are too few for any onion service, so that nothing is asked while one is
        // away: all has to be well afterwards.
        network.stop_authority();
        ours.get("/_up").expect(200);
        network.start_authority();
        for relay in 0..3 {
            network.stop_relay(relay);
            ours.get("/_up").expect(200);
            network.start_relay(relay);
        }
        write(&friend, "notes", 10..30);
        tests::eventually("documents after every relay has been away", || {
            match replicate(&ours, &source, "notes") {
                reply if reply.status == 200 => Ok(()),
                reply => Err(format!("{reply}; {}", status(&friend))),
            }
        });
        assert_eq!(count(&ours, "notes"), 30);
    }

    #[test]
    fn two_hubs_with_one_key_are_noticed() {
        let network = TestNet::shared();
        let first = hub_with(network, "check_every_s = 10");
        let folder = tempfile::TempDir::with_prefix("larder-test-").expect("a folder");
        let data_dir = folder.path().join("data");
        std::fs::create_dir(&data_dir).expect("a data directory");
        std::fs::copy(first.data_dir().join("device"), data_dir.join("device"))
            .expect("the device key, copied");
        let settings = settings(network, "check_every_s = 10");
        let options =
            HubOptions { settings: &settings, onion: Some("arti"), ..HubOptions::default() };
        let second = Hub::start_again(folder, &options);
        assert_eq!(address(&first), address(&second));
        tests::eventually("the twin noticed", || {
            match [&first, &second].map(status).iter().any(|status| status["stage"] == "twin") {
                true => Ok(()),
                false => Err(format!("{} {}", status(&first), status(&second))),
            }
        });
    }

    #[test]
    fn streams_that_say_nothing_do_not_keep_others_out() {
        let network = TestNet::shared();
        let (friend, ours) = (hub_with(network, "streams_max = 16"), hub(network));
        share(&friend, "notes", 10, &key(&ours));
        ours.put("/notes", "").expect(201);
        let tor = network.c_tor(&CTorOptions::default());
        let half_open: Vec<_> =
            (0..40).filter_map(|_| socks(&tor, &address(&friend), 9898).ok()).collect();
        assert!(half_open.len() >= 16, "{} streams", half_open.len());
        let source = url(&friend, "notes");
        tests::eventually("documents beside them", || match replicate(&ours, &source, "notes") {
            reply if reply.status == 200 => Ok(()),
            reply => Err(reply.to_string()),
        });
        drop(half_open);
    }

    #[test]
    fn other_ports_and_plain_words_get_nothing() {
        let network = TestNet::shared();
        let hub = hub(network);
        let tor = network.c_tor(&CTorOptions::default());
        let mut stream = tests::eventually("a stream", || socks(&tor, &address(&hub), 9898));
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("written");
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains("couchdb"), "{answer:?}");
        for port in [80, 443, 5984, 6984] {
            assert!(socks(&tor, &address(&hub), port).is_err(), "port {port}");
        }
        await_reachable(&hub);
    }

    #[test]
    fn a_state_directory_that_is_not_as_it_must_be_is_named() {
        let network = TestNet::shared();
        let folder = tempfile::TempDir::with_prefix("larder-test-").expect("a folder");
        let onion = folder.path().join("data/onion");
        std::fs::create_dir_all(&onion).expect("a directory");
        std::fs::set_permissions(folder.path().join("data"), PermissionsExt::from_mode(0o700))
            .expect("rights");
        std::fs::set_permissions(&onion, PermissionsExt::from_mode(0o777)).expect("rights");
        let settings = settings(network, "");
        let options =
            HubOptions { settings: &settings, onion: Some("arti"), ..HubOptions::default() };
        let hub = Hub::start_again(folder, &options);
        hub.put("/notes", "").expect(201);
        let status = until(&hub, "refused", |status| status["last_error"]["text"].is_string());
        let text = status["last_error"]["text"].as_str().unwrap_or_default();
        assert!(text.contains("onion"), "{status}");
        // Mended, it goes on by itself.
        std::fs::set_permissions(hub.data_dir().join("onion"), PermissionsExt::from_mode(0o700))
            .expect("rights");
        await_reachable(&hub);
    }

    #[test]
    fn a_network_that_refuses_descriptors_is_named_by_both_ways() {
        let network = TestNet::start_refusing_descriptors();
        let tor = network.c_tor(&CTorOptions { control: Control::Cookie, ..Default::default() });
        let by_arti = settings(&network, "");
        let by_c_tor = format!("[onion]\ncontrol = '{}'\n", tor.control());
        for (onion, settings) in [("arti", by_arti), ("system", by_c_tor)] {
            let options =
                HubOptions { settings: &settings, onion: Some(onion), ..HubOptions::default() };
            let hub = Hub::start_as(&options);
            let status = until(&hub, "named", |status| status["last_error"]["text"].is_string());
            let text = status["last_error"]["text"].as_str().unwrap_or_default();
            assert!(text.contains("descriptor") || text.contains("publish"), "{onion}: {status}");
            assert_eq!(status["reachable"], false, "{onion}: {status}");
            hub.put("/notes", "").expect(201);
        }
    }

    /// Opens a stream through a C Tor; it takes a host's name as it is.
    fn socks(tor: &tests::CTor, host: &str, port: u16) -> Result<TcpStream, String> {
        let failed = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(tor.socks()).map_err(failed)?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(failed)?;
        stream.write_all(&[5, 1, 0]).map_err(failed)?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).map_err(failed)?;
        let length = u8::try_from(host.len()).map_err(|error| error.to_string())?;
        let request = [&[5, 1, 0, 3, length], host.as_bytes(), &port.to_be_bytes()].concat();
        stream.write_all(&request).map_err(failed)?;
        let mut answer = [0; 10];
        stream.read_exact(&mut answer).map_err(failed)?;
        if answer[1] == 0 { Ok(stream) } else { Err(format!("SOCKS says {}", answer[1])) }
    }
}

mod needs_mounts {
    mod needs_tor {
        use tests::{SmallDisk, TestNet, hidden};

        use super::super::*;

        const TEST: &str = "withstand::needs_mounts::needs_tor::disks_that_take_nothing_are_named_and_hurt_tor_alone";

        #[test]
        fn disks_that_take_nothing_are_named_and_hurt_tor_alone() {
            hidden(TEST, || {
                check(SmallDisk::fill, SmallDisk::empty);
                check(|disk| disk.set_writable(false), |disk| disk.set_writable(true));
            });
        }

        /// A hub whose Tor can keep nothing says so, serves all the same, and goes on once it can.
        fn check(break_it: impl Fn(&SmallDisk), mend: impl Fn(&SmallDisk)) {
            let network = TestNet::shared();
            let folder = tempfile::TempDir::with_prefix("larder-test-").expect("a folder");
            let data_dir = folder.path().join("data");
            std::fs::create_dir_all(&data_dir).expect("a directory");
            std::fs::set_permissions(&data_dir, PermissionsExt::from_mode(0o700)).expect("rights");
            let disk = SmallDisk::mount(&data_dir.join("onion"), 4);
            break_it(&disk);
            let settings = settings(network, "");
            let options =
                HubOptions { settings: &settings, onion: Some("arti"), ..HubOptions::default() };
            let hub = Hub::start_again(folder, &options);
            until(&hub, "named", |status| status["last_error"]["text"].is_string());
            hub.put("/notes", "").expect(201);
            mend(&disk);
            await_reachable(&hub);
        }
    }
}

mod needs_faketime {
    mod needs_tor {
        use tests::TestNet;

        use super::super::*;

        const HOUR: i64 = 60 * 60;

        /// A hub in a network whose clock is so many hours ahead.
        fn hub_behind(hours: i64) -> (TestNet, Hub) {
            let network = TestNet::start_ahead(hours * HOUR);
            let settings = settings(&network, "");
            let options =
                HubOptions { settings: &settings, onion: Some("arti"), ..HubOptions::default() };
            let hub = Hub::start_as(&options);
            (network, hub)
        }

        #[test]
        fn a_clock_that_is_two_hours_off_does_no_harm() {
            let (_network, hub) = hub_behind(2);
            await_reachable(&hub);
        }

        #[test]
        fn a_clock_that_is_days_off_is_named() {
            let (_network, hub) = hub_behind(-24 * 5);
            until(&hub, "named", |status| {
                status["last_error"]["text"].as_str().is_some_and(|text| text.contains("clock"))
            });
            hub.put("/notes", "").expect(201);
        }
    }
}

/// Where there is no network at all, the hub serves, and says so.
#[test]
fn a_hub_that_finds_no_network_serves_all_the_same() {
    let options = HubOptions {
        settings: "[onion.arti.tor_network]\nfallback_caches = [{ rsa_identity = \
            '0000000000000000000000000000000000000001', ed_identity = \
            'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE', orports = ['127.0.0.1:1'] }]\n",
        onion: Some("arti"),
        ..HubOptions::default()
    };
    let hub = Hub::start_as(&options);
    hub.put("/notes", "").expect(201);
    let status = until(&hub, "said", |status| status["stage"] == "bootstrapping");
    assert_eq!(status["reachable"], false);
    let refused = replicate(&hub, &url(&hub, "notes"), "notes");
    assert!(refused.status >= 400, "{refused}");
    hub.stop();
}
