//! Long answers, read page by page: a snapshot lives no longer than one page takes to read, and a
//! slow reader holds no thread and no snapshot.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use store::{Database, Error, Output};
use tokio::sync::{Semaphore, watch};
use tracing::Instrument as _;

use super::body::{self, BodySender, ReaderGone};
use super::call::Captures;
use super::call::{blocking, quick};
use super::reply::{self, Reply};
use super::{Call, HttpError};
use crate::access::{Action, Principal, Scope, Target};
use crate::app::App;
use crate::clock;

/// Rows read from one snapshot: what a thread reads within a millisecond or two, so that no snapshot
/// is kept for long.
pub(crate) const PAGE_ROWS_MAX: usize = 1000;

/// Rows with documents asked for at a time: few enough that not many are read in vain when a page
/// is full before.
pub(crate) const PAGE_DOCUMENTS_MAX: usize = 100;

/// Bytes after which a page ends; one row more may exceed it.
pub(crate) const PAGE_BYTES: usize = 256 * 1024;

/// Pages read at a time: more would only wait for one another's cores and disk.
const READING_MAX: usize = 8;

/// Pages at a time for which functions of design documents are called; those that are only read never
/// wait for them.
const CALLING_MAX: usize = 8;

/// Bytes handed to the connection at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// What reads an answer, one page at a time.
pub(crate) trait Pages: Send + 'static {
    /// Appends the next page, its rows from one snapshot.
    fn read(&mut self, database: &Database, out: &mut Output) -> Result<Progress, HttpError>;

    /// Whether the first page is read in no time, being a few rows.
    fn is_short(&self) -> bool {
        false
    }

    /// Whether a page takes its time: functions of design documents are called, or a full-text index is
    /// asked.
    fn takes_its_time(&self) -> bool {
        false
    }
}

/// Whether an answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is another page.
    More,
    /// This was the last page.
    Done,
}

/// Sends all pages as one JSON answer: at once where there is only one, else as they are read.
pub(crate) async fn answer<P: Pages>(
    gate: Gate,
    database: Arc<Database>,
    pages: P,
) -> Result<Reply, HttpError> {
    let (mut pages, mut out, mut progress) = match pages.is_short() {
        true => first(&database, pages).await?,
        false => turn(&database, pages, P::read).await?,
    };
    gate.note_read(out.rows());
    if progress == Progress::Done {
        out = match out.into_text() {
            Ok(text) => return Ok(reply::json_stream(StatusCode::OK, body::whole(text))),
            Err(out) => out,
        };
    }
    let (sender, body) = body::channel();
    let stream = Stream { sender, gate, database };
    let sending = async move {
        let outcome = loop {
            if let Err(ended) = stream.send(out).await {
                break Err(ended);
            }
            if progress == Progress::Done {
                break Ok(());
            }
            match turn(&stream.database, pages, P::read).await {
                Ok(next) => (pages, out, progress) = next,
                Err(error) => break Err(error.into()),
            }
            stream.gate.note_read(out.rows());
        };
        if let Err(ended) = outcome {
            stream.abort(&ended).await;
        }
    };
    tokio::spawn(sending.in_current_span());
    Ok(reply::json_stream(StatusCode::OK, body))
}

/// Reads a page of a few rows where the request stands.
async fn first<P: Pages>(
    database: &Arc<Database>,
    mut pages: P,
) -> Result<(P, Output, Progress), HttpError> {
    let database = Arc::clone(database);
    quick(move || {
        let mut out = Output::new();
        let progress = pages.read(&database, &mut out)?;
        Ok((pages, out, progress))
    })
    .await
}

/// Lets `read` read a page on a thread that may block.
pub(crate) async fn turn<P: Pages, T: Send + 'static>(
    database: &Arc<Database>,
    mut pages: P,
    read: impl FnOnce(&mut P, &Database, &mut Output) -> Result<T, HttpError> + Send + 'static,
) -> Result<(P, Output, T), HttpError> {
    // A thousand feeds wake together when a document is written; they take turns.
    static READING: Semaphore = Semaphore::const_new(READING_MAX);
    static CALLING: Semaphore = Semaphore::const_new(CALLING_MAX);
    let turns = if pages.takes_its_time() { &CALLING } else { &READING };
    let _turn = turns.acquire().await;
    let database = Arc::clone(database);
    blocking(move || {
        let mut out = Output::new();
        let progress = read(&mut pages, &database, &mut out)?;
        Ok((pages, out, progress))
    })
    .await
}

/// The gate of one request, asked again while its answer goes on.
#[derive(Debug)]
pub(crate) struct Gate {
    app: Arc<App>,
    principal: Principal,
    action: Action,
    db: String,
    /// The design document and the view, where it is a view that is read.
    view: Option<(String, String)>,
    /// How far it let the request go at first.
    scope: Scope,
}

impl Gate {
    /// The gate that let this request through.
    pub(crate) fn of(call: &Call, action: Action) -> Self {
        let Captures { db, doc, view, .. } = &call.captures;
        let design = doc.strip_prefix("_design/").unwrap_or(doc);
        let view = (action == Action::ReadView).then(|| (design.to_owned(), view.clone()));
        Self {
            app: Arc::clone(&call.app),
            principal: call.principal.clone(),
            action,
            db: db.clone(),
            view,
            scope: call.scope,
        }
    }

    /// The same, where it is a key that asks: those have their reads noted.
    pub(crate) fn of_key(call: &Call, action: Action) -> Option<Self> {
        call.principal.key().map(|_| Self::of(call, action))
    }

    /// Notes that so many rows or documents were read, where it is a key that asks.
    pub(crate) fn note_read(&self, rows: u64) {
        let Some(key) = self.principal.key() else { return };
        let view = self.view.as_ref().map(|(design, view)| (design.as_str(), view.as_str()));
        self.app.reads.note(key, &self.db, view, rows, clock::now());
    }

    /// Told whenever it may decide otherwise.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.app.access.policies().changes()
    }

    /// Whether it still lets the request through, and as far as before.
    pub(crate) fn check(&self) -> Result<(), HttpError> {
        let target = match &self.view {
            Some((design, view)) => Target::View { db: &self.db, design, view },
            None => Target::Database(&self.db),
        };
        match self.app.admit(&self.principal, self.action, target)? {
            scope if scope == self.scope || scope == Scope::Database => Ok(()),
            _narrower => Err(HttpError::Forbidden),
        }
    }
}

/// An answer on its way to its reader.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Where the bytes go.
    pub(crate) sender: BodySender,
    /// Asked before every chunk.
    pub(crate) gate: Gate,
    /// Where large attachments are read from.
    pub(crate) database: Arc<Database>,
}

/// Why an answer could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// Nobody reads it any more.
    #[error("the reader is gone")]
    ReaderGone,
    /// The database is gone, or the right to read it.
    #[error("the answer must not go on")]
    Refused(#[source] HttpError),
    /// The next page could not be read.
    #[error("the answer could not go on")]
    Failed(#[source] HttpError),
}

impl From<HttpError> for Ended {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::NoDatabase | HttpError::Store(Error::NoDatabase) => Self::Refused(error),
            error => Self::Failed(error),
        }
    }
}

impl Stream {
    /// Sends what was read, waiting for the reader.
    pub(crate) async fn send(&self, out: Output) -> Result<(), Ended> {
        match out.into_text() {
            Ok(text) => self.send_text(text).await,
            Err(out) => self.send_attachments(out).await,
        }
    }

    /// Sends bytes.
    pub(crate) async fn send_text(&self, text: impl Into<Bytes>) -> Result<(), Ended> {
        let mut text = text.into();
        while !text.is_empty() {
            self.gate.check().map_err(Ended::Refused)?;
            let chunk = text.split_to(text.len().min(CHUNK_BYTES));
            self.sender.send(chunk).await.map_err(|ReaderGone| Ended::ReaderGone)?;
        }
        Ok(())
    }

    /// Sends an output that reads attachments while it is written.
    async fn send_attachments(&self, mut out: Output) -> Result<(), Ended> {
        loop {
            let database = Arc::clone(&self.database);
            let piece = blocking(move || {
                let piece = out.next_piece(&database)?;
                Ok((out, piece))
            });
            let (rest, piece) = piece.await?;
            let Some(piece) = piece else { return Ok(()) };
            self.send_text(piece).await?;
            out = rest;
        }
    }

    /// Breaks the answer off, so that nobody takes a part for the whole.
    pub(crate) async fn abort(&self, ended: &Ended) {
        match ended {
            Ended::ReaderGone => tracing::debug!("the reader of an answer is gone"),
            Ended::Refused(reason) => {
                tracing::info!(reason = reason.unnamed(), "an answer was broken off");
            }
            Ended::Failed(error) => {
                tracing::error!(error = error.unnamed(), "an answer was broken off");
            }
        }
        self.sender.abort("the answer could not be finished").await;
    }
}
