//! PUT and DELETE of attachments.

use std::sync::Arc;

use http::{StatusCode, header};
use store::{Content, Database, DocId, Edit, Lineage, NewAttachment, RevId};

use super::{HttpError, Revision, Staging, check_md5, intake, too_large};
use crate::access::Action;
use crate::http::call::blocking;
use crate::http::document::{rev_options, submit_one, written};
use crate::http::etag::ETag;
use crate::http::location::location;
use crate::http::request::{Coding, Upload};
use crate::http::{Call, Reply};

/// Bytes handed to the store at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// What an attachment is when nobody says.
const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// `PUT /{db}/{doc}/{att}`
pub(crate) async fn put(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let id = writable(&call)?;
    let base = rev_options(Vec::new(), &call.query, &call.headers)?.into_iter().next();
    let author = call.author();
    let Call { app, captures, headers, body, .. } = call;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or(DEFAULT_CONTENT_TYPE).to_owned();
    let coding = Coding::of(&headers)?;

    let name = captures.att;
    let bytes_max = app.limits().attachment_bytes_max;
    let mut upload = Upload::new(body, bytes_max).map_err(too_large(&name))?;
    let mut piece = upload.piece(PIECE_BYTES).await.map_err(too_large(&name))?;
    if piece.len() >= PIECE_BYTES {
        // Who would be refused in the end is refused before the rest is sent.
        let (database, id, base) = (Arc::clone(&database), id.clone(), base.clone());
        blocking(move || edited(&database, &id, base.as_ref()).map(drop)).await?;
    }
    let intake = intake(coding, &app.compression(), &content_type);
    let mut staging = Staging::new(database.stage(bytes_max, intake)?);
    while piece.len() >= PIECE_BYTES {
        staging = blocking(move || staging.take(&piece)).await.map_err(too_large(&name))?;
        piece = upload.piece(PIECE_BYTES).await.map_err(too_large(&name))?;
    }

    // CouchDB looks for it behind the body, too, where the head announces it there.
    let md5 = headers.get("content-md5").or_else(|| upload.trailers().get("content-md5"));
    let md5 = md5.map(|md5| String::from_utf8_lossy(md5.as_bytes()).into_owned());
    let (staging_in, wanted, shown) = (Arc::clone(&database), id.clone(), name.clone());
    let edit = blocking(move || {
        let staged = staging.take(&piece)?.finish()?;
        check_md5(&staged, md5.as_deref())?;
        let mut edit = edited(&staging_in, &wanted, base.as_ref())?;
        edit.attachments.retain(|attachment| attachment.name != name);
        let added = NewAttachment {
            name,
            content_type: Some(content_type),
            revpos: None,
            content: Content::Staged(staged),
        };
        edit.attachments.insert(0, added);
        Ok(edit)
    });
    let edit = edit.await.map_err(too_large(&shown))?;
    let rev = submit_one(&author, &database, edit).await?;
    let mut reply = written(StatusCode::CREATED, id.as_str(), &rev.to_string());
    ETag::of(&rev)?.put(&mut reply);
    location(&mut reply, &headers, &[&captures.db, id.as_str(), &shown]);
    Ok(reply)
}

/// `DELETE /{db}/{doc}/{att}`
pub(crate) async fn delete(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let id = writable(&call)?;
    let base = rev_options(Vec::new(), &call.query, &call.headers)?.into_iter().next();
    let author = call.author();
    let Call { captures, .. } = call;
    let (reading, wanted) = (Arc::clone(&database), id.clone());
    let edit = blocking(move || {
        let Some(base) = base else {
            // Says what is missing; what is there cannot be changed without naming its revision.
            let winner = reading.read(|snapshot| Revision::winner(snapshot, &wanted))?;
            winner.attachment(&captures.att)?;
            return Err(HttpError::Conflict);
        };
        let mut edit = edited(&reading, &wanted, Some(&base))?;
        let before = edit.attachments.len();
        edit.attachments.retain(|attachment| attachment.name != captures.att);
        if edit.attachments.len() == before {
            return Err(HttpError::NotFound("Document is missing attachment"));
        }
        Ok(edit)
    });
    let rev = submit_one(&author, &database, edit.await?).await?;
    let mut reply = written(StatusCode::OK, id.as_str(), &rev.to_string());
    ETag::of(&rev)?.put(&mut reply);
    Ok(reply)
}

/// The document that a request may write an attachment of.
fn writable(call: &Call) -> Result<DocId, HttpError> {
    let id = call.captures.doc.parse::<DocId>()?;
    if id.is_design() {
        call.require(Action::WriteDesign)?;
    }
    writable_name(&call.captures.att)?;
    Ok(id)
}

/// Refuses names that CouchDB keeps for itself.
pub(crate) fn writable_name(name: &str) -> Result<(), HttpError> {
    if name.starts_with('_') {
        return Err(HttpError::BadRequest(format!(
            "Attachment name '{name}' starts with prohibited character '_'"
        )));
    }
    Ok(())
}

/// An edit of `base` that changes nothing yet; without a base, the first revision of a document.
pub(crate) fn edited(
    database: &Database,
    id: &DocId,
    base: Option<&RevId>,
) -> Result<Edit, HttpError> {
    let Some(rev) = base else {
        let taken = database.read(|snapshot| snapshot.head(id))?.is_some_and(|head| !head.deleted);
        if taken {
            return Err(HttpError::Conflict);
        }
        return Ok(Edit {
            id: id.clone(),
            lineage: Lineage::Child(None),
            deleted: false,
            body: "{}".into(),
            attachments: Vec::new(),
        });
    };
    let revision = database.read(|snapshot| Revision::named(snapshot, id, rev))?;
    let revision = revision.ok_or(HttpError::MissingRev)?;
    let attachments = revision.body.attachments.into_iter().map(|attachment| NewAttachment {
        name: attachment.name,
        content_type: None,
        revpos: None,
        content: Content::Stub,
    });
    Ok(Edit {
        id: id.clone(),
        lineage: Lineage::Child(Some(revision.rev)),
        deleted: revision.deleted,
        body: revision.body.json.into(),
        attachments: attachments.collect(),
    })
}
