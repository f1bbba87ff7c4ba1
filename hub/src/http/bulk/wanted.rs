//! What `_bulk_get` is asked for, document by document.

use serde_json::{Map, Value};
use store::{DocId, RevId};

use crate::http::{HttpError, Query};

/// One element of `docs`, as it will be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A document to read.
    Document {
        /// Its id.
        id: DocId,
        /// The revision, or each leaf.
        rev: Option<RevId>,
        /// Attachments younger than these come with their bytes.
        atts_since: Vec<RevId>,
    },
    /// An element that cannot be understood.
    Refused {
        /// The id as it was given.
        id: Value,
        /// The revision that is at fault.
        rev: Value,
        /// CouchDB's error word.
        error: String,
        /// Why.
        reason: String,
    },
}

/// Options that `_bulk_get` takes per document and not for all of them.
const NOT_FOR_ALL: [&str; 5] = ["open_revs", "new_edits", "w", "rev", "atts_since"];

/// Refuses query options that belong to single documents.
pub(super) fn check_query(query: &Query) -> Result<(), HttpError> {
    match query.pairs().find(|(name, _)| NOT_FOR_ALL.contains(name)) {
        None => Ok(()),
        Some((name, _)) => {
            Err(HttpError::BadRequest(format!("\"{name}\" query parameter is not acceptable")))
        }
    }
}

impl Wanted {
    /// Reads one element of `docs`.
    pub(super) fn parse(element: Value) -> Self {
        let Value::Object(members) = element else {
            return Self::refused(Value::Null, "document must be a JSON object");
        };
        if members.is_empty() {
            return Self::refused(Value::Null, "document must be a JSON object");
        }
        let Some(given) = members.get("id") else {
            return Self::refused(Value::Null, "document id missed");
        };
        match Self::document(given, &members) {
            Ok(document) => document,
            Err((rev, error)) => {
                let (_, word, reason) = error.parts();
                Self::Refused { id: given.clone(), rev, error: word.into(), reason }
            }
        }
    }

    fn refused(id: Value, reason: &str) -> Self {
        let (error, reason) = ("bad_request".into(), reason.into());
        Self::Refused { id, rev: Value::Null, error, reason }
    }

    /// The document asked for, or what is wrong and with which revision.
    fn document(given: &Value, members: &Map<String, Value>) -> Result<Self, (Value, HttpError)> {
        let id = match given.as_str() {
            None => Err(HttpError::IllegalDocId("Document id must be a string".into())),
            Some(text) => text.parse::<DocId>().map_err(HttpError::from),
        };
        let id = id.map_err(|error| (Value::Null, error))?;
        let rev = members.get("rev").map(parse_rev).transpose()?;
        let atts_since = match members.get("atts_since") {
            None => Vec::new(),
            Some(Value::Array(revs)) => revs.iter().map(parse_rev).collect::<Result<_, _>>()?,
            Some(other) => {
                let reason = "att_since value must be array of revs.";
                return Err((other.clone(), HttpError::BadRequest(reason.into())));
            }
        };
        Ok(Self::Document { id, rev, atts_since })
    }
}

fn parse_rev(given: &Value) -> Result<RevId, (Value, HttpError)> {
    let rev = given.as_str().and_then(|text| text.parse().ok());
    rev.ok_or_else(|| (given.clone(), store::ParseRevError.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(element: &str, expected: &str) {
        let shown = match Wanted::parse(serde_json::from_str(element).unwrap()) {
            Wanted::Document { id, rev, atts_since } => {
                let rev = rev.map(|rev| rev.to_string());
                let since: Vec<_> = atts_since.iter().map(ToString::to_string).collect();
                format!("{id} {rev:?} {since:?}")
            }
            Wanted::Refused { id, rev, error, reason } => format!("{id} {rev} {error}: {reason}"),
        };
        assert_eq!(shown, expected, "{element}");
    }

    #[test]
    fn reads_elements() {
        check(r#"{"id":"a"}"#, "a None []");
        check(r#"{"id":"a","rev":"1-x","atts_since":["1-y"],"z":1}"#, r#"a Some("1-x") ["1-y"]"#);
        check(r#"{"id":"a","atts_since":[]}"#, "a None []");
    }

    #[test]
    fn refuses_elements_one_by_one() {
        check("5", "null null bad_request: document must be a JSON object");
        check("{}", "null null bad_request: document must be a JSON object");
        check(r#"{"rev":"1-x"}"#, "null null bad_request: document id missed");
        check(r#"{"id":5}"#, "5 null illegal_docid: Document id must be a string");
        check(r#"{"id":""}"#, r#""" null illegal_docid: Document id must not be empty"#);
        check(r#"{"id":"a","rev":"x"}"#, r#""a" "x" bad_request: Invalid rev format"#);
        check(r#"{"id":"a","atts_since":["x"]}"#, r#""a" "x" bad_request: Invalid rev format"#);
        check(
            r#"{"id":"a","atts_since":5}"#,
            r#""a" 5 bad_request: att_since value must be array of revs."#,
        );
    }
}
