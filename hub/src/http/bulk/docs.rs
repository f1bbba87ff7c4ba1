//! `_bulk_docs`.

use std::sync::Arc;

use http::StatusCode;
use store::{Database, EditError, RevId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::batch::{Batch, Submitted};
use super::request::{Request, Terms};
use super::rows::{Row, Rows};
use crate::access::{Action, Principal};
use crate::app::App;
use crate::http::body;
use crate::http::call::{blocking, quick};
use crate::http::memory::Share;
use crate::http::pages::Gate;
use crate::http::request::{Spooled, document_text_bytes_max, require_json};
use crate::http::{Call, HttpError, Reply, reply};
use crate::validate::Author;

/// Batches that the store has, or that wait for it, beside the one whose outcome is awaited.
const BATCHES_AHEAD: usize = 1;

/// `POST /{db}/_bulk_docs`
pub(crate) async fn bulk_docs(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    require_json(&call.headers)?;
    // Who writes is asked for each of them; a link that is followed makes none.
    let design = call.rewritten.allows(Action::WriteDesign, None);
    let author = call.author();
    let gate = Gate::of(&call, Action::Write);
    let Call { app, principal, headers, body, .. } = call;
    let body = Spooled::receive(&app, &headers, body).await?;
    let asked = Arc::clone(&database);
    let partitioned = quick(move || Ok(asked.is_partitioned()?)).await?;
    let terms = terms(&app, partitioned);
    let checking = terms.clone();
    let request = blocking(move || Request::check(body, &checking, design)).await?;

    let mut rows = Rows::new(request.new_edits());
    let (sender, mut batches) = mpsc::channel(BATCHES_AHEAD);
    let writing = tokio::task::spawn_blocking(move || {
        submit_all(request, &terms, (&app, &principal, &author, &gate), &database, &sender)
    });
    if let Some(first) = batches.recv().await {
        let (documents, edited) = first.settle().await;
        // While nothing is answered yet, a store that cannot write answers for the whole request.
        let edited = edited?;
        if cannot_be_held(&edited) {
            return Err(HttpError::TooManyHeld);
        }
        if let Some(reason) = has_no_room(&documents) {
            return Err(HttpError::NoRoomYet(reason));
        }
        rows.append(documents, edited);
        if let Some(second) = batches.recv().await {
            return Ok(stream(rows, second, batches, writing));
        }
    }
    ended(writing).await?;
    Ok(reply::json_text(StatusCode::CREATED, rows.finish()))
}

fn terms(app: &App, partitioned: bool) -> Terms {
    let limits = app.limits();
    Terms {
        limits: (&limits).into(),
        text_bytes_max: document_text_bytes_max(&limits),
        share: Share::current(),
        partitioned,
    }
}

/// Hands batch after batch to the store, as fast as their outcomes are taken off the channel.
fn submit_all(
    request: Request,
    terms: &Terms,
    (app, principal, author, gate): (&App, &Principal, &Author, &Gate),
    database: &Arc<Database>,
    batches: &mpsc::Sender<Submitted>,
) -> Result<(), HttpError> {
    let new_edits = request.new_edits();
    let compression = app.compression();
    let mut batch = Batch::default();
    let submit = |batch: &mut Batch| {
        // The right may have gone while the batch came.
        gate.check()?;
        // A reader that has gone has given up the rest of its request.
        let submitted = batch.submit(author, database)?;
        batches.blocking_send(submitted).map_err(|_| HttpError::BodyLost)
    };
    request.for_each(terms, |document| {
        batch.add(document, new_edits, database, (principal, app), &compression)?;
        if batch.is_full() { submit(&mut batch) } else { Ok(()) }
    })?;
    if batch.is_empty() { Ok(()) } else { submit(&mut batch) }
}

/// Whether one of them is of a time that is not worth waiting for: whoever replicates has to stop, and
/// not to take a row for the end of it.
fn cannot_be_held(edited: &[Result<RevId, EditError>]) -> bool {
    edited.iter().any(|outcome| matches!(outcome, Err(EditError::TooManyHeld)))
}

/// Why there is no room for one that a replication brings, likewise; what there was room for is written.
fn has_no_room(documents: &[Row]) -> Option<String> {
    documents.iter().find_map(|row| match row {
        Row::Refused { rev: Some(_), error: HttpError::OverQuota(reason), .. } => {
            Some(reason.clone())
        }
        _ => None,
    })
}

/// Sends the rows while the rest is being written.
fn stream(
    mut rows: Rows,
    second: Submitted,
    mut batches: mpsc::Receiver<Submitted>,
    writing: JoinHandle<Result<(), HttpError>>,
) -> Reply {
    let (answer, body) = body::channel();
    tokio::spawn(async move {
        let mut next = Some(second);
        while let Some(batch) = next {
            match batch.settle().await {
                (_, Ok(edited)) if cannot_be_held(&edited) => {
                    answer.abort("too many revisions from the future are held").await;
                    return;
                }
                (documents, Ok(_)) if has_no_room(&documents).is_some() => {
                    answer.abort("there is no room for what is brought").await;
                    return;
                }
                (documents, Ok(edited)) => rows.append(documents, edited),
                (documents, Err(error)) => rows.append_failures(documents, &error.into()),
            }
            let text = rows.take();
            if !text.is_empty() && answer.send(text).await.is_err() {
                tracing::debug!("the reader of a bulk answer is gone");
                return;
            }
            next = batches.recv().await;
        }
        match ended(writing).await {
            Ok(()) => {
                let mut text = rows.finish();
                text.push(b'\n');
                // A reader that goes before the closing bracket misses nothing.
                let _gone = answer.send(text).await;
            }
            Err(error) => {
                tracing::error!(error = error.unnamed(), "a bulk request was broken off");
                answer.abort("the bulk request could not be finished").await;
            }
        }
    });
    reply::json_stream(StatusCode::CREATED, body)
}

/// What became of the writing thread, once the channel is empty.
async fn ended(writing: JoinHandle<Result<(), HttpError>>) -> Result<(), HttpError> {
    match writing.await {
        Ok(outcome) => outcome,
        Err(join) => {
            Err(HttpError::Internal { action: "write documents", cause: join.to_string() })
        }
    }
}
