//! GET and HEAD of documents.

use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use http::{HeaderMap, StatusCode, header};
use store::{Database, DocId, DocTree, Output, RevId, Show, ShowAttachments, Snapshot};

use super::options::{OpenRevs, ReadOptions};
use super::related;
use crate::access::Action;
use crate::http::call::{blocking, quick};
use crate::http::etag::ETag;
use crate::http::multipart::Boundary;
use crate::http::pages::{self, Gate, PAGE_BYTES, Pages, Progress};
use crate::http::pieces::pieces;
use crate::http::{Call, HttpError, Reply, accept, reply};

/// `GET /{db}/{doc}`
pub(crate) async fn get(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let id = call.captures.doc.parse::<DocId>()?;
    let mut options = ReadOptions::parse(&call.query)?;
    if let Some(wanted) = options.open_revs.take() {
        let gate = Gate::of(&call, Action::Read);
        let framing = if accept::prefers(&call.headers, "multipart/mixed") {
            options.show.follow = true;
            // Whoever takes parts wants them, as in CouchDB.
            if options.show.attachments == ShowAttachments::Stubs {
                options.show.attachments = ShowAttachments::All;
            }
            Framing::Mixed(Boundary::random()?)
        } else {
            Framing::Json
        };
        return several(gate, database, id, wanted, options, framing).await;
    }
    options.show.follow = options.show.attachments != ShowAttachments::Stubs
        && accept::prefers(&call.headers, "multipart/related");
    let reading = Gate::of_key(&call, Action::Read);
    let Call { headers, .. } = call;
    let reply = quick(move || one(&database, &id, &options, &headers)).await?;
    if let Some(gate) = reading {
        gate.note_read(1);
    }
    Ok(reply)
}

/// The winner, or the one revision asked for; with `latest` the leaf that this one led to, the
/// winning one where it led to several.
fn one(
    database: &Arc<Database>,
    id: &DocId,
    options: &ReadOptions,
    headers: &HeaderMap,
) -> Result<Reply, HttpError> {
    let mut output = Output::new();
    let (tag, found) = database.read(|snapshot| {
        if let Some(rev) = options.rev.as_ref() {
            let document = snapshot.tree(id)?.ok_or(HttpError::NotFound("missing"))?;
            let leaves = if options.latest { document.tree.latest(rev) } else { Vec::new() };
            let rev = leaves.first().map_or(rev, |leaf| &document.tree.node(*leaf).rev);
            let tag = Some(ETag::of(rev)?);
            let found = snapshot.render_revision(id, &document, rev, &options.show, &mut output)?;
            return if found { Ok((tag, true)) } else { Err(HttpError::NotFound("missing")) };
        }
        let head = snapshot.head(id)?.ok_or(HttpError::NotFound("missing"))?;
        if head.deleted && !options.deleted {
            return Err(HttpError::NotFound("deleted"));
        }
        let tagged = !options.show.revs_info
            && !options.show.local_seq
            && !shows_conflicts(snapshot, id, &options.show)?;
        let tag = if tagged { Some(ETag::of(&head.rev)?) } else { None };
        let wanted = !tag.as_ref().is_some_and(|tag| tag.is_known(headers));
        if wanted {
            snapshot.render_winner(&head, &options.show, &mut output)?;
        }
        Ok((tag, wanted))
    })?;
    if let Some(tag) = &tag
        && (!found || tag.is_known(headers))
    {
        return Ok(tag.not_modified());
    }
    let following = output.take_following();
    let mut reply = match following.as_slice() {
        [] => answer(database, output),
        following => related::answer(database, output, following)?,
    };
    if let Some(tag) = tag {
        tag.put(&mut reply);
    }
    Ok(reply)
}

/// Whether the answer tells of conflicts, so that the winner's revision is no tag of it.
fn shows_conflicts(snapshot: &Snapshot<'_>, id: &DocId, show: &Show) -> Result<bool, store::Error> {
    if !show.conflicts && !show.deleted_conflicts {
        return Ok(false);
    }
    let document = snapshot.tree(id)?;
    Ok(document.is_some_and(|DocTree { tree, .. }| {
        show.conflicts && !tree.conflicts().is_empty()
            || show.deleted_conflicts && !tree.deleted_conflicts().is_empty()
    }))
}

/// The output as a whole, or piece by piece where large attachments have to be read.
fn answer(database: &Arc<Database>, output: Output) -> Reply {
    match output.into_text() {
        Ok(text) => reply::json_text(StatusCode::OK, text),
        Err(mut output) => {
            output.text().push(b'\n');
            let database = Arc::clone(database);
            let body = pieces(output, move |output| Ok(output.next_piece(&database)?));
            reply::json_stream(StatusCode::OK, body)
        }
    }
}

/// The revisions that `open_revs` asks for.
async fn several(
    gate: Gate,
    database: Arc<Database>,
    id: DocId,
    wanted: OpenRevs,
    options: ReadOptions,
    framing: Framing,
) -> Result<Reply, HttpError> {
    let (reading, named) = (Arc::clone(&database), id.clone());
    let document = blocking(move || Ok(reading.read(|snapshot| snapshot.tree(&named))?)).await?;
    let revs = match (&document, wanted) {
        (None, OpenRevs::All) => return Err(HttpError::NotFound("missing")),
        (None, OpenRevs::These(revs)) => revs,
        (Some(document), wanted) => chosen(document, &wanted, options.latest),
    };
    let revs = revs.into_iter().peekable();
    let media_type = match &framing {
        Framing::Json => None,
        Framing::Mixed(boundary) => Some(related::media_type("multipart/mixed", boundary)?),
    };
    let revisions = Revisions { id, document, revs, show: options.show, framing, begun: false };
    let mut reply = pages::answer(gate, database, revisions).await?;
    if let Some(media_type) = media_type {
        reply.headers_mut().insert(header::CONTENT_TYPE, media_type);
    }
    Ok(reply)
}

/// How several revisions stand in one answer.
enum Framing {
    /// As elements of a JSON array.
    Json,
    /// As parts of `multipart/mixed`, attachments beside them.
    Mixed(Boundary),
}

/// The rows of `open_revs`.
struct Revisions {
    id: DocId,
    document: Option<DocTree>,
    revs: Peekable<IntoIter<RevId>>,
    show: Show,
    framing: Framing,
    begun: bool,
}

impl Pages for Revisions {
    fn read(&mut self, database: &Database, out: &mut Output) -> Result<Progress, HttpError> {
        if !std::mem::replace(&mut self.begun, true) {
            match &self.framing {
                Framing::Json => out.text().push(b'['),
                Framing::Mixed(boundary) => related::delimit(boundary, out),
            }
        }
        database.read::<_, HttpError>(|snapshot| {
            while out.len() < PAGE_BYTES
                && let Some(rev) = self.revs.next()
            {
                out.count_row();
                match &self.framing {
                    Framing::Mixed(boundary) => {
                        self.write_part(snapshot, &rev, out)?;
                        out.text().extend_from_slice(b"\r\n");
                        related::delimit(boundary, out);
                    }
                    Framing::Json => {
                        self.write_row(snapshot, &rev, out)?;
                        let comma: &[u8] = if self.revs.peek().is_some() { b"," } else { b"" };
                        out.text().extend_from_slice(comma);
                    }
                }
            }
            Ok(())
        })?;
        if self.revs.peek().is_some() {
            return Ok(Progress::More);
        }
        let end: &[u8] = match self.framing {
            Framing::Json => b"]\n",
            Framing::Mixed(_) => b"--",
        };
        out.text().extend_from_slice(end);
        Ok(Progress::Done)
    }
}

impl Revisions {
    /// `{"ok":…}` or `{"missing":…}`
    fn write_row(
        &self,
        snapshot: &Snapshot<'_>,
        rev: &RevId,
        out: &mut Output,
    ) -> Result<(), HttpError> {
        let begun = out.len();
        out.text().extend_from_slice(b"{\"ok\":");
        let found = match &self.document {
            None => false,
            Some(document) => snapshot.render_revision(&self.id, document, rev, &self.show, out)?,
        };
        if !found {
            out.text().truncate(begun);
            out.text().extend_from_slice(b"{\"missing\":");
            store::json::write_string(out.text(), &rev.to_string());
        }
        out.text().push(b'}');
        Ok(())
    }
}

impl Revisions {
    /// A document, with its attachments as parts where it has any; or what is missing.
    fn write_part(
        &self,
        snapshot: &Snapshot<'_>,
        rev: &RevId,
        out: &mut Output,
    ) -> Result<(), HttpError> {
        let mut rendered = Output::new();
        let found = match &self.document {
            None => false,
            Some(document) => {
                snapshot.render_revision(&self.id, document, rev, &self.show, &mut rendered)?
            }
        };
        if found {
            return related::write_part("", &mut rendered, out);
        }
        let mut missing = b"{\"missing\":".to_vec();
        store::json::write_string(&mut missing, &rev.to_string());
        missing.push(b'}');
        related::write_fault(&missing, out);
        Ok(())
    }
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
