//! What a full-text index says of itself.

use ::query::search::{Dialect, SearchCounts, SearchUpdate};
use http::StatusCode;
use serde_json::json;

use super::Target;
use crate::http::{Call, HttpError, Reply, blocking, reply};

/// `GET /{db}/_design/{design}/_search_info/{index}`
pub(crate) async fn info(call: Call) -> Result<Reply, HttpError> {
    answer(&call, Dialect::Search).await
}

/// `GET /{db}/_design/{design}/_nouveau_info/{index}`
pub(crate) async fn nouveau_info(call: Call) -> Result<Reply, HttpError> {
    answer(&call, Dialect::Nouveau).await
}

async fn answer(call: &Call, dialect: Dialect) -> Result<Reply, HttpError> {
    let target = Target::of(call, dialect)?;
    let wanted = target.find().await?;
    let name = format!("{}/{}", wanted.design, target.scope.view);
    blocking(move || {
        let folder = wanted.folder()?;
        let SearchCounts { reached, documents, deleted } = SearchUpdate::counts(&folder)?;
        let disk_size = folder.bytes_on_disk();
        let index = match dialect {
            Dialect::Search => json!({
                "pending_seq": wanted.database.update_seq().seq.0,
                "committed_seq": reached.update_seq,
                "doc_count": documents,
                "doc_del_count": deleted,
                "disk_size": disk_size,
            }),
            Dialect::Nouveau => json!({
                "num_docs": documents,
                "update_seq": reached.update_seq,
                "purge_seq": reached.purge_seq,
                "disk_size": disk_size,
                "signature": wanted.index.signature.as_str(),
            }),
        };
        Ok(reply::json(StatusCode::OK, &json!({"name": name, "search_index": index})))
    })
    .await
}
