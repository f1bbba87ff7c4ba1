//! No onion service, and no way to any.

use std::future::{pending, ready};
use std::time::Duration;

use tokio::sync::watch;

use crate::{
    CheckError, Dial, DialError, Discovery, Incoming, OnionStream, OnionTransport, Pending, Stage,
    Status,
};

/// The transport that dials nothing and listens to nobody.
#[derive(Debug)]
pub struct Off {
    status: watch::Sender<Status>,
}

impl Default for Off {
    fn default() -> Self {
        Self { status: watch::Sender::new(Status::new(Stage::Off)) }
    }
}

impl OnionTransport for Off {
    fn accept(&self) -> Pending<'_, Option<Incoming>> {
        Box::pin(pending())
    }

    fn dial(&self, _dial: Dial) -> Pending<'static, Result<OnionStream, DialError>> {
        Box::pin(ready(Err(DialError::Off)))
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    fn check(&self) -> Pending<'static, Result<Duration, CheckError>> {
        Box::pin(ready(Err(DialError::Off.into())))
    }

    fn set_discovery(&self, _discovery: Discovery) {}

    fn shut_down(&self, _grace: Duration) -> Pending<'_, ()> {
        Box::pin(ready(()))
    }
}
