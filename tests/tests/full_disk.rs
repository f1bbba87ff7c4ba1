//! A disk without room: writes are refused with a reason, reads go on, nothing is left behind, and
//! when there is room again writes go on without a restart.

mod needs_mounts {
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use serde_json::{Value, json};
    use tempfile::TempDir;
    use tests::{Body, Hub, Reply, SmallDisk, hidden};

    const PATIENCE: Duration = Duration::from_secs(60);

    /// More writes than fit into what the files have in reserve.
    const TRIES_MAX: usize = 10_000;

    fn hub_on_small_disk(megabytes: u32) -> (Hub, SmallDisk) {
        let folder = TempDir::with_prefix("larder-full-").expect("a folder");
        let disk = SmallDisk::mount(&folder.path().join("data"), megabytes);
        (Hub::start_in(folder), disk)
    }

    fn noise(length: usize, seed: u8) -> Vec<u8> {
        let mut state = u64::from(seed) | 1 << 40;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 8) as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    fn bytes(length: usize, seed: u8) -> Body {
        Body::bytes(noise(length, seed), "application/octet-stream")
    }

    #[track_caller]
    fn expect_full(reply: &Reply) {
        let found = (reply.status, reply.json());
        let full = json!({"error": "insufficient_storage", "reason": "the disk is full"});
        assert_eq!(found, (507, full), "{reply}");
    }

    /// Writes documents until there is no room; those that were acknowledged.
    fn write_until_full(hub: &Hub, prefix: &str) -> Vec<String> {
        let mut written = Vec::new();
        for number in 0..TRIES_MAX {
            let id = format!("{prefix}-{number}");
            let reply = hub.put(&format!("/kept/{id}"), json!({"text": "x".repeat(3000)}));
            if reply.status == 507 {
                expect_full(&reply);
                return written;
            }
            reply.expect(201);
            written.push(id);
        }
        panic!("{TRIES_MAX} documents fit into a full disk");
    }

    fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "{what} does not happen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Begins a compaction and waits until the log tells of its end.
    fn compact(hub: &Hub, told: &str) {
        let request = hub.request("POST", "/kept/_compact");
        request.header("content-type", "application/json").send("").expect(202);
        until(told, || hub.log().contains(told).then_some(()));
    }

    fn ids(hub: &Hub, database: &str) -> Vec<String> {
        let listed = hub.get(&format!("/{database}/_all_docs")).expect(200).json();
        let rows = listed["rows"].as_array().cloned().unwrap_or_default();
        rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect()
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let paths = entries.flatten().map(|entry| entry.path());
        paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }

    /// Files that belong to no database and no task.
    fn leftovers(hub: &Hub) -> Vec<PathBuf> {
        let data = hub.data_dir();
        let mut left = files(&data.join("trash"));
        left.extend(files(&data.join("scratch")));
        let name =
            |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let present = files(&data.join("databases"));
        left.extend(present.into_iter().filter(|path| {
            let name = name(path);
            name.starts_with("tmp-") || name.starts_with("main-") && !name.starts_with("main-1.")
        }));
        left
    }

    #[test]
    fn writes_wait_for_room_and_reads_do_not() {
        hidden("needs_mounts::writes_wait_for_room_and_reads_do_not", || {
            let (hub, disk) = hub_on_small_disk(24);
            let all = ["kept", "closed", "victim"];
            for name in all {
                hub.put(&format!("/{name}"), "").expect(201);
                hub.put(&format!("/{name}/first"), json!({"n": 1})).expect(201);
            }
            hub.put("/kept/big/a", bytes(200_000, 3)).expect(201);
            for number in 0..10 {
                hub.put(&format!("/victim/{number}/a"), bytes(300_000, number)).expect(201);
            }

            disk.fill();
            let mut written = write_until_full(&hub, "early");
            expect_full(
                &hub.post("/kept/_bulk_docs", json!({"docs": [{"text": "x".repeat(9000)}]})),
            );
            expect_full(&hub.put("/kept/late/a", bytes(300_000, 7)));
            expect_full(&hub.put("/kept/late/a", bytes(50_000, 7)));
            expect_full(
                &hub.put(
                    "/kept/_security",
                    json!({"admins": {"names": vec!["x".repeat(1000); 9]}}),
                ),
            );
            expect_full(&hub.put("/more", ""));
            hub.get("/more").expect(404);
            compact(&hub, "compaction failed");
            hub.larder(&["backup", "/dev/null"]).expect_failure();
            assert_eq!(leftovers(&hub), Vec::<PathBuf>::new(), "left behind on a full disk");

            let reads = |hub: &Hub, names: &[&str], written: &[String]| {
                for name in names {
                    hub.get(&format!("/{name}/first")).expect(200);
                    let feed = hub.get(&format!("/{name}/_changes")).expect(200).json();
                    assert!(feed["results"].as_array().is_some_and(|rows| !rows.is_empty()));
                }
                assert_eq!(hub.get("/kept/big/a").expect(200).body, noise(200_000, 3));
                let found = ids(hub, "kept");
                for id in written {
                    assert!(found.contains(id), "{id} was acknowledged and is gone");
                }
            };
            reads(&hub, &all, &written);
            let status = hub.larder(&["status"]).expect_success();
            assert!(status.contains("full: writes are refused"), "{status}");
            assert_eq!(hub.log().matches("the disk is full: writes").count(), 1, "{}", hub.log());

            // Killed and started again, it serves what it has.
            let hub = Hub::start_in(hub.kill());
            reads(&hub, &all, &written);
            expect_full(
                &hub.post("/kept/_bulk_docs", json!({"docs": [{"text": "x".repeat(9000)}]})),
            );

            // Deleting makes room.
            hub.delete("/victim").expect(200);
            hub.get("/victim").expect(404);
            hub.put("/kept/after", json!({"text": "x".repeat(9000)})).expect(201);
            written.push("after".into());
            assert_eq!(hub.log().matches("room on the disk again").count(), 1);
            let status = hub.larder(&["status"]).expect_success();
            assert!(!status.contains("full: writes"), "{status}");
            hub.put("/victim", "").expect(201);
            hub.delete("/victim").expect(200);

            // So does whoever else fills the disk.
            disk.fill();
            written.extend(write_until_full(&hub, "late"));
            disk.empty();
            hub.put("/kept/last/a", bytes(300_000, 9)).expect(201);
            hub.put("/more", "").expect(201);
            reads(&hub, &all[..2], &written);
            compact(&hub, ": compacted");
            hub.larder(&["verify"]).expect_success();
            let hub = Hub::start_in(hub.stop());
            reads(&hub, &all[..2], &written);
            assert_eq!(hub.get("/kept/last/a").expect(200).body, noise(300_000, 9));
        });
    }

    #[test]
    fn replication_waits_for_room() {
        hidden("needs_mounts::replication_waits_for_room", || {
            let (hub, disk) = hub_on_small_disk(16);
            let other = Hub::start();
            other.put("/source", "").expect(201);
            hub.put("/kept", "").expect(201);
            let source = format!("{}source", other.owner_url());
            let job = json!({"source": source, "target": "kept", "continuous": true});
            hub.post("/_replicate", &job).expect(202);
            other.put("/source/first", json!({"n": 1})).expect(201);
            let arrives = |id: &str| {
                until(&format!("the arrival of {id}"), || {
                    (hub.get(&format!("/kept/{id}")).status == 200).then_some(())
                });
            };
            arrives("first");

            disk.fill();
            write_until_full(&hub, "early");
            let large = json!({"text": "x".repeat(20_000)});
            let docs: Vec<Value> =
                (0..200).map(|n| json!({"_id": format!("doc-{n:03}"), "t": large})).collect();
            other.post("/source/_bulk_docs", json!({"docs": docs})).expect(201);
            until("reading from the source", || {
                let tasks = hub.get("/_active_tasks").expect(200).json();
                let read = tasks[0]["docs_read"].as_u64().unwrap_or_default();
                (read > 1).then_some(())
            });
            hub.get("/kept/doc-199").expect(404);
            disk.empty();
            arrives("doc-000");
            arrives("doc-199");
            hub.stop();
        });
    }
}
