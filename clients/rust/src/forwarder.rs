//! A way to the hub for libraries that speak plain HTTP with a name and a password: what comes to a port of
//! this machine, with a token, goes on under the app's key.

mod gate;
mod headers;
mod refusal;
mod token;

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::{Body, Client, RequestError};
use gate::Gate;
use refusal::Refusal;
use token::Token;

/// Connections served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 128;

/// How long a connection may take to say what it wants, also between requests.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// How long accepting rests after a failure, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The name that goes with the token.
const USER: &str = "app";

/// A port of this machine that leads to the hub; dropping it closes the port and what goes through it.
pub struct Forwarder {
    address: SocketAddrV4,
    token: Arc<Token>,
    task: JoinHandle<()>,
}

/// There is no forwarder.
#[derive(Debug, thiserror::Error)]
pub enum ForwarderError {
    /// No port can be had.
    #[error("could not listen on 127.0.0.1")]
    Listen(#[source] io::Error),
    /// The system has no random bytes.
    #[error("could not get random bytes: {0}")]
    Random(String),
}

impl Forwarder {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// [`ForwarderError`].
    pub async fn start(client: Client) -> Result<Self, ForwarderError> {
        let token = Arc::new(Token::random()?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.await.map_err(ForwarderError::Listen)?;
        let port = listener.local_addr().map_err(ForwarderError::Listen)?.port();
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let gate = Gate::new(address, Arc::clone(&token));
        let task = tokio::spawn(accept(listener, Arc::new(Way { gate, client })));
        Ok(Self { address, token, task })
    }

    /// `http://app:TOKEN@127.0.0.1:PORT/`: a secret.
    pub fn url(&self) -> String {
        format!("http://{USER}:{}@{}/", self.token.expose(), self.address)
    }

    /// The same without name and token, for libraries that take them apart.
    pub fn origin(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The name.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The token: a secret, different each time.
    pub fn token(&self) -> &str {
        self.token.expose()
    }
}

impl fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarder").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What every connection shares.
struct Way {
    gate: Gate,
    client: Client,
}

/// Serves connections until the task is aborted, and they with it.
async fn accept(listener: TcpListener, way: Arc<Way>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut served = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let way = Arc::clone(&way);
                served.spawn(async move {
                    serve(stream, way).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
        while served.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, way: Arc<Way>) {
    let service = service_fn(move |request| {
        let way = Arc::clone(&way);
        async move { Ok::<_, Infallible>(way.answer(request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    // A client that goes, or breaks the rules, has nobody left to tell.
    let _ended = http.serve_connection(TokioIo::new(stream), service).await;
}

impl Way {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        match self.forward(request).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        }
    }

    async fn forward(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let (mut parts, body) = request.into_parts();
        self.gate.check(&parts)?;
        headers::of_request(&mut parts.headers);
        // Each side speaks its own version, whatever the other one speaks.
        parts.version = Version::HTTP_11;
        let response = self.client.request(Request::from_parts(parts, body)).await;
        let (mut parts, body) = response.map_err(|error| no_answer(&error))?.into_parts();
        headers::of_answer(&mut parts.headers, &self.client.url(), self.gate.origin());
        Ok(Response::from_parts(parts, body.map_err(Into::into).boxed_unsync()))
    }
}

/// The error with its causes, for the person who looks into it.
fn no_answer(error: &RequestError) -> Refusal {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        reason = format!("{reason}: {inner}");
        cause = inner.source();
    }
    Refusal::NoAnswer(reason)
}
