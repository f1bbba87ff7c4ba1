//! couch_rs 0.13 against a hub, with its own idioms.

#![allow(clippy::unwrap_used, reason = "a failed call of couch_rs is a failed test")]

use std::borrow::Cow;
use std::time::Duration;

use couch_rs::document::TypedCouchDocument;
use couch_rs::error::{CouchResult, CouchResultExt as _};
use couch_rs::http::Method;
use couch_rs::management::{ClusterSetup, EnsureDbsExist};
use couch_rs::types::changes::ChangeEvent;
use couch_rs::types::find::{FindQuery, SortDirection, SortSpec};
use couch_rs::types::index::{IndexFields, IndexType};
use couch_rs::types::query::{QueriesParams, QueryParams};
use couch_rs::types::view::{CouchFunc, CouchViews, RawViewCollection, ViewCollection};
use couch_rs::{Client, database::Database};
use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tests::Hub;

/// A hub, and couch_rs's client for its owner.
fn hub() -> (Hub, Client) {
    let hub = Hub::start();
    let (_, rest) = hub.owner_url().split_once("//").unwrap();
    let (name, token) = rest.split_once('@').unwrap().0.split_once(':').unwrap();
    let client = Client::new(hub.url(), name, token).unwrap();
    (hub, client)
}

async fn database() -> (Hub, Client, Database) {
    let (hub, client) = hub();
    let database = client.db("garden").await.unwrap();
    (hub, client, database)
}

/// The stream's next change, `None` at its end; a feed that goes silent fails its test.
async fn next(
    stream: &mut (impl Stream<Item = CouchResult<ChangeEvent>> + Unpin),
) -> Option<ChangeEvent> {
    let change = tokio::time::timeout(Duration::from_secs(30), stream.next()).await;
    change.expect("the feed fell silent").transpose().unwrap()
}

/// What couch_rs's derive macro would write.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Plant {
    #[serde(skip_serializing_if = "String::is_empty", default)]
    _id: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    _rev: String,
    name: String,
    height_cm: u32,
}

impl TypedCouchDocument for Plant {
    fn get_id(&self) -> Cow<'_, str> {
        Cow::from(&self._id)
    }

    fn get_rev(&self) -> Cow<'_, str> {
        Cow::from(&self._rev)
    }

    fn set_rev(&mut self, rev: &str) {
        rev.clone_into(&mut self._rev);
    }

    fn set_id(&mut self, id: &str) {
        id.clone_into(&mut self._id);
    }

    fn merge_ids(&mut self, other: &Self) {
        self.clone_from(&Self {
            name: self.name.clone(),
            height_cm: self.height_cm,
            ..other.clone()
        });
    }
}

fn plant(id: &str, height_cm: u32) -> Plant {
    Plant { _id: id.into(), name: format!("plant {id}"), height_cm, ..Plant::default() }
}

#[tokio::test]
async fn the_hub_introduces_itself() {
    let (_hub, client) = hub();
    let status = client.check_status().await.unwrap();
    assert_eq!(status.couchdb, "Welcome");
    assert!(status.version.starts_with("3."), "{}", status.version);
}

#[tokio::test]
async fn databases_are_made_listed_described_and_destroyed() {
    let (_hub, client) = hub();
    client.make_db("one").await.unwrap();
    let again = client.make_db("one").await.unwrap_err();
    assert_eq!(again.status().map(|status| status.as_u16()), Some(412), "{again}");
    // `db` opens what is there and makes what is not; the odd name checks its percent-encoding.
    client.db("one").await.unwrap();
    client.db("my_db+2").await.unwrap();
    let names = client.list_dbs().await.unwrap();
    for name in ["one", "my_db+2"] {
        assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
    }

    let info = client.get_info("my_db+2").await.unwrap();
    assert_eq!((info.db_name.as_str(), info.doc_count, info.doc_del_count), ("my_db+2", 0, 0));
    assert!(!info.compact_running);

    assert!(client.destroy_db("one").await.unwrap());
    assert!(!client.list_dbs().await.unwrap().contains(&"one".to_owned()));
    assert!(client.get_info("one").await.is_err());
}

#[tokio::test]
async fn a_hub_is_a_cluster_of_one() {
    let (_hub, client) = hub();
    let membership = client.membership().await.unwrap();
    assert_eq!(membership.all_nodes, ["nonode@nohost"]);
    assert_eq!(membership.cluster_nodes, membership.all_nodes);
    client.make_db("there").await.unwrap();
    let asked = |name: &str| EnsureDbsExist::with_dbs(vec![name.to_owned()]);
    let state = client.cluster_setup(asked("there")).await.unwrap();
    assert_eq!(state, ClusterSetup::SingleNodeEnabled);
    let state = client.cluster_setup(asked("missing")).await.unwrap();
    assert_eq!(state, ClusterSetup::SingleNodeDisabled);
}

#[tokio::test]
async fn several_databases_are_described_at_once() {
    let (_hub, client) = hub();
    for name in ["one", "two"] {
        client.make_db(name).await.unwrap();
    }
    let body = json!({ "keys": ["two", "none", "one"] }).to_string();
    let request = client.req(Method::POST, "_dbs_info", None).body(body);
    let infos: Value = request.send().await.unwrap().json().await.unwrap();
    let told = infos.as_array().unwrap().iter();
    let told =
        told.map(|row| row["info"]["db_name"].as_str().or_else(|| row["error"].as_str()).unwrap());
    assert_eq!(told.collect::<Vec<_>>(), ["two", "not_found", "one"]);
}

#[tokio::test]
async fn a_raw_document_is_created_saved_read_and_removed() {
    let (_hub, _client, db) = database().await;
    let mut doc = json!({ "kind": "tree", "rings": [1, 2.5, null, "é"] });
    let created = db.create(&mut doc).await.unwrap();
    assert!(created.rev.starts_with("1-"), "{}", created.rev);
    assert_eq!(doc["_id"], created.id);
    assert!(db.exists(&created.id).await);

    doc["kind"] = "shrub".into();
    let saved = db.save(&mut doc).await.unwrap();
    assert!(saved.rev.starts_with("2-"), "{}", saved.rev);
    assert_eq!(db.get_raw(&created.id).await.unwrap(), doc);

    db.remove(&doc).await.unwrap();
    assert!(!db.exists(&created.id).await);
    assert!(db.get_raw(&created.id).await.into_option().unwrap().is_none());
}

#[tokio::test]
async fn typed_documents_with_ids_that_need_encoding() {
    let (_hub, _client, db) = database().await;
    for id in ["oak/1", "_design/plants", "rose hip", "grün", "a+b&c=d?"] {
        let mut doc = plant(id, 7);
        db.save(&mut doc).await.unwrap();
        let read: Plant = db.get(id).await.unwrap();
        assert_eq!(read, doc);
    }
    assert_eq!(db.get_all::<Plant>().await.unwrap().rows.len(), 4);
}

#[tokio::test]
async fn a_stale_revision_conflicts() {
    let (_hub, _client, db) = database().await;
    let mut first = plant("oak", 1);
    db.save(&mut first).await.unwrap();
    let mut stale = first.clone();
    db.save(&mut first).await.unwrap();
    let error = db.save(&mut stale).await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(409), "{error}");
}

#[tokio::test]
async fn upsert_creates_and_then_changes() {
    let (_hub, _client, db) = database().await;
    let created = db.upsert(&mut plant("oak", 1)).await.unwrap();
    let changed = db.upsert(&mut plant("oak", 2)).await.unwrap();
    assert!(created.rev.starts_with("1-") && changed.rev.starts_with("2-"));
    assert_eq!(db.get::<Plant>("oak").await.unwrap().height_cm, 2);
}

#[tokio::test]
async fn bulk_writes_tell_of_each_document() {
    let (_hub, _client, db) = database().await;
    let mut plants: Vec<_> = (0..50).map(|n| plant(&format!("plant-{n:02}"), n)).collect();
    let results = db.bulk_docs(&mut plants).await.unwrap();
    assert!(results.iter().all(Result::is_ok));
    assert!(plants.iter().all(|plant| plant._rev.starts_with("1-")));

    let mut mixed = vec![
        json!({ "_id": "plant-00", "name": "no revision", "height_cm": 0 }),
        json!({ "_id": "plant-01", "_rev": plants[1]._rev, "_deleted": true }),
        json!({ "_id": "new", "name": "new", "height_cm": 9 }),
    ];
    let results = db.bulk_docs(&mut mixed).await.unwrap();
    let outcomes: Vec<_> = results
        .iter()
        .map(|result| match result {
            Ok(_) => None,
            Err(error) => error.status().map(|status| status.as_u16()),
        })
        .collect();
    assert_eq!(outcomes, [Some(409), None, None]);
}

#[tokio::test]
async fn bulk_upsert_finds_the_revisions_itself() {
    let (_hub, _client, db) = database().await;
    let mut plants: Vec<_> = (0..5).map(|n| plant(&format!("plant-{n}"), n)).collect();
    db.bulk_docs(&mut plants).await.unwrap();
    let mut taller: Vec<_> = (0..5).map(|n| plant(&format!("plant-{n}"), n + 100)).collect();
    let results = db.bulk_upsert(&mut taller).await.unwrap();
    assert!(results.iter().all(Result::is_ok));
    let all = db.get_all::<Plant>().await.unwrap();
    assert_eq!(all.rows, taller);
}

#[tokio::test]
async fn documents_are_listed_whole_by_key_and_by_range() {
    let (_hub, _client, db) = database().await;
    let mut plants: Vec<_> = (0..20).map(|n| plant(&format!("plant-{n:02}"), n)).collect();
    db.bulk_docs(&mut plants).await.unwrap();
    assert_eq!(db.get_all::<Plant>().await.unwrap().rows, plants);

    let keys = ["plant-07", "nowhere", "plant-03"].map(str::to_owned).to_vec();
    let chosen = db.get_bulk::<Plant>(keys).await.unwrap();
    assert_eq!(chosen.rows, [plants[7].clone(), plants[3].clone()]);

    let range = QueryParams {
        start_key: Some("plant-05".to_owned()),
        end_key: Some("plant-08".to_owned()),
        ..QueryParams::default()
    };
    let some = db.get_all_params::<Plant>(Some(range)).await.unwrap();
    assert_eq!(some.rows, plants[5..=8]);
}

#[tokio::test]
async fn several_listings_come_in_one_answer() {
    let (_hub, _client, db) = database().await;
    let mut plants: Vec<_> = (0..20).map(|n| plant(&format!("plant-{n:02}"), n)).collect();
    db.bulk_docs(&mut plants).await.unwrap();
    let from_the_end =
        QueryParams { descending: Some(true), limit: Some(2), ..QueryParams::default() };
    let range = QueryParams { start_key: Some("plant-18".to_owned()), ..QueryParams::default() };
    let queries = QueriesParams::new(vec![from_the_end, range]);
    let answers = db.query_many_all_docs(queries).await.unwrap();
    let ids = answers.iter().map(|answer| {
        answer.rows.iter().map(|row| row.id.as_deref().unwrap()).collect::<Vec<_>>().join(" ")
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["plant-19 plant-18", "plant-18 plant-19"]);
    assert_eq!(answers[0].total_rows, Some(20));
}

#[tokio::test]
async fn documents_are_found_by_an_index_and_without_one() {
    let (_hub, _client, database) = database().await;
    let mut plants: Vec<Plant> = (1..=9).map(|n| plant(&format!("p{n}"), n * 10)).collect();
    database.bulk_docs(&mut plants).await.unwrap();
    let spec = IndexFields::new(vec![SortSpec::Simple("height_cm".into())]);
    let made = database.insert_index("height", spec.clone(), Some(IndexType::Json), None).await;
    assert_eq!(made.unwrap().result.as_deref(), Some("created"));
    let again = database.insert_index("height", spec, Some(IndexType::Json), None).await.unwrap();
    assert_eq!(again.result.as_deref(), Some("exists"));

    let listed = database.read_indexes().await.unwrap();
    assert_eq!((listed.total_rows, listed.indexes[1].name.as_str()), (2, "height"));
    assert_eq!(listed.indexes[0].index_type, Some(IndexType::Special));

    let mut tall = FindQuery::new(json!({"height_cm": {"$gt": 50}})).limit(3);
    tall.sort = vec![SortSpec::Complex([("height_cm".into(), SortDirection::Desc)].into())];
    let found = database.find::<Plant>(&tall).await.unwrap();
    let heights: Vec<u32> = found.get_data().iter().map(|plant| plant.height_cm).collect();
    assert_eq!(heights, [90, 80, 70]);
    tall.bookmark = found.bookmark;
    let rest = database.find_raw(&tall).await.unwrap();
    assert_eq!(rest.get_data()[0]["_id"], "p6");

    let (sender, mut batches) = tokio::sync::mpsc::channel(10);
    let all = database.find_batched::<Plant>(FindQuery::find_all(), sender, 4, 0).await.unwrap();
    let mut sizes = Vec::new();
    while let Some(batch) = batches.recv().await {
        sizes.push(batch.total_rows);
    }
    assert_eq!((all, sizes), (9, vec![4, 4, 1]));

    let design = listed.indexes[1].ddoc.clone().unwrap();
    assert!(database.delete_index(design, "height".into()).await.unwrap());
    let error = database.find_raw(&tall).await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(400), "{error}");
}

#[tokio::test]
async fn the_changes_stream_ends_when_there_is_no_more() {
    let (_hub, _client, db) = database().await;
    let mut plants: Vec<_> = (0..5).map(|n| plant(&format!("plant-{n}"), n)).collect();
    db.bulk_docs(&mut plants).await.unwrap();
    db.remove(&plants[0]).await.unwrap();

    let mut stream = db.changes(None);
    let mut seen = Vec::new();
    while let Some(change) = next(&mut stream).await {
        let doc = change.doc.unwrap_or_default();
        seen.push((change.id, change.deleted, doc["height_cm"].as_u64()));
    }
    seen.sort();
    let expected = (0..5).map(|n| (format!("plant-{n}"), n == 0, (n > 0).then_some(n)));
    assert_eq!(seen, expected.collect::<Vec<_>>());

    // From there on, only what is new.
    let since = stream.last_seq().cloned();
    db.save(&mut plant("late", 1)).await.unwrap();
    let mut stream = db.changes(since);
    assert_eq!(next(&mut stream).await.unwrap().id, "late");
    assert!(next(&mut stream).await.is_none());
}

#[tokio::test]
async fn an_infinite_changes_stream_hears_of_writes_as_they_come() {
    let (_hub, _client, db) = database().await;
    let mut stream = db.changes(Some(json!(0)));
    stream.set_infinite(true);
    let writer = tokio::spawn({
        let db = db.clone();
        async move {
            for n in 0..10 {
                db.save(&mut plant(&format!("plant-{n}"), n)).await.unwrap();
            }
        }
    });
    for n in 0..10 {
        let change = next(&mut stream).await.unwrap();
        assert_eq!(change.id, format!("plant-{n}"));
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn compaction_is_accepted_and_loses_nothing() {
    let (_hub, _client, db) = database().await;
    let mut doc = plant("oak", 0);
    for height_cm in 1..30 {
        doc.height_cm = height_cm;
        db.save(&mut doc).await.unwrap();
    }
    assert!(db.compact().await);
    assert_eq!(db.get::<Plant>("oak").await.unwrap(), doc);
}

#[tokio::test]
async fn views_are_queried() {
    let (_hub, _client, db) = database().await;
    for n in 0..5 {
        db.save(&mut plant(&format!("plant-{n}"), n)).await.unwrap();
    }
    let map = "function (doc) { emit(doc.height_cm, doc.name); }";
    let mut views = CouchViews::new("height", CouchFunc { map: map.into(), reduce: None });
    let count = CouchFunc { map: map.into(), reduce: Some("_count".into()) };
    views.add("count", count);
    db.create_view("plants", views).await.unwrap();

    let found: RawViewCollection<u32, String> = db.query("plants", "height", None).await.unwrap();
    assert_eq!(found.total_rows, Some(5));
    assert_eq!(found.rows.iter().map(|row| row.key).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);

    let wanted = QueryParams::from_keys(vec![3_u32, 1]);
    let found: ViewCollection<u32, Value, Plant> =
        db.query("plants", "height", Some(wanted.include_docs(true))).await.unwrap();
    let docs = found.rows.into_iter().map(|row| row.doc.unwrap().height_cm);
    assert_eq!(docs.collect::<Vec<_>>(), [3, 1]);

    let last = QueryParams::default().descending(true).limit(1);
    let found = db.query_raw("plants", "height", Some(last)).await.unwrap();
    assert_eq!(found.rows[0].key, json!(4));
    let found = db.query_raw("plants", "count", None).await.unwrap();
    assert_eq!(found.rows[0].value, json!(5));
    assert!(db.query_raw("plants", "none", None).await.is_err());
}

#[tokio::test]
async fn update_functions_are_executed() {
    let (hub, _client, db) = database().await;
    let grow =
        "function (doc, req) { doc.height_cm += JSON.parse(req.body).by; return [doc, 'grown']; }";
    hub.put("/garden/_design/plants", json!({"updates": {"grow": grow}})).expect(201);
    db.save(&mut plant("oak", 7)).await.unwrap();
    let said = db.execute_update("plants", "grow", "oak", Some(json!({"by": 3}))).await.unwrap();
    assert_eq!(said, "grown");
    assert_eq!(db.get::<Plant>("oak").await.unwrap().height_cm, 10);
    assert!(db.execute_update("plants", "none", "oak", None).await.is_err());
}

#[tokio::test]
async fn a_wrong_token_gets_nothing() {
    let (hub, _client) = hub();
    let stranger = Client::new(hub.url(), "owner", "wrong").unwrap();
    assert!(stranger.list_dbs().await.is_err());
    let error = stranger.make_db("mine").await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(401), "{error}");
    let nobody = Client::new_no_auth(hub.url()).unwrap();
    assert!(nobody.list_dbs().await.is_err());
    assert_eq!(nobody.check_status().await.unwrap().couchdb, "Welcome");
}
