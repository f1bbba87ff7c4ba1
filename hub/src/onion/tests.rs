//! A hub whose streams come from elsewhere, by way of a stand-in for Tor.

use std::num::NonZeroU32;
use std::time::Duration;

use identity::DeviceKey;
use identity::pairing::{PairingLink, WindowName};
use onion::{Off, Pending};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::clock;
use crate::config::{Config, TlsAddress};
use crate::listener::Listeners;
use crate::mesh;

/// Hands over the streams that a test opens, and is off in all else.
#[derive(Debug)]
struct StandIn {
    arrived: tokio::sync::Mutex<mpsc::Receiver<Incoming>>,
    found_by: watch::Sender<Discovery>,
    off: Off,
}

impl OnionTransport for StandIn {
    fn accept(&self) -> Pending<'_, Option<Incoming>> {
        Box::pin(async { self.arrived.lock().await.recv().await })
    }

    fn dial(&self, dial: Dial) -> Pending<'static, Result<OnionStream, DialError>> {
        self.off.dial(dial)
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.off.status()
    }

    fn check(&self) -> Pending<'static, Result<Duration, CheckError>> {
        self.off.check()
    }

    fn set_discovery(&self, discovery: Discovery) {
        self.found_by.send_replace(discovery);
    }

    fn shut_down(&self, grace: Duration) -> Pending<'_, ()> {
        self.off.shut_down(grace)
    }
}

/// A hub, and the door to it.
struct Reached {
    app: Arc<App>,
    arrivals: mpsc::Sender<Incoming>,
    /// Who can find it, as it said last.
    found_by: watch::Receiver<Discovery>,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl Reached {
    async fn start(onion: OnionConfig) -> Self {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::prepare(&folder.path().join("data")).unwrap();
        let mut config = Config { onion, ..Config::default() };
        config.onion.mode = OnionMode::Off;
        config.http.address = "127.0.0.1:0".parse().unwrap();
        config.tls.address = TlsAddress::Off;
        let (stop, shutdown) = watch::channel(false);
        let seed = Key::random().unwrap();
        let opened = App::open(data_dir, &seed, &config, shutdown, clock::now()).unwrap();
        let mut app = opened.app;
        let (arrivals, arrived) = mpsc::channel(64);
        let (told, found_by) = watch::channel(Discovery::Open);
        let arrived = tokio::sync::Mutex::new(arrived);
        let stand_in = StandIn { arrived, found_by: told, off: Off::default() };
        let spares = Spares::of(ServiceKey::main(seed.bytes()).address()).unwrap();
        let known = (Clients::default(), spares);
        let onion = OnionConfig { mode: OnionMode::System, ..config.onion.clone() };
        let onion = Onion::over(Box::new(stand_in), &onion, &seed, known);
        Arc::get_mut(&mut app).unwrap().onion = Arc::new(onion);
        app.store.create(&"notes".parse().unwrap(), clock::now()).unwrap();
        let control = std::os::unix::net::UnixListener::bind(folder.path().join("control"));
        let control = control.unwrap();
        control.set_nonblocking(true).unwrap();
        let listeners = Listeners::bind(&config, &app, control).await.unwrap();
        let running = tokio::spawn(Arc::clone(&app).run(listeners));
        Self { app, arrivals, found_by, stop, running, folder }
    }

    /// Notes that a key is the owner's device.
    fn own(&self, device: &DeviceKey) {
        let url = format!("httpkey://127.0.0.1:9/ed25519publickey:{}/", device.public());
        let name = device.public().shortened();
        let record = mesh::Record::new(&url.parse().unwrap(), name, clock::now()).unwrap();
        mesh::introduce(&self.app, mesh::Kind::Device, record, clock::now()).unwrap();
    }

    /// A stream on which nothing has been said.
    async fn open(&self, service: Service) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.arrivals.send(Incoming { stream: theirs.into(), service }).await.unwrap();
        ours
    }

    async fn connect(&self, service: Service, device: Option<&DeviceKey>) -> Connection {
        let config = identity::tls::client_config(device, self.app.device.public()).unwrap();
        let stream = self.open(service).await;
        let name = identity::tls::server_name();
        Connection(TlsConnector::from(config).connect(name, stream).await.unwrap())
    }

    /// Answers' statuses; 0 where the connection ends without one.
    async fn statuses(
        &self,
        service: Service,
        device: Option<&DeviceKey>,
        requests: &[&str],
    ) -> Vec<u16> {
        let mut statuses = Vec::new();
        for request in requests {
            let mut connection = self.connect(service, device).await;
            statuses.push(connection.ask(request).await.unwrap_or_default());
        }
        statuses
    }

    /// What the owner is answered.
    async fn owner(&self, path: &str, body: &str) -> serde_json::Value {
        let mut stream = UnixStream::connect(self.folder.path().join("control")).await.unwrap();
        stream.write_all(post(path, body).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.running.await.unwrap();
    }
}

struct Connection(TlsStream<UnixStream>);

impl Connection {
    /// The status that a path is answered with; further headers may follow it in lines of their own.
    async fn ask(&mut self, path: &str) -> Option<u16> {
        let (path, headers) = path.split_once('\n').unwrap_or((path, ""));
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: hub\r\n{headers}\r\n")).await
    }

    async fn send(&mut self, request: &str) -> Option<u16> {
        self.0.write_all(request.as_bytes()).await.ok()?;
        self.0.flush().await.ok()?;
        let mut answer = vec![0; 4096];
        let length = self.0.read(&mut answer).await.ok()?;
        std::str::from_utf8(&answer[..length]).ok()?.split(' ').nth(1)?.parse().ok()
    }
}

/// A request with a body, the last of its connection.
fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn device(seed: u8) -> DeviceKey {
    DeviceKey::from_seed(&[seed; 32])
}

const ASKED: [&str; 3] = ["/", "/_all_dbs", "/notes"];

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_known_by_their_keys_alone() {
    let hub = Reached::start(OnionConfig::default()).await;
    hub.own(&device(1));
    let (main, own, other) = (Service::Main, device(1), device(2));
    assert_eq!(hub.statuses(main, Some(&own), &ASKED).await, [200, 200, 200]);
    assert_eq!(hub.statuses(main, Some(&other), &ASKED).await, [200, 403, 404]);
    assert_eq!(hub.statuses(main, None, &ASKED).await, [200, 401, 401]);
    // No token, and no page; and managing the hub is for programs of its own device.
    let basic = "/\nAuthorization: Basic b3duZXI6eA==\r\n";
    let page = "/\nOrigin: https://hub\r\n";
    let asked = [basic, page, "/_hub/status"];
    assert_eq!(hub.statuses(main, None, &asked).await, [401, 403, 401]);
    assert_eq!(hub.statuses(main, Some(&own), &asked).await, [401, 403, 403]);
    // The hub's own key is no owner from elsewhere.
    let ours = hub.app.device.clone();
    assert_eq!(hub.statuses(main, Some(&ours), &ASKED).await, [200, 403, 404]);
    let (bytes_in, bytes_out) = hub.app.onion.traffic().bytes();
    assert!(bytes_in > 1000 && bytes_out > 1000, "{bytes_in} {bytes_out}");
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_a_stranger_at_the_door_for_strangers() {
    let hub = Reached::start(OnionConfig::default()).await;
    hub.own(&device(1));
    let strangers = Service::Strangers;
    for device in [device(1), device(2)] {
        assert_eq!(hub.statuses(strangers, Some(&device), &ASKED).await, [200, 403, 404]);
        let more = ["/_session", "/_hub/onion/address", "/_hub/status"];
        assert_eq!(hub.statuses(strangers, Some(&device), &more).await, [200, 403, 403]);
    }
    assert_eq!(hub.statuses(strangers, None, &ASKED).await, [200, 401, 401]);
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_whose_discovery_is_restricted_talks_to_nobody_else() {
    let restricted = OnionConfig { restricted_discovery: true, ..OnionConfig::default() };
    let hub = Reached::start(restricted).await;
    hub.own(&device(1));
    assert_eq!(hub.statuses(Service::Main, Some(&device(1)), &ASKED).await, [200, 200, 200]);
    assert_eq!(hub.statuses(Service::Main, Some(&device(2)), &ASKED).await, [0, 0, 0]);
    assert_eq!(hub.statuses(Service::Main, None, &ASKED).await, [0, 0, 0]);
    assert_eq!(hub.statuses(Service::Strangers, Some(&device(2)), &ASKED).await, [200, 403, 404]);
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_found_it_by_a_link_is_heard_at_its_window_alone() {
    let restricted = OnionConfig { restricted_discovery: true, ..OnionConfig::default() };
    let mut hub = Reached::start(restricted).await;
    let (main, guest, other) = (Service::Main, device(2), device(3));
    // Digits and codes are for those who find it otherwise.
    let compare = hub.owner("/_hub/pairing", r#"{"kind": "friend", "proof": "compare"}"#).await;
    assert_eq!(hub.statuses(main, Some(&guest), &ASKED).await, [0, 0, 0]);
    hub.owner(&format!("/_hub/pairing/{}/refuse", compare["id"].as_str().unwrap()), "{}").await;

    let opened = hub.owner("/_hub/pairing", r#"{"kind": "friend"}"#).await;
    let link: PairingLink = opened["link"].as_str().unwrap().parse().unwrap();
    let service = hub.app.onion.address().clone();
    assert_eq!(link.reach, [format!("{}:9898", service.full()).parse().unwrap()]);
    let key = spare::secret_of(link.find.as_ref().unwrap(), &service).public();
    assert_eq!(hub.app.onion.spares.keys(), [key], "published before there was a link");

    let window = format!("/_hub/pair/{}", WindowName::of_link(&link.secret).as_str());
    assert_eq!(hub.statuses(main, None, &ASKED).await, [0, 0, 0]);
    let elsewhere = ["/", "/_all_dbs", "/notes", "/_up", "/_session", &window];
    assert_eq!(hub.statuses(main, Some(&guest), &elsewhere).await, [403; 6]);
    let say = async |device, path: &str| {
        hub.connect(main, Some(device)).await.send(&post(path, "{}")).await.unwrap_or_default()
    };
    assert_eq!(say(&guest, "/_hub/pair/compare").await, 403);
    assert_eq!(say(&guest, "/_hub/request").await, 403);
    // It is heard, and what it says is no message.
    assert_eq!(say(&guest, &window).await, 400);
    assert_eq!(say(&other, &window).await, 400);

    hub.found_by.mark_unchanged();
    hub.owner(&format!("/_hub/pairing/{}/refuse", opened["id"].as_str().unwrap()), "{}").await;
    hub.found_by.changed().await.unwrap();
    let Discovery::Restricted(keys) = hub.found_by.borrow_and_update().clone() else { panic!() };
    assert!(keys.len() == 1 && !keys.contains(&key), "{keys:?}");
    assert_eq!(hub.statuses(main, Some(&guest), &ASKED).await, [0, 0, 0]);
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_come_to_nothing_take_nobodys_place() {
    let few = OnionConfig { streams_max: NonZeroU32::new(3).unwrap(), ..OnionConfig::default() };
    let hub = Reached::start(few).await;
    hub.own(&device(1));
    let mut kept = hub.connect(Service::Main, Some(&device(1))).await;
    assert_eq!(kept.ask("/_all_dbs").await, Some(200));
    let mut flood = Vec::new();
    for _ in 0..20 {
        flood.push(hub.open(Service::Main).await);
    }
    // The oldest of them have to leave, and whoever shakes hands comes in.
    assert_eq!(flood[0].read(&mut [0]).await.unwrap(), 0);
    assert_eq!(hub.statuses(Service::Main, Some(&device(1)), &ASKED).await, [200, 200, 200]);
    assert_eq!(kept.ask("/notes").await, Some(200));
    drop(flood);
    hub.end().await;
}
