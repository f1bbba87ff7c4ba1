//! JSON text on its way out.

use std::io::{self, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Attachment, AttachmentReader, Database, Error};

/// Text held in memory before attachments are left to be read while they are written.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Bytes of an attachment encoded at a time; divisible by three, so that pieces join without
/// padding.
const PIECE_BYTES: usize = 48 * 1024;

/// JSON text on its way out: bytes to send, and places where the bytes of attachments go.
///
/// Callers append their own text with [`Self::text`], documents with
/// [`crate::Snapshot::render_winner`] and [`crate::Snapshot::render_revision`], and empty it with
/// [`Self::write_to`] when the snapshot is gone, so that a slow reader pins nothing. Memory stays
/// within what the documents' bodies need: large attachments are read while they are written.
#[derive(Debug, Default)]
pub struct Output {
    text: Vec<u8>,
    /// Where in the text the base64 of an attachment goes, in ascending order.
    inserts: Vec<(usize, Attachment)>,
}

/// An output could not be written on.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Something could not be read.
    #[error(transparent)]
    Store(#[from] Error),
    /// Whoever reads the output is gone.
    #[error("the reader of an output is gone")]
    Sink(#[source] io::Error),
}

impl Output {
    /// An empty output.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The end of the text, for callers to append their own to; they append only.
    pub fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Bytes held in memory now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text, when nothing has to be read any more.
    ///
    /// # Errors
    /// The output itself, to be streamed, when it has places for attachments.
    pub fn into_text(self) -> Result<Vec<u8>, Self> {
        if self.inserts.is_empty() { Ok(self.text) } else { Err(self) }
    }

    /// Writes everything out and leaves the output empty.
    ///
    /// # Errors
    /// [`OutputError`]; then the output is incomplete and must be broken off, not ended.
    pub fn write_to(
        &mut self,
        database: &Database,
        sink: &mut dyn io::Write,
    ) -> Result<(), OutputError> {
        let mut written = 0;
        for (at, attachment) in self.inserts.drain(..) {
            sink.write_all(&self.text[written..at]).map_err(OutputError::Sink)?;
            written = at;
            let mut reader = database.read(|snapshot| snapshot.attachment(&attachment))?;
            write_base64(&mut reader, &attachment, sink)?;
        }
        sink.write_all(&self.text[written..]).map_err(OutputError::Sink)?;
        self.text.clear();
        Ok(())
    }

    /// Whether an attachment of so many bytes is better read later.
    pub(super) fn defers(&self, length: u64) -> bool {
        self.text.len() as u64 + length > TEXT_BYTES_MAX as u64
    }

    /// Leaves a place for an attachment's base64.
    pub(super) fn insert(&mut self, attachment: &Attachment) {
        self.inserts.push((self.text.len(), attachment.clone()));
    }

    /// Appends an attachment's base64 now.
    pub(super) fn append_base64(
        &mut self,
        mut reader: AttachmentReader,
        attachment: &Attachment,
    ) -> Result<(), Error> {
        match write_base64(&mut reader, attachment, &mut self.text) {
            Ok(()) => Ok(()),
            Err(OutputError::Store(error)) => Err(error),
            Err(OutputError::Sink(error)) => Err(Error::io("hold an attachment")(error)),
        }
    }
}

fn write_base64(
    reader: &mut AttachmentReader,
    attachment: &Attachment,
    sink: &mut dyn io::Write,
) -> Result<(), OutputError> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut text = String::new();
    let mut left = attachment.length;
    while left > 0 {
        let length = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        reader.read_exact(&mut piece[..length]).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Error::Damaged(format!("attachment {} is cut short", attachment.content))
            }
            _ => Error::io("read an attachment")(error),
        })?;
        text.clear();
        STANDARD.encode_string(&piece[..length], &mut text);
        sink.write_all(text.as_bytes()).map_err(OutputError::Sink)?;
        left -= length as u64;
    }
    Ok(())
}
