//! Logs in files: how much room they take, and what is not in them.

#![allow(clippy::unwrap_used, reason = "a test file with helpers")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Body, Finished, Hub, eventually, larder};

/// The files of a log, by name.
fn files(log: &Path) -> Vec<PathBuf> {
    let name = log.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let entries = fs::read_dir(log.parent().unwrap_or(log)).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let is_ours = |path: &PathBuf| {
        path.file_name().is_some_and(|found| found.to_string_lossy().starts_with(&name))
    };
    let mut files: Vec<_> = paths.filter(is_ours).collect();
    files.sort();
    files
}

fn text(log: &Path) -> String {
    files(log).iter().map(|file| fs::read_to_string(file).unwrap_or_default()).collect()
}

#[test]
fn files_stay_within_their_bounds() {
    let hub = Hub::start_with(
        "[log]\nformat = 'json'\nrequests = true\nfile = 'larder.log'\n\
         file_bytes_max = 4000\nfiles_max = 3\n",
    );
    let log = hub.data_dir().join("larder.log");
    let mut most = 0;
    for number in 0..150 {
        hub.get(&format!("/none-{number}")).expect(404);
        let files = files(&log);
        most = most.max(files.len());
        for file in files {
            let metadata = file.metadata().unwrap();
            assert!(metadata.len() <= 4000, "{}: {}", file.display(), metadata.len());
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
    }
    assert_eq!(most, 3);
    for line in text(&log).lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    // What goes into files does not go to standard error.
    assert!(!hub.log().contains("404"), "{}", hub.log());
    hub.stop();
}

#[test]
fn a_file_that_cannot_be_is_named_at_start() {
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("larder.toml"), "[log]\nfile = 'none/larder.log'\n").unwrap();
    let message = Finished::of(&mut larder(&["run"], &data)).expect_failure();
    assert!(
        message.contains("could not log to") && message.contains("none/larder.log"),
        "{message}"
    );
}

/// Names and secrets that a busy hub met; none of them is for its log.
struct Secrets(Vec<String>);

impl Secrets {
    fn new() -> Self {
        let names = [
            "zebra-finances",
            "zebra-copies",
            "zebra-nowhere",
            "divorce-papers",
            "lawyers-letter",
            "kumquat",
            "tangerine",
            "mandarine",
            "scan-of-passport",
            "pomelo-app",
            "wrong-password",
            "private-remark",
        ];
        Self(names.map(str::to_owned).into())
    }

    fn add(&mut self, url: &str) -> String {
        let secret = url.trim().split(['@', ':']).nth(2).unwrap_or_default();
        assert!(secret.len() > 20, "{url}");
        self.0.push(secret.to_owned());
        secret.to_owned()
    }

    #[track_caller]
    fn check_absence(&self, text: &str) {
        for secret in &self.0 {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{secret} is in the log");
        }
    }
}

fn write_much(hub: &Hub) {
    for name in ["zebra-finances", "zebra-copies"] {
        hub.put(&format!("/{name}"), "").expect(201);
    }
    let docs: Vec<_> = (0..300)
        .map(|n| json!({"_id": format!("divorce-papers-{n}"), "text": "x".repeat(300)}))
        .collect();
    hub.post("/zebra-finances/_bulk_docs", json!({"docs": docs})).expect(201);
    hub.put("/zebra-finances/lawyers-letter", json!({"private-remark": 1})).expect(201);
    hub.put("/zebra-finances/lawyers-letter", json!({})).expect(409);
    hub.put("/zebra-finances/lawyers-letter?batch=ok", json!({})).expect(202);
    let scan = Body::bytes(vec![7; 200_000], "application/octet-stream");
    hub.put("/zebra-finances/lawyers-letter-2/scan-of-passport", scan).expect(201);
    hub.put("/zebra-finances/_local/divorce-papers", json!({})).expect(201);
    let design = json!({
        "views": {
            "tangerine": {"map": "function (doc) { log('private-remark ' + doc._id); emit(doc._id); }"},
            "mandarine": {"map": "function (doc) { throw 'private-remark'; }", "reduce": "_sum"}},
        "shows": {"tangerine": "function () { throw 'private-remark'; }"},
        "validate_doc_update": "function (doc) { if (doc.mandarine) throw {forbidden: 'mandarine'}; }"});
    hub.put("/zebra-finances/_design/kumquat", &design).expect(201);
    hub.put("/zebra-finances/_design/kumquat-2", json!({"views": {"tangerine": {"map": "no"}}}));
    hub.get("/zebra-finances/_design/kumquat/_view/tangerine?limit=1").expect(200);
    hub.get("/zebra-finances/_design/kumquat/_view/mandarine");
    hub.get("/zebra-finances/_design/kumquat/_show/tangerine");
    hub.put("/zebra-finances/mandarine", json!({"mandarine": 1})).expect(403);
    hub.larder(&["db", "compact", "zebra-finances"]).expect_success();
}

fn ask_amiss(hub: &Hub, secrets: &mut Secrets) {
    let url = hub.larder(&["app", "add", "pomelo-app", "--db", "zebra-finances:r"]);
    let token = secrets.add(&url.expect_success());
    let app = hub.as_principal(Some(("pomelo-app", &token)));
    app.get("/zebra-finances/lawyers-letter").expect(200);
    app.get("/zebra-copies").expect(403);
    app.put("/zebra-finances/divorce-papers", json!({})).expect(403);
    for path in ["zebra-nowhere", "zebra-finances/divorce-papers", "Zebra-Finances-wrong-password"]
    {
        hub.get(&format!("/{path}?rev=wrong-password"));
    }
    hub.post("/zebra-finances", "{\"private-remark").expect(400);
    hub.post("/zebra-finances/_find", json!({"selector": {"$private-remark": 1}})).expect(400);
    hub.put("/_apps/pomelo-app-2", json!({"name": "wrong-password"}));
    for _ in 0..12 {
        let status =
            hub.as_principal(Some(("pomelo-app", "wrong-password"))).get("/_all_dbs").status;
        assert!(matches!(status, 401 | 429), "{status}");
    }
}

fn replicate(hub: &Hub, there: &Hub) {
    let url = |database: &str| format!("{}{database}", there.owner_url());
    there.put("/zebra-copies", "").expect(201);
    let job = json!({"source": "zebra-finances", "target": url("zebra-copies")});
    hub.post("/_replicate", &job).expect(200);
    hub.post("/_replicate", json!({"source": url("zebra-nowhere"), "target": "zebra-copies"}));
    let host = there.url().trim_start_matches("http://");
    let wrong = format!("http://owner:wrong-password@{host}zebra-copies");
    hub.post("/_replicate", json!({"source": wrong, "target": "zebra-copies"}));
    hub.put("/_replicator", "");
    let job = json!({"source": wrong, "target": "zebra-copies"});
    hub.put("/_replicator/divorce-papers", &job).expect(201);
    eventually("a replication that crashes", || {
        let state = hub.get("/_scheduler/docs/_replicator/divorce-papers").json();
        match state["state"].as_str() {
            Some("crashing" | "failed") => Ok(()),
            _ => Err(state.to_string()),
        }
    });
}

/// Overwrites a page in the middle of the largest database file.
fn damage(data: &Path) {
    use std::os::unix::fs::FileExt as _;
    let folders = fs::read_dir(data.join("databases")).unwrap().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten());
    let files = files.map(|entry| (entry.metadata().unwrap().len(), entry.path()));
    let (length, largest) = files.filter(|(_, path)| path.is_file()).max().unwrap();
    let file = fs::File::options().write(true).open(largest).unwrap();
    for page in 2..length / 4096 {
        file.write_all_at(&[0xa5; 512], page * 4096).unwrap();
    }
}

#[test]
fn nothing_that_is_named_or_secret_is_in_the_log() {
    let hub = Hub::start_with("[log]\nfile = 'larder.log'\n");
    let there = Hub::start();
    let mut secrets = Secrets::new();
    secrets.add(hub.owner_url());
    secrets.add(there.owner_url());
    write_much(&hub);
    ask_amiss(&hub, &mut secrets);
    replicate(&hub, &there);
    let backup = hub.data_dir().parent().unwrap().join("backup");
    hub.larder(&["backup", &backup.display().to_string()]).expect_success();
    let folder = hub.stop();

    let data = folder.path().join("data");
    damage(&data);
    let hub = Hub::start_in(folder);
    for path in ["_all_docs?include_docs=true", "_changes", "lawyers-letter", "divorce-papers-7"] {
        hub.get(&format!("/zebra-finances/{path}"));
        hub.get(&format!("/zebra-copies/{path}"));
    }
    hub.post("/zebra-finances", json!({"_id": "divorce-papers-300"}));
    hub.larder(&["verify"]).expect_finding();
    hub.larder(&["backup", &backup.display().to_string()]).expect_failure();
    let log = hub.data_dir().join("larder.log");
    let aside = hub.log();
    assert!(!aside.contains("hub started"), "{aside}");
    secrets.check_absence(&aside);
    let _folder = hub.stop();
    drop(there);

    let text = text(&log);
    for expected in ["hub started", "compacted", "replication failed", "wrong tokens", "damaged"] {
        assert!(text.contains(expected), "{expected} is not in the log:\n{text}");
    }
    secrets.check_absence(&text);
}

#[cfg(target_os = "linux")]
mod needs_mounts {
    use tests::{SmallDisk, hidden};

    use super::*;

    #[test]
    fn a_full_disk_leaves_gaps_in_the_log_and_stops_nobody() {
        hidden("needs_mounts::a_full_disk_leaves_gaps_in_the_log_and_stops_nobody", || {
            let folder = TempDir::with_prefix("larder-full-").unwrap();
            let logs = folder.path().join("logs");
            let disk = SmallDisk::mount(&logs, 1);
            disk.fill();
            let data = folder.path().join("data");
            fs::create_dir(&data).unwrap();
            let log = logs.join("larder.log");
            let settings =
                format!("[log]\nrequests = true\nfile = '{}'\nfiles_max = 2\n", log.display());
            fs::write(data.join("larder.toml"), settings).unwrap();
            let hub = Hub::start_in(folder);
            for number in 0..100 {
                hub.get(&format!("/none-{number}")).expect(404);
            }
            assert_eq!(hub.log().matches("could not log to").count(), 1, "{}", hub.log());
            disk.empty();
            hub.get("/none").expect(404);
            assert!(
                text(&log)
                    .lines()
                    .next_back()
                    .is_some_and(|line| line.contains(" 404 ") || line.contains("status=404")),
                "{}",
                text(&log)
            );
            assert!(text(&log).lines().all(|line| line.starts_with("20")), "{}", text(&log));
            assert_eq!(hub.log().matches("could not log to").count(), 1, "{}", hub.log());
            hub.stop();
        });
    }
}
