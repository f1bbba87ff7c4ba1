//! Local documents: never replicated, no history, no attachments.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use identity::PublicKey;
use store::{
    Database, Direction, Document, IdRange, Local, LocalId, ParseRevError, RevId, Signature,
};

use super::call::{blocking, quick};
use super::document::{read_document, rev_options, written};
use super::etag::ETag;
use super::location::location;
use super::{Call, HttpError, Reply, reply};
use crate::access::Principal;

/// `GET /{db}/_local/{local}`
pub(crate) async fn get(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let id = call.captures.doc.parse::<LocalId>()?;
    let kept = kept_as(&call.principal, &id)?;
    let local = quick(move || Ok(database.read(|snapshot| snapshot.local(&kept))?)).await?;
    let local = Local { id, ..local.ok_or(HttpError::NotFound("missing"))? };
    let tag = tag(&local)?;
    if tag.is_known(&call.headers) {
        return Ok(tag.not_modified());
    }
    let mut text = Vec::with_capacity(local.json.len() + 64);
    local.render(&mut text);
    let mut reply = reply::json_text(StatusCode::OK, text);
    tag.put(&mut reply);
    Ok(reply)
}

/// `PUT /{db}/_local/{local}`
pub(crate) async fn put(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let id = call.captures.doc.parse::<LocalId>()?;
    let Call { app, principal, captures, query, headers, body, .. } = call;
    let kept = kept_as(&principal, &id)?;
    let mut document = read_document(&app.limits(), &headers, body).await?;
    document.revs = rev_options(document.revs, &query, &headers)?;
    let written = match principal.key() {
        Some(key) if principal.is_guest() => {
            let database = Arc::clone(&database);
            blocking(move || {
                check_guest(&database, key, &kept, &document)?;
                write_now(&database, kept, document)
            })
            .await?
        }
        _ => write(&database, kept, document).await?,
    };
    Ok(answer(&headers, &captures.db, &id, &written))
}

/// `DELETE /{db}/_local/{local}`
pub(crate) async fn delete(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let id = call.captures.doc.parse::<LocalId>()?;
    let shown = id.to_string();
    let kept = kept_as(&call.principal, &id)?;
    let deleted = blocking(move || Ok(database.write_local(kept, 0, None)?)).await?;
    match deleted {
        None => Err(HttpError::NotFound("missing")),
        Some(_) => Ok(written(StatusCode::OK, &shown, "0-0")),
    }
}

/// Local documents that one key may have in one database: a checkpoint for each of its replications.
const GUEST_DOCUMENTS_MAX: usize = 256;

/// Longest body of one of those, in bytes: a checkpoint has fifty sessions of some hundred.
const GUEST_BODY_BYTES_MAX: usize = 64 * 1024;

/// What begins the ids of a key's own local documents.
fn guest_prefix(key: PublicKey) -> String {
    format!("key:{key}:")
}

/// The id under which a local document of this principal's is kept: the owner and programs of this
/// device share theirs, everybody else has a space of their own.
fn kept_as(principal: &Principal, id: &LocalId) -> Result<LocalId, HttpError> {
    match principal.key() {
        Some(key) if principal.is_guest() => {
            let prefix = guest_prefix(key);
            Ok(format!("_local/{prefix}{}", id.as_str()).parse()?)
        }
        _ => Ok(id.clone()),
    }
}

/// Refuses what would let a key fill the disk. May block.
fn check_guest(
    database: &Database,
    key: PublicKey,
    kept: &LocalId,
    document: &Document,
) -> Result<(), HttpError> {
    if document.body.len() > GUEST_BODY_BYTES_MAX {
        return Err(HttpError::DocumentTooLarge("_local".into()));
    }
    let prefix = guest_prefix(key);
    let range = IdRange {
        start: Some((prefix.clone(), true)),
        end: Some((format!("{prefix}\u{10ffff}"), true)),
        direction: Direction::Ascending,
    };
    database.read(|snapshot| {
        let all = snapshot.locals(&range, 0, GUEST_DOCUMENTS_MAX)?;
        let known = all.iter().any(|local| local.id == *kept);
        match known || all.len() < GUEST_DOCUMENTS_MAX {
            true => Ok(()),
            false => Err(HttpError::ForbiddenBecause("Too many local documents of one key.")),
        }
    })
}

/// What became of a local document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It stands with this edit count.
    Kept(u64),
    /// It is gone.
    Deleted,
}

/// Writes a local document over whatever stands there: CouchDB looks for no conflicts here.
pub(crate) async fn write(
    database: &Arc<Database>,
    id: LocalId,
    document: Document,
) -> Result<Written, HttpError> {
    let database = Arc::clone(database);
    blocking(move || write_now(&database, id, document)).await
}

/// [`write`] on a thread that may block.
pub(crate) fn write_now(
    database: &Database,
    id: LocalId,
    document: Document,
) -> Result<Written, HttpError> {
    if !document.attachments.is_empty() {
        return Err(HttpError::BadRequest("_local documents do not accept attachments.".into()));
    }
    let base = document.revs.first().map_or(Ok(0), edit_count)?;
    if document.deleted {
        let deleted = database.write_local(id, base, None)?;
        return deleted.map(|_| Written::Deleted).ok_or(HttpError::NotFound("missing"));
    }
    let count = database.write_local(id, base, Some(document.body.into_string()))?;
    Ok(count.map_or(Written::Deleted, Written::Kept))
}

/// The answer to a write.
pub(crate) fn answer(headers: &HeaderMap, db: &str, id: &LocalId, outcome: &Written) -> Reply {
    let status = match outcome {
        Written::Kept(_) => StatusCode::CREATED,
        Written::Deleted => StatusCode::OK,
    };
    let id = id.to_string();
    let mut reply = written(status, &id, &outcome.rev());
    location(&mut reply, headers, &[db, &id]);
    reply
}

impl Written {
    /// The revision that clients see: `0-N`, and `0-0` for what is gone.
    pub(crate) fn rev(self) -> String {
        match self {
            Self::Kept(count) => format!("0-{count}"),
            Self::Deleted => "0-0".into(),
        }
    }
}

/// The edit count in a local document's revision.
fn edit_count(rev: &RevId) -> Result<u64, ParseRevError> {
    match &rev.signature {
        Signature::Text(count) if rev.generation == 0 => count.parse().map_err(|_| ParseRevError),
        _ => Err(ParseRevError),
    }
}

/// Counts may repeat with other contents, so the contents are part of the tag.
fn tag(local: &Local) -> Result<ETag, HttpError> {
    let hash = blake3::hash(local.json.as_bytes()).to_hex();
    ETag::new(&format!("0-{}-{}", local.rev, &hash[..32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_counts() {
        let count = |rev: &str| edit_count(&rev.parse().unwrap()).ok();
        assert_eq!(count("0-7"), Some(7));
        assert_eq!(count("0-0"), Some(0));
        for bad in ["1-7", "0-x", "0-99999999999999999999", "0-0123456789abcdef0123456789abcdef"] {
            assert_eq!(count(bad), None, "{bad}");
        }
    }
}
