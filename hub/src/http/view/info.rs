//! `_info` of a design document.

use http::StatusCode;
use serde_json::json;

use super::Scope;
use crate::http::{Call, HttpError, Reply, blocking, reply};
use crate::indexer::reached;

/// `GET /{db}/_design/{design}/_info`
pub(crate) async fn info(call: Call) -> Result<Reply, HttpError> {
    let scope = Scope::of(&call)?;
    let design = scope.design().await?;
    let views = design.views.clone()?;
    let wanted = scope.wanted(&design, views);
    let updating = scope.app.indexer.is_updating(&wanted);
    let name = scope.design;
    blocking(move || {
        let reached = reached(&wanted)?;
        let file = wanted.file()?.bytes_on_disk();
        let seq = wanted.database.seq(store::Seq(reached.update_seq)).to_string();
        let signature = wanted.views.signature.as_str();
        let language = match &wanted.views.language {
            query::design::Language::JavaScript => "javascript",
            query::design::Language::Query => "query",
            query::design::Language::Unknown(name) => name,
        };
        let behind = wanted.database.read::<_, store::Error>(|snapshot| {
            snapshot.changes_after(store::Seq(reached.update_seq))
        })?;
        Ok(reply::json(
            StatusCode::OK,
            &json!({
                "name": name,
                "view_index": {
                    "signature": signature,
                    "language": language,
                    "sizes": {"file": file, "external": file, "active": file},
                    "updater_running": updating,
                    "compact_running": false,
                    "waiting_clients": 0,
                    "waiting_commit": false,
                    "update_seq": seq,
                    "purge_seq": reached.purge_seq,
                    "updates_pending": {
                        "minimum": behind, "preferred": behind, "total": behind,
                    },
                    "collator_versions": ["UCA"],
                },
            }),
        ))
    })
    .await
}
