//! PUT, POST and DELETE of documents.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use store::{
    Compression, Database, DocId, Document, DocumentId, DocumentLimits, Edit, Lineage, RevId,
    Staged,
};

use super::options::rev_options;
use super::parts;
use super::submit::{submit_one, submit_unawaited};
use crate::access::{Action, Principal};
use crate::app::App;
use crate::config::Limits;
use crate::http::call::{blocking, quick};
use crate::http::etag::ETag;
use crate::http::incoming::Incoming;
use crate::http::location::location;
use crate::http::memory::{self, bytes_as_document};
use crate::http::multipart::Boundary;
use crate::http::{Call, HttpError, Query, Reply, local, partition, reply, request};
use crate::replicate;
use crate::validate::Author;

/// Text that is parsed where it arrives; longer text goes to a thread that may block.
const PARSE_AT_ONCE_BYTES: usize = 64 * 1024;

impl From<&Limits> for DocumentLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            body_bytes_max: limits.document_bytes_max,
            attachment_bytes_max: limits.attachment_bytes_max,
        }
    }
}

/// `PUT /{db}/{doc}`
pub(crate) async fn put(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let id = call.captures.doc.parse::<DocId>()?;
    if id.is_design() {
        call.require(Action::WriteViews)?;
    }
    let author = call.author();
    let Call { app, principal, captures, query, headers, body, .. } = call;
    let (mut document, followed) = match boundary(&headers)? {
        None => (read_document(&app.limits(), &headers, body).await?, Vec::new()),
        Some(boundary) => parts::receive(&app, &database, &headers, &boundary, body).await?,
    };
    let deleted = document.deleted;
    replicate::admit(&captures.db, &principal, &id, deleted, &mut document.body)?;
    let lineage = lineage(&document, &query, &headers)?;
    let compression = app.compression();
    let edit = into_edit(document, id.clone(), lineage, &database, compression, followed).await?;
    if is_batch(&query) {
        check_id(&database, &id).await?;
        submit_unawaited(&author, &database, edit).await?;
        return Ok(accepted(id.as_str()));
    }
    let rev = submit_one(&author, &database, edit).await?;
    let status = if deleted { StatusCode::OK } else { StatusCode::CREATED };
    let mut reply = written(status, id.as_str(), &rev.to_string());
    ETag::of(&rev)?.put(&mut reply);
    location(&mut reply, &headers, &[&captures.db, id.as_str()]);
    Ok(reply)
}

/// `POST /{db}`
pub(crate) async fn post(mut call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    request::require_json(&call.headers)?;
    let may_write_design = call.require(Action::WriteViews);
    let db = std::mem::take(&mut call.captures.db);
    let author = call.author();
    let Call { app, principal, query, headers, body, .. } = call;
    let mut document = read_document(&app.limits(), &headers, body).await?;
    let id = match document.id.take() {
        Some(DocumentId::Replicated(id)) => id,
        Some(DocumentId::Local(_)) if principal.is_guest() => return Err(HttpError::Forbidden),
        Some(DocumentId::Local(id)) => {
            let written = local::write(&database, id.clone(), document).await?;
            return Ok(local::answer(&headers, &db, &id, &written));
        }
        None => {
            // A revision means nothing without the document it is of.
            document.revs.clear();
            generated_id(&app)?
        }
    };
    if id.is_design() {
        may_write_design?;
    }
    replicate::admit(&db, &principal, &id, document.deleted, &mut document.body)?;
    let lineage = Lineage::Child(document.revs.first().cloned());
    let compression = app.compression();
    let edit = into_edit(document, id.clone(), lineage, &database, compression, Vec::new()).await?;
    if is_batch(&query) {
        check_id(&database, &id).await?;
        submit_unawaited(&author, &database, edit).await?;
        return Ok(accepted(id.as_str()));
    }
    let rev = submit_one(&author, &database, edit).await?;
    let mut reply = written(StatusCode::CREATED, id.as_str(), &rev.to_string());
    location(&mut reply, &headers, &[&db, id.as_str()]);
    Ok(reply)
}

/// Who writes what a function made.
pub(crate) struct Writer {
    /// For what design documents have to say of it.
    pub(crate) author: Author,
    /// Whose it is.
    pub(crate) principal: Principal,
    /// Whether it may be a design document.
    pub(crate) may_write_design: bool,
}

/// Writes a document that a function made, and returns its id and revision.
pub(crate) async fn write_made(
    app: &App,
    database: &Arc<Database>,
    writer: Writer,
    mut document: Document,
) -> Result<(String, String), HttpError> {
    let id = match document.id.take() {
        Some(DocumentId::Replicated(id)) => id,
        Some(DocumentId::Local(id)) => {
            let written = local::write(database, id.clone(), document).await?;
            return Ok((id.to_string(), written.rev()));
        }
        None => "".parse::<DocId>()?,
    };
    if id.is_design() && !writer.may_write_design {
        return Err(HttpError::Forbidden);
    }
    let db = database.name();
    replicate::admit(db.as_str(), &writer.principal, &id, document.deleted, &mut document.body)?;
    let lineage = Lineage::Child(document.revs.first().cloned());
    let compression = app.compression();
    let edit = into_edit(document, id.clone(), lineage, database, compression, Vec::new()).await?;
    let rev = submit_one(&writer.author, database, edit).await?;
    Ok((id.to_string(), rev.to_string()))
}

/// `DELETE /{db}/{doc}`
pub(crate) async fn delete(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let id = call.captures.doc.parse::<DocId>()?;
    let author = call.author();
    let Call { query, headers, .. } = call;
    let (reading, wanted) = (database.clone(), id.clone());
    let head = quick(move || Ok(reading.read(|snapshot| snapshot.head(&wanted))?)).await?;
    match head {
        None => return Err(HttpError::NotFound("missing")),
        Some(head) if head.deleted => return Err(HttpError::NotFound("deleted")),
        Some(_) => {}
    }
    let base = rev_options(Vec::new(), &query, &headers)?.into_iter().next();
    let edit = Edit {
        id: id.clone(),
        lineage: Lineage::Child(base),
        deleted: true,
        body: "{}".into(),
        attachments: Vec::new(),
    };
    let rev = submit_one(&author, &database, edit).await?;
    let mut reply = written(StatusCode::OK, id.as_str(), &rev.to_string());
    ETag::of(&rev)?.put(&mut reply);
    Ok(reply)
}

/// Reads a request body as one document.
pub(crate) async fn read_document(
    limits: &Limits,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Document, HttpError> {
    let text = request::read(headers, body, request::document_text_bytes_max(limits)).await?;
    let limits = DocumentLimits::from(limits);
    memory::hold(bytes_as_document(&text)).await?;
    if text.len() <= PARSE_AT_ONCE_BYTES {
        return Ok(Document::parse(&text, limits)?);
    }
    blocking(move || Ok(Document::parse(&text, limits)?)).await
}

/// An id for a document that came without one.
pub(crate) fn generated_id(app: &App) -> Result<DocId, HttpError> {
    let id = app.new_id().map_err(|error| HttpError::Internal {
        action: "make a document id",
        cause: error.to_string(),
    })?;
    Ok(id.parse::<DocId>()?)
}

/// `{"ok":true,"id":…,"rev":…}`
pub(crate) fn written(status: StatusCode, id: &str, rev: &str) -> Reply {
    let mut text = Vec::with_capacity(id.len() + rev.len() + 40);
    write_row(&mut text, id, rev);
    reply::json_text(status, text)
}

/// Appends `{"ok":true,"id":…,"rev":…}`.
pub(crate) fn write_row(text: &mut Vec<u8>, id: &str, rev: &str) {
    text.extend_from_slice(b"{\"ok\":true,\"id\":");
    store::json::write_string(text, id);
    text.extend_from_slice(b",\"rev\":");
    store::json::write_string(text, rev);
    text.push(b'}');
}

/// What `batch=ok` answers: the write is under way.
fn accepted(id: &str) -> Reply {
    reply::json(StatusCode::ACCEPTED, &json!({"ok": true, "id": id}))
}

/// Refuses what the store would refuse when nobody waits for its word.
async fn check_id(database: &Arc<Database>, id: &DocId) -> Result<(), HttpError> {
    let (database, id) = (database.clone(), id.clone());
    quick(move || partition::check_id(&database, &id)).await
}

fn is_batch(query: &Query) -> bool {
    query.text("batch") == Some("ok")
}

/// Where the revision goes: below the revision that the request names, or where the writer of
/// `new_edits=false` says.
fn lineage(document: &Document, query: &Query, headers: &HeaderMap) -> Result<Lineage, HttpError> {
    let revs = rev_options(document.revs.clone(), query, headers)?;
    if query.text("new_edits") == Some("false") {
        replicated(revs)
    } else {
        Ok(Lineage::Child(revs.into_iter().next()))
    }
}

/// The lineage of a revision that another server made.
pub(crate) fn replicated(revs: Vec<RevId>) -> Result<Lineage, HttpError> {
    if revs.is_empty() {
        return Err(HttpError::BadRequest(
            "When `new_edits: false`, the document needs `_rev` or `_revisions` specified".into(),
        ));
    }
    Ok(Lineage::Path(revs))
}

pub(super) async fn into_edit(
    document: Document,
    id: DocId,
    lineage: Lineage,
    database: &Arc<Database>,
    compression: Compression,
    followed: Vec<Staged>,
) -> Result<Edit, HttpError> {
    if document.attachments.is_empty() {
        return Ok(document.into_edit(id, lineage, database, &compression)?);
    }
    let database = database.clone();
    blocking(move || Ok(document.into_edit_with(id, lineage, &database, &compression, followed)?))
        .await
}

/// The boundary of a body of several parts; `None` for one that is JSON alone.
fn boundary(headers: &HeaderMap) -> Result<Option<Boundary>, HttpError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Ok(content_type.map_or(Ok(None), |text| Boundary::of(text, "multipart/related"))?)
}
