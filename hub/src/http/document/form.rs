//! Attachments as a page's form sends them: `multipart/form-data`.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, Uri, header};
use store::{
    Compression, Content, Database, DocId, Document, DocumentLimits, Edit, Lineage, NewAttachment,
    RevId, Staged,
};

use super::options::rev_options;
use super::submit::submit_one;
use super::write::{into_edit, written};
use crate::access::Action;
use crate::app::App;
use crate::http::attachment::{Staging, edited, intake, too_large, writable_name};
use crate::http::call::blocking;
use crate::http::etag::ETag;
use crate::http::multipart::{Boundary, Event, Parser, PartHeaders};
use crate::http::request::{Coding, Upload, document_text_bytes_max};
use crate::http::{Call, HttpError, Reply};

/// Bytes taken apart at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// Bytes of a field that is no attachment and no document.
const FIELD_BYTES_MAX: usize = 1024;

/// Attachments in one form.
const FILES_MAX: usize = 1000;

/// `POST /{db}/{doc}`: adds the files of a form to a document, that of the field `_rev` or one in
/// the field `_doc`.
pub(crate) async fn upload(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let id = call.captures.doc.parse::<DocId>()?;
    if id.is_design() {
        call.require(Action::WriteDesign)?;
    }
    check_referer(&call.headers)?;
    let author = call.author();
    let Call { app, query, headers, body, .. } = call;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let boundary = Boundary::of(content_type.unwrap_or_default(), "multipart/form-data")?;
    let boundary = boundary.ok_or(HttpError::NotAForm)?;
    if Coding::of(&headers)? != Coding::Identity {
        return Err(HttpError::BadContentEncoding("multipart/form-data is read unencoded only"));
    }
    let upload = Upload::new(body, app.limits().request_bytes_max)?;
    let Form { document, rev, files, compression, .. } =
        receive(&app, &database, &boundary, upload).await?;

    let mut edit = match document {
        Some(document) => {
            let base = rev_options(document.revs.clone(), &query, &headers)?.into_iter().next();
            let lineage = Lineage::Child(base);
            into_edit(document, id.clone(), lineage, &database, compression, Vec::new()).await?
        }
        None => {
            let rev = rev.ok_or(store::ParseRevError)?;
            let (reading, wanted) = (Arc::clone(&database), id.clone());
            blocking(move || edited(&reading, &wanted, Some(&rev))).await?
        }
    };
    add(&mut edit, files);
    let rev = submit_one(&author, &database, edit).await?;
    let mut reply = written(StatusCode::CREATED, id.as_str(), &rev.to_string());
    ETag::of(&rev)?.put(&mut reply);
    Ok(reply)
}

/// Forms come from pages: they must be of this very server, as in CouchDB.
fn check_referer(headers: &HeaderMap) -> Result<(), HttpError> {
    let refused = |reason: &str| Err(HttpError::BadRequest(reason.into()));
    let Some(referer) = headers.get(header::REFERER) else {
        return refused("Referer header required.");
    };
    let referer = referer.to_str().ok().and_then(|text| text.parse::<Uri>().ok());
    let referer = referer.and_then(|uri| Some(uri.authority()?.as_str().to_owned()));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    match (referer, host) {
        (Some(referer), Some(host)) if referer.eq_ignore_ascii_case(host) => Ok(()),
        _ => refused("Referer header must match host."),
    }
}

/// Puts files before the document's other attachments, in the place of those of their names.
fn add(edit: &mut Edit, files: Vec<File>) {
    let name_is_new =
        |attachment: &NewAttachment| files.iter().all(|file| file.name != attachment.name);
    edit.attachments.retain(name_is_new);
    let added = files.into_iter().map(|file| NewAttachment {
        name: file.name,
        content_type: Some(file.content_type),
        revpos: None,
        content: Content::Staged(file.staged),
    });
    edit.attachments.splice(0..0, added);
}

async fn receive(
    app: &App,
    database: &Arc<Database>,
    boundary: &Boundary,
    mut upload: Upload,
) -> Result<Form, HttpError> {
    let mut parser = Parser::new(boundary);
    let mut form = Form {
        database: Arc::clone(database),
        limits: DocumentLimits::from(&app.limits()),
        compression: app.compression(),
        text_bytes_max: document_text_bytes_max(&app.limits()),
        document: None,
        rev: None,
        files: Vec::new(),
        held_bytes: 0,
        open: Open::Ignored,
    };
    loop {
        let piece = upload.piece(PIECE_BYTES).await?;
        if piece.is_empty() {
            parser.finish()?;
            return Ok(form);
        }
        (parser, form) = blocking(move || {
            parser.feed(&piece, |event| form.take(event))?;
            Ok((parser, form))
        })
        .await?;
    }
}

/// A file of the form, staged.
struct File {
    name: String,
    content_type: String,
    staged: Staged,
}

/// What came so far.
struct Form {
    database: Arc<Database>,
    limits: DocumentLimits,
    compression: Compression,
    text_bytes_max: usize,
    /// The field `_doc`.
    document: Option<Document>,
    /// The field `_rev`.
    rev: Option<RevId>,
    /// The fields `_attachments`; the last of a name counts.
    files: Vec<File>,
    /// Bytes of small files, which the store keeps in memory until they are written.
    held_bytes: u64,
    open: Open,
}

/// The field that is being read.
enum Open {
    Document(Vec<u8>),
    Rev(Vec<u8>),
    File { name: String, content_type: String, staging: Box<Staging> },
    Ignored,
}

impl Form {
    fn take(&mut self, event: Event<'_>) -> Result<(), HttpError> {
        match event {
            Event::Begin(headers) => self.open = self.begin(&headers)?,
            Event::Data(bytes) => self.open = self.append(bytes)?,
            Event::End => match std::mem::replace(&mut self.open, Open::Ignored) {
                Open::Document(text) => {
                    self.document = Some(Document::parse(&text, self.limits)?);
                }
                Open::Rev(text) => {
                    let text = String::from_utf8(text).map_err(|_| store::ParseRevError)?;
                    self.rev = Some(text.trim().parse()?);
                }
                Open::File { name, content_type, staging } => {
                    let staged = staging.finish().map_err(too_large(&name))?;
                    self.held_bytes += staged.held_bytes();
                    self.files.retain(|file| file.name != name);
                    self.files.push(File { name, content_type, staged });
                    if self.held_bytes > self.text_bytes_max as u64 || self.files.len() > FILES_MAX
                    {
                        return Err(HttpError::RequestTooLarge);
                    }
                }
                Open::Ignored => {}
            },
        }
        Ok(())
    }

    fn begin(&self, headers: &PartHeaders) -> Result<Open, HttpError> {
        let [field, file] = headers.field();
        match field.as_deref() {
            Some("_doc") => Ok(Open::Document(Vec::new())),
            Some("_rev") => Ok(Open::Rev(Vec::new())),
            // A page names no file where none was chosen.
            Some("_attachments") if file.as_ref().is_some_and(|name| !name.is_empty()) => {
                let name = file.unwrap_or_default();
                writable_name(&name)?;
                let content_type = headers.find("content-type");
                let content_type = content_type.unwrap_or("application/octet-stream").to_owned();
                let intake = intake(Coding::Identity, &self.compression, &content_type);
                let writer = self.database.stage(self.limits.attachment_bytes_max, intake)?;
                let staging = Box::new(Staging::new(writer));
                Ok(Open::File { name, content_type, staging })
            }
            _ => Ok(Open::Ignored),
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<Open, HttpError> {
        let held = |mut text: Vec<u8>, bytes_max: usize| {
            if text.len() + bytes.len() > bytes_max {
                return Err(HttpError::RequestTooLarge);
            }
            text.extend_from_slice(bytes);
            Ok(text)
        };
        Ok(match std::mem::replace(&mut self.open, Open::Ignored) {
            Open::Document(text) => Open::Document(held(text, self.text_bytes_max)?),
            Open::Rev(text) => Open::Rev(held(text, FIELD_BYTES_MAX)?),
            Open::File { name, content_type, staging } => {
                let staging = staging.take(bytes).map_err(too_large(&name))?;
                Open::File { name, content_type, staging: Box::new(staging) }
            }
            Open::Ignored => Open::Ignored,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(referer: Option<&str>, host: &str, expected: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(referer) = referer {
            headers.insert(header::REFERER, referer.parse().unwrap());
        }
        let shown =
            check_referer(&headers).map_or_else(|error| error.to_string(), |()| "ok".into());
        assert_eq!(shown, expected, "{referer:?}");
    }

    #[test]
    fn referers() {
        check(Some("http://127.0.0.1:5984/_utils/x?y"), "127.0.0.1:5984", "ok");
        check(Some("http://LOCALHOST/"), "localhost", "ok");
        check(None, "localhost", "Referer header required.");
        for foreign in ["http://evil.example/", "http://localhost:1/", "/path", "", "::"] {
            check(Some(foreign), "localhost", "Referer header must match host.");
        }
    }
}
