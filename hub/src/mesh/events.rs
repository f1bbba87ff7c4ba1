//! `GET /_hub/events`: what happens between this hub and its peers, as it happens.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use store::Millis;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::timeout;

use crate::app::App;
use crate::http::body::{self, BodySender, ReaderGone};
use crate::http::{Call, HttpError, Reply, reply};

/// Events that wait for a slow reader; who is slower is told how many it missed.
const WAITING_MAX: usize = 1024;

/// How often a silent feed gives a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Tells whoever listens.
#[derive(Debug)]
pub(super) struct Events(broadcast::Sender<Arc<str>>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(WAITING_MAX))
    }
}

impl Events {
    /// Tells an event, where anybody listens.
    pub(super) fn tell(&self, now: Millis, event: impl FnOnce() -> Value) {
        if self.0.receiver_count() == 0 {
            return;
        }
        let mut event = event();
        event["at"] = now.0.into();
        // Whoever listened may have gone.
        let _nobody = self.0.send(event.to_string().into());
    }
}

/// `GET /_hub/events`: a line of JSON for each, or what a browser's `EventSource` reads.
pub(crate) async fn serve(call: Call) -> Result<Reply, HttpError> {
    let accepted = call.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let form = match accepted.is_some_and(|accept| accept.contains("text/event-stream")) {
        true => Form::EventSource,
        false => Form::Lines,
    };
    let app = call.app;
    let receiver = app.mesh.events.0.subscribe();
    let (sender, body) = body::channel();
    tokio::spawn(async move {
        if let Err(ReaderGone) = tell(&app, form, receiver, sender).await {
            tracing::debug!("the reader of events is gone");
        }
    });
    let mut reply = reply::json_stream(StatusCode::OK, body);
    if form == Form::EventSource {
        let headers = reply.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    Ok(reply)
}

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Lines,
    EventSource,
}

impl Form {
    fn text(self, event: &str) -> String {
        match self {
            Self::Lines => format!("{event}\n"),
            Self::EventSource => format!("data: {event}\n\n"),
        }
    }

    fn sign_of_life(self) -> &'static str {
        match self {
            Self::Lines => "\n",
            Self::EventSource => ": \n\n",
        }
    }
}

async fn tell(
    app: &App,
    form: Form,
    mut events: broadcast::Receiver<Arc<str>>,
    sender: BodySender,
) -> Result<(), ReaderGone> {
    // Whoever asks knows by this that nothing is missed from now on.
    sender.send(form.text(r#"{"event":"listening"}"#)).await?;
    let mut shutdown = app.shutdown.clone();
    loop {
        let event = tokio::select! {
            event = timeout(HEARTBEAT, events.recv()) => event,
            () = sender.closed() => return Err(ReaderGone),
            _ = shutdown.wait_for(|&stop| stop) => return Ok(()),
        };
        let text = match event {
            Ok(Ok(event)) => form.text(&event),
            Ok(Err(RecvError::Lagged(missed))) => {
                form.text(&json!({"event": "missed", "count": missed}).to_string())
            }
            Ok(Err(RecvError::Closed)) => return Ok(()),
            Err(_silence) => form.sign_of_life().to_owned(),
        };
        sender.send(text).await?;
    }
}
