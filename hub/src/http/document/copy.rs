//! COPY of documents within a database.

use http::{HeaderMap, StatusCode};
use store::{Content, CopySource, DocId, Edit, Lineage, NewAttachment, RevId};

use super::options::rev_options;
use super::revision::Revision;
use super::submit::submit_one;
use super::write::written;
use crate::access::Action;
use crate::http::call::quick;
use crate::http::etag::ETag;
use crate::http::location::location;
use crate::http::path::percent_decode;
use crate::http::{Call, HttpError, Reply};
use crate::replicate;

/// `COPY /{db}/{doc}`: also of and to design documents.
pub(crate) async fn copy(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let id = call.captures.doc.parse::<DocId>()?;
    call.require(Action::Read)?;
    let rev = rev_options(Vec::new(), &call.query, &call.headers)?.into_iter().next();
    let destination = Destination::of(&call.headers)?;
    if destination.id.is_design() {
        call.require(Action::WriteViews)?;
    }
    let author = call.author();
    let Call { principal, captures, headers, .. } = call;
    let reading = database.clone();
    let source = quick(move || {
        let revision = reading.read(|snapshot| Revision::wanted(snapshot, &id, rev.as_ref()))?;
        Ok((id, revision))
    });
    let (id, revision) = source.await?;
    let target = destination.id.clone();
    let mut edit = edit(id, revision, destination);
    replicate::admit(&captures.db, &principal, &target, edit.deleted, &mut edit.body)?;
    let rev = submit_one(&author, &database, edit).await?;
    let mut reply = written(StatusCode::CREATED, target.as_str(), &rev.to_string());
    ETag::of(&rev)?.put(&mut reply);
    location(&mut reply, &headers, &[&captures.db, target.as_str()]);
    Ok(reply)
}

/// What the destination becomes.
fn edit(id: DocId, revision: Revision, destination: Destination) -> Edit {
    let source = CopySource { id, rev: revision.rev };
    let attachments = revision.body.attachments.into_iter().map(|attachment| NewAttachment {
        name: attachment.name,
        content_type: None,
        revpos: None,
        content: Content::Copied(source.clone()),
    });
    Edit {
        id: destination.id,
        lineage: Lineage::Child(destination.rev),
        deleted: revision.deleted,
        attachments: attachments.collect(),
        body: revision.body.json.into(),
    }
}

/// Where a copy goes: the header `Destination`.
#[derive(Debug, PartialEq, Eq)]
struct Destination {
    id: DocId,
    /// The leaf that the copy replaces.
    rev: Option<RevId>,
}

impl Destination {
    /// Reads `id` or `id?rev=…`, percent-encoded; it is no URL.
    ///
    /// Source: `chttpd_util:parse_copy_destination_header/1`.
    fn of(headers: &HeaderMap) -> Result<Self, HttpError> {
        let bad = |reason: &str| HttpError::BadRequest(reason.into());
        let header = headers.get("destination");
        let header = header.ok_or_else(|| bad("Destination header is mandatory for COPY."))?;
        let text = std::str::from_utf8(header.as_bytes())
            .map_err(|_| bad("Destination header is not UTF-8."))?;
        if text.starts_with("http://") || text.starts_with("https://") {
            return Err(bad("Destination URL must be relative."));
        }
        let (id, rev) = match text.split_once('?') {
            None => (text, None),
            Some((id, query)) => {
                let rev = query.strip_prefix("rev=");
                (id, Some(rev.ok_or_else(|| bad("Destination may have `?rev=` only."))?))
            }
        };
        let rev = rev.map(|rev| Ok::<_, HttpError>(percent_decode(rev)?.parse::<RevId>()?));
        Ok(Self { id: percent_decode(id)?.parse::<DocId>()?, rev: rev.transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HeaderName;

    use super::*;

    fn check(header: Option<&'static str>, expected: &str) {
        let value = header.map(|text| (HeaderName::from_static("destination"), text));
        let headers = value.map(|(name, text)| (name, HeaderValue::from_static(text)));
        let shown = match Destination::of(&HeaderMap::from_iter(headers)) {
            Ok(Destination { id, rev: None }) => id.to_string(),
            Ok(Destination { id, rev: Some(rev) }) => format!("{id} {rev}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{header:?}");
    }

    #[test]
    fn destinations() {
        check(Some("a"), "a");
        check(Some("a%2Fb%3Fc d?rev=1-x"), "a/b?c d 1-x");
        check(Some("_design%2Fx"), "_design/x");
        check(Some("_design/x?rev=2-y"), "_design/x 2-y");
        check(None, "Destination header is mandatory for COPY.");
        check(Some("http://host/db/a"), "Destination URL must be relative.");
        check(Some("a?other=1-x"), "Destination may have `?rev=` only.");
        check(Some("a?rev=x"), "Invalid rev format");
        check(Some(""), "Document id must not be empty");
        check(Some("_local/x"), "Only reserved document ids may start with underscore.");
        check(Some("%zz"), "invalid_url_encoding");
    }
}
