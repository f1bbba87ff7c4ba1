//! Documents beside rows: `include_docs`.

use serde_json::value::RawValue;
use store::{DocId, Output, Show, Snapshot};

use crate::http::HttpError;

/// The document of a row, or the one that the row's value names.
pub(super) fn write_document(
    snapshot: &Snapshot<'_>,
    id: &str,
    value: &str,
    show: &Show,
    out: &mut Output,
) -> Result<(), HttpError> {
    #[derive(serde::Deserialize)]
    struct Link<'a> {
        #[serde(borrow, rename = "_id")]
        id: Option<&'a RawValue>,
        #[serde(borrow, rename = "_rev")]
        rev: Option<&'a RawValue>,
    }

    let link = value.starts_with('{').then(|| serde_json::from_str::<Link<'_>>(value).ok());
    let link = link.flatten();
    let text = |raw: Option<&RawValue>| serde_json::from_str::<String>(raw?.get()).ok();
    let linked = link.as_ref().and_then(|link| link.id).map(|raw| text(Some(raw)));
    let rev = link.as_ref().and_then(|link| text(link.rev));
    let id = match linked {
        None => Some(id.to_owned()),
        Some(linked) => linked,
    };
    let id = id.and_then(|id| id.parse::<DocId>().ok());
    let Some(id) = id else {
        out.text().extend_from_slice(b"null");
        return Ok(());
    };
    if let Some(rev) = rev {
        let rev = rev.parse().ok();
        let document = snapshot.tree(&id)?;
        let found = match (rev, document) {
            (Some(rev), Some(document)) => {
                snapshot.render_revision(&id, &document, &rev, show, out)?
            }
            _ => false,
        };
        if !found {
            out.text().extend_from_slice(b"null");
        }
        return Ok(());
    }
    match snapshot.head(&id)? {
        Some(head) if !head.deleted => Ok(snapshot.render_winner(&head, show, out)?),
        _ => {
            out.text().extend_from_slice(b"null");
            Ok(())
        }
    }
}
