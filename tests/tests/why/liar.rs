//! A hub that is none: it proves its key, and answers as it is told.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tests::{Hub, Key};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// What it answers to a path: bytes, and whether more seem to follow.
type Answers = BTreeMap<String, (Vec<u8>, bool)>;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A hub that lies; it ends when it is dropped.
pub(crate) struct Liar {
    key: Key,
    address: SocketAddr,
    _runtime: Runtime,
}

impl Liar {
    /// Answers so, and 404 to everything else.
    pub(crate) fn start(answers: Answers) -> Self {
        let key = Key::new();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let secret = PrivateKeyDer::try_from(key.pair().serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.certificate().der().clone()], secret)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = Runtime::new().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        runtime.spawn(accept(listener, acceptor, Arc::new(answers)));
        Self { key, address, _runtime: runtime }
    }

    /// Has a hub take it for another device of its owner's.
    pub(crate) fn introduce_to(&self, hub: &Hub, name: &str) {
        let url = format!("httpkey://{}/ed25519publickey:{}/", self.address, self.key.text());
        hub.post("/_hub/devices", json!({"url": url, "name": name})).expect(201);
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, answers: Arc<Answers>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, answers) = (tls.clone(), Arc::clone(&answers));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let answer = service_fn(move |asked: Request<Incoming>| {
                let response = answer(&answers, asked.uri().path());
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            // Whoever goes away has heard enough.
            let _ended = connection.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

fn answer(answers: &Answers, path: &str) -> Response<Body> {
    let (status, bytes, open) = match answers.get(path) {
        Some((bytes, open)) => (StatusCode::OK, bytes.clone(), *open),
        None => (StatusCode::NOT_FOUND, b"{\"error\":\"not_found\"}".to_vec(), false),
    };
    let said = stream::iter([Ok(Frame::data(Bytes::from(bytes)))]);
    let body = match open {
        true => StreamBody::new(said.chain(stream::pending()).boxed()),
        false => StreamBody::new(said.boxed()),
    };
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response
}

/// The epoch of what it says it has.
const EPOCH: [u8; 8] = [0xab; 8];

/// What it has to say of a database with this id among hubs: that there is something new in it, and then a
/// batch whose digest is wrong.
pub(crate) fn damaged_batch(id: &str) -> Answers {
    let lines = format!(
        "{}\n{}\n{}\n{}\n",
        json!({"now": 1_764_300_000_000_u64}),
        json!({"anew": true}),
        json!({"db": id, "name": "notes", "seq": "7-abababababababab", "conflicts": "keep",
            "conflicts_version": 0}),
        json!({"cursor": "7-1"}),
    );
    let numbers =
        |numbers: &[u64]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let frame = |kind: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
        [&[kind][..], &length, payload].concat()
    };
    // As docs/sync-protocol.md has them: since the start, everything, seven edits in two documents.
    let begin = [&EPOCH[..], &numbers(&[0]), &[0], &numbers(&[7, 2, 99])].concat();
    let content = [7; 40];
    let batch = [&[0][..], &40_u32.to_le_bytes(), &[0; 32], &content].concat();
    let answer = [frame(1, &begin), frame(4, &batch)].concat();
    BTreeMap::from([
        ("/_hub/feed".to_owned(), (lines.into_bytes(), true)),
        (format!("/_hub/sync/{id}"), (answer, true)),
    ])
}
