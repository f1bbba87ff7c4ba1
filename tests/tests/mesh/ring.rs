//! Hubs in a ring: what one has reaches all, once, and then nobody says anything any more.

use std::time::Duration;

use serde_json::json;
use tests::{Hub, await_status, eventually};

/// How long nothing may happen for it to be quiet.
const QUIET: Duration = Duration::from_secs(3);

/// What was asked and sent so far.
fn traffic(hubs: &[Hub]) -> Vec<(u64, u64, u64)> {
    let of = |hub: &Hub| {
        (hub.mesh_figure("questions"), hub.mesh_figure("bytes_out"), hub.mesh_figure("lines"))
    };
    hubs.iter().map(of).collect()
}

#[track_caller]
fn await_quiet(hubs: &[Hub]) -> Vec<(u64, u64, u64)> {
    eventually("quiet", || {
        let before = traffic(hubs);
        std::thread::sleep(QUIET);
        let after = traffic(hubs);
        if before == after { Ok(after) } else { Err(format!("{before:?} {after:?}")) }
    })
}

#[test]
fn a_ring_goes_quiet_and_does_not_echo() {
    let hubs = [Hub::start(), Hub::start(), Hub::start()];
    for (at, hub) in hubs.iter().enumerate() {
        for (other, peer) in hubs.iter().enumerate().filter(|(other, _)| *other != at) {
            hub.add_device(peer, &format!("hub{other}"));
        }
    }
    hubs[0].put("/notes", "").expect(201);
    for hub in &hubs {
        await_status(hub, "/notes", 200);
    }
    await_quiet(&hubs);
    let before: u64 = hubs.iter().map(|hub| hub.mesh_figure("bytes_out")).sum();
    let text = "x".repeat(200_000);
    // Random enough that it does not pack well.
    let text: String =
        text.bytes().enumerate().map(|(n, _)| char::from(33 + (n * n % 89) as u8)).collect();
    hubs[1].put("/notes/a", json!({"text": text})).expect(201);
    for hub in &hubs {
        await_status(hub, "/notes/a", 200);
    }
    let quiet = await_quiet(&hubs);
    let sent: u64 = quiet.iter().map(|(_, bytes, _)| bytes).sum::<u64>() - before;
    let documents: u64 = hubs.iter().map(|hub| hub.mesh_figure("documents_in")).sum();
    assert!(sent < 3 * 200_000, "{sent} bytes for two copies, {documents} documents");
    // And it stays so.
    assert_eq!(await_quiet(&hubs), quiet);
}

#[test]
fn many_quiet_databases_cost_nothing() {
    let hubs = [Hub::start(), Hub::start()];
    for number in 0..40 {
        hubs[0].put(&format!("/db{number}"), "").expect(201);
    }
    tests::pair(&hubs[0], &hubs[1]);
    await_status(&hubs[1], "/db39", 200);
    await_quiet(&hubs);
    let before = hubs[1].mesh_figure("questions");
    let [first, second] = hubs;
    let second = Hub::start_in(second.stop());
    // It was told anew of all of them, and had to ask for none.
    eventually("connected", || {
        let peer = second.peer("first");
        let databases = &peer["databases"];
        match databases["offered"].as_u64() == Some(40)
            && databases["offered"] == databases["in_step"]
            && databases["system"]["offered"].as_u64() > Some(0)
            && databases["system"]["offered"] == databases["system"]["in_step"]
        {
            true => Ok(()),
            false => Err(peer.to_string()),
        }
    });
    assert!(before > 40);
    assert!(second.mesh_figure("questions") < 5, "{}", second.mesh_figure("questions"));
    drop(first);
}
