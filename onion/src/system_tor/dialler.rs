//! Opens streams by a Tor that is controlled.

use tokio::sync::{mpsc, oneshot};

use super::socks::{self, Refusal, SocksPlace};
use crate::way::Dialler;
use crate::{Dial, DialError, DiscoverySecret, OnionAddress, OnionStream, Pending};

/// Dials that wait for the control connection.
pub(super) const REQUESTS_MAX: usize = 64;

/// What has to be seen to over the control connection for somebody who is dialled.
#[derive(Debug)]
pub(super) enum Request {
    /// That Tor can find this service, and where it takes streams.
    Way {
        address: OnionAddress,
        secret: Option<DiscoverySecret>,
        answer: oneshot::Sender<Result<Vec<SocksPlace>, DialError>>,
    },
    /// Whether Tor has found a descriptor of this service.
    IsFound { address: OnionAddress, answer: oneshot::Sender<bool> },
}

/// Opens streams.
#[derive(Debug)]
pub(super) struct SystemDialler {
    pub(super) requests: mpsc::Sender<Request>,
}

impl Dialler for SystemDialler {
    fn dial(
        &self,
        dial: Dial,
        circuits: String,
    ) -> Pending<'static, Result<OnionStream, DialError>> {
        let requests = self.requests.clone();
        Box::pin(async move {
            let Dial { address, port, secret, .. } = dial;
            let way = |answer| Request::Way { address: address.clone(), secret, answer };
            let places = ask(&requests, way).await??;
            let refusal = match socks::open(&places, address.full(), port, &circuits).await? {
                Ok(stream) => return Ok(stream),
                Err(refusal) => refusal,
            };
            // Without extended errors Tor does not say that it cannot read a descriptor; it keeps it.
            if refusal == Refusal::GENERAL
                && ask(&requests, |answer| Request::IsFound { address, answer }).await?
            {
                return Err(DialError::Restricted);
            }
            Err(refusal.into())
        })
    }
}

async fn ask<T>(
    requests: &mpsc::Sender<Request>,
    request: impl FnOnce(oneshot::Sender<T>) -> Request,
) -> Result<T, DialError> {
    let (answer, answered) = oneshot::channel();
    requests.try_send(request(answer)).map_err(|error| match error {
        mpsc::error::TrySendError::Full(_) => DialError::Busy,
        mpsc::error::TrySendError::Closed(_) => gone(),
    })?;
    answered.await.map_err(|_| gone())
}

fn gone() -> DialError {
    DialError::NotReady("the control connection has ended".to_owned())
}
