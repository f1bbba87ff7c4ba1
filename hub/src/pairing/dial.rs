//! The way to the host of a pairing: one connection, on which every message is a request.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use identity::pairing::{FindSecret, MESSAGE_BYTES_MAX};
use identity::tls::{CertificateFault, HandshakeError};
use identity::{Authority, Host, ProvenKey, PublicKey};
use serde_json::Value;
use tokio::time::timeout;

use super::session::Trouble;
use crate::app::App;
use crate::causes::with_causes;
use crate::replicate::connect_to_pair;

/// How long one way may take to be dialled, TLS included.
const DIAL_MAX: Duration = Duration::from_secs(10);
const ONION_DIAL_MAX: Duration = Duration::from_secs(90);

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Longest text of the other side's that is repeated, in bytes.
const REASON_BYTES_MAX: usize = 200;

/// A connection to the host.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    proven: ProvenKey,
    at: Authority,
}

/// The host's answer is none.
pub(super) enum Refused {
    /// The connection broke, or the host is busy: it may go better later.
    ForNow(Trouble),
    /// Nobody waits there, or not for this.
    ForGood(Trouble),
}

impl Connection {
    /// Dials the first of these that answers: those of a network first, then those through Tor.
    pub(super) async fn dial(
        app: &App,
        ways: &[Authority],
        expected: Option<PublicKey>,
        find: Option<&FindSecret>,
    ) -> Result<Self, Trouble> {
        let is_onion = |at: &&Authority| matches!(at.host, Host::Onion(_));
        let near = ways.iter().filter(|at| !is_onion(at));
        let mut trouble = Trouble::new("unreachable", "It is not said where the other hub is.");
        for at in near.chain(ways.iter().filter(is_onion)) {
            match Self::dial_one(app, at, expected, find).await {
                Ok(connection) => return Ok(connection),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    async fn dial_one(
        app: &App,
        at: &Authority,
        expected: Option<PublicKey>,
        find: Option<&FindSecret>,
    ) -> Result<Self, Trouble> {
        let uri: Uri = format!("https://{}/", at.to_string())
            .parse()
            .map_err(|_| Trouble::new("unreachable", "The address leads nowhere."))?;
        let limit = if matches!(at.host, Host::Onion(_)) { ONION_DIAL_MAX } else { DIAL_MAX };
        let connecting = connect_to_pair(&app.device, &app.onion, &uri, expected, find);
        let dialled = timeout(limit, connecting);
        let stream = dialled.await.map_err(|_late| {
            let sentence = format!("The other hub did not answer within {} s.", limit.as_secs());
            Trouble::new("unreachable", sentence)
        })?;
        let stream = stream.map_err(handshake_trouble)?;
        let proven = ProvenKey::of_client_connection(stream.get_ref().1);
        let proven =
            proven.ok_or_else(|| Trouble::new("wrong_key", "What answers there proves no key."))?;
        if proven.key() == app.device.public() {
            return Err(Trouble::new("oneself", "That is this hub itself."));
        }
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Trouble::new("unreachable", with_causes(&error)))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of a pairing broke");
            }
        });
        Ok(Self { sender, proven, at: at.clone() })
    }

    /// The key that the host has proven, and what tells this connection from others.
    pub(super) fn proven(&self) -> ProvenKey {
        self.proven
    }

    /// Where the host was reached.
    pub(super) fn at(&self) -> &Authority {
        &self.at
    }

    /// Sends a message, and hands over what is answered.
    pub(super) async fn ask(&mut self, window: &str, message: Vec<u8>) -> Result<Vec<u8>, Refused> {
        let broke = |text: String| Refused::ForNow(Trouble::new("cut", text));
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/_hub/pair/{window}"))
            .header(header::HOST, self.at.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(message)));
        let request = request.map_err(|error| broke(error.to_string()))?;
        let answered = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, 2 * MESSAGE_BYTES_MAX).collect().await;
            Ok::<_, hyper::Error>((head.status, body.ok().map(http_body_util::Collected::to_bytes)))
        };
        let late = || broke("The other hub did not answer in time.".into());
        let answered = timeout(ANSWER_MAX, answered).await.map_err(|_late| late())?;
        let (status, body) = answered.map_err(|error| {
            tracing::debug!(%error, "a connection of a pairing was cut");
            broke(CUT.into())
        })?;
        match (status, body) {
            (StatusCode::OK, Some(body)) => Ok(body.to_vec()),
            (StatusCode::OK, None) => Err(broke("The other hub's answer broke off.".into())),
            (status, body) => Err(refusal(status, &body.unwrap_or_default())),
        }
    }
}

/// What is said of a host that goes without an answer: it may be one that refuses this hub's key.
const CUT: &str = "The other hub closed the connection. If this hub was blocked there, its owner has to let it in \
                   again first: `larder friend unblock KEY`, with the key that `larder key show` prints here.";

/// What the host says that does not take a message.
fn refusal(status: StatusCode, body: &[u8]) -> Refused {
    if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
        return Refused::ForNow(Trouble::new("busy", "The other hub is busy."));
    }
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    Refused::ForGood(match (status, said["error"].as_str().unwrap_or_default()) {
        (StatusCode::NOT_FOUND, _) => Trouble::new(
            "nobody",
            "Nobody waits there for this hub: the link was used, its time is over, or no window is open \
             there for this.",
        ),
        (_, "wrong_code") => Trouble::new(
            "wrong_code",
            "The code was wrong, or somebody stands between the two hubs. It is good for one try: have \
             the other side make a new one.",
        ),
        (_, "taken" | "out_of_turn") => Trouble::new(
            "taken",
            "Somebody has come there already: each link, code or window is good once. Have the other side \
             begin anew.",
        ),
        (_, "kind_differs") => Trouble::new(
            "kind_differs",
            "One side wants to pair devices of one person, the other one friends.",
        ),
        _ => {
            // Somebody else's words: short, in one line.
            let reason = said["reason"].as_str().unwrap_or("it gives no reason");
            let mut reason = reason.replace(char::is_control, " ");
            reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
            Trouble::new("refused_there", format!("The other hub does not go on: {reason}"))
        }
    })
}

fn handshake_trouble(error: io::Error) -> Trouble {
    let error = HandshakeError::from(error);
    match error {
        HandshakeError::Unproven(CertificateFault::Unexpected) => Trouble::new(
            "wrong_key",
            "Another hub answers there than the one that is meant: it has another key.",
        ),
        HandshakeError::Unproven(_) | HandshakeError::Misbehaved(_) => {
            Trouble::new("wrong_key", "What answers there proves no key.")
        }
        HandshakeError::Incompatible(_) => {
            Trouble::new("not_spoken", "What answers there is no hub of this kind.")
        }
        HandshakeError::Refused(_) => {
            Trouble::new("refused_there", "The other hub refuses the connection.")
        }
        HandshakeError::Connection(_) | HandshakeError::Ours(_) => {
            let sentence = format!("The other hub cannot be reached: {}", with_causes(&error));
            Trouble::new("unreachable", sentence)
        }
    }
}
