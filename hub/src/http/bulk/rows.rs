//! The answer of `_bulk_docs`: a row per document.

use store::{DocId, EditError, LocalId, RevId};

use crate::http::HttpError;
use crate::http::document::write_row;

/// What the answer will say of one document.
#[derive(Debug)]
pub(super) enum Row {
    /// The outcome of an edit of this document, and the revision it was to be where another server
    /// made it.
    Edit { id: DocId, rev: Option<RevId> },
    /// A local document, which is written already.
    Local { id: LocalId, outcome: Result<String, HttpError> },
    /// A document that was not even handed to the store, as [`Row::Edit`] names it.
    Refused { id: DocId, rev: Option<RevId>, error: HttpError },
}

/// Rows as they are sent, after their opening bracket.
#[derive(Debug)]
pub(super) struct Rows {
    text: Vec<u8>,
    separator: &'static [u8],
    /// Whether documents that were written get a row, too: `new_edits=true`.
    successes: bool,
}

impl Rows {
    /// No row yet.
    pub(super) fn new(new_edits: bool) -> Self {
        Self { text: Vec::new(), separator: b"[", successes: new_edits }
    }

    /// Appends the rows of a batch that the store decided.
    pub(super) fn append(&mut self, rows: Vec<Row>, edited: Vec<Result<RevId, EditError>>) {
        let mut edited = edited.into_iter();
        for row in rows {
            match row {
                Row::Edit { id, rev } => match edited.next() {
                    Some(Ok(written)) => self.success(id.as_str(), &written.to_string()),
                    Some(Err(error)) => self.failure(id.as_str(), rev.as_ref(), &error.into()),
                    None => {
                        let lost = HttpError::Store(store::Error::Closing);
                        self.failure(id.as_str(), rev.as_ref(), &lost);
                    }
                },
                Row::Refused { id, rev, error } => {
                    self.failure(id.as_str(), rev.as_ref(), &error);
                }
                Row::Local { id, outcome } => match outcome {
                    Ok(rev) => self.success(&id.to_string(), &rev),
                    Err(error) => self.failure(&id.to_string(), None, &error),
                },
            }
        }
    }

    /// Appends the rows of a batch none of which was written, for this reason.
    pub(super) fn append_failures(&mut self, rows: Vec<Row>, error: &HttpError) {
        for row in rows {
            match row {
                Row::Edit { id, rev } => self.failure(id.as_str(), rev.as_ref(), error),
                Row::Refused { id, rev, error } => {
                    self.failure(id.as_str(), rev.as_ref(), &error);
                }
                Row::Local { id, .. } => self.failure(&id.to_string(), None, error),
            }
        }
    }

    /// What there is to send by now.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }

    /// The rest, closing bracket included.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.separator == b"[" {
            self.text.push(b'[');
        }
        self.text.push(b']');
        self.text
    }

    fn separate(&mut self) {
        self.text.extend_from_slice(self.separator);
        self.separator = b",";
    }

    fn success(&mut self, id: &str, rev: &str) {
        if self.successes {
            self.separate();
            write_row(&mut self.text, id, rev);
        }
    }

    /// `{"id":…[,"rev":…],"error":…,"reason":…}`
    fn failure(&mut self, id: &str, rev: Option<&RevId>, error: &HttpError) {
        let (_, word, reason) = error.parts();
        self.separate();
        let rev = rev.map(ToString::to_string);
        let members = [
            ("{\"id\":", Some(id)),
            (",\"rev\":", rev.as_deref()),
            (",\"error\":", Some(word)),
            (",\"reason\":", Some(&reason)),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                self.text.extend_from_slice(name.as_bytes());
                store::json::write_string(&mut self.text, value);
            }
        }
        self.text.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(new_edits: bool, expected: &str) {
        let edit = |id: &str| Row::Edit {
            id: id.parse().unwrap(),
            rev: (!new_edits).then(|| "1-x".parse().unwrap()),
        };
        let written = "1-y".parse::<RevId>().unwrap();
        let mut rows = Rows::new(new_edits);
        rows.append(
            vec![edit("a"), edit("b")],
            vec![Ok(written.clone()), Err(EditError::Conflict)],
        );
        let local = Row::Local { id: "_local/l".parse().unwrap(), outcome: Ok("0-1".into()) };
        rows.append(vec![local, edit("c")], vec![Ok(written)]);
        let mut text = rows.take();
        rows.append_failures(vec![edit("d")], &HttpError::Store(store::Error::DiskFull));
        text.extend(rows.finish());
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn rows() {
        check(
            true,
            concat!(
                r#"[{"ok":true,"id":"a","rev":"1-y"},"#,
                r#"{"id":"b","error":"conflict","reason":"Document update conflict."},"#,
                r#"{"ok":true,"id":"_local/l","rev":"0-1"},{"ok":true,"id":"c","rev":"1-y"},"#,
                r#"{"id":"d","error":"insufficient_storage","reason":"the disk is full"}]"#,
            ),
        );
        check(
            false,
            concat!(
                r#"[{"id":"b","rev":"1-x","error":"conflict","reason":"Document update conflict."},"#,
                r#"{"id":"d","rev":"1-x","error":"insufficient_storage","reason":"the disk is full"}]"#,
            ),
        );
        assert_eq!(Rows::new(true).finish(), b"[]");
    }
}
