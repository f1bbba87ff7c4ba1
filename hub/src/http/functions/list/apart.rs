//! An answer of rows, taken apart again.

use std::sync::Arc;

use store::json::{ArraySplitter, JsonError};
use store::{Database, Output};

use crate::http::pages::{self, Pages, Progress};
use crate::http::{HttpError, blocking};

/// Bytes of one row, with its document and attachments: what fits a sandbox.
const ROW_BYTES_MAX: usize = 32 << 20;

/// What stands before the rows of an answer.
const ROWS: &[u8] = b"\"rows\":[";

/// Rows that are read page by page.
pub(super) struct Apart<P> {
    /// What the answer says beside its rows, as JSON.
    pub(super) head: String,
    /// What is still to be read.
    pages: Option<P>,
    splitter: ArraySplitter,
    ready: Vec<String>,
}

impl<P: Pages> Apart<P> {
    /// Reads the first page.
    pub(super) async fn begin(database: &Arc<Database>, pages: P) -> Result<Self, HttpError> {
        let splitter = ArraySplitter::new("rows", ROW_BYTES_MAX);
        let mut apart =
            Self { head: String::new(), pages: Some(pages), splitter, ready: Vec::new() };
        let text = apart.read(database).await?;
        apart.head = head(&text);
        apart.ready = apart.split(&text)?;
        Ok(apart)
    }

    /// The next rows; none where none are left.
    pub(super) async fn rows(
        &mut self,
        database: &Arc<Database>,
    ) -> Result<Vec<String>, HttpError> {
        while self.ready.is_empty() && self.pages.is_some() {
            let text = self.read(database).await?;
            self.ready = self.split(&text)?;
        }
        Ok(std::mem::take(&mut self.ready))
    }

    async fn read(&mut self, database: &Arc<Database>) -> Result<Vec<u8>, HttpError> {
        let Some(pages) = self.pages.take() else { return Ok(Vec::new()) };
        let (pages, out, progress) = pages::turn(database, pages, P::read).await?;
        if progress == Progress::More {
            self.pages = Some(pages);
        }
        match out.into_text() {
            Ok(text) => Ok(text),
            Err(out) => {
                let database = Arc::clone(database);
                blocking(move || whole(&database, out)).await
            }
        }
    }

    fn split(&mut self, text: &[u8]) -> Result<Vec<String>, HttpError> {
        let mut rows = Vec::new();
        let split = self.splitter.push(text, |row| {
            rows.push(String::from_utf8_lossy(row).into_owned());
            Ok::<(), JsonError>(())
        });
        match split {
            Ok(()) => Ok(rows),
            Err(error) => {
                Err(HttpError::Internal { action: "read rows", cause: error.to_string() })
            }
        }
    }
}

/// What stands before the rows, as an object of its own.
fn head(text: &[u8]) -> String {
    let end = text.windows(ROWS.len()).position(|window| window == ROWS).unwrap_or(0);
    let front = String::from_utf8_lossy(&text[..end]);
    match front.trim_end().trim_end_matches(',') {
        "" => "{}".into(),
        front => format!("{front}}}"),
    }
}

/// A page with the attachments in it. May block.
fn whole(database: &Database, mut out: Output) -> Result<Vec<u8>, HttpError> {
    let mut text = Vec::new();
    while let Some(piece) = out.next_piece(database)? {
        if text.len() + piece.len() > ROW_BYTES_MAX {
            return Err(query::SandboxError::Output.into());
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        for (text, expected) in [
            ("{\"total_rows\":3,\"offset\":1,\"rows\":[\r\n", r#"{"total_rows":3,"offset":1}"#),
            ("{\"rows\":[\r\n{\"key\":null}", "{}"),
            ("{\"update_seq\":\"1-a\",\"rows\":[\r\n", r#"{"update_seq":"1-a"}"#),
            ("", "{}"),
        ] {
            assert_eq!(head(text.as_bytes()), expected, "{text}");
        }
    }
}
