//! Feeds that wait for what comes: a task each, that holds neither thread nor file while it waits.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use store::{Database, Output};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::Instrument as _;

use super::options::{Feed, Patience};
use super::reader::{Reached, Reader};
use crate::http::pages::{Ended, Gate, Stream, turn};
use crate::http::{HttpError, Reply, body, reply};

/// A feed that waits.
pub(super) struct Live {
    pub(super) feed: Feed,
    pub(super) patience: Patience,
    pub(super) gate: Gate,
    pub(super) database: Arc<Database>,
    /// Turns true when the hub is to stop.
    pub(super) shutdown: watch::Receiver<bool>,
}

/// Why a feed no longer waits.
enum Woken {
    /// There is something to read.
    Update,
    /// Nothing happened for as long as the client is willing to wait.
    Silence,
    /// The database is gone, or the hub is to stop.
    Over,
    /// Nobody reads the feed any more.
    ReaderGone,
    /// Its reader may no longer read it.
    Refused(HttpError),
}

impl Live {
    /// Reads the first page, so that what is wrong is still told by a status, and goes on from there.
    pub(super) async fn answer(self, reader: Reader) -> Result<Reply, HttpError> {
        let feed = self.feed;
        let (reader, out, reached) = turn(&self.database, reader, Reader::page).await?;
        self.gate.note_read(out.rows());
        let (sender, body) = body::channel();
        let stream = Stream { sender, gate: self.gate, database: self.database };
        let (patience, shutdown) = (self.patience, self.shutdown);
        let rights = stream.gate.changes();
        let mut following = Following { feed, patience, stream, shutdown, rights };
        let work = async move {
            match following.run(reader, out, reached).await {
                Ok(()) => {}
                // A feed of lines ends well wherever it ends; it is not a part taken for the whole.
                Err(Ended::Refused(reason)) if feed != Feed::Longpoll => {
                    tracing::info!(reason = reason.unnamed(), "a feed was ended");
                }
                Err(ended) => following.stream.abort(&ended).await,
            }
        };
        tokio::spawn(work.in_current_span());
        let mut reply = reply::json_stream(StatusCode::OK, body);
        if feed == Feed::EventSource {
            let headers = reply.headers_mut();
            let content_type = HeaderValue::from_static("text/event-stream");
            headers.insert(header::CONTENT_TYPE, content_type);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        Ok(reply)
    }
}

struct Following {
    feed: Feed,
    patience: Patience,
    stream: Stream,
    shutdown: watch::Receiver<bool>,
    /// Told whenever a right may be another.
    rights: watch::Receiver<u64>,
}

impl Following {
    async fn run(
        &mut self,
        mut reader: Reader,
        mut out: Output,
        mut reached: Reached,
    ) -> Result<(), Ended> {
        let mut spoken = Instant::now();
        loop {
            let over = match reached {
                Reached::PageEnd => false,
                Reached::Limit => true,
                Reached::End => self.feed == Feed::Longpoll && reader.rows() > 0,
            };
            if over {
                reader.finish(out.text());
                return self.stream.send(out).await;
            }
            if !out.is_empty() {
                self.stream.send(out).await?;
                spoken = Instant::now();
            } else if let Patience::Heartbeat(every) = self.patience
                && spoken.elapsed() >= every
            {
                // A filter may let nothing through for long.
                self.stream.send_text(reader.format().heartbeat()).await?;
                spoken = Instant::now();
            }
            if reached == Reached::End {
                reader.go_on();
                if !self.await_update(&reader, &mut spoken).await? {
                    let mut end = vec![];
                    reader.finish(&mut end);
                    return self.stream.send_text(end).await;
                }
            }
            let next = turn(&self.stream.database, reader, Reader::page).await;
            (reader, out, reached) = next?;
            self.stream.gate.note_read(out.rows());
        }
    }

    /// Waits until there is something to read; `false` when the feed is to end.
    async fn await_update(&mut self, reader: &Reader, spoken: &mut Instant) -> Result<bool, Ended> {
        let silent_since = Instant::now();
        loop {
            let deadline = match self.patience {
                Patience::Timeout(timeout) => silent_since + timeout,
                Patience::Heartbeat(every) => *spoken + every,
            };
            match (self.wait(reader, deadline).await, self.patience) {
                (Woken::Update, _) => return Ok(true),
                (Woken::Silence, Patience::Heartbeat(_)) => {
                    self.stream.send_text(reader.format().heartbeat()).await?;
                    *spoken = Instant::now();
                }
                (Woken::Silence, Patience::Timeout(_)) | (Woken::Over, _) => return Ok(false),
                (Woken::ReaderGone, _) => return Err(Ended::ReaderGone),
                (Woken::Refused(reason), _) => return Err(Ended::Refused(reason)),
            }
        }
    }

    async fn wait(&mut self, reader: &Reader, deadline: Instant) -> Woken {
        let database = &self.stream.database;
        loop {
            // Taken before looking, so that no commit falls between.
            let updated = database.updated();
            if database.is_deleted() || *self.shutdown.borrow() {
                return Woken::Over;
            }
            if database.update_seq().seq > reader.position() {
                return Woken::Update;
            }
            tokio::select! {
                () = updated => {}
                () = sleep_until(deadline) => return Woken::Silence,
                () = self.stream.sender.closed() => return Woken::ReaderGone,
                // The sender lives as long as the hub.
                _ = self.rights.changed() => {
                    if let Err(reason) = self.stream.gate.check() {
                        return Woken::Refused(reason);
                    }
                }
                changed = self.shutdown.changed() => {
                    if changed.is_err() {
                        return Woken::Over;
                    }
                }
            }
        }
    }
}
