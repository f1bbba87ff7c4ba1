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
    let length = out.len() as u64 + following.iter().map(Attachment::stored_length).sum::<u64>();
    let database = Arc::clone(database);
    let body = pieces(out, move |out| Ok(out.next_piece(&database)?));
    let mut reply = reply::json_stream(StatusCode::OK, body);
    let media_type = media_type("multipart/related", &boundary)?;
    reply.headers_mut().insert(header::CONTENT_TYPE, media_type);
    reply.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    Ok(reply)
}

/// Appends a rendered document as a part of a larger answer, behind the boundary: by itself, or
/// where attachments follow as a body of parts of its own. `headers` are lines, each behind its line
/// break.
pub(crate) fn write_part(
    headers: &str,
    document: &mut Output,
    out: &mut Output,
) -> Result<(), HttpError> {
    let following = document.take_following();
    out.text().extend_from_slice(headers.as_bytes());
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

/// Appends what is said instead of a document that is not there, behind the boundary.
pub(crate) fn write_fault(json: &[u8], out: &mut Output) {
    let head = b"\r\nContent-Type: application/json; error=\"true\"\r\n\r\n";
    out.text().extend_from_slice(head);
    out.text().extend_from_slice(json);
}

/// Appends two hyphens and the boundary.
pub(crate) fn delimit(boundary: &Boundary, out: &mut Output) {
    out.text().extend_from_slice(b"--");
    out.text().extend_from_slice(boundary.as_str().as_bytes());
}

/// A content type with its boundary.
pub(crate) fn media_type(name: &str, boundary: &Boundary) -> Result<HeaderValue, HttpError> {
    let text = format!("{name}; boundary=\"{}\"", boundary.as_str());
    HeaderValue::try_from(text).map_err(|error| HttpError::Internal {
        action: "write a content type",
        cause: error.to_string(),
    })
}

/// Appends everything but the attachments' bytes, which are read when they are sent.
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
        "\"\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
        content_type.unwrap_or("application/octet-stream"),
        attachment.stored_length()
    );
    if let Some(encoding) = attachment.encoding {
        let _written = write!(text, "Content-Encoding: {encoding}\r\n");
    }
    text.push_str("\r\n");
    text
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use flate2::read::MultiGzDecoder;
    use proptest::prelude::*;
    use store::{
        Content, DocId, Document, DocumentLimits, Edit, Intake, Lineage, Millis, NewAttachment,
        Options, Show, ShowAttachments, Store,
    };

    use super::*;
    use crate::http::multipart::{Event, MultipartError, Parser, PartHeaders};

    type Given = Vec<(String, Vec<u8>, bool)>;

    /// Writes a document with these attachments, some of them compressed, and sends it.
    fn sent(given: &Given) -> (Boundary, Vec<u8>) {
        let options = Options { writer_threads: 0, open_databases_max: 1, device: [0; 32] };
        let store = Store::in_memory(&options).unwrap();
        let database = store.create(&"db".parse().unwrap(), Millis(1)).unwrap();
        let attachments = given.iter().map(|(name, bytes, compressed)| {
            let intake = if *compressed { Intake::Compress(1) } else { Intake::Plain };
            let mut writer = database.stage(1 << 20, intake).unwrap();
            writer.write_all(bytes).unwrap();
            let content = Content::Staged(writer.finish().unwrap());
            NewAttachment { name: name.clone(), content_type: None, revpos: None, content }
        });
        let id: DocId = "d".parse().unwrap();
        let edit = Edit {
            id: id.clone(),
            lineage: Lineage::Child(None),
            deleted: false,
            body: "{}".into(),
            attachments: attachments.collect(),
        };
        database.write(vec![edit], Millis(1)).unwrap().remove(0).unwrap();
        let show = Show { attachments: ShowAttachments::All, follow: true, ..Show::default() };
        let mut document = Output::new();
        database
            .read(|snapshot| {
                let head = snapshot.head(&id)?.unwrap();
                snapshot.render_winner(&head, &show, &mut document)
            })
            .unwrap();
        let following = document.take_following();
        let boundary = Boundary::random().unwrap();
        let (mut out, mut body) = (Output::new(), Vec::new());
        write(document.text(), &following, &boundary, &mut out);
        out.write_to(&database, &mut body).unwrap();
        (boundary, body)
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read_again(
            attachments in prop::collection::btree_map(
                "[^_\\p{Cc}][^\\p{Cc}]{0,8}",
                (prop::collection::vec(any::<u8>(), 0..2000), any::<bool>()),
                0..5,
            ),
            piece in 1..3000_usize,
        ) {
            let given = attachments.into_iter().map(|(name, (bytes, gzip))| (name, bytes, gzip));
            let given: Given = given.collect();
            let (boundary, body) = sent(&given);
            let mut parser = Parser::new(&boundary);
            let mut parts: Vec<(PartHeaders, Vec<u8>)> = Vec::new();
            for piece in body.chunks(piece) {
                let taken = parser.feed(piece, |event| {
                    match event {
                        Event::Begin(headers) => parts.push((headers, Vec::new())),
                        Event::Data(bytes) => parts.last_mut().unwrap().1.extend_from_slice(bytes),
                        Event::End => {}
                    }
                    Ok::<_, MultipartError>(())
                });
                taken.unwrap();
            }
            parser.finish().unwrap();
            let (_, text) = parts.remove(0);
            let document =
                Document::parse_first_part(&text, DocumentLimits::default()).unwrap();
            let said: Vec<_> = document.following().map(|(name, said)| (name, said.gzip)).collect();
            let expected: Vec<_> =
                given.iter().map(|(name, _, gzip)| (name.as_str(), *gzip)).collect();
            prop_assert_eq!(said, expected);
            prop_assert_eq!(parts.len(), given.len());
            for ((headers, data), (name, bytes, gzip)) in parts.into_iter().zip(given) {
                prop_assert!(headers.file_names().unwrap().contains(&name), "{name:?}");
                let length = headers.find("content-length").unwrap().parse::<usize>();
                prop_assert_eq!(length, Ok(data.len()));
                prop_assert_eq!(headers.find("content-encoding"), gzip.then_some("gzip"));
                let mut decoded = data.clone();
                if gzip {
                    decoded.clear();
                    MultiGzDecoder::new(&data[..]).read_to_end(&mut decoded).unwrap();
                }
                prop_assert_eq!(decoded, bytes);
            }
        }
    }
}
