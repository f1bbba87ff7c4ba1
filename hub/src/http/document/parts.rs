//! Documents that come with their attachments in parts of their own: `multipart/related`.

use std::sync::Arc;

use http::HeaderMap;
use store::{Compression, Database, Document, DocumentLimits, Following, Staged};

use crate::app::App;
use crate::http::HttpError;
use crate::http::attachment::{Staging, check_md5, intake, too_large};
use crate::http::call::blocking;
use crate::http::incoming::Incoming;
use crate::http::memory::Share;
use crate::http::multipart::{Boundary, Event, Parser, PartHeaders};
use crate::http::request::{Coding, Upload, document_text_bytes_max};

/// Bytes taken apart at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// Reads a document and stages the attachments that follow it, in the order in which the document
/// names them. Only one piece is in memory at a time; what was staged is gone when a fault shows.
pub(super) async fn receive(
    app: &App,
    database: &Arc<Database>,
    headers: &HeaderMap,
    boundary: &Boundary,
    body: Incoming,
) -> Result<(Document, Vec<Staged>), HttpError> {
    if Coding::of(headers)? != Coding::Identity {
        return Err(HttpError::BadContentEncoding("multipart/related is read unencoded only"));
    }
    let mut upload = Upload::new(body, app.limits().request_bytes_max)?;
    let mut parser = Parser::new(boundary);
    let mut parts = Parts {
        database: Arc::clone(database),
        limits: DocumentLimits::from(&app.limits()),
        compression: app.compression(),
        text_bytes_max: document_text_bytes_max(&app.limits()),
        document: None,
        small_bytes: 0,
        staged: Vec::new(),
        open: Open::Text(Vec::new()),
    };
    loop {
        let piece = upload.piece(PIECE_BYTES).await?;
        if piece.is_empty() {
            parser.finish()?;
            return parts.finish();
        }
        let share = Share::current();
        (parser, parts) = blocking(move || {
            parser.feed(&piece, |event| parts.take(event))?;
            share.map_or(Ok(()), |share| share.try_hold(parts.bytes()))?;
            Ok((parser, parts))
        })
        .await?;
    }
}

/// What came so far.
struct Parts {
    database: Arc<Database>,
    limits: DocumentLimits,
    compression: Compression,
    text_bytes_max: usize,
    /// The first part.
    document: Option<Document>,
    /// Bytes of small attachments staged; together no more than a document's text may have.
    small_bytes: u64,
    /// The later ones: a place for each attachment that the document says follows.
    staged: Vec<Option<Staged>>,
    open: Open,
}

/// The part that is being read.
enum Open {
    /// The document's text.
    Text(Vec<u8>),
    /// An attachment.
    Attachment(Box<Attachment>),
    /// None.
    Nothing,
}

struct Attachment {
    /// Its place among those that follow.
    at: usize,
    name: String,
    said: Following,
    /// Bytes that came.
    length: u64,
    /// Bytes that the document says will come, in the coding in which they do.
    expected: Option<u64>,
    staging: Staging,
}

impl Parts {
    fn take(&mut self, event: Event<'_>) -> Result<(), HttpError> {
        match event {
            Event::Begin(headers) if self.document.is_some() => {
                self.open = Open::Attachment(Box::new(self.begin(&headers)?));
            }
            Event::Begin(_) => {}
            Event::Data(bytes) => self.open = self.append(bytes)?,
            Event::End => match std::mem::replace(&mut self.open, Open::Nothing) {
                Open::Text(text) => {
                    let document = Document::parse_first_part(&text, self.limits)?;
                    self.staged = vec![None; document.following().count()];
                    self.document = Some(document);
                }
                Open::Attachment(attachment) => {
                    let at = attachment.at;
                    let staged = attachment.finish()?;
                    self.small_bytes += staged.held_bytes();
                    if self.small_bytes > self.text_bytes_max as u64 {
                        return Err(HttpError::RequestTooLarge);
                    }
                    self.staged[at] = Some(staged);
                }
                Open::Nothing => {}
            },
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<Open, HttpError> {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Text(mut text) => {
                if text.len() + bytes.len() > self.text_bytes_max {
                    return Err(HttpError::RequestTooLarge);
                }
                text.extend_from_slice(bytes);
                Ok(Open::Text(text))
            }
            Open::Attachment(attachment) => Ok(Open::Attachment(Box::new(attachment.take(bytes)?))),
            Open::Nothing => Ok(Open::Nothing),
        }
    }

    /// Bytes held in memory, where each document waits as text and in parts.
    fn bytes(&self) -> u64 {
        let text = match &self.open {
            Open::Text(text) => 3 * text.len() as u64,
            Open::Attachment(_) | Open::Nothing => 0,
        };
        let document = self.document.as_ref().map_or(0, |document| document.body.len() as u64);
        text + document + self.small_bytes
    }

    /// The attachment whose part begins: the one of that name, or the first that has not come.
    fn begin(&self, headers: &PartHeaders) -> Result<Attachment, HttpError> {
        let following = self.document.iter().flat_map(Document::following).zip(&self.staged);
        let mut pending = following
            .enumerate()
            .filter(|(_, (_, staged))| staged.is_none())
            .map(|(at, ((name, said), _))| (at, name, said));
        let found = match headers.file_names() {
            None => pending.next(),
            Some(names) => pending.find(|(_, name, _)| names.iter().any(|given| given == name)),
        };
        let (at, name, said) = found.ok_or_else(|| {
            HttpError::BadRequest("a part is no attachment that the document says follows".into())
        })?;
        let coding = match headers.find("content-encoding") {
            None => said.gzip,
            Some(coding) if coding.eq_ignore_ascii_case("identity") => said.gzip,
            Some(coding) if coding.eq_ignore_ascii_case("gzip") => true,
            Some(_) => {
                return Err(HttpError::BadContentEncoding(
                    "Only gzip and identity content-encodings are supported",
                ));
            }
        };
        let coding = if coding { Coding::Gzip } else { Coding::Identity };
        let expected = match coding {
            Coding::Identity => said.length,
            Coding::Gzip => said.encoded_length,
        };
        let content_type = self.document.as_ref().and_then(|document| {
            let mut attachments = document.attachments.iter();
            attachments.find(|attachment| attachment.name == name)?.content_type.as_deref()
        });
        let intake = intake(coding, &self.compression, content_type.unwrap_or_default());
        let writer = self.database.stage(self.limits.attachment_bytes_max, intake)?;
        Ok(Attachment {
            at,
            name: name.to_owned(),
            said: said.clone(),
            length: 0,
            expected,
            staging: Staging::new(writer),
        })
    }

    /// The document with all that follows it.
    fn finish(self) -> Result<(Document, Vec<Staged>), HttpError> {
        let fault = |reason: &str| HttpError::BadRequest(reason.into());
        let document = self.document.ok_or_else(|| fault("the document's part is missing"))?;
        let staged = self.staged.into_iter().collect::<Option<_>>();
        Ok((document, staged.ok_or_else(|| fault("an attachment that follows is missing"))?))
    }
}

impl Attachment {
    fn take(self, bytes: &[u8]) -> Result<Self, HttpError> {
        let length = self.length + bytes.len() as u64;
        if self.expected.is_some_and(|expected| length > expected) {
            return Err(HttpError::BadRequest("attachment longer than expected".into()));
        }
        let staging = self.staging.take(bytes).map_err(too_large(&self.name))?;
        Ok(Self { length, staging, ..self })
    }

    /// Ends it; what came must be what the document says.
    fn finish(self) -> Result<Staged, HttpError> {
        let Self { name, said, length, expected, staging, .. } = self;
        if expected.is_some_and(|expected| length < expected) {
            return Err(HttpError::BadRequest("attachment shorter than expected".into()));
        }
        let staged = staging.finish().map_err(too_large(&name))?;
        // Of what came to it compressed, CouchDB says the compressed length twice.
        let decoded = said.length.filter(|said_length| said.encoded_length != Some(*said_length));
        if decoded.is_some_and(|said| said != staged.length()) {
            return Err(HttpError::BadRequest(format!(
                "Attachment {name} is not as long as the document says"
            )));
        }
        check_md5(&staged, said.digest.as_deref().and_then(|said| said.strip_prefix("md5-")))?;
        Ok(staged)
    }
}
