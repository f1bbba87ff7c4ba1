//! Documents of a bulk request on their way into the store, many to a commit.

use std::sync::Arc;

use store::{Compression, Database, Document, DocumentId, Edit, Lineage, LocalId, ParsedContent};
use tokio::sync::oneshot;

use super::rows::Row;
use crate::access::Principal;
use crate::app::App;
use crate::http::document::{Edited, generated_id, outcome, replicated, submit};
use crate::http::{HttpError, local};
use crate::replicate;
use crate::validate::Author;

/// Documents of one commit: enough that its sync costs little, few enough that others get their
/// turn between two of them.
const DOCUMENTS_MAX: usize = 1000;

/// Bytes of bodies and attachments of one commit.
const BYTES_MAX: usize = 4 << 20;

/// Documents gathered for one commit.
#[derive(Debug, Default)]
pub(super) struct Batch {
    edits: Vec<Edit>,
    rows: Vec<Row>,
    bytes: usize,
}

/// A batch that the store has, and whose outcome follows.
#[derive(Debug)]
pub(super) struct Submitted {
    rows: Vec<Row>,
    edited: oneshot::Receiver<Edited>,
}

impl Batch {
    /// Whether it is time to submit it.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= DOCUMENTS_MAX || self.bytes >= BYTES_MAX
    }

    /// Whether nothing was gathered.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a document. Local ones are written at once, which may block.
    pub(super) fn add(
        &mut self,
        mut document: Document,
        new_edits: bool,
        database: &Arc<Database>,
        (principal, app): (&Principal, &App),
        compression: &Compression,
    ) -> Result<(), HttpError> {
        let id = match document.id.take() {
            Some(DocumentId::Replicated(id)) => id,
            Some(DocumentId::Local(id)) if principal.is_guest() => {
                // They have a space of their own, which only its own requests reach.
                self.rows.push(Row::Local { id, outcome: Err(HttpError::Forbidden) });
                return Ok(());
            }
            Some(DocumentId::Local(id)) => {
                self.rows.push(write_local(id, document, database));
                return Ok(());
            }
            None => generated_id(app)?,
        };
        self.bytes += document.body.len();
        for attachment in &document.attachments {
            if let ParsedContent::Inline(bytes) = &attachment.content {
                self.bytes += bytes.len();
            }
        }
        let revs = std::mem::take(&mut document.revs);
        let (rev, lineage) = if new_edits {
            (None, Lineage::Child(revs.into_iter().next()))
        } else {
            (revs.first().cloned(), replicated(revs)?)
        };
        let (name, deleted) = (database.name(), document.deleted);
        let admitted = replicate::admit(name.as_str(), principal, &id, deleted, &mut document.body);
        if let Err(error) = admitted {
            self.rows.push(Row::Refused { id, rev, error });
            return Ok(());
        }
        self.rows.push(Row::Edit { id: id.clone(), rev });
        self.edits.push(document.into_edit(id, lineage, database, compression)?);
        Ok(())
    }

    /// Hands the batch to the store, but for what the database's design documents refuse, and begins
    /// the next one. May block.
    pub(super) fn submit(
        &mut self,
        author: &Author,
        database: &Arc<Database>,
    ) -> Result<Submitted, HttpError> {
        let Self { mut edits, mut rows, .. } = std::mem::take(self);
        if !author.asks_nobody(database, &edits) {
            let verdicts = author.judge(database, &edits)?;
            (edits, rows) = without_refused(edits, rows, verdicts);
        }
        Ok(Submitted { rows, edited: submit(author, database, edits) })
    }
}

/// The edits that are let in; the rows of the others say why not.
fn without_refused(
    edits: Vec<Edit>,
    rows: Vec<Row>,
    verdicts: Vec<Result<(), HttpError>>,
) -> (Vec<Edit>, Vec<Row>) {
    let mut judged = edits.into_iter().zip(verdicts);
    let mut admitted = Vec::with_capacity(judged.len());
    let mut told = Vec::with_capacity(rows.len());
    for row in rows {
        told.push(match row {
            Row::Edit { id, rev } => match judged.next() {
                Some((_, Err(error))) => Row::Refused { id, rev, error },
                Some((edit, Ok(()))) => {
                    admitted.push(edit);
                    Row::Edit { id, rev }
                }
                None => Row::Edit { id, rev },
            },
            other => other,
        });
    }
    (admitted, told)
}

fn write_local(id: LocalId, document: Document, database: &Database) -> Row {
    let outcome = local::write_now(database, id.clone(), document).map(local::Written::rev);
    Row::Local { id, outcome }
}

impl Submitted {
    /// Waits for the outcome.
    pub(super) async fn settle(self) -> (Vec<Row>, Edited) {
        (self.rows, outcome(self.edited).await)
    }
}
