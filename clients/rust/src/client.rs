//! Requests to the hub under the app's key.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::connector::{ConnectError, Connector};

/// Connections kept for the next request.
const IDLE_CONNECTIONS_MAX: usize = 8;

/// Any error, as bodies report what broke them off.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A request's body, of any kind.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// An app's way to its hub; clones share its connections.
#[derive(Clone)]
pub struct Client {
    connector: Connector,
    http: legacy::Client<Connector, Body>,
}

/// A request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The request means another server.
    #[error("{0} is not at the hub that this client is for")]
    Elsewhere(Uri),
    /// There is no connection to the hub: see [`Self::connect_error`].
    #[error("there is no connection to the hub")]
    Connect(#[source] legacy::Error),
    /// The connection broke, or the hub's answer makes no sense.
    #[error("the request to the hub failed")]
    Http(#[source] legacy::Error),
}

impl RequestError {
    /// Why there is no connection, where that is what is wrong.
    pub fn connect_error(&self) -> Option<&ConnectError> {
        let mut cause = self.source();
        while let Some(error) = cause {
            match error.downcast_ref() {
                Some(connect) => return Some(connect),
                None => cause = error.source(),
            }
        }
        None
    }
}

impl From<legacy::Error> for RequestError {
    fn from(error: legacy::Error) -> Self {
        if error.is_connect() { Self::Connect(error) } else { Self::Http(error) }
    }
}

impl Client {
    pub(crate) fn new(connector: Connector) -> Self {
        // With this feature cargo makes one `reqwest` for the whole program, which panics where nobody has
        // chosen a provider of cryptography; libraries that use it without TLS never did.
        #[cfg(feature = "reqwest")]
        let _chosen_before = rustls::crypto::ring::default_provider().install_default();
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_max_idle_per_host(IDLE_CONNECTIONS_MAX);
        Self { http: builder.build(connector.clone()), connector }
    }

    /// Sends a request, whose URI may begin at `/`, and hands over the answer while it comes.
    ///
    /// # Errors
    /// [`RequestError`]; an answer of any status is none.
    pub async fn request<B>(&self, request: Request<B>) -> Result<Response<Incoming>, RequestError>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = request.into_parts();
        if !self.connector.address().covers(&parts.uri) {
            return Err(RequestError::Elsewhere(parts.uri));
        }
        parts.uri = self.whole(parts.uri.into_parts().path_and_query);
        let body = body.map_err(Into::into).boxed_unsync();
        Ok(self.http.request(Request::from_parts(parts, body)).await?)
    }

    /// The client underneath, which takes whole URIs at this hub only.
    pub fn hyper(&self) -> &legacy::Client<Connector, Body> {
        &self.http
    }

    /// A client of the crate `reqwest` under the same key: it takes no other server, follows no
    /// redirect and uses no proxy.
    ///
    /// The feature of this name makes ring the program's default provider of cryptography for rustls, where
    /// none is chosen when an app connects.
    ///
    /// # Errors
    /// As `reqwest` has them when it is set up.
    #[cfg(feature = "reqwest")]
    pub fn reqwest(&self) -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.connector.tls().clone())
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
    }

    /// Where the hub is: `https://HOST:PORT/`.
    pub fn url(&self) -> String {
        self.connector.address().to_string()
    }

    fn whole(&self, path: Option<PathAndQuery>) -> Uri {
        let mut whole = http::uri::Parts::default();
        whole.scheme = Some(Scheme::HTTPS);
        whole.authority = Some(self.connector.address().authority().clone());
        whole.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        // With all three parts there is nothing that could be missing.
        Uri::from_parts(whole).unwrap_or_default()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("hub", &self.url()).finish_non_exhaustive()
    }
}
