//! `_bulk_get`.

use std::borrow::Cow;
use std::iter::Peekable;
use std::vec::IntoIter;

use http::header;
use serde_json::{Value, json};
use store::{Database, DocId, DocTree, Error, Output, RevId, Show, ShowAttachments, Snapshot};

use super::parts::Parts;
use super::wanted::{Wanted, check_query};
use crate::access::Action;
use crate::http::document::{OpenRevs, ReadOptions, chosen, related};
use crate::http::multipart::Boundary;
use crate::http::pages::{self, Gate, PAGE_BYTES, Pages, Progress};
use crate::http::{Call, HttpError, Reply, accept, json_body};

/// `POST /{db}/_bulk_get`
pub(crate) async fn bulk_get(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    check_query(&call.query)?;
    let ReadOptions { latest, show, .. } = ReadOptions::parse(&call.query)?;
    let gate = Gate::of(&call, Action::Read);
    let Call { headers, body, .. } = call;
    let mut members = json_body::object(&headers, body).await?;
    let Some(Value::Array(docs)) = members.remove("docs") else {
        return Err(HttpError::BadRequest("Missing JSON list of 'docs'.".into()));
    };
    let wanted = docs.into_iter().peekable();
    let media_type = ["multipart/mixed", "multipart/related"]
        .into_iter()
        .find(|media_type| accept::prefers(&headers, media_type));
    let Some(media_type) = media_type else {
        return pages::answer(gate, database, Documents { wanted, latest, show, begun: false })
            .await;
    };
    let boundary = Boundary::random()?;
    let media_type = related::media_type(media_type, &boundary)?;
    let documents = Parts::new(wanted, latest, &show, boundary);
    let mut reply = pages::answer(gate, database, documents).await?;
    reply.headers_mut().insert(header::CONTENT_TYPE, media_type);
    Ok(reply)
}

/// The documents asked for.
struct Documents {
    wanted: Peekable<IntoIter<Value>>,
    latest: bool,
    show: Show,
    begun: bool,
}

impl Pages for Documents {
    fn read(&mut self, database: &Database, out: &mut Output) -> Result<Progress, HttpError> {
        if !std::mem::replace(&mut self.begun, true) {
            out.text().extend_from_slice(b"{\"results\":[");
        }
        database.read::<_, HttpError>(|snapshot| {
            while out.len() < PAGE_BYTES
                && let Some(element) = self.wanted.next()
            {
                self.render(snapshot, &Wanted::parse(element), out)?;
                out.count_row();
                out.text().extend_from_slice(if self.wanted.peek().is_some() { b"," } else { b"" });
            }
            Ok(())
        })?;
        if self.wanted.peek().is_some() {
            return Ok(Progress::More);
        }
        out.text().extend_from_slice(b"]}\n");
        Ok(Progress::Done)
    }
}

impl Documents {
    /// `{"id":…,"docs":[…]}`
    fn render(
        &self,
        snapshot: &Snapshot<'_>,
        wanted: &Wanted,
        output: &mut Output,
    ) -> Result<(), Error> {
        output.text().extend_from_slice(b"{\"id\":");
        match wanted {
            Wanted::Document { id, rev, atts_since } => {
                store::json::write_string(output.text(), id.as_str());
                output.text().extend_from_slice(b",\"docs\":[");
                let show = &shown(&self.show, atts_since);
                match snapshot.tree(id)? {
                    None => write_missing(id, rev.as_ref(), output.text()),
                    Some(document) => {
                        self.render_revisions(snapshot, id, &document, rev.as_ref(), show, output)?;
                    }
                }
            }
            Wanted::Refused { id, rev, error, reason } => {
                write_value(id, output.text());
                output.text().extend_from_slice(b",\"docs\":[");
                let refused = json!({"id": id, "rev": rev, "error": error, "reason": reason});
                write_value(&json!({ "error": refused }), output.text());
            }
        }
        output.text().extend_from_slice(b"]}");
        Ok(())
    }

    fn render_revisions(
        &self,
        snapshot: &Snapshot<'_>,
        id: &DocId,
        document: &DocTree,
        rev: Option<&RevId>,
        show: &Show,
        output: &mut Output,
    ) -> Result<(), Error> {
        let wanted = rev.map_or(OpenRevs::All, |rev| OpenRevs::These(vec![rev.clone()]));
        for (index, rev) in chosen(document, &wanted, self.latest).iter().enumerate() {
            if index > 0 {
                output.text().push(b',');
            }
            let begun = output.len();
            output.text().extend_from_slice(b"{\"ok\":");
            if snapshot.render_revision(id, document, rev, show, output)? {
                output.text().push(b'}');
            } else {
                output.text().truncate(begun);
                write_missing(id, Some(rev), output.text());
            }
        }
        Ok(())
    }
}

/// What is shown of a document that the client has attachments of.
pub(super) fn shown<'a>(show: &'a Show, atts_since: &[RevId]) -> Cow<'a, Show> {
    if atts_since.is_empty() {
        return Cow::Borrowed(show);
    }
    let attachments = ShowAttachments::Since(atts_since.to_vec());
    Cow::Owned(Show { attachments, ..show.clone() })
}

/// What is not there; a document asked for without a revision has the revision `undefined`.
fn write_missing(id: &DocId, rev: Option<&RevId>, text: &mut Vec<u8>) {
    let rev = rev.map_or_else(|| "undefined".to_owned(), ToString::to_string);
    let missing = json!({"id": id.as_str(), "rev": rev, "error": "not_found", "reason": "missing"});
    write_value(&json!({ "error": missing }), text);
}

fn write_value(value: &Value, text: &mut Vec<u8>) {
    // Writing a value to memory cannot fail.
    let _written = serde_json::to_writer(text, value);
}
