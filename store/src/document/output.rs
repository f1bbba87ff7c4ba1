//! JSON text on its way out.

use std::collections::VecDeque;
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
/// [`Self::next_piece`] or [`Self::write_to`] when the snapshot is gone, so that a slow reader pins
/// nothing. Memory stays within what the documents' bodies need: large attachments are read while
/// they are sent.
#[derive(Debug, Default)]
pub struct Output {
    text: Vec<u8>,
    /// How much of the text is out already.
    written: usize,
    /// Where in the text an attachment goes, in ascending order.
    inserts: VecDeque<(usize, Form, Attachment)>,
    /// Attachments that the text says follow it.
    following: Vec<Attachment>,
    /// The attachment that is being read.
    reading: Option<Box<Reading>>,
    /// Rows and documents in it, as those who write them count.
    rows: u64,
}

/// How the bytes of an attachment are written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Base64,
    Raw,
}

#[derive(Debug)]
struct Reading {
    form: Form,
    reader: AttachmentReader,
    attachment: Attachment,
    bytes_left: u64,
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

    /// Counts a row or a document that is written.
    pub fn count_row(&mut self) {
        self.rows += 1;
    }

    /// Rows and documents that were written.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
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
        let untouched = self.written == 0 && self.reading.is_none();
        if untouched && self.inserts.is_empty() { Ok(self.text) } else { Err(self) }
    }

    /// The next bytes, in order; `None` once everything is out, and the output empty again.
    ///
    /// # Errors
    /// Any of [`Error`]; then the output is incomplete and must be broken off, not ended.
    pub fn next_piece(&mut self, database: &Database) -> Result<Option<Vec<u8>>, Error> {
        loop {
            if let Some(reading) = &mut self.reading {
                match reading.next_piece()? {
                    Some(piece) => return Ok(Some(piece)),
                    None => self.reading = None,
                }
            }
            let end = self.inserts.front().map_or(self.text.len(), |(at, ..)| *at);
            if self.written < end {
                let piece = self.text[self.written..end].to_vec();
                self.written = end;
                return Ok(Some(piece));
            }
            let Some((_, form, attachment)) = self.inserts.pop_front() else {
                self.text.clear();
                self.written = 0;
                return Ok(None);
            };
            let reader = database.read(|snapshot| snapshot.attachment(&attachment))?;
            let (reader, bytes_left) = match form {
                Form::Base64 => (reader.decoded(&attachment), attachment.length),
                Form::Raw => (reader, attachment.stored_length()),
            };
            self.reading = Some(Box::new(Reading { form, reader, attachment, bytes_left }));
        }
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
        while let Some(piece) = self.next_piece(database)? {
            sink.write_all(&piece).map_err(OutputError::Sink)?;
        }
        Ok(())
    }

    /// The attachments that documents appended since the last call say follow them, in order.
    pub fn take_following(&mut self) -> Vec<Attachment> {
        std::mem::take(&mut self.following)
    }

    /// Leaves a place for an attachment's bytes as they are stored.
    pub fn append_attachment(&mut self, attachment: &Attachment) {
        self.inserts.push_back((self.text.len(), Form::Raw, attachment.clone()));
    }

    /// Whether an attachment of so many bytes is better read later.
    pub(super) fn defers(&self, length: u64) -> bool {
        self.text.len() as u64 + length > TEXT_BYTES_MAX as u64
    }

    /// Leaves a place for an attachment's base64.
    pub(super) fn insert(&mut self, attachment: &Attachment) {
        self.inserts.push_back((self.text.len(), Form::Base64, attachment.clone()));
    }

    /// Notes an attachment that the text says follows.
    pub(super) fn follow(&mut self, attachment: &Attachment) {
        self.following.push(attachment.clone());
    }

    /// Appends an attachment's base64 now, from a reader that decodes.
    pub(super) fn append_base64(
        &mut self,
        reader: AttachmentReader,
        attachment: &Attachment,
    ) -> Result<(), Error> {
        let (attachment, bytes_left) = (attachment.clone(), attachment.length);
        let mut reading = Reading { form: Form::Base64, reader, attachment, bytes_left };
        while let Some(piece) = reading.next_piece()? {
            self.text.extend_from_slice(&piece);
        }
        Ok(())
    }
}

impl Reading {
    /// The next bytes, in their form.
    fn next_piece(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.bytes_left == 0 {
            return Ok(None);
        }
        let length = usize::try_from(self.bytes_left).map_or(PIECE_BYTES, |n| n.min(PIECE_BYTES));
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Error::Damaged(format!("attachment {} is cut short", self.attachment.content))
            }
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                Error::Damaged(format!("attachment {} cannot be decoded", self.attachment.content))
            }
            _ => Error::io("read an attachment")(error),
        })?;
        self.bytes_left -= length as u64;
        Ok(Some(match self.form {
            Form::Base64 => STANDARD.encode(&bytes).into_bytes(),
            Form::Raw => bytes,
        }))
    }
}
