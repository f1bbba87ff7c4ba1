//! Where a database lies: a hub answers as a cluster of one node with one shard a database.

use http::StatusCode;
use serde_json::json;
use store::DocId;

use crate::http::{Call, HttpError, Reply, reply};

/// The only shard: every hash of a document id.
const RANGE: &str = "00000000-ffffffff";

/// What CouchDB calls a node that belongs to no cluster.
const NODE: &str = "nonode@nohost";

/// `GET /{db}/_shards`
pub(crate) async fn shards(call: Call) -> Result<Reply, HttpError> {
    call.database()?;
    Ok(reply::json(StatusCode::OK, &json!({"shards": {RANGE: [NODE]}})))
}

/// `GET /{db}/_shards/{doc}`: also of documents that are not there.
pub(crate) async fn shard_of(call: Call) -> Result<Reply, HttpError> {
    call.database()?;
    call.captures.doc.parse::<DocId>()?;
    Ok(reply::json(StatusCode::OK, &json!({"range": RANGE, "nodes": [NODE]})))
}

/// `POST /{db}/_sync_shards`: the only copy has nothing to catch up with.
pub(crate) async fn sync_shards(call: Call) -> Result<Reply, HttpError> {
    call.database()?;
    Ok(reply::ok(StatusCode::ACCEPTED))
}
