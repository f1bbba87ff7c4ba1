//! Compaction, which goes on in the background.

use http::StatusCode;
use store::{DocId, Error};

use crate::clock;
use crate::http::call::blocking;
use crate::http::{Call, HttpError, Reply, reply, request};
use crate::tasks::Task;

/// `POST /{db}/_compact`: begins it, unless it is going on already.
pub(crate) async fn compact(call: Call) -> Result<Reply, HttpError> {
    request::require_json(&call.headers)?;
    let database = call.database()?;
    let tasks = call.app.tasks.clone();
    tokio::task::spawn_blocking(move || {
        let name = database.name().as_str();
        // Begun with the first word of the store, so that a compaction that never began shows none.
        let mut task: Option<Task> = None;
        let outcome = database.compact(&mut |done, total| {
            let now = clock::now();
            let begin = || tasks.start("database_compaction", vec![name.to_owned()], now);
            task.get_or_insert_with(begin).progress(done, total, now);
        });
        match outcome {
            Ok(()) => tracing::info!(database = name, "compacted"),
            Err(Error::CompactionRunning | Error::NoDatabase | Error::Closing) => {}
            Err(error) => tracing::error!(database = name, %error, "compaction failed"),
        }
    });
    Ok(reply::ok(StatusCode::ACCEPTED))
}

/// `POST /{db}/_compact/{design}`: there is nothing to compact until there are views.
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

/// `POST /{db}/_view_cleanup`: there are no files of views that could be left over.
pub(crate) async fn clean_up_views(call: Call) -> Result<Reply, HttpError> {
    call.database()?;
    Ok(reply::ok(StatusCode::ACCEPTED))
}
