//! The private Tor network and the network namespaces that other suites stand on.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use tests::{CTor, Finished, eventually};

/// What the server answers everybody.
const ANSWER: &str = "answered by whom was meant";

/// Starts a server that answers every request alike, as long as this process lives; where it listens.
fn server(address: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(address).expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let length = ANSWER.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            let _ = stream.write_all(format!("{head}{ANSWER}").as_bytes());
        }
    });
    address
}

/// Fetches from an onion address with this `curl`, again and again while its descriptor spreads.
#[track_caller]
fn fetch_with(curl: impl Fn() -> Command, client: &CTor, onion_address: &str) {
    let proxy = client.socks().to_string();
    let url = format!("http://{onion_address}/");
    eventually("the onion service's answer", || {
        let mut curl = curl();
        curl.args(["--silent", "--show-error", "--max-time", "20"]);
        let finished = Finished::of(curl.args(["--socks5-hostname", &proxy, &url]));
        if finished.stdout == ANSWER { Ok(()) } else { Err(finished.to_string()) }
    });
}

mod needs_tor {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use tests::{CTorOptions, Control, OnionService, Process, TestNet};
    use toml::{Table, Value};

    use super::*;

    /// Far less than `tor` itself takes to notice that its owner is gone.
    const CLEANUP_LIMIT: Duration = Duration::from_secs(5);

    #[test]
    fn the_consensus_has_all_relays_with_all_flags() {
        assert_eq!(TestNet::shared().fault(), None);
        assert!(TestNet::shared().consensus().contains("\nshared-rand-current-value "));
    }

    #[test]
    fn a_client_reaches_a_service() {
        let network = TestNet::shared();
        let service = Some(OnionService { port: 80, target: server(([127, 0, 0, 1], 0).into()) });
        let host = network.c_tor(&CTorOptions { service, ..CTorOptions::default() });
        let client = network.c_tor(&CTorOptions::default());
        fetch_with(|| Command::new("curl"), &client, &host.onion_address());
    }

    #[test]
    fn a_client_has_doors_for_controllers() {
        let control = Control::Cookie;
        let options = CTorOptions { control, has_control_socket: true, ..CTorOptions::default() };
        let client = TestNet::shared().c_tor(&options);
        assert_eq!(fs::read(client.cookie()).expect("a cookie").len(), 32);
        assert!(client.control_socket().exists());
        std::net::TcpStream::connect(client.control()).expect("the port for controllers");
    }

    #[test]
    fn a_client_may_come_by_the_bridge() {
        let network = TestNet::shared();
        let line = network.bridge_line();
        let (for_c_tor, _) = line.rsplit_once(' ').expect("an Ed25519 key at the end");
        let lines = vec!["UseBridges 1".to_owned(), format!("Bridge {for_c_tor}")];
        network.c_tor(&CTorOptions { lines, ..CTorOptions::default() });
    }

    #[test]
    fn the_hub_is_told_what_arti_is_told() {
        let network = TestNet::shared();
        let arti: Table = network.arti_toml().parse().expect("TOML");
        let hub: Table = network.hub_settings().parse().expect("TOML");
        assert_eq!(hub["onion"]["arti"], Value::Table(arti));
    }

    #[test]
    fn parts_go_and_come_back() {
        let mut network = TestNet::start();
        let bridge = network.bridge_line();
        let bridge: SocketAddr = bridge.split(' ').next().unwrap_or_default().parse().expect("one");
        let listens = |address| std::net::TcpStream::connect(address).is_ok();
        assert!(listens(bridge));
        network.stop_relay(2);
        network.stop_authority();
        assert!(!listens(bridge));
        network.start_relay(2);
        network.start_authority();
        assert!(listens(bridge));

        let service = Some(OnionService { port: 80, target: server(([127, 0, 0, 1], 0).into()) });
        let mut host = network.c_tor(&CTorOptions { service, ..CTorOptions::default() });
        let address = host.onion_address();
        host.stop();
        host.start_again();
        assert_eq!(host.onion_address(), address);
        let client = network.c_tor(&CTorOptions::default());
        fetch_with(|| Command::new("curl"), &client, &address);
    }

    #[test]
    fn nothing_is_left_when_the_owner_is_killed() {
        let program = Path::new(env!("CARGO_BIN_EXE_testnet"));
        let mut owner = Process::start(&mut Command::new(program));
        owner.await_line("[onion]", Duration::from_secs(60)).expect("a network");
        let guardians = children(owner.id());
        let tors: Vec<_> = guardians.iter().flat_map(|guardian| children(*guardian)).collect();
        assert_eq!((guardians.len(), tors.len()), (4, 4));
        let folders: Vec<_> = tors.iter().map(|tor| folder(*tor)).collect();
        assert!(folders.iter().all(|folder| folder.is_dir()), "{folders:?}");

        owner.kill();
        let killed = Instant::now();
        eventually("the end of the network", || {
            let processes = guardians.iter().chain(&tors).copied();
            let running: Vec<_> = processes.filter(|process| is_running(*process)).collect();
            let there: Vec<_> = folders.iter().filter(|folder| folder.exists()).collect();
            let left = format!("processes {running:?}, folders {there:?}");
            if running.is_empty() && there.is_empty() { Ok(()) } else { Err(left) }
        });
        assert!(killed.elapsed() < CLEANUP_LIMIT, "it took {:?}", killed.elapsed());
    }

    #[test]
    fn nothing_is_left_when_a_test_panics() {
        let told = std::sync::mpsc::channel();
        let failing = std::thread::spawn(move || {
            let client = TestNet::shared().c_tor(&CTorOptions::default());
            let folder = client.cookie().parent().expect("a folder").to_owned();
            assert!(folder.is_dir(), "{}", folder.display());
            told.0.send(folder).expect("a listener");
            panic!("on purpose");
        });
        let folder = told.1.recv().expect("a folder");
        assert!(failing.join().is_err());
        assert!(!folder.exists(), "{} is left", folder.display());
    }

    /// The processes that this one started.
    fn children(of: u32) -> Vec<u32> {
        let entries = fs::read_dir("/proc").expect("processes").flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| parent(*id) == Some(of)).collect()
    }

    /// The process that started this one: the second word after the name, which stands in parentheses.
    fn parent(process: u32) -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    }

    /// Zombies count as gone: whoever takes over an orphan may take its time to bury it.
    fn is_running(process: u32) -> bool {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        state.is_some_and(|state| state != 'Z')
    }

    /// The folder that the process works in.
    #[track_caller]
    fn folder(process: u32) -> PathBuf {
        fs::read_link(format!("/proc/{process}/cwd")).expect("a working directory")
    }
}

mod needs_namespaces {
    use std::net::{Ipv4Addr, TcpStream, UdpSocket};
    use std::time::Duration;

    use tests::{Incoming, Namespace, Namespaces, Packet, Protocol};

    use super::*;

    /// Longer than a connection takes here, if it comes about.
    const CONNECT_LIMIT: Duration = Duration::from_secs(2);

    /// A question for the address of `purpose.example`.
    const QUESTION: &[u8] = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x07purpose\x07example\0\0\x01\0\x01";

    #[track_caller]
    fn reaches(from: &Namespace, address: SocketAddr) -> bool {
        from.inside(|| TcpStream::connect_timeout(&address, CONNECT_LIMIT).is_ok())
    }

    #[test]
    fn only_who_accepts_is_connected_to() {
        let network = Namespaces::new();
        let open = network.join("open", Incoming::Accepted);
        let closed = network.join("closed", Incoming::Refused);
        let [at_open, at_closed] = [&open, &closed]
            .map(|namespace| namespace.inside(|| server((namespace.address(), 0).into())));
        assert!(reaches(&closed, at_open));
        assert!(reaches(&closed, at_closed), "itself");
        assert!(!reaches(&open, at_closed));
        assert!(!reaches(network.bridge(), at_closed));
        // The same address is nowhere outside.
        assert!(TcpStream::connect_timeout(&at_open, CONNECT_LIMIT).is_err());
    }

    #[test]
    fn a_capture_sees_a_question_about_a_name() {
        let network = Namespaces::new();
        let asking = network.join("asking", Incoming::Refused);
        let [bridge, asker] = [network.bridge(), &asking].map(Namespace::capture);
        // To where only the way to everywhere else leads.
        let resolver = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 53), 53));
        asking.inside(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket.send_to(QUESTION, resolver).expect("a question");
        });
        for capture in [bridge, asker] {
            let question = eventually("the question", || {
                let packets = capture.packets();
                let is_question =
                    |packet: &&Packet| packet.dns_name().as_deref() == Some("purpose.example");
                packets.iter().find(is_question).cloned().ok_or_else(|| format!("{packets:?}"))
            });
            assert_eq!(question.protocol, Protocol::Udp);
            assert_eq!(question.source, asking.address());
            assert_eq!(SocketAddr::new(question.destination, question.destination_port), resolver);
            assert!(question.contains("purpose") && !question.contains("accident"));
            assert!(!capture.stop().is_empty());
        }
    }

    #[test]
    fn a_capture_sees_what_is_sent_over_tcp() {
        let network = Namespaces::new();
        let host = network.join("host", Incoming::Accepted);
        let address = host.inside(|| server((host.address(), 80).into()));
        let capture = host.capture();
        let mut curl = network.bridge().command("curl");
        let answer = Finished::of(curl.args(["--silent", &format!("http://{address}/question")]));
        assert_eq!(answer.expect_success(), ANSWER);

        let packets = capture.stop();
        let with = |word: &str, port: fn(&Packet) -> u16| {
            let mut packets = packets.iter().filter(|packet| packet.protocol == Protocol::Tcp);
            packets.any(|packet| packet.contains(word) && port(packet) == 80)
        };
        assert!(with("GET /question", |packet| packet.destination_port), "{packets:?}");
        assert!(with(ANSWER, |packet| packet.source_port), "{packets:?}");
    }

    #[test]
    fn nothing_is_left_when_a_test_panics() {
        let failing = std::thread::spawn(|| {
            let network = Namespaces::new();
            let names = [network.bridge().name(), network.join("lost", Incoming::Accepted).name()]
                .map(str::to_owned);
            std::panic::panic_any(names);
        });
        let panic = failing.join().expect_err("a panic");
        let names = panic.downcast::<[String; 2]>().expect("names");
        let there = Finished::of(Command::new("ip").args(["netns", "list"])).expect_success();
        assert!(!names.iter().any(|name| there.contains(name.as_str())), "{names:?} in {there}");
    }

    #[test]
    fn what_a_killed_process_left_goes() {
        let mut gone = Command::new("true").spawn().expect("a process");
        gone.wait().expect("its end");
        let name = format!("larder-test-{}-0-left", gone.id());
        Finished::of(Command::new("ip").args(["netns", "add", &name])).expect_success();
        drop(Namespaces::new());
        let there = Finished::of(Command::new("ip").args(["netns", "list"])).expect_success();
        assert!(!there.contains(&name), "{there}");
    }

    /// Both ends behind routers that let nothing in, and the network where both reach it.
    mod needs_tor {
        use tests::{CTorOptions, OnionService, TestNet};

        use super::*;

        #[test]
        fn a_service_is_reached_where_no_connection_comes_in() {
            let namespaces = Namespaces::new();
            let network = TestNet::start_in(namespaces.bridge());
            let [home, away] =
                ["home", "away"].map(|name| namespaces.join(name, Incoming::Refused));
            let target = home.inside(|| server(([127, 0, 0, 1], 0).into()));
            let service = Some(OnionService { port: 80, target });
            let namespace = Some(&home);
            let host = network.c_tor(&CTorOptions { namespace, service, ..CTorOptions::default() });
            let client = CTorOptions { namespace: Some(&away), ..CTorOptions::default() };
            let client = network.c_tor(&client);

            let capture = namespaces.bridge().capture();
            fetch_with(|| away.command("curl"), &client, &host.onion_address());
            let packets = capture.stop();
            assert!(!packets.is_empty());
            let onion = host.onion_address();
            let told = |packet: &&Packet| packet.contains(&onion) || packet.contains(ANSWER);
            assert_eq!(packets.iter().find(told), None);
        }
    }
}
