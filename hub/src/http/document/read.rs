//! GET and HEAD of documents.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use store::{Database, DocId, DocTree, Error, Output, OutputError, RevId, Show};

use super::options::{OpenRevs, ReadOptions};
use crate::http::call::blocking;
use crate::http::etag::ETag;
use crate::http::sink::{Sink, stream_json};
use crate::http::{Call, HttpError, Reply, reply};

/// `GET /{db}/{doc}`
pub(crate) async fn get(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let id = call.captures.doc.parse::<DocId>()?;
    let mut options = ReadOptions::parse(&call.query)?;
    let Call { headers, .. } = call;
    match options.open_revs.take() {
        None => blocking(move || one(&database, &id, &options, &headers)).await,
        Some(wanted) => blocking(move || several(database, id, &wanted, &options)).await,
    }
}

/// The winner, or the one revision asked for. `latest` leads to the winner, as in CouchDB.
fn one(
    database: &Arc<Database>,
    id: &DocId,
    options: &ReadOptions,
    headers: &HeaderMap,
) -> Result<Reply, HttpError> {
    let mut output = Output::new();
    let tagged = !options.shows_more_than_the_revision();
    let known = |tag: &ETag| tagged && tag.is_known(headers);
    let (tag, found) = database.read(|snapshot| {
        if let Some(rev) = options.rev.as_ref().filter(|_| !options.latest) {
            let tag = ETag::of(rev)?;
            let document = snapshot.tree(id)?.ok_or(HttpError::NotFound("missing"))?;
            let found = snapshot.render_revision(id, &document, rev, &options.show, &mut output)?;
            return if found { Ok((tag, true)) } else { Err(HttpError::NotFound("missing")) };
        }
        let head = snapshot.head(id)?.ok_or(HttpError::NotFound("missing"))?;
        if head.deleted && !options.deleted {
            return Err(HttpError::NotFound("deleted"));
        }
        let tag = ETag::of(&head.rev)?;
        let wanted = !known(&tag);
        if wanted {
            snapshot.render_winner(&head, &options.show, &mut output)?;
        }
        Ok((tag, wanted))
    })?;
    if !found || known(&tag) {
        return Ok(tag.not_modified());
    }
    let mut reply = answer(database, output);
    if tagged {
        tag.put(&mut reply);
    }
    Ok(reply)
}

/// The output as a whole, or streamed where large attachments have to be read.
fn answer(database: &Arc<Database>, output: Output) -> Reply {
    match output.into_text() {
        Ok(text) => reply::json_text(StatusCode::OK, text),
        Err(mut output) => {
            let database = Arc::clone(database);
            stream_json(StatusCode::OK, move |sink| {
                output.text().push(b'\n');
                output.write_to(&database, sink)
            })
        }
    }
}

/// The revisions that `open_revs` asks for, each read when its turn comes.
fn several(
    database: Arc<Database>,
    id: DocId,
    wanted: &OpenRevs,
    options: &ReadOptions,
) -> Result<Reply, HttpError> {
    let document = database.read(|snapshot| snapshot.tree(&id))?;
    let revs = match (&document, wanted) {
        (None, OpenRevs::All) => return Err(HttpError::NotFound("missing")),
        (None, OpenRevs::These(revs)) => revs.clone(),
        (Some(document), wanted) => chosen(document, wanted, options.latest),
    };
    let show = options.show.clone();
    Ok(stream_json(StatusCode::OK, move |sink| {
        write_revisions(&database, &id, document.as_ref(), &revs, &show, sink)
    }))
}

/// Leaves for `all` and `latest`, else the revisions named.
pub(crate) fn chosen(document: &DocTree, wanted: &OpenRevs, latest: bool) -> Vec<RevId> {
    let tree = &document.tree;
    let rev = |at| tree.node(at).rev.clone();
    match wanted {
        OpenRevs::All => tree.leaves().into_iter().map(rev).collect(),
        OpenRevs::These(revs) if latest => {
            let mut chosen: Vec<RevId> = Vec::with_capacity(revs.len());
            for named in revs {
                let leaves = tree.latest(named);
                let found = leaves.iter().map(|at| &tree.node(*at).rev);
                let missing = leaves.is_empty().then_some(named);
                for rev in found.chain(missing) {
                    if !chosen.contains(rev) {
                        chosen.push(rev.clone());
                    }
                }
            }
            chosen
        }
        OpenRevs::These(revs) => revs.clone(),
    }
}

fn write_revisions(
    database: &Database,
    id: &DocId,
    document: Option<&DocTree>,
    revs: &[RevId],
    show: &Show,
    sink: &mut Sink,
) -> Result<(), OutputError> {
    let mut output = Output::new();
    for (index, rev) in revs.iter().enumerate() {
        output.text().push(if index == 0 { b'[' } else { b',' });
        let begun = output.len();
        output.text().extend_from_slice(b"{\"ok\":");
        let found = match document {
            None => false,
            Some(document) => database.read::<_, Error>(|snapshot| {
                snapshot.render_revision(id, document, rev, show, &mut output)
            })?,
        };
        if !found {
            output.text().truncate(begun);
            output.text().extend_from_slice(b"{\"missing\":");
            store::json::write_string(output.text(), &rev.to_string());
        }
        output.text().push(b'}');
        output.write_to(database, sink)?;
    }
    output.text().extend_from_slice(if revs.is_empty() { b"[]\n" } else { b"]\n" });
    output.write_to(database, sink)
}
