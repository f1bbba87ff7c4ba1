//! Connections to a hub, and to those who take its place.

#![allow(clippy::unwrap_used, reason = "a failed call is a failed test")]

mod stand_in;

use std::sync::Arc;

use http::Request;
use http_body_util::BodyExt as _;
use identity::{Certificate, PublicKey};
use larder_client::{AppKey, Client, ConnectError, Grant, Hub, RequestError};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use stand_in::{CODE, StandIn, device, parts, text};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn get(path: &str) -> Request<String> {
    Request::get(path).body(String::new()).unwrap()
}

/// TLS 1.3 under the key of a seed, with any certificates.
fn tls(seed: u8, chain: Vec<CertificateDer<'static>>) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let key = PrivatePkcs8KeyDer::from(device(seed).to_pkcs8().to_vec());
    Arc::new(builder.with_no_client_auth().with_single_cert(chain, key.into()).unwrap())
}

fn certificate(seed: u8) -> CertificateDer<'static> {
    Certificate::of(&device(seed)).unwrap().der().clone()
}

async fn connect(url: &str, key: PublicKey) -> Result<Client, ConnectError> {
    Hub::at(url, key).unwrap().connect(&AppKey::make().unwrap()).await
}

#[tokio::test]
async fn the_hub_knows_the_app_by_its_key() {
    let stand = StandIn::start(1).await;
    let key = AppKey::make().unwrap();
    let client = stand.hub().connect(&key).await.unwrap();
    let whole = format!("{}whoami", stand.url);
    for uri in ["/whoami", &whole] {
        let answer = client.request(get(uri)).await.unwrap();
        assert_eq!(text(answer).await, key.public().to_string());
    }
    assert_eq!(client.url(), stand.url);
}

#[tokio::test]
async fn whoever_holds_another_key_gets_no_request() {
    let squatter = StandIn::with(device(1).public(), tls(2, vec![certificate(2)])).await;
    let error = connect(&squatter.url, device(1).public()).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotTheHub { .. }), "{error:?}");
    assert_eq!(squatter.requests(), 0);
}

#[tokio::test]
async fn a_chain_that_holds_the_hubs_certificate_is_refused() {
    for chain in [[certificate(2), certificate(1)], [certificate(1), certificate(2)]] {
        // The library that makes configurations may notice itself that a key is another's.
        let provider = rustls::crypto::ring::default_provider();
        let key = PrivatePkcs8KeyDer::from(device(2).to_pkcs8().to_vec());
        let key = provider.key_provider.load_private_key(key.into()).unwrap();
        let shown = rustls::sign::CertifiedKey::new(chain.to_vec(), key);
        let builder = ServerConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(shown));
        let config = builder.with_no_client_auth().with_cert_resolver(resolver);
        let squatter = StandIn::with(device(1).public(), Arc::new(config)).await;
        let error = connect(&squatter.url, squatter.key).await.unwrap_err();
        assert!(matches!(error, ConnectError::NotTheHub { .. }), "{error:?}");
        assert_eq!(squatter.requests(), 0);
    }
}

#[tokio::test]
async fn a_squatter_without_tls_sees_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let squatter = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut seen = Vec::new();
        stream.read_to_end(&mut seen).await.unwrap_or_default();
        seen
    });
    let error = connect(&url, device(1).public()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Handshake { .. }), "{error:?}");
    // A TLS record of the handshake, and nothing in clear.
    let seen = squatter.await.unwrap();
    assert!(seen.starts_with(&[0x16]) && !seen.windows(4).any(|four| four == b"HTTP"), "{seen:?}");
}

#[tokio::test]
async fn the_key_is_proven_anew_on_every_connection() {
    let stand = StandIn::start(1).await;
    let client = stand.client().await;
    let address = stand.url.strip_prefix("https://").unwrap().trim_end_matches('/').to_owned();
    drop(stand);
    // The port is free once the stand-in's task has ended.
    let listener = loop {
        match TcpListener::bind(&address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let squatter = tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(tls(2, vec![certificate(2)]));
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.is_ok()
    });
    let error = client.request(get("/")).await.unwrap_err();
    assert!(matches!(error, RequestError::Connect(_)), "{error:?}");
    let cause = error.connect_error();
    assert!(matches!(cause, Some(ConnectError::NotTheHub { .. })), "{cause:?}");
    assert!(!squatter.await.unwrap());
}

#[tokio::test]
async fn a_hub_that_has_gone_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = connect(&url, device(1).public()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn other_servers_are_refused() {
    let stand = StandIn::start(1).await;
    let client = stand.client().await;
    for uri in ["https://example.com/", &stand.url.replace("https", "http"), "https://127.0.0.1/"] {
        let error = client.request(get(uri)).await.unwrap_err();
        assert!(matches!(error, RequestError::Elsewhere(_)), "{error:?}");
        let request = Request::get(uri).body(parts().1).unwrap();
        let error = RequestError::from(client.hyper().request(request).await.unwrap_err());
        let cause = error.connect_error();
        assert!(matches!(cause, Some(ConnectError::Elsewhere(_))), "{cause:?}");
    }
    assert_eq!(stand.requests(), 0);
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let stand = StandIn::start(1).await;
    let client = stand.client().await;
    let (sender, body) = parts();
    let answer = client.request(Request::put("/echo").body(body).unwrap()).await.unwrap();
    let mut answer = answer.into_body();
    for part in ["one", "two", "three"] {
        sender.send(part).await.unwrap();
        let frame = answer.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    drop(sender);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn a_feed_ends_with_whoever_listens() {
    let stand = StandIn::start(1).await;
    let client = stand.client().await;
    let mut feed = client.request(get("/feed")).await.unwrap().into_body();
    let line = feed.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(line, "{\"seq\":1}\n");
    drop(feed);
    stand.feed_ended().await;
}

#[tokio::test]
async fn a_code_lets_an_app_in() {
    let stand = StandIn::start(1).await;
    let key = AppKey::make().unwrap();
    let granted = stand.hub().enrol_with_code(&key, "notes-app", CODE).await.unwrap();
    assert_eq!(granted, [Grant::write("notes")]);
    let error = stand.hub().enrol_with_code(&key, "notes-app", "0").await.unwrap_err();
    assert_eq!(error.to_string(), "the hub refused (403 Forbidden): no such code");
    let error = stand.hub().enrol(&key, "notes-app", &[]).await.unwrap_err();
    assert!(matches!(error, larder_client::EnrolError::NoControlSocket), "{error:?}");
}
