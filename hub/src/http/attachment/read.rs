//! GET and HEAD of attachments.

use std::collections::VecDeque;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use store::{Attachment, AttachmentReader, DocId, Encoding, Error, RevId};

use super::range::{Part, Wanted};
use super::{HttpError, Revision};
use crate::access::Action;
use crate::http::body::{self, Body};
use crate::http::call::quick;
use crate::http::document::ReadOptions;
use crate::http::etag::ETag;
use crate::http::multipart::Boundary;
use crate::http::pages::Gate;
use crate::http::pieces::pieces;
use crate::http::{Call, Reply, accept};

/// Longest part that is answered from memory.
const WHOLE_BYTES_MAX: u64 = 64 * 1024;

/// Bytes read from the store at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// `GET /{db}/{doc}/{att}`
pub(crate) async fn get(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let id = call.captures.doc.parse::<DocId>()?;
    let ReadOptions { rev, .. } = ReadOptions::parse(&call.query)?;
    let rev = rev.or_else(|| matched(&call.headers));
    let reading = Gate::of_key(&call, Action::Read);
    let Call { captures, headers, method, .. } = call;
    let reply = quick(move || {
        let (attachment, reader) = database.read(|snapshot| {
            let revision = Revision::wanted(snapshot, &id, rev.as_ref())?;
            let attachment = revision.attachment(&captures.att)?;
            Ok::<_, HttpError>((attachment.clone(), snapshot.attachment(attachment)?))
        })?;
        answer(&attachment, reader, &method, &headers)
    })
    .await?;
    if let Some(gate) = reading {
        gate.note_read(1);
    }
    Ok(reply)
}

/// The revision of the document that `If-Match` names; there may be an attachment's tag in it, too,
/// which CouchDB passes over.
fn matched(headers: &HeaderMap) -> Option<RevId> {
    let text = headers.get(header::IF_MATCH)?.to_str().ok()?;
    text.trim_matches('"').parse().ok()
}

fn answer(
    attachment: &Attachment,
    mut reader: AttachmentReader,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Reply, HttpError> {
    let md5 = STANDARD.encode(attachment.digest.0);
    let tag = ETag::new(&md5)?;
    if tag.is_known(headers) {
        return Ok(tag.not_modified());
    }
    let form = Form::of(attachment, headers);
    if form == Form::Decoded {
        reader = reader.decoded(attachment);
    }
    let length = form.length(attachment);
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let range = range.filter(|_| form == Form::Plain);
    let wanted = match range {
        Some(range) if *method == Method::GET && tag.allows_range(headers) => {
            Wanted::parse(range, attachment.length)?
        }
        _ => Wanted::Whole,
    };
    let mut reply = match wanted {
        Wanted::Whole => {
            // The headers are all that a HEAD wants of bytes that would have to be decoded.
            let body = match *method {
                Method::HEAD => body::whole(""),
                _ => part_body(reader, length)?,
            };
            let mut reply = shaped(attachment, StatusCode::OK, body);
            reply.headers_mut().insert(header::CONTENT_LENGTH, length.into());
            if form != Form::Decoded {
                insert(&mut reply, header::HeaderName::from_static("content-md5"), &md5);
            }
            if let (Form::Encoded, Some(encoding)) = (form, attachment.encoding) {
                insert(&mut reply, header::CONTENT_ENCODING, &encoding.to_string());
            }
            reply
        }
        Wanted::Part(part) => {
            reader.seek(SeekFrom::Start(part.first)).map_err(unreadable)?;
            let body = part_body(reader, part.length())?;
            let mut reply = shaped(attachment, StatusCode::PARTIAL_CONTENT, body);
            reply.headers_mut().insert(header::CONTENT_LENGTH, part.length().into());
            insert(&mut reply, header::CONTENT_RANGE, &content_range(part, attachment.length));
            reply
        }
        Wanted::Parts(parts) => several(attachment, reader, parts)?,
    };
    tag.put(&mut reply);
    Ok(reply)
}

/// In which form an attachment is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As it is stored, which is as it is.
    Plain,
    /// As it is stored, encoded.
    Encoded,
    /// Decoded on the way.
    Decoded,
}

impl Form {
    fn of(attachment: &Attachment, headers: &HeaderMap) -> Self {
        match attachment.encoding {
            None => Self::Plain,
            Some(Encoding::Gzip) if accept::takes_gzip(headers) => Self::Encoded,
            Some(Encoding::Gzip) => Self::Decoded,
        }
    }

    fn length(self, attachment: &Attachment) -> u64 {
        match self {
            Self::Plain | Self::Encoded => attachment.stored_length(),
            Self::Decoded => attachment.length,
        }
    }
}

/// Headers that every answer with bytes of an attachment has.
fn shaped(attachment: &Attachment, status: StatusCode, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    // A type that cannot be a header says nothing about the bytes.
    let content_type = HeaderValue::from_str(&attachment.content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, content_type);
    let ranges = match attachment.encoding {
        None => "bytes",
        Some(_) => {
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
            "none"
        }
    };
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static(ranges));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("must-revalidate"));
    // What somebody attached must not run with the rights of the hub's own pages.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

fn insert(reply: &mut Reply, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

fn content_range(part: Part, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.first, part.last)
}

/// `length` bytes from where the reader stands.
fn part_body(mut reader: AttachmentReader, length: u64) -> Result<Body, HttpError> {
    if length > WHOLE_BYTES_MAX {
        return Ok(send(reader, vec![Segment::Bytes(length)]));
    }
    let mut bytes = Vec::new();
    reader.by_ref().take(length).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 == length {
        Ok(body::whole(bytes))
    } else {
        Err(unreadable(io::ErrorKind::UnexpectedEof.into()))
    }
}

/// Several runs of bytes, as `multipart/byteranges`.
///
/// Source: RFC 9110 §14.6.
fn several(
    attachment: &Attachment,
    reader: AttachmentReader,
    parts: Vec<Part>,
) -> Result<Reply, HttpError> {
    let boundary = Boundary::random()?;
    let boundary = boundary.as_str();
    let media_type = format!("multipart/byteranges; boundary=\"{boundary}\"");
    let (content_type, length) = (attachment.content_type.clone(), attachment.length);
    let mut segments = Vec::with_capacity(parts.len() * 3);
    for part in parts {
        let range = content_range(part, length);
        segments.push(Segment::Text(format!(
            "--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {range}\r\n\r\n"
        )));
        segments.push(Segment::Seek(part.first));
        segments.push(Segment::Bytes(part.length()));
        segments.push(Segment::Text("\r\n".into()));
    }
    segments.push(Segment::Text(format!("--{boundary}--")));
    let body = send(reader, segments);
    let mut reply = shaped(attachment, StatusCode::PARTIAL_CONTENT, body);
    insert(&mut reply, header::CONTENT_TYPE, &media_type);
    Ok(reply)
}

/// What an answer is made of.
enum Segment {
    /// Text between parts.
    Text(String),
    /// From here on the attachment is read.
    Seek(u64),
    /// So many of its bytes.
    Bytes(u64),
}

/// Sends segments in order, attachment bytes as they are read.
fn send(reader: AttachmentReader, segments: Vec<Segment>) -> Body {
    let segments: VecDeque<_> = segments.into();
    pieces((reader, segments), |(reader, segments)| next_piece(reader, segments))
}

fn next_piece(
    reader: &mut AttachmentReader,
    segments: &mut VecDeque<Segment>,
) -> Result<Option<Vec<u8>>, HttpError> {
    while let Some(segment) = segments.pop_front() {
        match segment {
            Segment::Text(text) => return Ok(Some(text.into_bytes())),
            Segment::Seek(first) => {
                reader.seek(SeekFrom::Start(first)).map_err(unreadable)?;
            }
            Segment::Bytes(0) => {}
            Segment::Bytes(left) => {
                let length = usize::try_from(left).map_or(PIECE_BYTES, |n| n.min(PIECE_BYTES));
                let mut piece = vec![0; length];
                reader.read_exact(&mut piece).map_err(unreadable)?;
                segments.push_front(Segment::Bytes(left - length as u64));
                return Ok(Some(piece));
            }
        }
    }
    Ok(None)
}

fn unreadable(source: io::Error) -> HttpError {
    if source.kind() == io::ErrorKind::InvalidData {
        return HttpError::Store(Error::Damaged(source.to_string()));
    }
    HttpError::Store(Error::Io { action: "read an attachment", source })
}
