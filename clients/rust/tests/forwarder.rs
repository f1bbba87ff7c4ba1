//! The way to the hub for libraries that know nothing of keys.

#![allow(clippy::unwrap_used, reason = "a failed call is a failed test")]

mod stand_in;

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use larder_client::{AppKey, Body, Forwarder};
use serde_json::Value;
use stand_in::{StandIn, device, parts, text};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A program with a connection to a forwarder.
struct Program {
    sender: SendRequest<Body>,
    host: String,
    credentials: String,
}

fn host_of(forwarder: &Forwarder) -> String {
    let origin = forwarder.origin();
    origin.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned()
}

impl Program {
    async fn connect(forwarder: &Forwarder) -> Self {
        let host = host_of(forwarder);
        let stream = TcpStream::connect(&host).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let pair = format!("{}:{}", forwarder.user(), forwarder.token());
        let credentials = format!("Basic {}", STANDARD.encode(pair));
        Self { sender, host, credentials }
    }

    async fn send(&mut self, request: http::request::Builder, body: Body) -> Response<Incoming> {
        let request = request.header(header::HOST, &self.host);
        let request = request.header(header::AUTHORIZATION, &self.credentials);
        self.sender.ready().await.unwrap();
        self.sender.send_request(request.body(body).unwrap()).await.unwrap()
    }

    async fn get(&mut self, path: &str) -> Response<Incoming> {
        self.send(Request::get(path), nothing()).await
    }
}

fn nothing() -> Body {
    http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()
}

async fn forwarder() -> (StandIn, Forwarder) {
    let stand = StandIn::start(1).await;
    let forwarder = Forwarder::start(stand.client().await).await.unwrap();
    (stand, forwarder)
}

#[tokio::test]
async fn requests_go_on_under_the_apps_key() {
    let stand = StandIn::start(1).await;
    let key = AppKey::make().unwrap();
    let client = stand.hub().connect(&key).await.unwrap();
    let forwarder = Forwarder::start(client).await.unwrap();
    let mut program = Program::connect(&forwarder).await;
    for _ in 0..3 {
        assert_eq!(text(program.get("/whoami").await).await, key.public().to_string());
    }
    let url = forwarder.url();
    let (origin, token) = (host_of(&forwarder), forwarder.token());
    assert_eq!(url, format!("http://app:{token}@{origin}/"));
    assert!(!format!("{forwarder:?}").contains(token));
}

#[tokio::test]
async fn the_token_and_the_hubs_address_stay_on_their_sides() {
    let (stand, forwarder) = forwarder().await;
    let mut program = Program::connect(&forwarder).await;
    let request = Request::get("/headers").header("referer", forwarder.url()).header("x-kept", "1");
    let seen: Value =
        serde_json::from_str(&text(program.send(request, nothing()).await).await).unwrap();
    let hub = stand.url.strip_prefix("https://").unwrap().trim_end_matches('/');
    assert_eq!(seen, serde_json::json!({"host": hub, "x-kept": "1"}));
    let created = program.get("/created").await;
    assert_eq!(created.headers()[header::LOCATION], format!("{}x", forwarder.origin()));
    assert!(!created.headers().contains_key(header::SET_COOKIE));
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let (_stand, forwarder) = forwarder().await;
    let mut program = Program::connect(&forwarder).await;
    let (sender, body) = parts();
    let mut answer = program.send(Request::put("/echo"), body).await.into_body();
    for part in ["one", "two", "three"] {
        sender.send(part).await.unwrap();
        assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), part);
    }
    drop(sender);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn a_feed_ends_with_whoever_listens() {
    let (stand, forwarder) = forwarder().await;
    let mut program = Program::connect(&forwarder).await;
    let mut feed = program.get("/feed").await.into_body();
    assert_eq!(feed.frame().await.unwrap().unwrap().into_data().unwrap(), "{\"seq\":1}\n");
    drop((feed, program));
    stand.feed_ended().await;
}

#[tokio::test]
async fn what_goes_through_ends_with_the_forwarder() {
    let (stand, forwarder) = forwarder().await;
    let mut program = Program::connect(&forwarder).await;
    let mut feed = program.get("/feed").await.into_body();
    feed.frame().await.unwrap().unwrap();
    drop(forwarder);
    stand.feed_ended().await;
    assert!(feed.frame().await.unwrap().is_err());
    loop {
        let refused = TcpStream::connect(&program.host).await;
        match refused {
            Err(error) => break assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
            Ok(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn strangers_and_pages_do_not_get_through() {
    let (stand, forwarder) = forwarder().await;
    let attempt = async |change: fn(&mut Program), request: http::request::Builder| {
        let mut program = Program::connect(&forwarder).await;
        change(&mut program);
        let answer = program.send(request, nothing()).await;
        let (status, challenge) =
            (answer.status(), answer.headers().get(header::WWW_AUTHENTICATE).is_some());
        let answer: Value = serde_json::from_str(&text(answer).await).unwrap();
        (status, answer["error"].as_str().unwrap().to_owned(), challenge)
    };
    let get = || Request::get("/whoami");
    let refused = |status, error: &str, challenge| (status, error.to_owned(), challenge);
    let unauthorized = refused(StatusCode::UNAUTHORIZED, "unauthorized", true);
    assert_eq!(
        attempt(|program| program.credentials = "Basic YXBwOng=".into(), get()).await,
        unauthorized
    );
    let forbidden = refused(StatusCode::FORBIDDEN, "forbidden", false);
    assert_eq!(attempt(|program| program.host = "example.com".into(), get()).await, forbidden);
    let page = get().header("origin", "https://example.com");
    assert_eq!(attempt(|_| {}, page).await, forbidden);
    let bad_request = refused(StatusCode::BAD_REQUEST, "bad_request", false);
    assert_eq!(attempt(|_| {}, Request::get("http://example.com/whoami")).await, bad_request);
    assert_eq!(stand.requests(), 0);
}

#[tokio::test]
async fn connections_past_the_bound_wait_for_a_place() {
    let (_stand, forwarder) = forwarder().await;
    let mut served = Vec::new();
    for _ in 0..128 {
        let mut program = Program::connect(&forwarder).await;
        program.get("/whoami").await.into_body().collect().await.unwrap();
        served.push(program);
    }
    let mut late = Program::connect(&forwarder).await;
    let mut answer = Box::pin(late.get("/whoami"));
    for program in &mut served[..8] {
        assert!(answer.as_mut().now_or_never().is_none());
        program.get("/whoami").await.into_body().collect().await.unwrap();
    }
    served.pop();
    assert_eq!(answer.await.status(), StatusCode::OK);
}

/// What comes back for bytes that no client library would send; `{}` stands for the headers that get in.
async fn raw(forwarder: &Forwarder, request: &str) -> String {
    let Program { host, credentials, .. } = Program::connect(forwarder).await;
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let admission = format!("Host: {host}\r\nAuthorization: {credentials}\r\n");
    stream.write_all(request.replace("{}", &admission).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_length_beside_chunks_does_not_go_on() {
    let (_stand, forwarder) = forwarder().await;
    let request = "POST /echo HTTP/1.1\r\n{}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\
                   Connection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let answer = raw(&forwarder, request).await;
    // Refused, or understood as chunks; never cut to two bytes.
    assert!(answer.starts_with("HTTP/1.1 400") || answer.contains("abc"), "{answer}");
}

#[tokio::test]
async fn programs_of_an_older_http_get_answers_that_they_understand() {
    let (_stand, forwarder) = forwarder().await;
    let answer = raw(&forwarder, "POST /echo HTTP/1.0\r\n{}Content-Length: 3\r\n\r\nabc").await;
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("\r\n\r\nabc"), "{answer}");
}

#[tokio::test]
async fn a_hub_that_has_gone_or_was_replaced_is_named() {
    let stand = StandIn::start(1).await;
    let forwarder = Forwarder::start(stand.client().await).await.unwrap();
    let address = stand.url.strip_prefix("https://").unwrap().trim_end_matches('/').to_owned();
    drop(stand);
    let listener = loop {
        match tokio::net::TcpListener::bind(&address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let squatter = tokio::spawn(async move {
        let config = identity::tls::server_config(&device(2)).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        tokio_rustls::TlsAcceptor::from(config).accept(stream).await.is_ok()
    });
    let mut program = Program::connect(&forwarder).await;
    let answer = program.get("/whoami").await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    let answer = text(answer).await;
    assert!(answer.contains("is not the hub"), "{answer}");
    assert!(!squatter.await.unwrap());
}
