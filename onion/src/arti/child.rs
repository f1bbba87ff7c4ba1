//! The child, from its start to its end: it does what it is told by its parent, and ends with it.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream as StdStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tracing_subscriber::EnvFilter;

use super::control::{self, Reader};
use super::copy::Parent;
use super::message::{Secret, Start, ToChild, ToParent};
use crate::{DIAL_MAX, DialError, DiscoveryKey, OnionAddress};

/// What of the libraries' logs is worth its parent's: problems, and of those only the ones that tell.
const LOG_FILTER: &str = "warn,tor_netdir=error,tor_guardmgr=error";

/// Threads that work. What Tor costs is cryptography and handing cells from task to task, which is cheaper where
/// no other processor has to be woken for it; C Tor has one, too. Arti needs a runtime that has threads at all.
const WORKERS: usize = 1;

/// What streams are opened through.
pub(super) trait Network: Send + Sync + Sized + 'static {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Begins, and goes on beside what is done with it, telling `parent` how far it is.
    ///
    /// # Errors
    /// Why it cannot begin at all.
    async fn begin(start: Start, parent: Parent) -> Result<Self, String>;

    /// Opens a stream.
    fn dial(
        &self,
        address: &OnionAddress,
        port: u16,
        circuits: String,
        secret: Option<Secret>,
    ) -> impl Future<Output = Result<Self::Stream, DialError>> + Send;

    /// Who can find the main service from now on.
    fn set_discovery(&self, keys: Option<std::collections::BTreeSet<DiscoveryKey>>);

    /// Accepts nothing more.
    fn close(&self);
}

/// Runs until the parent is gone or says so.
pub(super) fn run<N: Network>() -> ExitCode {
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(EnvFilter::new(LOG_FILTER))
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    // It fails where there is one already, which is as good.
    let _there_is_one = rustls::crypto::ring::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    let outcome = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let outcome = runtime.block_on(serve::<N>());
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            tracing::error!("{reason}");
            ExitCode::FAILURE
        }
    }
}

async fn serve<N: Network>() -> Result<(), String> {
    let input = std::io::stdin().as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
    let socket = StdStream::from(input);
    if socket.peer_addr().is_err() {
        return Err("this is started by a hub, which talks to it; it is not for people".into());
    }
    let (mut reader, writer) = control::split(socket).map_err(|error| error.to_string())?;
    let Ok(Some((ToChild::Start(start), _))) = reader.receive().await else {
        return Err("the parent did not say how to start".into());
    };
    let parent = Parent::begin(writer);
    let network = match N::begin(*start, parent.clone()).await {
        Ok(network) => Arc::new(network),
        Err(reason) => {
            parent.tell(ToParent::Failed(reason)).await;
            // Its parent ends it once it has heard, and may have said more before that.
            while let Ok(Some(_)) = reader.receive::<ToChild>().await {}
            return Ok(());
        }
    };
    let grace = obey(&mut reader, &network, &parent).await;
    if let Some(grace) = grace {
        network.close();
        tokio::select! {
            () = parent.all_ended() => {}
            () = tokio::time::sleep(grace) => {}
            // Impatient parents just leave.
            _ = reader.receive::<ToChild>() => {}
        }
    }
    Ok(())
}

/// Does what it is told; how long to wait for open streams at the end. `None`: the parent is gone.
async fn obey<N: Network>(
    reader: &mut Reader,
    network: &Arc<N>,
    parent: &Parent,
) -> Option<Duration> {
    // What is no message is as good as an end.
    while let Ok(Some((message, _))) = reader.receive().await {
        match message {
            ToChild::Start(_) => tracing::warn!("told to start twice"),
            ToChild::Dial { id, address, port, circuits, secret } => {
                let (network, parent) = (Arc::clone(network), parent.clone());
                tokio::spawn(async move {
                    let dialled = network.dial(&address, port, circuits, secret);
                    match timeout(DIAL_MAX, dialled).await {
                        Ok(Ok(stream)) => parent.pass_on(ToParent::Dialled { id }, stream).await,
                        Ok(Err(error)) => parent.tell(ToParent::NotDialled { id, error }).await,
                        Err(_late) => {
                            let error = DialError::TimedOut;
                            parent.tell(ToParent::NotDialled { id, error }).await;
                        }
                    }
                });
            }
            ToChild::Discovery(keys) => network.set_discovery(keys),
            ToChild::Drain { grace_ms } => return Some(Duration::from_millis(grace_ms)),
        }
    }
    None
}
