//! How soon a hub with hundreds of databases answers, and what it takes.

use std::fs;
use std::time::Instant;

use serde_json::json;
use tempfile::TempDir;
use tests::Hub;

use crate::report::Report;

const DATABASES: usize = 300;

/// Starts on three hundred databases, after a clean stop and after a kill.
pub(crate) fn measure(report: &mut Report) {
    let hub = Hub::start();
    for number in 0..DATABASES {
        hub.put(&format!("/db-{number}"), "").expect(201);
        hub.put(&format!("/db-{number}/doc"), json!({ "number": number })).expect(201);
    }
    let (hub, ms) = start(hub.stop());
    report.note("start, ms", ms);
    note_memory(&hub, "idle with 300 databases", report);
    for number in 0..DATABASES {
        hub.put(&format!("/db-{number}/other"), json!({ "number": number })).expect(201);
    }
    let (_hub, ms) = start(hub.kill());
    report.note("start after kill, ms", ms);
}

/// Until the first answer; the hub's own log line comes before it.
fn start(folder: TempDir) -> (Hub, f64) {
    let begun = Instant::now();
    let hub = Hub::start_in(folder);
    hub.get("/_up").expect(200);
    (hub, begun.elapsed().as_secs_f64() * 1000.0)
}

/// Notes what a hub has resident, and what of that is its own: the rest are pages of the program's file, of which
/// some kernels map many around each that is read, and which any can drop and read again.
pub(crate) fn note_memory(hub: &Hub, when: &str, report: &mut Report) {
    let status = fs::read_to_string(format!("/proc/{}/status", hub.pid())).unwrap();
    for (field, what) in [("VmRSS:", ""), ("RssAnon:", " own,")] {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        let mib = line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0;
        report.note(&format!("{when},{what} MiB"), mib);
    }
}
