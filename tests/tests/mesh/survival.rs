//! Hubs that are killed in the middle of it.

use std::net::TcpListener;

use serde_json::{Value, json};
use tests::{Hub, HubOptions, await_member, await_status, eventually, pair};

/// Enough that a copy is not over before it is noticed to have begun.
const DOCUMENTS: u64 = 16_000;

/// Documents of four batches, of about a MiB each: what may be on its way when a copy is cut off, and is thrown
/// away, is less.
const FEW_BATCHES: u64 = 2000;

#[track_caller]
fn fill(hub: &Hub) {
    hub.put("/notes", "").expect(201);
    for batch in 0..DOCUMENTS / 500 {
        let text = "text that makes a document as long as documents are ".repeat(40);
        let docs: Vec<Value> = (0..500)
            .map(|n| json!({"_id": format!("d{:05}", batch * 500 + n), "text": text, "n": n * batch}))
            .collect();
        hub.post("/notes/_bulk_docs", json!({ "docs": docs })).expect(201);
    }
}

fn count(hub: &Hub) -> u64 {
    let reply = hub.get("/notes");
    if reply.status == 200 { reply.json()["doc_count"].as_u64().unwrap_or_default() } else { 0 }
}

#[track_caller]
fn await_count(hub: &Hub, at_least: u64) {
    let enough = || {
        let count = count(hub);
        if count >= at_least { Ok(()) } else { Err(count.to_string()) }
    };
    eventually("documents", enough);
}

/// Waits until everything is here, and what was fetched is counted, which it is when a pull ends.
#[track_caller]
fn await_in_step(hub: &Hub) {
    await_count(hub, DOCUMENTS);
    eventually("in step", || {
        let databases = hub.peer("first")["databases"].clone();
        let is_in_step =
            databases["offered"].as_u64() > Some(0) && databases["offered"] == databases["in_step"];
        if is_in_step { Ok(()) } else { Err(databases.to_string()) }
    });
}

#[test]
fn a_first_copy_goes_on_where_the_target_was_killed() {
    let (source, target) = (Hub::start(), Hub::start());
    fill(&source);
    pair(&source, &target);
    await_count(&target, DOCUMENTS / 2);
    let target = Hub::start_in(target.kill());
    let had = count(&target);
    assert!((1..DOCUMENTS).contains(&had), "{had} documents before the kill");
    await_in_step(&target);
    let came = target.mesh_figure("documents_in");
    assert!(came < DOCUMENTS - had / 2, "{came} documents came where {had} were there");
}

#[test]
fn a_first_copy_goes_on_where_the_source_was_killed() {
    let (source, target) = (Hub::start(), Hub::start());
    fill(&source);
    pair(&source, &target);
    await_count(&target, 1);
    let folder = source.kill();
    eventually("the connection gone", || match target.peer("first")["state"].as_str() {
        Some("connected") => Err("still connected".to_owned()),
        _ => Ok(()),
    });
    let had = count(&target);
    assert!((1..DOCUMENTS).contains(&had), "{had} documents before the kill");
    let source = Hub::start_in(folder);
    // It listens on another port now, which its owner says.
    target.add_device(&source, "first");
    await_in_step(&target);
    let documents = target.mesh_figure("documents_in");
    // Where it says that it is reached now may cut it off once more.
    assert!(
        documents < DOCUMENTS + 2 * FEW_BATCHES,
        "{documents} documents came, {had} before the kill"
    );
}

#[test]
fn a_first_copy_that_is_cut_off_repeats_little() {
    let (source, target) = (Hub::start(), Hub::start());
    fill(&source);
    pair(&source, &target);
    let cuts = 4;
    for cut in 1..=cuts {
        await_count(&target, DOCUMENTS * cut / (cuts + 2));
        // Another way to it: the one that is there is given up, and a new one begun.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("httpkey://127.0.0.1:{port}/ed25519publickey:{}/", source.key());
        target.post("/_hub/devices", json!({"url": url, "name": "first"})).expect(201);
    }
    await_in_step(&target);
    let came = target.mesh_figure("documents_in");
    assert!(came < DOCUMENTS + cuts * FEW_BATCHES, "{came} documents came");
}

#[test]
fn hubs_that_start_again_are_in_step_again() {
    let (first, second) = (Hub::start(), Hub::start());
    pair(&first, &second);
    first.put("/notes", "").expect(201);
    first.put("/notes/a", json!({})).expect(201);
    await_status(&second, "/notes/a", 200);
    let folder = second.stop();
    first.put("/notes/b", json!({})).expect(201);
    let second = Hub::start_in(folder);
    await_status(&second, "/notes/b", 200);
    second.put("/notes/c", json!({})).expect(201);
    // The first knows the second's old port only; the second's connection says that it is back.
    first.add_device(&second, "second");
    await_status(&first, "/notes/c", 200);
}

/// Where a hub listens for keys, to be found there again.
fn port(hub: &Hub) -> String {
    hub.tls_url().trim_start_matches("https://").trim_end_matches('/').to_owned()
}

#[test]
fn of_edits_made_apart_the_newest_counts_and_the_other_is_kept() {
    let (first, second) = (Hub::start(), Hub::start());
    let ports = [port(&first), port(&second)];
    pair(&first, &second);
    first.larder(&["db", "create", "notes"]).expect_success();
    first.put("/notes/a", json!({"by": "nobody"})).expect(201);
    await_member(&second, "/notes/a", "by", "nobody");
    let again = |folder, at: usize| {
        Hub::start_again(folder, &HubOptions { tls: Some(&ports[at]), ..HubOptions::default() })
    };
    let edit = |hub: &Hub, by: &str| {
        let rev = hub.get("/notes/a").json()["_rev"].as_str().unwrap().to_owned();
        hub.put(&format!("/notes/a?rev={rev}"), json!({ "by": by })).expect(201);
    };
    // Each is edited while the other is off.
    let folder = first.stop();
    edit(&second, "second");
    let other = second.stop();
    let first = again(folder, 0);
    edit(&first, "first");
    let second = again(other, 1);
    for hub in [&first, &second] {
        await_member(hub, "/notes/a", "by", "first");
        eventually("what lost", || {
            let lost = hub.get("/_hub/overwritten").expect(200).json();
            match lost["overwritten"].as_array().is_some_and(|lost| lost.len() == 1) {
                true => Ok(()),
                false => Err(lost.to_string()),
            }
        });
        assert_eq!(hub.get("/notes/a?conflicts=true").json()["_conflicts"], Value::Null);
    }
}
