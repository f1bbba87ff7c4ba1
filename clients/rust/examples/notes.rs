//! Notes on this device's hub, with a library that knows nothing of keys:
//! `cargo run -p larder-client --example notes -- "buy milk"`.
//!
//! The first time the owner lets the app in: `larder app approve notes-app`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a person")]

use anyhow::Context as _;
use couch_rs::types::query::QueryParams;
use larder_client::{AppKey, Enrolment, Forwarder, Grant, Hub};
use serde_json::json;

const NAME: &str = "notes-app";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let hub = Hub::find(None)?;
    let key = AppKey::load_or_make("notes-app.key".as_ref())?;
    let databases = [Grant::write("notes")];
    if hub.ask_to_enrol(&key, NAME, &databases).await? == Enrolment::Waiting {
        println!("waiting for the owner: larder app approve {NAME}");
    }
    hub.enrol(&key, NAME, &databases).await?;

    let forwarder = Forwarder::start(hub.connect(&key).await?).await?;
    let (origin, user, token) = (forwarder.origin(), forwarder.user(), forwarder.token());
    let couch = couch_rs::Client::new(&origin, user, token)?;
    let notes = couch.db("notes").await?;

    if let Some(text) = std::env::args().nth(1) {
        notes.create(&mut json!({ "text": text })).await?;
    }
    let all = notes.get_all_params_raw(Some(QueryParams::default().include_docs(true))).await?;
    for note in all.get_data() {
        let text = note["text"].as_str().or_else(|| note["_id"].as_str());
        println!("{}", text.context("a document without an id")?);
    }
    Ok(())
}
