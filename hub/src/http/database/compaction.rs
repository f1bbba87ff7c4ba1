//! Compaction, which goes on in the background.

use std::ops::ControlFlow;

use http::StatusCode;
use store::DocId;

use crate::http::call::blocking;
use crate::http::{Call, HttpError, Reply, reply, request};

/// `POST /{db}/_compact`: begins it, unless it is going on already.
pub(crate) async fn compact(call: Call) -> Result<Reply, HttpError> {
    request::require_json(&call.headers)?;
    let database = call.database()?;
    let tasks = call.app.tasks.clone();
    tokio::task::spawn_blocking(move || {
        // What goes wrong is in the log; a compaction that is running already is what was asked for.
        let _logged = crate::compaction::compact(&database, &tasks, || ControlFlow::Continue(()));
    });
    Ok(reply::ok(StatusCode::ACCEPTED))
}

/// `POST /{db}/_compact/{design}`: an index uses the room of superseded rows by itself.
pub(crate) async fn compact_views(call: Call) -> Result<Reply, HttpError> {
    request::require_json(&call.headers)?;
    let database = call.database()?;
    let id: DocId = call.captures.doc.parse()?;
    let head = blocking(move || database.read(|snapshot| Ok(snapshot.head(&id)?))).await?;
    match head {
        None => Err(HttpError::NotFound("missing")),
        Some(head) if head.deleted => Err(HttpError::NotFound("deleted")),
        Some(_) => Ok(reply::ok(StatusCode::ACCEPTED)),
    }
}

/// `POST /{db}/_view_cleanup`: removes the indexes that no design document has any more.
pub(crate) async fn clean_up_views(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let app = call.app;
    blocking(move || {
        // Listed first: what is made meanwhile is not among them.
        let there = database.indexes()?;
        let designs = app.designs_of(&database)?;
        app.indexer.remove_unused(&database, &designs, &there)?;
        Ok(reply::ok(StatusCode::ACCEPTED))
    })
    .await
}
