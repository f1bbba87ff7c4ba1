//! A hub's onion service in a real Tor. It is kept from the network, so that this needs none.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod needs_tor {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use data_encoding::BASE64;
    use hkdf::Hkdf;
    use onion::{
        ControlAddress, Discovery, DiscoverySecret, Effective, Finding, OnionTransport, ServiceKey,
        Settings, Stage, SystemTorSettings, inspect_system_tor, system_tor,
    };
    use sha2::{Digest as _, Sha256, Sha512};
    use tempfile::TempDir;
    use tokio::time::{sleep, timeout};

    const SEED: [u8; 32] = [3; 32];

    /// Tor takes seconds to start on a machine that is busy.
    const SOON: Duration = Duration::from_secs(60);

    /// A Tor with its own folder, killed when dropped.
    struct Tor {
        folder: TempDir,
        process: Child,
    }

    impl Tor {
        async fn start() -> Self {
            // Tor makes no socket where others could come to it.
            let private = std::fs::Permissions::from_mode(0o700);
            let folder = tempfile::Builder::new().permissions(private).tempdir().unwrap();
            let process = spawn(folder.path());
            let tor = Self { folder, process };
            tor.wait().await;
            tor
        }

        async fn start_again(&mut self) {
            self.kill();
            for name in ["port", "cookie"] {
                std::fs::remove_file(self.folder.path().join(name)).unwrap();
            }
            self.process = spawn(self.folder.path());
            self.wait().await;
        }

        fn kill(&mut self) {
            self.process.kill().unwrap();
            self.process.wait().unwrap();
        }

        fn socket(&self) -> PathBuf {
            self.folder.path().join("control")
        }

        async fn wait(&self) {
            // Tor listens before it has written down how it is found.
            let written =
                || ["port", "cookie"].iter().all(|name| self.folder.path().join(name).exists());
            let listens = async {
                while UnixStream::connect(self.socket()).is_err() || !written() {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(SOON, listens).await.unwrap();
        }

        fn by_socket(&self) -> SystemTorSettings {
            SystemTorSettings { control: Some(ControlAddress::Unix(self.socket())) }
        }

        /// The port that Tor has chosen, which it writes down as `PORT=127.0.0.1:1234`.
        fn by_port(&self) -> SystemTorSettings {
            let text = std::fs::read_to_string(self.folder.path().join("port")).unwrap();
            let address = text.lines().find_map(|line| line.strip_prefix("PORT=127."));
            let address = format!("127.{}", address.unwrap()).parse().unwrap();
            SystemTorSettings { control: Some(ControlAddress::Tcp(address)) }
        }

        fn raw(&self) -> Raw {
            let cookie = std::fs::read(self.folder.path().join("cookie")).unwrap();
            let socket = BufReader::new(UnixStream::connect(self.socket()).unwrap());
            let mut raw = Raw { socket };
            let cookie = data_encoding::HEXLOWER.encode(&cookie);
            assert_eq!(raw.ask(&format!("AUTHENTICATE {cookie}")), ["250 OK"]);
            raw
        }
    }

    impl Drop for Tor {
        fn drop(&mut self) {
            self.kill();
        }
    }

    fn spawn(folder: &Path) -> Child {
        let file = |name| folder.join(name).display().to_string();
        let torrc = format!(
            "DataDirectory {}\nDisableNetwork 1\nSocksPort 0\nControlPort auto\n\
             ControlPortWriteToFile {}\nControlSocket {}\nCookieAuthentication 1\n\
             CookieAuthFile {}\nLog warn file {}\n",
            file("data"),
            file("port"),
            file("control"),
            file("cookie"),
            file("log"),
        );
        std::fs::write(folder.join("torrc"), torrc).unwrap();
        let mut tor = Command::new("tor");
        tor.arg("-f").arg(folder.join("torrc")).args(["--defaults-torrc", "/dev/null"]);
        tor.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        tor.spawn().expect("these tests need `tor`")
    }

    /// Another program at the control socket, which shares no code with what is tested.
    struct Raw {
        socket: BufReader<UnixStream>,
    }

    impl Raw {
        fn ask(&mut self, command: &str) -> Vec<String> {
            write!(self.socket.get_mut(), "{command}\r\n").unwrap();
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                assert_ne!(self.socket.read_line(&mut line).unwrap(), 0);
                lines.push(line.trim_end().to_owned());
                if line.as_bytes()[3] == b' ' {
                    return lines;
                }
            }
        }

        /// Adds the hub's own service, as another program that knows its key could.
        fn add(&mut self, flags: &str) -> Vec<String> {
            self.ask(&format!("ADD_ONION ED25519-V3:{} Flags={flags} Port=1", expanded()))
        }
    }

    /// The key of the main service, derived once more from what is written down about it.
    fn expanded() -> String {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, &SEED).expand(b"larder-onion-service-1", &mut key).unwrap();
        let mut expanded = Sha512::digest(key);
        expanded[0] &= 248;
        expanded[31] = (expanded[31] & 63) | 64;
        BASE64.encode(&expanded)
    }

    fn settings() -> Settings {
        let main = ServiceKey::main(&SEED);
        Settings {
            own_secret: DiscoverySecret::of(&SEED, &main.address()),
            main,
            strangers: Some(ServiceKey::for_strangers(&SEED)),
            discovery: Discovery::Open,
            port: 5984,
            check_every: Duration::from_secs(600),
            streams_max: 64,
        }
    }

    fn service_id() -> String {
        settings().main.address().full().trim_end_matches(".onion").to_owned()
    }

    /// Waits until Tor has been told of the services.
    async fn until_published(transport: &dyn OnionTransport, effective: Effective) {
        let mut status = transport.status();
        let published = status.wait_for(|status| {
            status.discovery == effective && matches!(status.stage, Stage::Bootstrapping { .. })
        });
        timeout(SOON, published).await.unwrap().unwrap();
    }

    async fn until_gone(raw: &mut Raw) {
        let gone = async {
            while raw.add("DiscardPK")[0].starts_with("550") {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(SOON, gone).await.unwrap();
    }

    const COLLISION: &str = "550 Onion address collision";

    #[tokio::test(flavor = "multi_thread")]
    async fn the_service_is_the_hubs_own_and_vanishes_with_it() {
        let tor = Tor::start().await;
        for system in [tor.by_socket(), tor.by_port()] {
            let transport = system_tor(settings(), system);
            until_published(transport.as_ref(), Effective::Everybody).await;
            let mut raw = tor.raw();
            assert_eq!(raw.add("DiscardPK"), [COLLISION]);
            drop(transport);
            until_gone(&mut raw).await;
            // What was added now, by the same key, has the hub's address.
            let current = raw.ask("GETINFO onions/current");
            assert_eq!(current[0], format!("250-onions/current={}", service_id()));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn shutting_down_takes_the_service_away() {
        let tor = Tor::start().await;
        let transport = system_tor(settings(), tor.by_socket());
        until_published(transport.as_ref(), Effective::Everybody).await;
        timeout(SOON, transport.shut_down(Duration::from_secs(30))).await.unwrap();
        assert_eq!(transport.status().borrow().stage, Stage::Stopped);
        until_gone(&mut tor.raw()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_an_earlier_run_left_is_replaced() {
        let tor = Tor::start().await;
        let added = tor.raw().add("DiscardPK,Detach");
        assert_eq!(added, [format!("250-ServiceID={}", service_id()).as_str(), "250 OK"]);
        let transport = system_tor(settings(), tor.by_socket());
        until_published(transport.as_ref(), Effective::Everybody).await;
        let left = tor.raw().ask("GETINFO onions/detached");
        assert!(!left.join(" ").contains(&service_id()), "{left:?}");
        drop(transport);
        until_gone(&mut tor.raw()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_hubs_with_one_key_do_not_share_a_tor() {
        let tor = Tor::start().await;
        let first = system_tor(settings(), tor.by_socket());
        until_published(first.as_ref(), Effective::Everybody).await;
        let second = system_tor(settings(), tor.by_socket());
        let mut status = second.status();
        let refused = status.wait_for(|status| {
            let error = status.last_error.as_ref();
            error.is_some_and(|error| error.text.contains("has this hub's onion service already"))
        });
        timeout(SOON, refused).await.unwrap().unwrap();
        drop(first);
        until_published(second.as_ref(), Effective::Everybody).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_tor_that_was_killed_is_used_again_when_it_is_back() {
        let mut tor = Tor::start().await;
        let transport = system_tor(settings(), tor.by_socket());
        until_published(transport.as_ref(), Effective::Everybody).await;
        tor.kill();
        let mut status = transport.status();
        let noticed = status.wait_for(|status| status.restarts > 0);
        timeout(SOON, noticed).await.unwrap().unwrap();
        tor.start_again().await;
        until_published(transport.as_ref(), Effective::Everybody).await;
        assert_eq!(tor.raw().add("DiscardPK"), [COLLISION]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn restricted_discovery_is_taken() {
        let tor = Tor::start().await;
        let friend = DiscoverySecret::of(&[9; 32], &settings().main.address()).public();
        let discovery = Discovery::Restricted([friend].into());
        let transport = system_tor(Settings { discovery, ..settings() }, tor.by_socket());
        // Away from the network, it never arrives at a directory.
        until_published(transport.as_ref(), Effective::KeysSoon(1)).await;
        assert_eq!(tor.raw().add("DiscardPK"), [COLLISION]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn somebody_who_asks_is_told_what_there_is() {
        let tor = Tor::start().await;
        let look = async || {
            let findings = inspect_system_tor(&tor.by_port(), &settings().main.address()).await;
            let line =
                |Finding { ok, text }: Finding| format!("{} {text}", if ok { "+" } else { "-" });
            findings.into_iter().map(line).collect::<Vec<_>>().join("\n")
        };
        let before = look().await;
        assert!(before.starts_with("+ Tor 0."), "{before}");
        assert!(before.contains("- This Tor is told to stay away from the network"), "{before}");
        assert!(before.contains("- It has no SOCKS port"), "{before}");
        assert!(before.contains("+ It has no onion services"), "{before}");
        assert!(before.contains("- It does not have this hub's onion service"), "{before}");
        tor.raw().add("DiscardPK,Detach");
        let after = look().await;
        assert!(after.contains("+ It has one onion service"), "{after}");
        assert!(after.contains("+ It has this hub's onion service"), "{after}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cookie_that_was_lost_is_named() {
        let tor = Tor::start().await;
        let cookie = tor.folder.path().join("cookie");
        std::fs::write(&cookie, [0; 32]).unwrap();
        let look = async || {
            let findings = inspect_system_tor(&tor.by_socket(), &settings().main.address()).await;
            let [Finding { ok: false, text }] = findings.as_slice() else { panic!("{findings:?}") };
            text.clone()
        };
        let wrong = look().await;
        assert!(wrong.contains(cookie.to_str().unwrap()), "{wrong}");
        std::fs::remove_file(&cookie).unwrap();
        assert!(look().await.contains("cannot be read"), "{}", look().await);
    }
}
