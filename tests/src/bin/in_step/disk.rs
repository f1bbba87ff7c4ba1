//! Notes that are edited all the time, and what they take on the disk.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Hub, LinkOptions};

use crate::pair::{introduce, until_quiet};

const FAST: LinkOptions = LinkOptions { delay: Duration::ZERO, bytes_per_second: None };

const NOTES: usize = 100;
const EDITS: usize = 10_000;

pub(crate) fn measure() {
    let (near, far) = (Hub::start(), Hub::start());
    far.put("/notes", "").expect(201);
    let ([near, far], links) = introduce(near, far, FAST);
    let mut revisions: Vec<Option<Value>> = vec![None; NOTES];
    for edit in 0..NOTES + EDITS {
        let number = edit % NOTES;
        // Ten thousand letters, most of them as before.
        let text = format!("{edit} {}", "All work and no play. ".repeat(454));
        let mut note = json!({ "text": text });
        if let Some(revision) = &revisions[number] {
            note["_rev"] = revision.clone();
        }
        let written = far.put(&format!("/notes/note{number:03}"), note).expect(201).json();
        revisions[number] = Some(written["rev"].clone());
    }
    until_quiet(&links);
    let size = |hub: &Hub| folder_bytes(&hub.data_dir().join("databases")) as f64 / 1e6;
    println!("1 MB of notes edited {EDITS} times: {:.1} and {:.1} MB", size(&far), size(&near));
    std::thread::sleep(Duration::from_secs(120));
    println!("two minutes later: {:.1} and {:.1} MB", size(&far), size(&near));
}

/// Bytes of all files below a folder.
fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => folder_bytes(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}
