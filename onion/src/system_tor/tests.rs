//! A whole run against a test that plays Tor.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::control::Control;
use super::dialler::{Request, SystemDialler};
use super::door::Doors;
use super::onion::service_id;
use super::session::{Channels, Session};
use crate::hall::Hall;
use crate::way::{Dialler as _, Event, Order};
use crate::{
    Blocked, Dial, DialError, Discovery, DiscoverySecret, Effective, ServiceKey, Settings,
};

/// Those of a hub that nobody else has.
pub(super) fn settings() -> Settings {
    let seed = [7; 32];
    let main = ServiceKey::main(&seed);
    Settings {
        own_secret: DiscoverySecret::of(&seed, &main.address()),
        main,
        strangers: Some(ServiceKey::for_strangers(&seed)),
        discovery: Discovery::Open,
        port: 5984,
        check_every: Duration::from_secs(600),
        streams_max: 64,
    }
}

/// Tor's side of a run, and the hub's.
struct Run {
    tor: BufReader<DuplexStream>,
    events: mpsc::Receiver<Event>,
    orders: mpsc::Sender<Order>,
    requests: mpsc::Sender<Request>,
    _session: JoinHandle<()>,
}

impl Run {
    /// One whose Tor is at 45%.
    async fn begin(settings: Settings) -> Self {
        let hall = Hall::new(settings);
        let (near, far) = duplex(64 << 10);
        let (events, heard) = mpsc::channel(64);
        let (orders, ordered) = mpsc::channel(4);
        let (requests, requested) = mpsc::channel(4);
        let session = tokio::spawn(async move {
            let doors = Doors::open(&hall.settings, &events).await.unwrap();
            let channels = Channels { events, orders: ordered, requests: requested };
            let begun = Session::begin(Control::new(near), hall, doors, channels).await;
            begun.unwrap().run().await;
        });
        let tor = BufReader::new(far);
        let mut run = Self { tor, events: heard, orders, requests, _session: session };
        run.expect("SETEVENTS STATUS_CLIENT", "250 OK\r\n").await;
        run.expect_onion("").await;
        run.expect("GETINFO onions/detached", "250-onions/detached=\r\n250 OK\r\n").await;
        let strangers = ServiceKey::for_strangers(&[7; 32]).address();
        let added = format!("250-ServiceID={}\r\n250 OK\r\n", service_id(&strangers));
        run.expect("ADD_ONION", &added).await;
        let phase = "NOTICE BOOTSTRAP PROGRESS=45 TAG=loading_descriptors SUMMARY=\"Loading\"";
        let phase = format!("250-status/bootstrap-phase={phase}\r\n250 OK\r\n");
        run.expect("GETINFO status/bootstrap-phase", &phase).await;
        run.expect("GETCONF DisableNetwork", "250 DisableNetwork=0\r\n").await;
        run
    }

    async fn expect(&mut self, asked: &str, answer: &str) -> String {
        let mut line = String::new();
        self.tor.read_line(&mut line).await.unwrap();
        assert!(line.starts_with(asked), "asked {line}, not {asked}");
        self.say(answer).await;
        line
    }

    /// The main service is added, by a line that ends so.
    async fn expect_onion(&mut self, end: &str) {
        self.expect("GETINFO onions/detached", "250-onions/detached=\r\n250 OK\r\n").await;
        let added = format!("250-ServiceID={}\r\n250 OK\r\n", main_id());
        let line = self.expect("ADD_ONION ED25519-V3:", &added).await;
        assert!(line.trim_end().ends_with(end), "{line}");
        assert_eq!(line.contains("V3Auth"), !end.is_empty(), "{line}");
    }

    async fn say(&mut self, text: &str) {
        self.tor.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    async fn say_uploaded(&mut self) {
        let id = main_id();
        self.say(&format!("650 HS_DESC UPLOAD {id} UNKNOWN $A~b\r\n")).await;
        self.say(&format!("650 HS_DESC UPLOADED {id} UNKNOWN $A~b\r\n")).await;
    }

    async fn hear(&mut self, expected: &str) {
        let event = self.events.recv().await.unwrap();
        assert_eq!(format!("{event:?}"), expected);
    }

    async fn hear_beginning(&mut self, effective: Effective) {
        self.hear(&format!("Effective({effective:?})")).await;
        self.hear("Bootstrapping { percent: 45, blocked: None }").await;
    }
}

fn main_id() -> String {
    service_id(&settings().main.address()).to_owned()
}

fn friend(number: u8) -> DiscoverySecret {
    DiscoverySecret::of(&[number; 32], &settings().main.address())
}

#[tokio::test(start_paused = true)]
async fn a_run_tells_how_far_it_is() {
    let mut run = Run::begin(settings()).await;
    run.hear_beginning(Effective::Everybody).await;
    run.say("650 STATUS_CLIENT WARN BOOTSTRAP PROGRESS=45 TAG=conn WARNING=w REASON=NOROUTE\r\n")
        .await;
    let offline = Some(Blocked::Offline);
    run.hear(&format!("Bootstrapping {{ percent: 45, blocked: {offline:?} }}")).await;
    // What keeps Tor does so until it gets on.
    for percent in [45, 50] {
        run.say(&format!("650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS={percent} TAG=x\r\n")).await;
        let blocked = offline.filter(|_| percent == 45);
        run.hear(&format!("Bootstrapping {{ percent: {percent}, blocked: {blocked:?} }}")).await;
    }
    run.say("650 STATUS_GENERAL WARN CLOCK_SKEW SKEW=-7200 SOURCE=CONSENSUS\r\n").await;
    run.hear("Bootstrapping { percent: 50, blocked: Some(Clock) }").await;
    run.say("650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done\r\n").await;
    run.hear("Bootstrapped").await;
    // What was on its way before is no news, nor is what others publish.
    run.say(&format!("650 HS_DESC UPLOADED {} UNKNOWN $A~b\r\n", main_id())).await;
    run.say("650 HS_DESC UPLOAD other UNKNOWN $A~b\r\n650 HS_DESC UPLOADED other UNKNOWN $A~b\r\n")
        .await;
    let refused =
        format!("650 HS_DESC FAILED {} UNKNOWN $A~b REASON=UPLOAD_REJECTED\r\n", main_id());
    run.say(&refused).await;
    run.hear("Trouble(\"a directory of Tor refused this hub's descriptor\")").await;
    run.say_uploaded().await;
    run.hear("Published").await;
    run.hear("Effective(Everybody)").await;
    // A Tor that loses its network and finds it again need not publish again.
    run.say("650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=95 TAG=x\r\n").await;
    run.say("650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done\r\n").await;
    run.hear("Bootstrapping { percent: 95, blocked: None }").await;
    run.hear("Bootstrapped").await;
    run.hear("Published").await;
    drop(run.tor);
    let event = run.events.recv().await;
    assert!(matches!(event, Some(Event::Broken(_))), "{event:?}");
    assert!(run.events.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn discovery_changes_once_a_minute() {
    let own = settings().own_secret.public();
    let began = Instant::now();
    let mut run = Run::begin(settings()).await;
    run.hear_beginning(Effective::Everybody).await;
    let keys = |numbers: &[u8]| numbers.iter().map(|number| friend(*number).public()).collect();
    for numbers in [[1].as_slice(), &[1, 2]] {
        run.orders.send(Order::Discovery(Discovery::Restricted(keys(numbers)))).await.unwrap();
        run.hear(&format!("Effective(KeysSoon({}))", numbers.len())).await;
    }
    run.expect(&format!("DEL_ONION {}", main_id()), "250 OK\r\n").await;
    assert!(began.elapsed() >= Duration::from_secs(60), "{:?}", began.elapsed());
    let mut all = [own, friend(1).public(), friend(2).public()];
    all.sort();
    let line: Vec<_> = all.iter().map(|key| format!("ClientAuthV3={}", key.base32())).collect();
    run.expect_onion(&line.join(" ")).await;
    run.hear("Effective(KeysSoon(2))").await;
    run.say_uploaded().await;
    run.hear("Published").await;
    run.hear("Effective(Keys(2))").await;
    // The same again is nothing to publish.
    run.orders.send(Order::Discovery(Discovery::Restricted(keys(&[1, 2])))).await.unwrap();
    run.hear("Effective(Keys(2))").await;
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_takes_the_services_along() {
    let mut run = Run::begin(settings()).await;
    run.hear_beginning(Effective::Everybody).await;
    run.orders.send(Order::Drain(Duration::from_secs(5))).await.unwrap();
    run.expect(&format!("DEL_ONION {}", main_id()), "250 OK\r\n").await;
    run.expect("DEL_ONION ", "250 OK\r\n").await;
    assert!(run.events.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn tor_is_told_once_how_to_find_a_service() {
    let mut run = Run::begin(settings()).await;
    let address = ServiceKey::main(&[9; 32]).address();
    let id = service_id(&address).to_owned();
    let ask = |secret: Option<DiscoverySecret>| {
        let (answer, answered) = oneshot::channel();
        (Request::Way { address: address.clone(), secret, answer }, answered)
    };
    let (request, answered) = ask(Some(friend(1)));
    run.requests.send(request).await.unwrap();
    run.expect(&format!("ONION_CLIENT_AUTH_ADD {id} x25519:"), "250 OK\r\n").await;
    let listeners = "250-net/listeners/socks=\"127.0.0.1:9050\"\r\n250 OK\r\n";
    run.expect("GETINFO net/listeners/socks", listeners).await;
    assert_eq!(answered.await.unwrap().unwrap().len(), 1);
    for secret in [Some(friend(1)), None] {
        let (request, answered) = ask(secret);
        run.requests.send(request).await.unwrap();
        assert_eq!(answered.await.unwrap().unwrap().len(), 1);
    }
    let (request, answered) = ask(Some(friend(2)));
    run.requests.send(request).await.unwrap();
    run.expect(&format!("ONION_CLIENT_AUTH_ADD {id} x25519:"), "512 Bad key\r\n").await;
    assert!(matches!(answered.await.unwrap(), Err(DialError::Other(_))));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_dialled_without_a_socks_port() {
    let mut run = Run::begin(settings()).await;
    let dialler = SystemDialler { requests: run.requests.clone() };
    let address = ServiceKey::main(&[9; 32]).address();
    let dial = Dial { address, port: 1, group: String::new(), secret: None };
    let dialled = tokio::spawn(dialler.dial(dial.clone(), String::new()));
    let elsewhere = "250-net/listeners/socks=\"192.168.1.1:9050\"\r\n250 OK\r\n";
    run.expect("GETINFO net/listeners/socks", elsewhere).await;
    let error = dialled.await.unwrap().unwrap_err().to_string();
    assert_eq!(error, "Tor is not ready: it has no SOCKS port on this machine");
    drop(run);
    let gone = dialler.dial(dial, String::new()).await;
    assert!(matches!(gone, Err(DialError::NotReady(_))), "{gone:?}");
}
