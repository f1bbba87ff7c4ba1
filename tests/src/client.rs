//! A small blocking HTTP client that speaks as one principal.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ureq::tls::TlsConfig;

use crate::{Body, Key, Reply, netns};

/// A replication of the whole package index fits in; a hub that hangs does not stop a suite forever.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Everything but the characters that RFC 3986 leaves unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One segment of a path, or a value of a query, percent-encoded.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Requests to one server, with one name and token. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    origin: String,
    authorization: Option<String>,
    /// Where its connections are made, when that is not beside the test.
    namespace: Option<String>,
}

impl Client {
    /// A client for a URL such as `http://owner:TOKEN@127.0.0.1:5984/`; without the name it is
    /// anonymous. A path is left out: every request names its own.
    ///
    /// # Panics
    /// When the URL is not `http://…`.
    #[track_caller]
    pub fn new(url: &str) -> Self {
        let Some(rest) = url.trim().strip_prefix("http://") else {
            panic!("not an http URL: {url}")
        };
        let (authority, _path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, host) = match authority.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, authority),
        };
        let basic = |credentials: &str| {
            let plain: Vec<u8> = percent_decode_str(credentials).collect();
            format!("Basic {}", BASE64.encode(plain))
        };
        Self {
            agent: agent(TlsConfig::default()),
            origin: format!("http://{host}"),
            authorization: credentials.map(basic),
            namespace: None,
        }
    }

    /// A client for an `https://…` URL that shows this key, or none. Whose key the server shows is not
    /// looked at.
    pub fn with_key(url: &str, key: Option<&Key>) -> Self {
        let tls = TlsConfig::builder()
            .disable_verification(true)
            .client_cert(key.map(Key::for_ureq))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let origin = url.trim().trim_end_matches('/').to_owned();
        Self { agent: agent(tls), origin, authorization: None, namespace: None }
    }

    /// The same, connecting from the namespace of this name.
    pub(crate) fn in_namespace(self, namespace: Option<String>) -> Self {
        Self { namespace, ..self }
    }

    /// The same server, asked by somebody else: a name and a token, or nobody.
    pub fn as_principal(&self, credentials: Option<(&str, &str)>) -> Self {
        let host = self.origin.trim_start_matches("http://");
        let client = match credentials {
            Some((name, token)) => Self::new(&format!("http://{name}:{}@{host}", encode(token))),
            None => Self::new(&self.origin),
        };
        client.in_namespace(self.namespace.clone())
    }

    /// GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path).send("")
    }

    /// PUT.
    #[track_caller]
    pub fn put(&self, path: &str, body: impl Into<Body>) -> Reply {
        self.request("PUT", path).send(body)
    }

    /// POST.
    #[track_caller]
    pub fn post(&self, path: &str, body: impl Into<Body>) -> Reply {
        self.request("POST", path).send(body)
    }

    /// DELETE.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path).send("")
    }

    /// Any method, with room for headers.
    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request {
            client: self,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
        }
    }
}

fn agent(tls: TlsConfig) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .proxy(None)
        .max_redirects(0)
        .timeout_global(Some(REQUEST_TIMEOUT))
        .tls_config(tls)
        .build();
    ureq::Agent::new_with_config(config)
}

/// A request being put together.
pub struct Request<'a> {
    client: &'a Client,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
}

impl Request<'_> {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends it and reads the whole reply.
    ///
    /// # Panics
    /// When no whole reply comes back.
    #[track_caller]
    pub fn send(self, body: impl Into<Body>) -> Reply {
        let request = format!("{} {}", self.method, self.path);
        match self.try_send(body) {
            Ok(reply) => reply,
            Err(error) => panic!("{request} → no reply: {error}"),
        }
    }

    /// Sends it and reads the whole reply.
    ///
    /// # Errors
    /// The transport's, where the server may be killed at any moment.
    pub fn try_send(self, body: impl Into<Body>) -> Result<Reply, ureq::Error> {
        let body = body.into();
        match self.client.namespace.clone() {
            Some(namespace) => netns::inside(&namespace, || self.try_send_here(body)),
            None => self.try_send_here(body),
        }
    }

    fn try_send_here(self, body: Body) -> Result<Reply, ureq::Error> {
        let Body { bytes, content_type } = body;
        let method = Method::from_bytes(self.method.as_bytes()).map_err(http::Error::from)?;
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{}", self.client.origin, self.path));
        if let Some(authorization) = &self.client.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }

        let agent = &self.client.agent;
        let response =
            if bytes.is_empty() && matches!(self.method.as_str(), "GET" | "HEAD" | "DELETE") {
                agent.run(request.body(())?)?
            } else {
                agent.run(request.body(bytes)?)?
            };
        let (head, body) = response.into_parts();
        Ok(Reply {
            request: format!("{} {}", self.method, self.path),
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.into_with_config().limit(u64::MAX).read_to_vec()?,
        })
    }
}
