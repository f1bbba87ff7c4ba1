//! Documents sent with their attachments as parts.

use std::fmt::Write as _;
use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use store::{Attachment, Database, Output};

use crate::http::multipart::Boundary;
use crate::http::pieces::pieces;
use crate::http::{HttpError, Reply, reply};

/// A document, rendered, and what follows it.
pub(super) fn answer(
    database: &Arc<Database>,
    mut document: Output,
    following: &[Attachment],
) -> Result<Reply, HttpError> {
    let boundary = Boundary::random()?;
    let mut out = Output::new();
    write(document.text(), following, &boundary, &mut out);
    let database = Arc::clone(database);
    let body = pieces(out, move |out| Ok(out.next_piece(&database)?));
    let mut reply = reply::json_stream(StatusCode::OK, body);
    let media_type = media_type("multipart/related", &boundary)?;
    reply.headers_mut().insert(header::CONTENT_TYPE, media_type);
    Ok(reply)
}

/// Appends a rendered document as a part of a larger answer, behind the boundary: by itself, or
/// where attachments follow as a body of parts of its own.
pub(super) fn write_part(document: &mut Output, out: &mut Output) -> Result<(), HttpError> {
    let following = document.take_following();
    if following.is_empty() {
        out.text().extend_from_slice(b"\r\nContent-Type: application/json\r\n\r\n");
        out.text().extend_from_slice(document.text());
        return Ok(());
    }
    let boundary = Boundary::random()?;
    let media_type = media_type("multipart/related", &boundary)?;
    out.text().extend_from_slice(b"\r\nContent-Type: ");
    out.text().extend_from_slice(media_type.as_bytes());
    out.text().extend_from_slice(b"\r\n\r\n");
    write(document.text(), &following, &boundary, out);
    Ok(())
}

/// Appends two hyphens and the boundary.
pub(super) fn delimit(boundary: &Boundary, out: &mut Output) {
    out.text().extend_from_slice(b"--");
    out.text().extend_from_slice(boundary.as_str().as_bytes());
}

/// A content type with its boundary.
pub(super) fn media_type(name: &str, boundary: &Boundary) -> Result<HeaderValue, HttpError> {
    let text = format!("{name}; boundary=\"{}\"", boundary.as_str());
    HeaderValue::try_from(text).map_err(|error| HttpError::Internal {
        action: "write a content type",
        cause: error.to_string(),
    })
}

fn write(document: &[u8], following: &[Attachment], boundary: &Boundary, out: &mut Output) {
    delimit(boundary, out);
    out.text().extend_from_slice(b"\r\nContent-Type: application/json\r\n\r\n");
    out.text().extend_from_slice(document);
    for attachment in following {
        out.text().extend_from_slice(b"\r\n");
        delimit(boundary, out);
        out.text().extend_from_slice(headers(attachment).as_bytes());
        out.append_attachment(attachment);
    }
    out.text().extend_from_slice(b"\r\n");
    delimit(boundary, out);
    out.text().extend_from_slice(b"--");
}

/// The headers of an attachment's part, and the empty line that ends them.
fn headers(attachment: &Attachment) -> String {
    let mut text = String::from("\r\nContent-Disposition: attachment; filename=\"");
    for character in attachment.name.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            // A name must not end its header.
            control if control.is_control() => text.push('_'),
            other => text.push(other),
        }
    }
    let content_type = Some(attachment.content_type.as_str());
    let content_type = content_type.filter(|text| HeaderValue::from_str(text).is_ok());
    // Writing to memory cannot fail.
    let _written = write!(
        text,
        "\"\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
        content_type.unwrap_or("application/octet-stream"),
        attachment.length
    );
    text
}
