//! A stand-in for a hub: TLS as a hub speaks it, under any key and certificate.

#![allow(clippy::unwrap_used, dead_code, reason = "shared by tests, each of which uses a part")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use identity::{DeviceKey, ProvenKey, PublicKey, tls};
use larder_client::{AppKey, Body, BoxError, Client, Hub};
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// The code that the stand-in takes.
pub(crate) const CODE: &str = "123456";

/// A server that ends with its test.
pub(crate) struct StandIn {
    pub(crate) url: String,
    pub(crate) key: PublicKey,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    feed_ended: Notify,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A key for somebody.
pub(crate) fn device(seed: u8) -> DeviceKey {
    DeviceKey::from_seed(&[seed; 32])
}

impl StandIn {
    /// A hub with the key of this seed.
    pub(crate) async fn start(seed: u8) -> Self {
        Self::with(device(seed).public(), tls::server_config(&device(seed)).unwrap()).await
    }

    /// A hub that claims one key and speaks TLS as it likes.
    pub(crate) async fn with(key: PublicKey, config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let seen = Arc::<Seen>::default();
        let task = tokio::spawn(accept(listener, config.into(), Arc::clone(&seen)));
        Self { url, key, seen, task }
    }

    /// How many requests have reached it.
    pub(crate) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// Resolves when somebody has stopped listening to its feed.
    pub(crate) async fn feed_ended(&self) {
        self.seen.feed_ended.notified().await;
    }

    /// As an app is told of it.
    pub(crate) fn hub(&self) -> Hub {
        Hub::at(&self.url, self.key).unwrap()
    }

    /// A client under a new key.
    pub(crate) async fn client(&self) -> Client {
        self.hub().connect(&AppKey::make().unwrap()).await.unwrap()
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, seen: Arc<Seen>) {
    let mut served = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        served.spawn(serve(stream, acceptor.clone(), Arc::clone(&seen)));
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, seen: Arc<Seen>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let caller = ProvenKey::of_server_connection(stream.get_ref().1).map(|proven| proven.key());
    let service = service_fn(move |request| {
        seen.requests.fetch_add(1, Ordering::SeqCst);
        let seen = Arc::clone(&seen);
        async move { Ok::<_, Infallible>(answer(request, caller, seen).await) }
    });
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    caller: Option<PublicKey>,
    seen: Arc<Seen>,
) -> Response<Body> {
    let whole = |text: String| Full::from(text).map_err(|never| match never {}).boxed_unsync();
    let (parts, body) = request.into_parts();
    let mut response = Response::new(match parts.uri.path() {
        "/whoami" => whole(caller.map(|key| key.to_string()).unwrap_or_default()),
        "/echo" => body.map_err(BoxError::from).boxed_unsync(),
        "/headers" => whole(described(&parts.headers).to_string()),
        "/feed" => feed(FeedEnd(seen)),
        "/_hub/enrol" => {
            let wish: Value =
                serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
            let known = wish["code"] == CODE && caller.is_some();
            let databases = json!([{"name": "notes", "write": true}]);
            let answer = if known {
                json!({"ok": true, "name": wish["name"], "databases": databases})
            } else {
                json!({"error": "forbidden", "reason": "no such code"})
            };
            let mut response = Response::new(whole(answer.to_string()));
            *response.status_mut() = (if known { 201 } else { 403 }).try_into().unwrap();
            return response;
        }
        _ => whole(String::new()),
    });
    if parts.uri.path() == "/created" {
        let location = format!("https://{}/x", parts.headers[header::HOST].to_str().unwrap());
        response.headers_mut().insert(header::LOCATION, location.parse().unwrap());
        response.headers_mut().insert(header::SET_COOKIE, "a=b".parse().unwrap());
    }
    response
}

fn described(headers: &http::HeaderMap) -> Value {
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    pairs
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Tells when it is dropped.
struct FeedEnd(Arc<Seen>);

impl Drop for FeedEnd {
    fn drop(&mut self) {
        self.0.feed_ended.notify_one();
    }
}

/// One line, and then nothing for good.
fn feed(end: FeedEnd) -> Body {
    let line = Ok(Frame::data(Bytes::from("{\"seq\":1}\n")));
    let lines = stream::once(async { line }).chain(stream::pending()).map(move |frame| {
        let _held = &end;
        frame
    });
    StreamBody::new(lines).boxed_unsync()
}

/// A body whose parts the test sends one by one.
pub(crate) fn parts() -> (mpsc::Sender<&'static str>, Body) {
    let (sender, mut receiver) = mpsc::channel::<&'static str>(1);
    let lines = stream::poll_fn(move |context| receiver.poll_recv(context));
    let frames = lines.map(|part| Ok(Frame::data(Bytes::from(part))));
    (sender, StreamBody::new(frames).boxed_unsync())
}

/// An answer's whole body as text.
pub(crate) async fn text(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.into()).unwrap()
}
