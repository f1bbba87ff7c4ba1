//! Many databases in which nothing happens.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use tests::{Hub, LinkOptions};

use crate::Extent;
use crate::pair::{introduce, until, until_quiet, write};

const FAST: LinkOptions = LinkOptions { delay: Duration::ZERO, bytes_per_second: None };

/// How often it is looked whether all is in step, and how long acknowledgements may be on their way then.
const SETTLING: Duration = Duration::from_secs(10);

/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(60);

pub(crate) fn measure(extent: &Extent) {
    let (near, far) = (Hub::start(), Hub::start());
    for number in 0..extent.databases {
        far.put(&format!("/quiet{number:04}"), "").expect(201);
    }
    far.put("/notes", "").expect(201);
    let ([near, far], links) = introduce(near, far, FAST);
    write(&far, "notes", 0..1);
    until(&near, "notes", 1);
    until_quiet(&links);

    let before = (far.mesh_figure("answers"), links[1].bytes_back());
    write(&far, "notes", 1..2);
    until(&near, "notes", 2);
    until_quiet(&links);
    println!(
        "{} quiet databases: one new document costs {} request and {} bytes",
        extent.databases,
        far.mesh_figure("answers") - before.0,
        links[1].bytes_back() - before.1
    );

    // Further peers have no databases of their own: what is asked is what a hub with so many costs.
    let others: Vec<Hub> = (1..extent.peers).map(|_| Hub::start()).collect();
    for (number, other) in others.iter().enumerate() {
        far.add_device(other, &format!("other{number}"));
        other.add_device(&far, "far");
    }
    for other in &others {
        until(other, "notes", 2);
    }
    until_quiet(&links);
    // All of them are devices of one person, so that each comes into step with each.
    let all: Vec<&Hub> = [&near, &far].into_iter().chain(&others).collect();
    while !all.iter().all(|hub| is_in_step(hub, extent.peers)) {
        std::thread::sleep(SETTLING);
    }
    std::thread::sleep(SETTLING);
    let looks = || far.mesh_figure("looks") as f64;
    let before = (processor(&far), looks(), switches(&far));
    std::thread::sleep(IDLE);
    let seconds = processor(&far) - before.0;
    let an_hour = 3600.0 / IDLE.as_secs_f64();
    println!(
        "idle with {} databases and {} peers: {:.2}% of a core, {:.0} looks at the plan and {:.0} wake-ups of the process an hour",
        extent.databases,
        extent.peers,
        100.0 * seconds / IDLE.as_secs_f64(),
        (looks() - before.1) * an_hour,
        woken(&before.2, &switches(&far)) * an_hour
    );
}

/// Whether a hub has all that so many peers have.
fn is_in_step(hub: &Hub, peers: usize) -> bool {
    let status = hub.get("/_hub/status").expect(200).json();
    let all = status["peers"].as_array().unwrap();
    let has_all = |peer: &serde_json::Value| {
        let databases = &peer["databases"];
        let has = |of: &serde_json::Value| of["offered"] == of["in_step"];
        peer["state"] == "connected" && has(databases) && has(&databases["system"])
    };
    all.len() == peers && all.iter().all(has_all)
}

/// Seconds of processor time that a hub has used.
fn processor(hub: &Hub) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", hub.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // The 14th and 15th field, in hundredths of a second, counted from the third.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// How often each of its threads has gone to sleep, and so woken.
fn switches(hub: &Hub) -> BTreeMap<OsString, f64> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", hub.pid())).unwrap();
    let of_task = |task: std::io::Result<std::fs::DirEntry>| {
        let task = task.ok()?;
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        Some((task.file_name(), line.trim().parse::<f64>().ok()?))
    };
    tasks.filter_map(of_task).collect()
}

/// How often threads have woken between two looks: those that ended meanwhile are left out.
fn woken(before: &BTreeMap<OsString, f64>, after: &BTreeMap<OsString, f64>) -> f64 {
    after.iter().map(|(thread, count)| count - before.get(thread).unwrap_or(&0.0)).sum()
}
