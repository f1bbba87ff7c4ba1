//! The client of the crate `reqwest`: the hub and nobody else.

#![allow(clippy::unwrap_used, reason = "a failed call is a failed test")]

mod stand_in;

use identity::tls;
use larder_client::AppKey;
use stand_in::{StandIn, device};

#[tokio::test]
async fn reaches_the_hub_under_the_apps_key() {
    let stand = StandIn::start(1).await;
    let key = AppKey::make().unwrap();
    let client = stand.hub().connect(&key).await.unwrap().reqwest().unwrap();
    let answer = client.get(format!("{}whoami", stand.url)).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), key.public().to_string());
}

#[tokio::test]
async fn others_get_no_request() {
    let stand = StandIn::start(1).await;
    let client = stand.client().await.reqwest().unwrap();
    let other = StandIn::with(stand.key, tls::server_config(&device(2)).unwrap()).await;
    assert!(client.get(&other.url).send().await.unwrap_err().is_connect());
    let plain = stand.url.replace("https", "http");
    assert!(client.get(plain).send().await.is_err());
    assert_eq!((stand.requests(), other.requests()), (0, 0));
}
