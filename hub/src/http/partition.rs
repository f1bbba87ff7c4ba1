//! Partitions of a database.

use http::StatusCode;
use serde_json::json;
use store::{Database, DocId, Partition};

use super::all_docs::{list_of, list_posted_of};
use super::call::blocking;
use super::{Call, HttpError, Reply, reply};

/// `GET /{db}/_partition/{partition}`
pub(crate) async fn info(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let partition: Partition = call.captures.partition.parse()?;
    let answer = blocking(move || {
        require_partitioned(&database)?;
        let info = database.read(|snapshot| snapshot.partition(&partition))?;
        Ok(json!({
            "db_name": database.name().as_str(),
            "sizes": {"active": info.bytes, "external": info.bytes},
            "partition": partition.as_str(),
            "doc_count": info.doc_count,
            "doc_del_count": info.doc_del_count,
        }))
    });
    Ok(reply::json(StatusCode::OK, &answer.await?))
}

/// `GET /{db}/_partition/{partition}/_all_docs`
pub(crate) async fn all_docs(call: Call) -> Result<Reply, HttpError> {
    let partition = named(&call).await?;
    list_of(call, partition).await
}

/// `POST /{db}/_partition/{partition}/_all_docs`
pub(crate) async fn all_docs_posted(call: Call) -> Result<Reply, HttpError> {
    let partition = named(&call).await?;
    list_posted_of(call, partition).await
}

/// The partition that the path names, which the query may name again.
async fn named(call: &Call) -> Result<Partition, HttpError> {
    let database = call.database()?;
    blocking(move || require_partitioned(&database)).await?;
    let partition: Partition = call.captures.partition.parse()?;
    match call.query.text("partition") {
        Some(other) if other != partition.as_str() => {
            let reason = "Conflicting value for `partition` in query string";
            Err(HttpError::BadRequest(reason.into()))
        }
        _ => Ok(partition),
    }
}

/// Refuses an id that documents of a partitioned database cannot have. May block.
pub(crate) fn check_id(database: &Database, id: &DocId) -> Result<(), HttpError> {
    if database.is_partitioned()? {
        Partition::check_id(id)?;
    }
    Ok(())
}

fn require_partitioned(database: &Database) -> Result<(), HttpError> {
    match database.is_partitioned()? {
        true => Ok(()),
        false => Err(HttpError::BadRequest("database is not partitioned".into())),
    }
}
