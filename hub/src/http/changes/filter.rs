//! Which documents a changes feed shows.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};
use store::{Change, Direction, DocId, Error, Seq, Snapshot};

use crate::http::pages::PAGE_ROWS_MAX;
use crate::http::{HttpError, Query};

/// Which documents a changes feed shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// All of them.
    All,
    /// `_doc_ids`: those named.
    DocIds(Arc<BTreeSet<String>>),
    /// `_design`: design documents.
    Design,
}

/// Changes read from a snapshot.
pub(super) struct Found {
    /// In reading order; those that do not pass the filter are among them only where reading all of
    /// them is cheaper.
    pub(super) changes: Vec<Change>,
    /// Whether there is nothing behind them.
    pub(super) complete: bool,
}

impl Filter {
    /// Reads the options `filter` and `doc_ids`, and the ids in the body of a `POST`.
    pub(super) fn parse(
        query: &Query,
        body: Option<&Map<String, Value>>,
    ) -> Result<Self, HttpError> {
        match query.text("filter") {
            None | Some("") => Ok(Self::All),
            Some("_design") => Ok(Self::Design),
            Some("_doc_ids") => {
                let ids = match body {
                    Some(body) => body.get("doc_ids").cloned(),
                    None => query.json("doc_ids")?,
                };
                doc_ids(ids.unwrap_or_default()).map(|ids| Self::DocIds(Arc::new(ids)))
            }
            Some("_selector") => Err(missing("The filter `_selector` is not available yet.")),
            Some("_view") => Err(missing("The filter `_view` is not available yet.")),
            Some(name) if name.contains('/') => {
                Err(missing("Filter functions of design documents are not available yet."))
            }
            Some(_) => Err(HttpError::BadRequest(
                "filter must be of the form `designname/filtername`".into(),
            )),
        }
    }

    /// Whether a document is shown.
    pub(super) fn passes(&self, id: &DocId) -> bool {
        match self {
            Self::All => true,
            Self::DocIds(ids) => ids.contains(id.as_str()),
            Self::Design => id.is_design(),
        }
    }

    /// Changes after (descending: before) a position, at most `limit`.
    pub(super) fn find(
        &self,
        snapshot: &Snapshot<'_>,
        from: Seq,
        direction: Direction,
        limit: usize,
    ) -> Result<Found, Error> {
        if let Self::DocIds(ids) = self
            && self.looks_up(snapshot, from, direction)?
        {
            return look_up(snapshot, ids, from, direction, limit);
        }
        let changes = snapshot.changes(from, direction, limit)?;
        Ok(Found { complete: changes.len() < limit, changes })
    }

    /// Whether looking for each document beats reading everything that changed: finding one costs
    /// about as much as reading ten changes, and all are looked for again for every page.
    fn looks_up(
        &self,
        snapshot: &Snapshot<'_>,
        from: Seq,
        direction: Direction,
    ) -> Result<bool, Error> {
        const CHANGES_PER_DOCUMENT: u64 = 10;
        let Self::DocIds(ids) = self else { return Ok(false) };
        let ahead = match direction {
            Direction::Ascending => snapshot.update_seq()?.0.saturating_sub(from.0),
            Direction::Descending => from.0,
        };
        Ok(ids.len() <= PAGE_ROWS_MAX && ids.len() as u64 * CHANGES_PER_DOCUMENT < ahead)
    }
}

/// The documents' own changes.
fn look_up(
    snapshot: &Snapshot<'_>,
    ids: &BTreeSet<String>,
    from: Seq,
    direction: Direction,
    limit: usize,
) -> Result<Found, Error> {
    let mut heads = Vec::new();
    for id in ids {
        let Ok(id) = id.parse::<DocId>() else { continue };
        let Some(head) = snapshot.head(&id)? else { continue };
        let ahead = match direction {
            Direction::Ascending => head.seq > from,
            Direction::Descending => head.seq < from,
        };
        if ahead {
            heads.push((head.seq, id));
        }
    }
    heads.sort_unstable_by_key(|(seq, _)| *seq);
    if direction == Direction::Descending {
        heads.reverse();
    }
    let complete = heads.len() < limit;
    heads.truncate(limit);
    let mut changes = Vec::with_capacity(heads.len());
    for (seq, id) in heads {
        let Some(document) = snapshot.tree(&id)? else { continue };
        let leaves = document.tree.leaves().into_iter();
        let leaves = leaves.map(|leaf| document.tree.node(leaf));
        let leaves = leaves.map(|leaf| (leaf.rev.clone(), leaf.deleted)).collect();
        changes.push(Change { seq, id, leaves });
    }
    Ok(Found { changes, complete })
}

fn doc_ids(ids: Value) -> Result<BTreeSet<String>, HttpError> {
    let refuse =
        || HttpError::BadRequest("`doc_ids` filter parameter is not a list of doc ids.".to_owned());
    let Value::Array(ids) = ids else { return Err(refuse()) };
    let text = |id| match id {
        Value::String(id) => Ok(id),
        _ => Err(refuse()),
    };
    ids.into_iter().map(text).collect()
}

fn missing(reason: &'static str) -> HttpError {
    HttpError::NotImplemented(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, body: Option<Value>, expected: &str) {
        let body = body.map(|body| body.as_object().unwrap().clone());
        let shown = match Filter::parse(&Query::parse(Some(query)).unwrap(), body.as_ref()) {
            Ok(Filter::All) => "all".to_owned(),
            Ok(Filter::Design) => "design".into(),
            Ok(Filter::DocIds(ids)) => format!("{ids:?}"),
            Err(error) => {
                let (status, word, _) = error.parts();
                format!("{} {word}", status.as_u16())
            }
        };
        assert_eq!(shown, expected, "{query}");
    }

    #[test]
    fn filters() {
        use serde_json::json;
        check("", None, "all");
        check("doc_ids=[\"a\"]", None, "all");
        check("filter=_design", None, "design");
        check("filter=_doc_ids&doc_ids=[\"b\",\"a\",\"b\"]", None, r#"{"a", "b"}"#);
        check("filter=_doc_ids", Some(json!({"doc_ids": ["a"]})), r#"{"a"}"#);
        check("filter=_doc_ids&doc_ids=[\"b\"]", Some(json!({"doc_ids": []})), "{}");
        check("filter=_doc_ids", None, "400 bad_request");
        check("filter=_doc_ids", Some(json!({})), "400 bad_request");
        check("filter=_doc_ids&doc_ids=[1]", None, "400 bad_request");
        check("filter=_doc_ids&doc_ids=[\"a\"", None, "400 bad_request");
        check("filter=_selector", Some(json!({"selector": {}})), "501 not_implemented");
        check("filter=_view&view=a/b", None, "501 not_implemented");
        check("filter=app/important", None, "501 not_implemented");
        check("filter=important", None, "400 bad_request");
    }
}
