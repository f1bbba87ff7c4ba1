//! Programs that know of Tor and of certificates, and nothing of Larder.

use std::net::SocketAddr;
use std::path::PathBuf;

use tests::{CTor, CTorOptions, Hub, Key, TestNet};

use crate::support::*;

/// A program's way to a hub's database: a Tor of its own, and a key that may read and write there.
struct Visit {
    hub: Hub,
    tor: CTor,
    folder: tempfile::TempDir,
    certificate: PathBuf,
    secret: PathBuf,
    /// The database.
    url: String,
}

impl Visit {
    /// To a hub whose database has so many documents.
    #[track_caller]
    fn to_database_of(documents: usize) -> Self {
        let network = TestNet::shared();
        let hub = hub(network);
        let tor = network.c_tor(&CTorOptions::default());
        let key = Key::new();
        share(&hub, "notes", documents, &key.text());
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, secret) = key.write_to(folder.path());
        let url = format!("https://{}:9898/notes", address(&hub));
        Self { hub, tor, folder, certificate, secret, url }
    }

    fn socks(&self) -> SocketAddr {
        self.tor.socks()
    }
}

mod needs_tor {
    use std::process::Command;

    use tests::Finished;

    use super::*;

    /// What `torsocks` has to know of a C Tor.
    fn torsocks_settings(port: u16) -> String {
        format!("TorAddress 127.0.0.1\nTorPort {port}\nOnionAddrRange 127.42.42.0/24\n")
    }

    #[test]
    fn curl_comes_with_a_certificate() {
        let visit = Visit::to_database_of(3);
        let settings = visit.folder.path().join("torsocks.conf");
        std::fs::write(&settings, torsocks_settings(visit.socks().port())).expect("settings");

        let curl = |mut command: Command, proxy: bool, with_key: bool| {
            command.args(["--silent", "--show-error", "--insecure", "--max-time", "60"]);
            if proxy {
                command.args(["--socks5-hostname", &visit.socks().to_string()]);
            }
            if with_key {
                command.arg("--cert").arg(&visit.certificate).arg("--key").arg(&visit.secret);
            }
            Finished::of(command.arg(&visit.url))
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
        use tests::{Finished, node};

        use super::super::*;

        #[test]
        fn pouchdb_comes_with_a_certificate() {
            let visit = Visit::to_database_of(25);
            let mut script = node();
            script.args(["onion.mjs", &visit.url, &visit.socks().to_string()]);
            script.arg(&visit.certificate).arg(&visit.secret);
            let said = Finished::of(&mut script).expect_success();
            assert!(said.contains("25 pulled, 1 pushed"), "{said}");
            assert_eq!(count(&visit.hub, "notes"), 26);
        }
    }
}
