//! Questions to the hub over its control socket, which only its own person can reach.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::BoxError;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The hub did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The control socket does not lead to a hub.
    #[error("could not reach the hub's control socket {}", .0.display())]
    Unreachable(PathBuf, #[source] io::Error),
    /// Another user listens there.
    #[error("{} is served by another user", .0.display())]
    Foreign(PathBuf),
    /// The connection broke.
    #[error("the hub did not answer")]
    Http(#[from] hyper::Error),
    /// The question cannot be put into words; the fault is ours.
    #[error("could not ask the hub")]
    Question(#[source] http::Error),
    /// What came is no answer.
    #[error("the hub's answer makes no sense")]
    Answer(#[source] BoxError),
    /// The hub said no.
    #[error("the hub refused ({status}): {reason}")]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// Why, in the hub's words.
        reason: String,
    },
}

/// Asks over the control socket.
pub(crate) async fn ask<T: DeserializeOwned>(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<T, ControlError> {
    let unreachable = |error| ControlError::Unreachable(socket.into(), error);
    let stream = UnixStream::connect(socket).await.map_err(unreachable)?;
    let peer = stream.peer_cred().map_err(unreachable)?.uid();
    if peer != rustix::process::geteuid().as_raw() {
        return Err(ControlError::Foreign(socket.into()));
    }
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the exchange, and its errors reach whoever waits for the answer.
    tokio::spawn(async move {
        let _ended = connection.await;
    });
    read(sender.send_request(question(method, path, body)?.map(Full::new)).await?).await
}

/// A request with a JSON body, or none.
pub(crate) fn question(
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Request<Bytes>, ControlError> {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "larder");
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let body = body.map(Value::to_string).unwrap_or_default();
    request.body(body.into()).map_err(ControlError::Question)
}

/// The answer's JSON, or the refusal it tells of.
pub(crate) async fn read<T: DeserializeOwned>(
    response: Response<Incoming>,
) -> Result<T, ControlError> {
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(ControlError::Answer)?.to_bytes();
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| ControlError::Answer(error.into()));
    }
    let told = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let reason = told["reason"].as_str().unwrap_or("without a reason").to_owned();
    Err(ControlError::Refused { status, reason })
}
