//! A hub that nobody asks: it holds nothing open, and does nothing.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Hub, eventually};

const DATABASES: usize = 100;

/// As many that a thread of their own maps them.
const DOCUMENTS: usize = 250;

/// How long it is watched doing nothing, and the part of that time it may work.
const WATCHED: Duration = Duration::from_secs(2);
const BUSY_MAX: Duration = Duration::from_millis(100);

#[test]
fn indexes_are_closed_and_the_processor_rests() {
    let hub = Hub::start_with("[databases]\nindex_idle_s = 2\n");
    let view = json!({"map": "function (doc) { emit(doc.n, 1); }", "reduce": "_sum"});
    for number in 0..DATABASES {
        let db = format!("/db-{number}");
        hub.put(&db, "").expect(201);
        let docs: Vec<Value> = (0..DOCUMENTS).map(|n| json!({"n": n})).collect();
        hub.post(&format!("{db}/_bulk_docs"), json!({"docs": docs})).expect(201);
        hub.put(&format!("{db}/_design/v"), json!({"views": {"v": view}})).expect(201);
        check_sum(&hub, number);
    }
    assert!(!open_indexes(&hub).is_empty(), "an index that was just asked is open");
    eventually("closed indexes", || match open_indexes(&hub) {
        open if open.is_empty() => Ok(()),
        open => Err(format!("{open:?}")),
    });
    eventually("an end of threads that map", || match threads(&hub) {
        names if !names.contains(&"map".to_owned()) => Ok(()),
        names => Err(format!("{names:?}")),
    });

    let before = busy(&hub);
    thread::sleep(WATCHED);
    let worked = busy(&hub) - before;
    assert!(worked <= BUSY_MAX, "worked for {worked:?} while nothing changed");

    for number in [0, DATABASES - 1] {
        check_sum(&hub, number);
    }
    hub.stop();
}

#[track_caller]
fn check_sum(hub: &Hub, number: usize) {
    let reply = hub.get(&format!("/db-{number}/_design/v/_view/v")).expect(200).json();
    assert_eq!(reply["rows"][0]["value"], json!(DOCUMENTS), "{reply}");
}

/// Files of indexes that it has open.
fn open_indexes(hub: &Hub) -> Vec<PathBuf> {
    let handles = fs::read_dir(of_process(hub, "fd")).expect("its file handles");
    let files = handles.flatten().filter_map(|handle| fs::read_link(handle.path()).ok());
    files.filter(|file| file.components().any(|part| part.as_os_str() == "indexes")).collect()
}

fn threads(hub: &Hub) -> Vec<String> {
    let threads = fs::read_dir(of_process(hub, "task")).expect("its threads").flatten();
    // A thread may end meanwhile.
    let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).collect()
}

/// Time that processors have spent on it.
fn busy(hub: &Hub) -> Duration {
    /// Of the fields behind the name, where its own time and the system's on its behalf are.
    const TIMES: std::ops::Range<usize> = 11..13;
    let stat = fs::read_to_string(of_process(hub, "stat")).expect("its times");
    let (_name, fields) = stat.rsplit_once(')').expect("fields behind its name");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: u64 = fields[TIMES].iter().map(|field| field.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

fn of_process(hub: &Hub, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}", hub.pid())).join(name)
}
