//! Edits handed to the store and waited for without holding a thread.

use std::sync::Arc;

use store::{Database, Edit, EditError, Error, Lineage, RevId};
use tokio::sync::oneshot;

use crate::clock;
use crate::http::{HttpError, blocking, call};
use crate::validate::Author;

/// What becomes of a batch of edits.
pub(crate) type Edited = Result<Vec<Result<RevId, EditError>>, Error>;

/// Queues edits; the outcome follows.
pub(crate) fn submit(
    author: &Author,
    database: &Database,
    edits: Vec<Edit>,
) -> oneshot::Receiver<Edited> {
    let (done, edited) = told();
    match is_of_others(author, &edits) {
        true => database.submit_delivered(edits, clock::now(), author.name(), done),
        false => database.submit(edits, clock::now(), done),
    }
    edited
}

/// Whether it is noted who brings these edits: somebody who is charged for them, or whose clock may be ahead.
fn is_of_others(author: &Author, edits: &[Edit]) -> bool {
    author.is_charged() || are_delivered(edits)
}

/// Whether these are revisions of somebody else, whose clock may be ahead.
fn are_delivered(edits: &[Edit]) -> bool {
    edits.iter().any(|edit| matches!(edit.lineage, Lineage::Path(_)))
}

/// Where the store tells what became of edits, and where that is heard.
fn told() -> (impl FnOnce(Edited) + Send, oneshot::Receiver<Edited>) {
    let (sender, receiver) = oneshot::channel();
    let done = move |outcome| {
        // A client that has gone does not undo its write.
        let _gone = sender.send(outcome);
    };
    (done, receiver)
}

/// Waits for a batch; a store that closed before it could write says so.
pub(crate) async fn outcome(edited: oneshot::Receiver<Edited>) -> Edited {
    edited.await.unwrap_or(Err(Error::Closing))
}

/// Writes one edit, if the database's design documents let it in, and returns its revision.
pub(crate) async fn submit_one(
    author: &Author,
    database: &Arc<Database>,
    edit: Edit,
) -> Result<RevId, HttpError> {
    let edit = admitted(author, database, edit).await?;
    let edits = vec![edit];
    let edited = match call::alone().filter(|_| !is_of_others(author, &edits)) {
        Some(_permit) => {
            let (done, edited) = told();
            database.submit_here(edits, clock::now(), done);
            edited
        }
        None => submit(author, database, edits),
    };
    let edited = outcome(edited).await?;
    // One edit has one outcome.
    edited.into_iter().next().ok_or(HttpError::Store(Error::Closing))?.map_err(HttpError::from)
}

/// Whether an edit may be written; the answer comes at once where no function has to be asked.
async fn admitted(
    author: &Author,
    database: &Arc<Database>,
    edit: Edit,
) -> Result<Edit, HttpError> {
    if author.asks_nobody(database, std::slice::from_ref(&edit)) {
        return Ok(edit);
    }
    let (author, database) = (author.clone(), Arc::clone(database));
    blocking(move || {
        for verdict in author.judge(&database, std::slice::from_ref(&edit))? {
            match verdict {
                Err(HttpError::OverQuota(reason)) if are_delivered(std::slice::from_ref(&edit)) => {
                    return Err(HttpError::NoRoomYet(reason));
                }
                verdict => verdict?,
            }
        }
        Ok(edit)
    })
    .await
}

/// Writes one edit whose outcome nobody waits for: `batch=ok`.
pub(crate) async fn submit_unawaited(
    author: &Author,
    database: &Arc<Database>,
    edit: Edit,
) -> Result<(), HttpError> {
    let edit = admitted(author, database, edit).await?;
    let id = edit.id.clone();
    let done = move |edited: Edited| match edited {
        Err(error) => {
            tracing::error!(error = error.unnamed(), "a batched write failed");
            tracing::debug!(%id, %error, "a batched write failed");
        }
        Ok(edited) => {
            if let Some(Err(error)) = edited.into_iter().next() {
                tracing::debug!(%id, %error, "a batched write was refused");
            }
        }
    };
    match author.is_charged() {
        true => database.submit_delivered(vec![edit], clock::now(), author.name(), done),
        false => database.submit(vec![edit], clock::now(), done),
    }
    Ok(())
}
