//! What the demo prints.

#![allow(clippy::print_stdout, reason = "the demo tells its story on standard output")]

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use super::{DATABASE, update_seq};
use crate::Hub;

/// One line: what it is about, and what there is to say.
pub(crate) fn say(about: &str, text: impl Display) {
    println!("{about:<10} {text}");
}

/// A number with its thousands apart.
pub(crate) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// A time, and how many per second that is.
pub(crate) fn rate(number: u64, took: Duration) -> String {
    #[allow(clippy::cast_precision_loss, reason = "for reading")]
    let per_second = number as f64 / took.as_secs_f64().max(1e-9);
    format!("{:.1} s, {per_second:.0}/s", took.as_secs_f64())
}

/// A time that is short.
pub(crate) fn millis(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}

/// What a hub says about its database, and what it takes on disk.
pub(crate) fn sizes(name: &str, hub: &Hub) {
    let info = hub.get(&format!("/{DATABASE}")).expect(200).json();
    let number = |value: &serde_json::Value| count(value.as_u64().unwrap_or_default());
    say(
        name,
        format!(
            "{} documents, {} deleted, update_seq {}; sizes: file {}, active {}, external {}; data directory {} bytes",
            number(&info["doc_count"]),
            number(&info["doc_del_count"]),
            count(update_seq(hub)),
            number(&info["sizes"]["file"]),
            number(&info["sizes"]["active"]),
            number(&info["sizes"]["external"]),
            count(bytes_under(&hub.data_dir())),
        ),
    );
}

/// The lengths of all files in a folder and its folders.
fn bytes_under(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .map(|(path, meta)| if meta.is_dir() { bytes_under(&path) } else { meta.len() })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(count(7_u64), "7");
        assert_eq!(count(123_u64), "123");
        assert_eq!(count(1_234_567_u64), "1,234,567");
    }
}
