//! A connection to a peer, over which all requests to it travel at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use identity::tls::HandshakeError;
use identity::{HttpKeyUrl, ProvenKey};
use replication::Trouble;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use super::feed::BOOT_HEADER;
use super::record::is_onion;
use crate::app::App;
use crate::causes::with_causes;
use crate::http::PAUSED;
use crate::replicate::ToKey;

/// How long a connection may take to be made, TLS included; through Tor a round trip takes a second, and
/// finding the service many.
const DIAL_MAX: Duration = Duration::from_secs(15);
const ONION_DIAL_MAX: Duration = Duration::from_secs(120);

/// How often a peer that says nothing is asked whether it is there, and how long it may take to say so.
/// Each time wakes two devices up.
const PING_EVERY: Duration = Duration::from_secs(240);
const PING_PATIENCE: Duration = Duration::from_secs(60);

/// What a peer may send before it is read, of one answer and of all together, in bytes: enough for
/// what a second's way holds.
const ANSWER_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// Longest refusal that is read, and longest text of a trouble that is kept, in bytes.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
const TEXT_BYTES_MAX: usize = 1024;

/// A connection to a peer; clones share it.
#[derive(Clone)]
pub(crate) struct Link {
    sender: SendRequest<Full<Bytes>>,
    url: HttpKeyUrl,
    /// The key that the peer has proven.
    key: ProvenKey,
    /// Which of its starts this is for this hub, which every request says.
    boot: Arc<str>,
    ended: watch::Receiver<bool>,
}

impl Link {
    /// Dials the peer whose key is in the URL.
    ///
    /// # Errors
    /// What a person may be told.
    pub(super) async fn dial(app: &App, url: &HttpKeyUrl) -> Result<Self, Trouble> {
        let way = ToKey::new(&app.device, url.key(), Arc::clone(&app.onion));
        let uri = uri(url, "/").map_err(|error| trouble("unreachable", &error))?;
        let limit = if is_onion(url) { ONION_DIAL_MAX } else { DIAL_MAX };
        let late = || trouble("unreachable", &format!("no answer within {} s", limit.as_secs()));
        let stream = timeout(limit, way.connect_multiplexed(&uri)).await.map_err(|_| late())?;
        let stream = stream.map_err(|error| handshake_trouble(&error.into()))?;
        let connection = stream.get_ref().1;
        let key = ProvenKey::of_client_connection(connection);
        let key = key.ok_or_else(|| trouble("wrong_key", "it proved no key"))?;
        if connection.alpn_protocol() != Some(identity::tls::HTTP_2) {
            return Err(trouble("not_spoken", "it does not offer HTTP/2"));
        }
        let shaken = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_PATIENCE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(ANSWER_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .handshake(TokioIo::new(stream));
        let shaken = timeout(limit, shaken).await.map_err(|_| late())?;
        let (sender, connection) =
            shaken.map_err(|error| trouble("refused", &with_causes(&error)))?;
        let (over, ended) = watch::channel(false);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a peer broke");
            }
            over.send_replace(true);
        });
        let boot = Arc::from(app.boot.to_string());
        Ok(Self { sender, url: url.clone(), key, boot, ended })
    }

    /// The key that the peer has proven.
    pub(crate) fn key(&self) -> &ProvenKey {
        &self.key
    }

    /// Whether it leads through Tor.
    pub(crate) fn is_onion(&self) -> bool {
        is_onion(&self.url)
    }

    /// Ends when the connection has ended.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.clone();
        // An error means the same: whoever would say so is gone.
        let _over = ended.wait_for(|&over| over).await;
    }

    /// Sends a request and waits for the head of its answer, whatever that says.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Response<Incoming>, Trouble> {
        let uri = uri(&self.url, path).map_err(|error| trouble("peer_misbehaved", &error))?;
        let mut request =
            Request::builder().method(method).uri(uri).header(BOOT_HEADER, &*self.boot);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default())));
        let request = request.map_err(|error| trouble("peer_misbehaved", &error))?;
        let mut sender = self.sender.clone();
        let answer = async {
            sender.ready().await?;
            sender.send_request(request).await
        };
        answer.await.map_err(|error| trouble("cut", &with_causes(&error)))
    }

    /// The same where only a success is an answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Response<Incoming>, Refused> {
        let response = self.send(method, path, body).await.map_err(Refused::Unasked)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = Limited::new(response.into_body(), REFUSAL_BYTES_MAX).collect().await;
        let text = text.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let said: Value = serde_json::from_slice(&text).unwrap_or_default();
        let reason = said["reason"].as_str().unwrap_or_default().to_owned();
        if said["error"] == "removed" {
            return Err(Refused::Removed(reason));
        }
        if said["error"] == PAUSED {
            return Err(Refused::Unasked(trouble(PAUSED, &reason)));
        }
        Err(Refused::Answered(status, reason))
    }
}

/// A peer did not do what it was asked.
#[derive(Debug)]
pub(super) enum Refused {
    /// The request did not get there, or its answer not here.
    Unasked(Trouble),
    /// The peer has nothing to do with this device any more, and says why.
    Removed(String),
    /// The peer said no.
    Answered(StatusCode, String),
}

/// What programs tell it by, and what people read: peers may have said that, so it is not too long and says
/// nothing to a terminal.
pub(super) fn trouble(code: &'static str, text: &(impl ToString + ?Sized)) -> Trouble {
    let mut text = text.to_string().replace(char::is_control, " ");
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    Trouble { code, text }
}

fn uri(url: &HttpKeyUrl, path: &str) -> Result<Uri, http::uri::InvalidUri> {
    format!("https://{}{path}", url.authority().to_string()).parse()
}

/// Why nobody was reached, or not who was meant.
fn handshake_trouble(error: &HandshakeError) -> Trouble {
    let code = match error {
        HandshakeError::Unproven(_) | HandshakeError::Misbehaved(_) => "wrong_key",
        HandshakeError::Incompatible(_) => "not_spoken",
        HandshakeError::Refused(_) => "refused",
        HandshakeError::Connection(_) | HandshakeError::Ours(_) => "unreachable",
    };
    trouble(code, &with_causes(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_peers_say_is_short_and_says_nothing_to_a_terminal() {
        assert_eq!(trouble("refused", "no\u{1b}[2J\nmore").text, "no [2J more");
        let long = trouble("refused", &"\u{e9}".repeat(TEXT_BYTES_MAX)).text;
        assert_eq!(long.len(), TEXT_BYTES_MAX);
    }
}
