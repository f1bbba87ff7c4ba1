//! How soon a hub is reachable: after its start, and after its child was killed.

use std::process::Command;
use std::time::{Duration, Instant};

use tests::{Hub, HubOptions, TestNet, median};

use crate::pairs::{Memory, await_reachable, onion};

/// How long a hub is left alone before its memory is looked at.
const IDLE: Duration = Duration::from_secs(10);

pub(crate) fn measure(network: &TestNet, rounds: usize) {
    let settings = network.hub_settings();
    let options = HubOptions { settings: &settings, onion: Some("arti"), ..Default::default() };
    let mut hub = Hub::start_as(&options);
    await_reachable(&hub);
    std::thread::sleep(IDLE);
    println!("fresh hub and child: {}", Memory::of(&hub));
    let (mut starts, mut kills) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let folder = hub.stop();
        let began = Instant::now();
        hub = Hub::start_again(folder, &options);
        await_reachable(&hub);
        starts.push(began.elapsed().as_secs_f64());

        let child = onion(&hub)["child_pid"].as_u64().unwrap();
        let began = Instant::now();
        Command::new("kill").args(["-KILL", &child.to_string()]).status().unwrap();
        while onion(&hub)["child_pid"].as_u64() == Some(child) {}
        await_reachable(&hub);
        kills.push(began.elapsed().as_secs_f64());
    }
    println!("start to reachable, kept state: {:.2} s", median(&mut starts));
    println!("child killed to reachable: {:.2} s", median(&mut kills));
}
