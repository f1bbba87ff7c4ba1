//! `larder status` and `larder url`.

use anyhow::Context as _;
use identity::key_file;
use serde_json::Value;
use store::Millis;

use super::Outcome;
use super::hub::Hub;
use super::show::{self, duration, plural, size, table};
use super::why;
use crate::access::OWNER;
use crate::clock;

/// How the hub is.
pub(super) async fn status(mut hub: Hub, json: bool) -> anyhow::Result<Outcome> {
    let status = hub.get("/_hub/status").await?;
    if json {
        show::line(serde_json::to_string_pretty(&status)?)?;
        return Ok(Outcome::Done);
    }
    let number = |name: &str| status[name].as_u64().unwrap_or_default();
    let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
    let bytes = size(number("bytes_on_disk"));
    let mut rows = vec![
        ["version".to_owned(), text("version")],
        ["process".into(), number("pid").to_string()],
        ["running for".into(), duration(number("uptime_s"))],
        ["listening on".into(), urls(&status).join(" ")],
        ["data".into(), format!("{} ({bytes})", text("data_dir"))],
        ["databases".into(), number("databases").to_string()],
        ["apps".into(), number("apps").to_string()],
    ];
    if let Some(bytes) = status["bytes_free"].as_u64() {
        let full = status["disk_full"].as_bool().unwrap_or_default();
        let full = if full { "; full: writes are refused until there is room" } else { "" };
        rows.push(["room on the disk".into(), format!("{}{full}", size(bytes))]);
    }
    if let Some(bytes) = status["memory_bytes"].as_u64() {
        rows.push(["memory".into(), size(bytes)]);
    }
    if let Some(onion) = status["onion"].as_object() {
        rows.extend(describe_onion(&onion.clone().into(), clock::now()));
    }
    let paused = [("sync", "being in step with other hubs"), ("onion", "Tor")];
    for (_, what) in paused.iter().filter(|(name, _)| status["paused"][name] == true) {
        rows.push(["paused".into(), format!("{what}: larder resume")]);
    }
    let now = clock::now();
    let ago = |at: &Value| {
        let passed = now.0.saturating_sub(at.as_u64().unwrap_or_default());
        format!("{} ago", duration(passed / 1000))
    };
    for peer in status["peers"].as_array().into_iter().flatten() {
        rows.push(["peer".into(), why::standing(peer, ago)]);
    }
    if let Some(why) = status["on_hold"]["text"].as_str() {
        let until = status["on_hold"]["until"].as_u64();
        let left = until.map(|until| duration(until.saturating_sub(now.0) / 1000));
        let left = left.map(|left| format!(", for {left} more")).unwrap_or_default();
        rows.push(["on hold".into(), format!("{why}{left}")]);
    }
    if !status["backup"].is_null() {
        rows.push(["backup".into(), describe_backup(&status["backup"], clock::now())]);
    }
    rows.extend(describe_conflicts(&status["conflicts"]));
    rows.extend(status["held"].as_array().into_iter().flatten().map(describe_held));
    for task in status["active_tasks"].as_array().into_iter().flatten() {
        rows.push(["task".into(), describe(task)]);
    }
    table(&rows)?;
    Ok(Outcome::Done)
}

/// The first address with the owner's token.
pub(super) async fn url(mut hub: Hub) -> anyhow::Result<Outcome> {
    let status = hub.get("/_hub/status").await?;
    let token = key_file::read(&hub.data_dir().owner_token())?.to_text();
    show::line(with_credentials(&status, OWNER, &token)?)?;
    Ok(Outcome::Done)
}

/// The hub's first address with a name and a token in it.
pub(super) fn with_credentials(status: &Value, name: &str, token: &str) -> anyhow::Result<String> {
    let urls = urls(status);
    let address = urls.first().and_then(|url| url.strip_prefix("http://"));
    let address = address.context("the hub listens nowhere")?;
    let token = percent_encoding::utf8_percent_encode(token, RESERVED);
    Ok(format!("http://{name}:{token}@{address}"))
}

/// What has to be escaped in the part of a URL before the `@`.
const RESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn urls(status: &Value) -> Vec<&str> {
    status["urls"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// How far the onion service is, and what went wrong last where it is not.
fn describe_onion(onion: &Value, now: Millis) -> Vec<[String; 2]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let ago = |at: &Value| {
        let passed = now.0.saturating_sub(at.as_u64().unwrap_or_default());
        format!("{} ago", duration(passed / 1000))
    };
    let detail = text(&onion["detail"]);
    if onion["mode"] == "off" {
        return vec![["onion service".to_owned(), detail]];
    }
    let since = duration(onion["since_s"].as_u64().unwrap_or_default());
    let dialled = match (onion["last_self_dial"]["took_ms"].as_u64(), onion["stage"].as_str()) {
        (Some(took), Some("reachable")) => {
            let at = ago(&onion["last_self_dial"]["at"]);
            format!("; dialled itself {at}, in {}.{} s", took / 1000, took % 1000 / 100)
        }
        _ => String::new(),
    };
    let discovery = match (onion["discovery"]["state"].as_str(), onion["restricted"] == true) {
        (Some("keys" | "keys_soon"), _) => {
            let keys = onion["discovery"]["keys"].as_u64().unwrap_or_default();
            format!("; found by {}, those of links included", plural(keys, "key"))
        }
        (_, true) => "; not yet found by anybody".into(),
        (_, false) => String::new(),
    };
    let mut rows = vec![
        ["onion service".to_owned(), text(&onion["address"])],
        [String::new(), format!("{detail} (for {since}{dialled}{discovery})")],
    ];
    let last_error = &onion["last_error"];
    if onion["reachable"] != true && !last_error.is_null() {
        rows.push([
            String::new(),
            format!("{}: {}", ago(&last_error["at"]), text(&last_error["text"])),
        ]);
    }
    rows
}

/// Whose clock is ahead, so that edits wait.
fn describe_held(held: &Value) -> [String; 2] {
    let ahead = duration(held["clock_ahead_ms"].as_u64().unwrap_or_default() / 1000);
    let edits = plural(held["revisions"].as_u64().unwrap_or_default(), "edit");
    let by = held["by"].as_str().unwrap_or_default();
    [
        "held".to_owned(),
        format!("{edits} of {by}, whose clock is ahead by {ahead}: larder held list"),
    ]
}

/// How many documents need a decision, where any does.
fn describe_conflicts(conflicts: &Value) -> Option<[String; 2]> {
    let documents = conflicts["undecided"].as_u64().filter(|count| *count > 0)?;
    let at_least = if conflicts["complete"] == true { "" } else { "at least " };
    let documents = plural(documents, "document");
    Some(["to decide".to_owned(), format!("{at_least}{documents} in conflict: larder conflicts")])
}

/// How backups go: a failure before everything else.
fn describe_backup(backup: &Value, now: Millis) -> String {
    let ago = |at: &Value| {
        let at = at.as_u64().unwrap_or_default();
        format!("{} ago", duration(now.0.saturating_sub(at) / 1000))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (last, failed) = (&backup["last"], &backup["failed"]);
    let made = match last["bytes"].as_u64() {
        Some(bytes) => format!("{} ({}, {})", text(&last["file"]), size(bytes), ago(&last["at"])),
        None => format!("none yet in {}", text(&backup["folder"])),
    };
    match failed.is_null() {
        true => made,
        false => format!("FAILED {}: {}; {made}", ago(&failed["at"]), text(&failed["reason"])),
    }
}

fn describe(task: &Value) -> String {
    let text = |name: &str| task[name].as_str().unwrap_or_default();
    if text("type") == "replication" {
        let what = format!("replication {} to {}", text("source"), text("target"));
        return match task["changes_pending"].as_u64() {
            Some(pending) => format!("{what} ({pending} changes to go)"),
            None => what,
        };
    }
    let what = format!("{} {}", text("type").replace('_', " "), text("database"));
    match task["progress"].as_u64() {
        Some(percent) => format!("{what} ({percent} %)"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn credentials_are_escaped() {
        let status = json!({"urls": ["http://127.0.0.1:5984/", "http://[::1]:5984/"]});
        let url = with_credentials(&status, "notes", "a-_b/@:c").unwrap();
        assert_eq!(url, "http://notes:a-_b%2F%40%3Ac@127.0.0.1:5984/");
        assert!(with_credentials(&json!({}), "notes", "t").is_err());
    }

    #[test]
    fn backups_in_one_line() {
        let now = Millis(10_800_000);
        let mut backup = json!({"folder": "/b", "last": null, "failed": null});
        assert_eq!(describe_backup(&backup, now), "none yet in /b");
        backup["failed"] = json!({"at": 7_200_000, "reason": "could not make /b"});
        let failed = describe_backup(&backup, now);
        assert!(failed.starts_with("FAILED "), "{failed}");
        assert!(failed.ends_with(" ago: could not make /b; none yet in /b"), "{failed}");
        backup["failed"] = Value::Null;
        backup["last"] = json!({"at": 0, "file": "/b/x.backup", "bytes": 5});
        let made = describe_backup(&backup, now);
        assert!(made.starts_with("/b/x.backup (5"), "{made}");
    }

    #[test]
    fn conflicts_are_told_where_there_are_any() {
        assert_eq!(describe_conflicts(&json!({"undecided": 0, "complete": true})), None);
        for (count, complete, expected) in [
            (1, true, "1 document in conflict: larder conflicts"),
            (2, false, "at least 2 documents in conflict: larder conflicts"),
        ] {
            let row = describe_conflicts(&json!({"undecided": count, "complete": complete}));
            assert_eq!(row.unwrap()[1], expected);
        }
    }

    #[test]
    fn onion_services_in_two_lines() {
        let off = json!({"mode": "off", "stage": "off", "detail": "off", "address": "a.onion"});
        assert_eq!(describe_onion(&off, Millis(0)), [["onion service", "off"]]);
        let mut onion = json!({
            "mode": "arti", "stage": "bootstrapping", "address": "a.onion", "since_s": 61,
            "detail": "connecting to the Tor network, 45%", "reachable": false,
            "last_error": {"at": 1000, "text": "no network"},
        });
        let rows = describe_onion(&onion, Millis(4000));
        assert_eq!(rows[0], ["onion service", "a.onion"]);
        assert_eq!(rows[1][1], "connecting to the Tor network, 45% (for 1 min)");
        assert_eq!(rows[2][1], "3 s ago: no network");
        onion["stage"] = "reachable".into();
        onion["detail"] = "reachable".into();
        onion["reachable"] = true.into();
        onion["last_self_dial"] = json!({"at": 0, "took_ms": 1234});
        onion["discovery"] = json!({"state": "keys", "keys": 3});
        let rows = describe_onion(&onion, Millis(4000));
        let expected = "reachable (for 1 min; dialled itself 4 s ago, in 1.2 s; found by 3 keys, those of links included)";
        assert_eq!((rows.len(), rows[1][1].as_str()), (2, expected));
    }

    #[test]
    fn tasks_in_one_line() {
        let task = json!({"type": "database_compaction", "database": "db", "progress": 7});
        assert_eq!(describe(&task), "database compaction db (7 %)");
        let task = json!({"type": "replication", "source": "a", "target": "b"});
        assert_eq!(describe(&task), "replication a to b");
        let task = json!({
            "type": "replication", "source": "a", "target": "b", "changes_pending": 3, "progress": 0,
        });
        assert_eq!(describe(&task), "replication a to b (3 changes to go)");
    }
}
