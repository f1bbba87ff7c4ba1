//! Requests to the running hub over its control socket.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::Outcome;
use crate::data_dir::DataDir;
use crate::discovery;

/// The running hub, seen from another process of the same person.
pub(super) struct Hub {
    sender: SendRequest<Full<Bytes>>,
    data_dir: DataDir,
}

/// Lets a command ask the hub that runs on this directory.
///
/// # Errors
/// When none runs, beside those of the command.
pub(super) fn ask(
    data_dir: &DataDir,
    command: impl AsyncFnOnce(Hub) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Outcome> {
    runtime()?.block_on(async {
        match Hub::connect(data_dir).await? {
            Some(hub) => command(hub).await,
            None => Err(none_running(data_dir.path())),
        }
    })
}

/// What a command says that needs a hub and finds none.
fn none_running(data_dir: &Path) -> anyhow::Error {
    anyhow!("no hub is running on {}; start one with `larder run`", data_dir.display())
}

/// A runtime for one command.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().context("could not start")
}

impl Hub {
    /// Connects to the hub that runs on this directory, if one does.
    pub(super) async fn connect(data_dir: &DataDir) -> anyhow::Result<Option<Self>> {
        let Some(socket) = discovery::control_socket(data_dir) else { return Ok(None) };
        let stream = match UnixStream::connect(&socket).await {
            Ok(stream) => stream,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => {
                return Err(error).context(format!("could not reach {}", socket.display()));
            }
        };
        let peer = stream.peer_cred().context("could not see who runs the hub")?.uid();
        if peer != rustix::process::geteuid().as_raw() && rustix::process::geteuid().as_raw() != 0 {
            bail!("the hub on {} runs as another user", data_dir.path().display());
        }
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the runtime, and its errors reach whoever waits for an answer.
        tokio::spawn(async move {
            let _ended = connection.await;
        });
        Ok(Some(Self { sender, data_dir: data_dir.clone() }))
    }

    /// The data directory that the hub runs on.
    pub(super) fn data_dir(&self) -> &DataDir {
        &self.data_dir
    }

    /// Sends a request and hands over the answer while it comes; a refusal is an error.
    pub(super) async fn stream(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Response<Incoming>> {
        let mut request =
            Request::builder().method(method).uri(path).header(header::HOST, "larder");
        if body.is_some() || method == "POST" {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(bytes)))?;
        self.sender.ready().await.context("the hub closed the connection")?;
        let response = self.sender.send_request(request).await.context("the hub did not answer")?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let answer = json(response).await.unwrap_or_default();
        match answer["reason"].as_str() {
            Some(reason) => bail!("{reason}"),
            None => bail!("the hub answered {status}"),
        }
    }

    /// Sends a request and reads the answer as JSON.
    pub(super) async fn request(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        json(self.stream(method, path, body).await?).await
    }

    /// GET.
    pub(super) async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        self.request("GET", path, None).await
    }
}

async fn json(response: Response<Incoming>) -> anyhow::Result<Value> {
    let bytes = response.into_body().collect().await.context("the answer broke off")?.to_bytes();
    serde_json::from_slice(&bytes).context("the answer is not JSON")
}

/// Whether the error says that nobody listens: no hub, or one that was killed.
fn is_absence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(error.kind(), K::NotFound | K::ConnectionRefused)
}
