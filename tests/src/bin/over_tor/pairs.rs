//! The same work by both ways, one after the other.

use std::fmt;
use std::time::Instant;

use serde_json::{Value, json};
use tests::{Body, CTor, CTorOptions, Control, Hub, HubOptions, TestNet, median};

/// Bytes of the attachment that shows how fast a long body is.
const BODY_BYTES: usize = 50_000_000;

/// Connects of one round, each over circuits of its own.
const CONNECTS: u32 = 4;

/// Two hubs; the second has what the first fetches.
struct Way {
    name: &'static str,
    near: Hub,
    far: Hub,
    far_url: String,
    /// Outlive the hubs that use them.
    _tors: Vec<CTor>,
}

/// What one round by one way gives, in seconds.
type Round = [f64; 3];

const WHAT: [&str; 3] =
    ["first connect (fresh circuits)", "quiet replication, one after another", "50 MB body"];

pub(crate) fn measure(network: &TestNet, rounds: usize) {
    let mut ways = [by_arti(network), by_c_tor(network)];
    let mut figures: [Vec<Round>; 2] = [Vec::new(), Vec::new()];
    for way in &ways {
        // The first of all pays for what is fetched once.
        let _paid = way.round(usize::MAX);
    }
    for round in 0..rounds {
        // Whoever is first has the colder machine.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for index in order {
            let measured = ways[index].round(round);
            println!("round {} {}: {measured:.3?} s", round + 1, ways[index].name);
            figures[index].push(measured);
        }
    }
    for (index, what) in WHAT.iter().enumerate() {
        let column = |way: usize| figures[way].iter().map(|round| round[index]).collect::<Vec<_>>();
        let (mut arti, mut c_tor) = (column(0), column(1));
        let mut ratios: Vec<_> =
            arti.iter().zip(&c_tor).map(|(ours, theirs)| ours / theirs).collect();
        let (ratio, arti, c_tor) = (median(&mut ratios), median(&mut arti), median(&mut c_tor));
        println!("{what}: Arti {arti:.4} s, C Tor {c_tor:.4} s, {ratio:.2} times as long");
    }
    for way in &mut ways {
        println!("{}: {}", way.name, Memory::of(&way.near));
    }
}

impl Way {
    fn begin(name: &'static str, near: Hub, far: Hub, tors: Vec<CTor>) -> Self {
        far.put("/quiet", "").expect(201);
        far.put("/bulk", "").expect(201);
        near.put("/quiet", "").expect(201);
        let key = near.get("/_hub/status").json()["key"].as_str().map(str::to_owned);
        let key = key.unwrap_or_else(|| hub_key(&near));
        let members = json!({ "members": { "names": [key], "roles": [] } });
        for database in ["quiet", "bulk"] {
            far.put(&format!("/{database}/_security"), &members).expect(200);
        }
        let body: Vec<u8> = (0..BODY_BYTES).map(|byte| (byte * byte % 251) as u8).collect();
        far.put("/bulk/doc/body", Body::bytes(body, "application/octet-stream")).expect(201);
        let far_url = far.larder(&["onion", "address", "--url"]).expect_success().trim().to_owned();
        let way = Self { name, near, far, far_url, _tors: tors };
        await_reachable(&way.far);
        await_reachable(&way.near);
        way
    }

    fn round(&self, number: usize) -> Round {
        let near = &self.near;
        let connects = (0..CONNECTS).map(|_| {
            let checked = near.post("/_hub/onion/check", json!({})).expect(200).json();
            // Parts of a millisecond are cut off: half of one, on average.
            (checked["took_ms"].as_f64().unwrap() + 0.5) / 1000.0
        });
        let connect = connects.sum::<f64>() / f64::from(CONNECTS);
        let quiet = json!({ "source": format!("{}quiet", self.far_url), "target": "quiet" });
        near.post("/_replicate", &quiet).expect(200);
        let began = Instant::now();
        for _ in 0..5 {
            near.post("/_replicate", &quiet).expect(200);
        }
        let latency = began.elapsed().as_secs_f64() / 5.0;
        let target = format!("bulk{number}");
        near.put(&format!("/{target}"), "").expect(201);
        let job = json!({ "source": format!("{}bulk", self.far_url), "target": target });
        let began = Instant::now();
        let fetched = near.post("/_replicate", job).expect(200).json();
        let bulk = began.elapsed().as_secs_f64();
        assert_eq!(fetched["history"][0]["docs_written"], 1, "{fetched}");
        near.delete(&format!("/{target}")).expect(200);
        [connect, latency, bulk]
    }
}

fn by_arti(network: &TestNet) -> Way {
    let settings = network.hub_settings();
    let hub = || {
        let options = HubOptions { settings: &settings, onion: Some("arti"), ..Default::default() };
        Hub::start_as(&options)
    };
    Way::begin("Arti", hub(), hub(), Vec::new())
}

fn by_c_tor(network: &TestNet) -> Way {
    // As the relays: what its usual scheduler waits for has no meaning on one machine.
    let lines = vec!["Schedulers Vanilla".to_owned()];
    let options =
        || CTorOptions { control: Control::Cookie, lines: lines.clone(), ..CTorOptions::default() };
    let tors = vec![network.c_tor(&options()), network.c_tor(&options())];
    let hub = |tor: &CTor| {
        let settings = format!("[onion]\ncontrol = '{}'\n", tor.control());
        let options =
            HubOptions { settings: &settings, onion: Some("system"), ..Default::default() };
        Hub::start_as(&options)
    };
    let (near, far) = (hub(&tors[0]), hub(&tors[1]));
    Way::begin("C Tor", near, far, tors)
}

pub(crate) fn hub_key(hub: &Hub) -> String {
    let text = std::fs::read(hub.data_dir().join("run/hub.json")).unwrap();
    let said: Value = serde_json::from_slice(&text).unwrap();
    said["key"].as_str().unwrap().to_owned()
}

pub(crate) fn onion(hub: &Hub) -> Value {
    hub.get("/_hub/status").expect(200).json()["onion"].clone()
}

pub(crate) fn await_reachable(hub: &Hub) {
    while onion(hub)["reachable"] != true {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// What a hub and its child take of memory, in MiB.
pub(crate) struct Memory {
    /// What either has resident, added: the program's own pages, which they share, count twice.
    resident: f64,
    /// The same with each page that they share counted once.
    proportional: f64,
}

impl Memory {
    pub(crate) fn of(hub: &Hub) -> Self {
        let child = onion(hub)["child_pid"].as_u64();
        let processes = std::iter::once(u64::from(hub.pid())).chain(child);
        let rollups = processes
            .map(|pid| std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap());
        let rollups: Vec<_> = rollups.collect();
        let sum = |name: &str| {
            let lines = rollups.iter().flat_map(|rollup| rollup.lines());
            let sizes =
                lines.filter_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
            sizes.map(|size| size.parse::<f64>().unwrap() / 1024.0).sum()
        };
        Self { resident: sum("Rss:"), proportional: sum("Pss:") }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident, proportional } = self;
        write!(
            f,
            "{proportional:.1} MiB idle, hub and child ({resident:.1} MiB with what they share counted twice)"
        )
    }
}
