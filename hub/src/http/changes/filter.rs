//! Which documents a changes feed shows.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use query::{Document, Selector};
use serde_json::Value;
use store::{Change, Direction, DocId, Error, Output, RevId, Seq, Show, Snapshot};

use super::function::{FunctionFilter, Judged, Kind, Named};
use crate::http::json_body::Members;
use crate::http::pages::PAGE_ROWS_MAX;
use crate::http::query::json;
use crate::http::{HttpError, Query};

/// Which documents a changes feed shows.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    /// All of them.
    All,
    /// `_doc_ids`: those named.
    DocIds(Arc<BTreeSet<String>>),
    /// `_design`: design documents.
    Design,
    /// What a function of a design document passes, before that is found.
    Named(Named),
    /// What a function of a design document passes.
    Function(FunctionFilter),
    /// `_selector`: those whose winner it means; where all leaves are listed, the leaves it means.
    Selector(Arc<Selector>),
}

/// A leaf revision and whether it is deleted.
pub(super) type Leaf = (RevId, bool);

/// Changes read from a snapshot.
pub(super) struct Found {
    /// In reading order; those that do not pass the filter are among them only where reading all of
    /// them is cheaper.
    pub(super) changes: Vec<Change>,
    /// Whether there is nothing behind them.
    pub(super) complete: bool,
}

impl Filter {
    /// Reads the options `filter`, `doc_ids` and `view`, and what the body of a `POST` says to them.
    pub(super) fn parse(query: &Query, body: Option<&Members>) -> Result<Self, HttpError> {
        let Some(name) = query.text("filter") else { return Ok(Self::All) };
        let parts = name.split('/').filter(|part| !part.is_empty()).count();
        match name {
            "_design" => Ok(Self::Design),
            "_doc_ids" => {
                let ids = match body {
                    Some(body) => body.get("doc_ids").map(|ids| json(ids.get())).transpose()?,
                    None => query.json("doc_ids")?,
                };
                doc_ids(ids.unwrap_or_default()).map(|ids| Self::DocIds(Arc::new(ids)))
            }
            "_selector" => {
                let selector = body.and_then(|body| body.get("selector")).ok_or_else(|| {
                    HttpError::BadRequest("Selector must be specified in POST payload".into())
                })?;
                Ok(Self::Selector(Arc::new(Selector::parse(selector.get())?)))
            }
            "_view" => view(query.text("view").unwrap_or_default()).map(Self::Named),
            _ if name.starts_with('_') => {
                Err(HttpError::BadRequest("unknown builtin filter name".into()))
            }
            _ if parts == 2 => {
                let (design, function) = two(name);
                Ok(Self::Named(Named { design, function: Kind::Filter(function) }))
            }
            _ if parts == 0 => Ok(Self::All),
            _ => Err(HttpError::BadRequest(
                "`filter` must be of the form `designname/filtername`".into(),
            )),
        }
    }

    /// The leaves that the row of a change lists, out of those `listed` without a filter; `None` for
    /// a change that is not shown. `read` counts the bytes of documents that had to be read.
    pub(super) fn leaves<'c>(
        &self,
        snapshot: &Snapshot<'_>,
        change: &'c Change,
        listed: &'c [Leaf],
        (read, judged): (&mut usize, &Judged),
    ) -> Result<Option<Cow<'c, [Leaf]>>, Error> {
        let passes = match self {
            Self::All => true,
            Self::DocIds(ids) => ids.contains(change.id.as_str()),
            Self::Design => change.id.is_design(),
            Self::Selector(selector) => {
                let leaves = selected(selector, snapshot, change, listed, read)?;
                return Ok((!leaves.is_empty()).then_some(Cow::Owned(leaves)));
            }
            Self::Function(_) | Self::Named(_) => {
                let leaves = judged.get(&change.seq).filter(|leaves| !leaves.is_empty());
                return Ok(leaves.map(|leaves| Cow::Owned(leaves.clone())));
            }
        };
        Ok(passes.then_some(Cow::Borrowed(listed)))
    }

    /// Whether a function of a design document decides.
    pub(super) fn calls_functions(&self) -> bool {
        matches!(self, Self::Function(_))
    }

    /// Whether a document of this id passes, as far as its id tells.
    pub(super) fn passes_id(&self, id: &DocId) -> bool {
        match self {
            Self::All => true,
            Self::DocIds(ids) => ids.contains(id.as_str()),
            Self::Design => id.is_design(),
            Self::Selector(_) | Self::Named(_) | Self::Function(_) => false,
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

/// The leaves that a selector means.
fn selected(
    selector: &Selector,
    snapshot: &Snapshot<'_>,
    change: &Change,
    listed: &[Leaf],
    read: &mut usize,
) -> Result<Vec<Leaf>, Error> {
    let mut leaves = Vec::new();
    for (leaf, text) in documents(snapshot, change, listed, read)? {
        if matches(selector, &change.id, &text)? {
            leaves.push(leaf);
        }
    }
    Ok(leaves)
}

/// The leaves of a change that are stored, as documents.
pub(super) fn documents(
    snapshot: &Snapshot<'_>,
    change: &Change,
    listed: &[Leaf],
    read: &mut usize,
) -> Result<Vec<(Leaf, String)>, Error> {
    let id = &change.id;
    let Some(head) = snapshot.head(id)? else { return Ok(vec![]) };
    let tree = if listed.len() > 1 { snapshot.tree(id)? } else { None };
    let mut leaves = Vec::new();
    for leaf in listed {
        let mut out = Output::new();
        let there = match &tree {
            _ if leaf.0 == head.rev => {
                let show = Show { conflicts: change.leaves.len() > 1, ..Show::default() };
                snapshot.render_winner(&head, &show, &mut out)?;
                true
            }
            Some(tree) => {
                snapshot.render_revision(id, tree, &leaf.0, &Show::default(), &mut out)?
            }
            None => false,
        };
        *read += out.len();
        if there {
            let damaged = |_| Error::Damaged(format!("document {id} is not UTF-8"));
            let text = String::from_utf8(std::mem::take(out.text())).map_err(damaged)?;
            leaves.push((leaf.clone(), text));
        }
    }
    Ok(leaves)
}

fn matches(selector: &Selector, id: &DocId, text: &str) -> Result<bool, Error> {
    let damaged = || Error::Damaged(format!("document {id} is no JSON object"));
    Ok(selector.matches(&Document::parse(text).map_err(|_| damaged())?))
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

fn view(name: &str) -> Result<Named, HttpError> {
    if name.is_empty() {
        return Err(HttpError::BadRequest("`view` filter parameter is not provided.".into()));
    }
    match name.split('/').filter(|part| !part.is_empty()).count() {
        2 => {
            let (design, view) = two(name);
            Ok(Named { design, function: Kind::View(view) })
        }
        _ => Err(HttpError::BadRequest("`view` must be of the form `designname/viewname`".into())),
    }
}

/// The two parts of a name, around whatever slashes.
fn two(name: &str) -> (String, String) {
    let mut parts = name.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, body: Option<&str>, expected: &str) {
        let body: Option<Members> = body.map(|body| serde_json::from_str(body).unwrap());
        let shown = match Filter::parse(&Query::parse(Some(query)).unwrap(), body.as_ref()) {
            Ok(Filter::All) => "all".to_owned(),
            Ok(Filter::Design) => "design".into(),
            Ok(Filter::DocIds(ids)) => format!("{ids:?}"),
            Ok(Filter::Selector(_)) => "selector".into(),
            Ok(Filter::Named(named)) => format!("{named:?}"),
            Ok(Filter::Function(_)) => "found".into(),
            Err(error) => {
                let (status, word, reason) = error.parts();
                format!("{} {word}: {reason}", status.as_u16())
            }
        };
        assert!(shown.starts_with(expected), "{query}: {shown}");
    }

    #[test]
    fn filters() {
        let no_ids = "400 bad_request: `doc_ids` filter parameter is not a list of doc ids.";
        check("", None, "all");
        check("filter=", None, "all");
        check("doc_ids=[\"a\"]", None, "all");
        check("filter=_design", None, "design");
        check("filter=_doc_ids&doc_ids=[\"b\",\"a\",\"b\"]", None, r#"{"a", "b"}"#);
        check("filter=_doc_ids", Some(r#"{"doc_ids":["a"]}"#), r#"{"a"}"#);
        check("filter=_doc_ids&doc_ids=[\"b\"]", Some(r#"{"doc_ids":[]}"#), "{}");
        check("filter=_doc_ids", None, no_ids);
        check("filter=_doc_ids", Some("{}"), no_ids);
        check("filter=_doc_ids", Some(r#"{"doc_ids":{}}"#), no_ids);
        check("filter=_doc_ids&doc_ids=[1]", None, no_ids);
        check("filter=_doc_ids&doc_ids=[\"a\"", None, "400 bad_request: invalid UTF-8 JSON");
        check("filter=_selector", Some(r#"{"selector":{"a":{"$gt":1}}}"#), "selector");
        let unsaid = "400 bad_request: Selector must be specified in POST payload";
        check("filter=_selector", None, unsaid);
        check("filter=_selector&selector={}", None, unsaid);
        check("filter=_selector", Some("{}"), unsaid);
        let no_object = "400 bad_request: Selector error: expected a JSON object";
        check("filter=_selector", Some(r#"{"selector":[]}"#), no_object);
        let unknown = "400 bad_request: Invalid operator: $foo";
        check("filter=_selector", Some(r#"{"selector":{"a":{"$foo":1}}}"#), unknown);
        let view = r#"Named { design: "a", function: View("b") }"#;
        check("filter=_view&view=a/b", None, view);
        check("filter=_view", None, "400 bad_request: `view` filter parameter is not provided.");
        check("filter=_view&view=a", None, "400 bad_request: `view` must be of the form");
        let function = r#"Named { design: "app", function: Filter("important") }"#;
        check("filter=app/important", None, function);
        check("filter=/app//important/", None, function);
        check("filter=important", None, "400 bad_request: `filter` must be of the form");
        check("filter=_other", None, "400 bad_request: unknown builtin filter name");
    }
}
