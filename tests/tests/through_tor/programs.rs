//! Programs that know of Tor and of certificates, and nothing of Larder.

mod needs_tor {
    use std::process::Command;

    use tests::{CTorOptions, Finished, Key, TestNet};

    use crate::support::*;

    /// What `torsocks` has to know of a C Tor.
    fn torsocks_settings(port: u16) -> String {
        format!("TorAddress 127.0.0.1\nTorPort {port}\nOnionAddrRange 127.42.42.0/24\n")
    }

    #[test]
    fn curl_comes_with_a_certificate() {
        let network = TestNet::shared();
        let hub = hub(network);
        let tor = network.c_tor(&CTorOptions::default());
        let key = Key::new();
        share(&hub, "notes", 3, &key.text());
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, secret) = key.write_to(folder.path());
        let url = format!("https://{}:9898/notes", address(&hub));
        let settings = folder.path().join("torsocks.conf");
        std::fs::write(&settings, torsocks_settings(tor.socks().port())).expect("settings");

        let curl = |mut command: Command, proxy: bool, with_key: bool| {
            command.args(["--silent", "--show-error", "--insecure", "--max-time", "60"]);
            if proxy {
                command.args(["--socks5-hostname", &tor.socks().to_string()]);
            }
            if with_key {
                command.arg("--cert").arg(&certificate).arg("--key").arg(&secret);
            }
            Finished::of(command.arg(&url))
        };
        let fetched = tests::eventually("an answer", || {
            let finished = curl(Command::new("curl"), true, true);
            if finished.stdout.contains("doc_count") {
                Ok(finished)
            } else {
                Err(finished.to_string())
            }
        });
        assert!(fetched.stdout.contains(r#""doc_count":3"#), "{fetched}");
        let stranger = curl(Command::new("curl"), true, false);
        assert!(!stranger.stdout.contains("doc_count"), "{stranger}");

        let mut torsocks = Command::new("torsocks");
        torsocks.env("TORSOCKS_CONF_FILE", &settings).arg("curl");
        let fetched = curl(torsocks, false, true);
        assert!(fetched.stdout.contains(r#""doc_count":3"#), "{fetched}");
    }
}

mod needs_node {
    mod needs_tor {
        use tests::{CTorOptions, Key, TestNet, node};

        use crate::support::*;

        #[test]
        fn pouchdb_comes_with_a_certificate() {
            let network = TestNet::shared();
            let hub = hub(network);
            let tor = network.c_tor(&CTorOptions::default());
            let key = Key::new();
            share(&hub, "notes", 25, &key.text());
            let folder = tempfile::tempdir().expect("a folder");
            let (certificate, secret) = key.write_to(folder.path());
            let url = format!("https://{}:9898/notes", address(&hub));
            let mut script = node();
            script.args(["onion.mjs", &url, &tor.socks().to_string()]).arg(certificate).arg(secret);
            let said = tests::Finished::of(&mut script).expect_success();
            assert!(said.contains("25 pulled, 1 pushed"), "{said}");
            assert_eq!(count(&hub, "notes"), 26);
        }
    }
}
