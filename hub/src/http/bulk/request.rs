//! The body of `_bulk_docs`: checked as a whole before anything is written.

use std::sync::Arc;

use store::json::{ArrayMember, ArraySplitter, JsonError, Rest};
use store::{Document, DocumentId, DocumentLimits, Partition, PartitionedIdError};

use super::parallel;
use crate::http::HttpError;
use crate::http::document::replicated;
use crate::http::memory::{Share, bytes_as_document};
use crate::http::request::Spooled;

/// Text whose documents are kept from the check to the writing; what is longer is parsed twice.
const HELD_TEXT_BYTES_MAX: usize = 8 << 20;

/// Bytes that a batch on its way to the store takes in memory, and the text behind it.
const TEXT_WEIGHT: u64 = 4 * HELD_TEXT_BYTES_MAX as u64;

/// What the body holds, once all of it was seen to be sound.
#[derive(Debug)]
pub(super) struct Request {
    new_edits: bool,
    documents: Documents,
}

#[derive(Debug)]
enum Documents {
    /// All of them.
    Held(Vec<Document>),
    /// To be read once more.
    Spooled(Spooled),
}

/// How large documents may be.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// A document and its attachments.
    pub(super) limits: DocumentLimits,
    /// A document's text.
    pub(super) text_bytes_max: usize,
    /// What the request may hold in memory.
    pub(super) share: Option<Arc<Share>>,
    /// Whether ids must name a partition.
    pub(super) partitioned: bool,
}

impl Terms {
    fn hold(&self, bytes: u64) -> Result<(), HttpError> {
        self.share.as_ref().map_or(Ok(()), |share| share.try_hold(bytes))
    }

    /// An id that the hub would make names no partition.
    fn check_partition(&self, document: &Document) -> Result<(), PartitionedIdError> {
        match &document.id {
            _ if !self.partitioned => Ok(()),
            Some(DocumentId::Local(_)) => Ok(()),
            Some(DocumentId::Replicated(id)) => Partition::check_id(id),
            None => Err(PartitionedIdError::Form),
        }
    }
}

impl Request {
    /// Reads the body through; the first fault in it refuses it all, and so does a design document
    /// where `design` refuses those. On a thread that may block.
    pub(super) fn check(
        mut body: Spooled,
        terms: &Terms,
        design: Result<(), HttpError>,
    ) -> Result<Self, HttpError> {
        let mut held = Some(Vec::new());
        let mut held_bytes = 0;
        let mut traits = Traits::default();
        let whole = body.whole().filter(|text| text.len() >= parallel::TEXT_BYTES_MIN);
        let members = if let Some(text) = whole {
            let splitter = ArraySplitter::new("docs", terms.text_bytes_max);
            let (elements, rest) = splitter.split(text).map_err(Fault::from)?;
            let members = members(rest)?;
            let weight = elements.iter().map(|element| bytes_as_document(element)).sum();
            terms.hold(weight)?;
            let documents = parallel::parse(&elements, terms.limits)?;
            documents.iter().try_for_each(|document| {
                traits.note(document);
                terms.check_partition(document)
            })?;
            held = Some(documents);
            members
        } else {
            split(&mut body, terms, |document, text_bytes| {
                traits.note(&document);
                terms.check_partition(&document)?;
                held_bytes += text_bytes;
                held = held.take().filter(|_| held_bytes <= HELD_TEXT_BYTES_MAX);
                if let Some(held) = &mut held {
                    held.push(document);
                }
                Ok(())
            })?
        };
        let new_edits = new_edits(&members)?;
        if traits.has_unknown_revision && !new_edits {
            replicated(Vec::new())?;
        }
        if traits.has_design {
            design?;
        }
        let documents = held.map_or(Documents::Spooled(body), Documents::Held);
        Ok(Self { new_edits, documents })
    }

    /// Whether the documents are edits, or revisions that another server made.
    pub(super) fn new_edits(&self) -> bool {
        self.new_edits
    }

    /// Hands out the documents in order. On a thread that may block.
    pub(super) fn for_each(
        self,
        terms: &Terms,
        mut take: impl FnMut(Document) -> Result<(), HttpError>,
    ) -> Result<(), HttpError> {
        match self.documents {
            Documents::Held(documents) => documents.into_iter().try_for_each(take),
            Documents::Spooled(mut body) => {
                split(&mut body, terms, |document, _| take(document)).map(drop)
            }
        }
    }
}

/// What some documents of a request are, which decides about all of it.
#[derive(Default)]
struct Traits {
    has_design: bool,
    has_unknown_revision: bool,
}

impl Traits {
    fn note(&mut self, document: &Document) {
        self.has_design |=
            matches!(&document.id, Some(DocumentId::Replicated(id)) if id.is_design());
        self.has_unknown_revision |= document.revs.is_empty();
    }
}

/// Splits the body into its documents, each with the length of its text, and returns its other
/// members.
fn split(
    body: &mut Spooled,
    terms: &Terms,
    mut take: impl FnMut(Document, usize) -> Result<(), HttpError>,
) -> Result<Vec<(String, String)>, HttpError> {
    let mut splitter = ArraySplitter::new("docs", terms.text_bytes_max);
    let (mut weight, mut text_bytes) = (0, 0);
    body.read_through(|part| {
        splitter
            .push(part, |element| {
                text_bytes += element.len();
                // Those before are held only as long as all of them fit.
                let before = if text_bytes <= HELD_TEXT_BYTES_MAX { weight } else { TEXT_WEIGHT };
                weight = before + bytes_as_document(element);
                terms.hold(weight)?;
                let document = Document::parse(element, terms.limits).map_err(HttpError::from)?;
                take(document, element.len()).map_err(Fault::from)
            })
            .map_err(HttpError::from)
    })?;
    members(splitter.finish().map_err(Fault::from)?)
}

/// The members beside the documents.
fn members(rest: Rest) -> Result<Vec<(String, String)>, HttpError> {
    match rest.array {
        ArrayMember::Split => Ok(rest.members),
        ArrayMember::Absent => {
            Err(HttpError::BadRequest("POST body must include `docs` parameter.".into()))
        }
        ArrayMember::NotAnArray => {
            Err(HttpError::BadRequest("`docs` parameter must be an array.".into()))
        }
    }
}

fn new_edits(members: &[(String, String)]) -> Result<bool, HttpError> {
    match members.iter().find(|(name, _)| name == "new_edits").map(|(_, raw)| raw.as_str()) {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(HttpError::BadRequest("`new_edits` parameter must be a boolean.".into())),
    }
}

/// A fault of the request around its documents, or in one of them.
#[derive(Debug)]
struct Fault(HttpError);

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Self {
        Self(match error {
            JsonError::NotAnObject => {
                HttpError::BadRequest("Request body must be a JSON object".into())
            }
            JsonError::ElementTooLarge | JsonError::RestTooLarge => HttpError::RequestTooLarge,
            other => other.into(),
        })
    }
}

impl From<HttpError> for Fault {
    fn from(error: HttpError) -> Self {
        Self(error)
    }
}

impl From<Fault> for HttpError {
    fn from(fault: Fault) -> Self {
        fault.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &str) {
        for spooled in [Spooled::held(body), Spooled::filed(body)] {
            let terms = Terms {
                limits: DocumentLimits { body_bytes_max: 100, attachment_bytes_max: 100 },
                text_bytes_max: 1000,
                share: None,
                partitioned: false,
            };
            let mut ids = Vec::new();
            let checked = Request::check(spooled, &terms, Err(HttpError::Forbidden));
            let outcome = checked.and_then(|request| {
                let new_edits = request.new_edits();
                request.for_each(&terms, |document| {
                    ids.push(document.id.map(|id| id.to_string()).unwrap_or_default());
                    Ok(())
                })?;
                Ok(format!("{} {new_edits}", ids.join(",")))
            });
            assert_eq!(outcome.unwrap_or_else(|error| error.to_string()), expected, "{body}");
        }
    }

    #[test]
    fn reads_documents_and_options_in_either_order() {
        check(r#"{"docs":[]}"#, " true");
        check(r#"{"docs":[{"_id":"a"},{}],"new_edits":true,"all_or_nothing":true}"#, "a, true");
        check(r#"{"new_edits":false,"docs":[{"_id":"a","_rev":"1-x"}]}"#, "a false");
        check(r#"{"docs":[{"_id":"a","_rev":"1-x"}],"new_edits":false}"#, "a false");
    }

    #[test]
    fn one_fault_refuses_it_all() {
        check("{}", "POST body must include `docs` parameter.");
        check(r#"{"docs":{}}"#, "`docs` parameter must be an array.");
        check("[]", "Request body must be a JSON object");
        check(r#"{"docs":[5]}"#, "Document must be a JSON object");
        check(r#"{"docs":[{}],"new_edits":1}"#, "`new_edits` parameter must be a boolean.");
        check(
            r#"{"docs":[{}],"new_edits":false}"#,
            "When `new_edits: false`, the document needs `_rev` or `_revisions` specified",
        );
        check(r#"{"docs":[{},{"_x":1}]}"#, "Bad special document member: _x");
        check(r#"{"docs":[{"_id":"_design/x"}]}"#, &HttpError::Forbidden.to_string());
        let long = "x".repeat(100);
        check(&format!(r#"{{"docs":[{{}},{{"_id":"l","x":"{long}"}}]}}"#), "l");
        let longer = "x".repeat(1000);
        check(&format!(r#"{{"docs":[{{"x":"{longer}"}}]}}"#), "the request entity is too large");
    }
}
