//! `_bulk_get` answered in parts: documents, each with its attachments beside it, and what is not
//! there.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::vec::IntoIter;

use serde_json::{Value, json};
use store::{Database, DocId, DocTree, Output, RevId, Show, ShowAttachments, Snapshot};

use super::get::shown;
use super::wanted::Wanted;
use crate::http::HttpError;
use crate::http::document::{OpenRevs, chosen, related};
use crate::http::multipart::Boundary;
use crate::http::pages::{PAGE_BYTES, Pages, Progress};

/// The documents asked for.
pub(super) struct Parts {
    wanted: Peekable<IntoIter<Value>>,
    latest: bool,
    show: Show,
    boundary: Boundary,
    /// Whether anything was sent, which then is ended by the boundary.
    begun: bool,
}

impl Parts {
    /// As parts between this boundary. Whoever takes parts wants attachments, as in CouchDB.
    pub(super) fn new(
        wanted: Peekable<IntoIter<Value>>,
        latest: bool,
        show: &Show,
        boundary: Boundary,
    ) -> Self {
        let show = Show { attachments: ShowAttachments::All, follow: true, ..show.clone() };
        Self { wanted, latest, show, boundary, begun: false }
    }

    fn write(
        &self,
        snapshot: &Snapshot<'_>,
        wanted: &Wanted,
        out: &mut Output,
    ) -> Result<(), HttpError> {
        match wanted {
            Wanted::Document { id, rev, atts_since } => {
                let show = &shown(&self.show, atts_since);
                let asked = rev.clone().map_or(OpenRevs::All, |rev| OpenRevs::These(vec![rev]));
                match snapshot.tree(id)? {
                    None => self.write_missing(id, rev.as_ref(), out),
                    Some(document) => {
                        for rev in chosen(&document, &asked, self.latest) {
                            self.write_revision(snapshot, id, &document, &rev, show, out)?;
                        }
                    }
                }
            }
            Wanted::Refused { id, rev, error, reason } => {
                let fault = json!({"id": id, "rev": rev, "error": error, "reason": reason});
                self.write_fault(&fault, out);
            }
        }
        Ok(())
    }

    fn write_revision(
        &self,
        snapshot: &Snapshot<'_>,
        id: &DocId,
        document: &DocTree,
        rev: &RevId,
        show: &Show,
        out: &mut Output,
    ) -> Result<(), HttpError> {
        let mut rendered = Output::new();
        if !snapshot.render_revision(id, document, rev, show, &mut rendered)? {
            self.write_missing(id, Some(rev), out);
            return Ok(());
        }
        self.begin(out);
        related::write_part(&headers(id, rev), &mut rendered, out)
    }

    fn write_missing(&self, id: &DocId, rev: Option<&RevId>, out: &mut Output) {
        let rev = rev.map_or_else(|| "undefined".to_owned(), ToString::to_string);
        let fault = json!({
            "id": id.as_str(), "rev": rev, "error": "not_found", "reason": "missing"
        });
        self.write_fault(&fault, out);
    }

    fn write_fault(&self, fault: &Value, out: &mut Output) {
        self.begin(out);
        related::write_fault(fault.to_string().as_bytes(), out);
    }

    fn begin(&self, out: &mut Output) {
        out.text().extend_from_slice(b"\r\n");
        related::delimit(&self.boundary, out);
    }
}

impl Pages for Parts {
    fn read(&mut self, database: &Database, out: &mut Output) -> Result<Progress, HttpError> {
        database.read::<_, HttpError>(|snapshot| {
            while out.len() < PAGE_BYTES
                && let Some(element) = self.wanted.next()
            {
                self.begun = true;
                self.write(snapshot, &Wanted::parse(element), out)?;
                out.count_row();
            }
            Ok(())
        })?;
        if self.wanted.peek().is_some() {
            return Ok(Progress::More);
        }
        if self.begun {
            self.begin(out);
            out.text().extend_from_slice(b"--\r\n");
        }
        Ok(Progress::Done)
    }
}

/// Which document a part holds. What could end a header is left out: the document says it, too.
fn headers(id: &DocId, rev: &RevId) -> String {
    let mut headers = String::new();
    for (name, value) in [("X-Doc-Id", id.to_string()), ("X-Rev-Id", rev.to_string())] {
        if !value.contains(char::is_control) {
            // Writing to memory cannot fail.
            let _written = write!(headers, "\r\n{name}: {value}");
        }
    }
    headers
}
