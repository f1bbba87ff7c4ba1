//! A document with attachments to another server, each read while it is sent: as base64 within the
//! document's JSON, or as a part of its own where the server takes those.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::join;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Method};
use store::RevId;
use tokio::sync::mpsc;

use super::bulk_docs::reason;
use super::document::{self, Inline};
use super::multipart::{self, Envelope};
use super::{ANSWER_BYTES_MAX, HttpPeer, RequestBody, document_path};
use crate::{
    AttachmentForm, AttachmentStream, Peer, PeerError, Refusal, RefusalReason, Revision,
    RevisionAttachment, Transfer,
};

/// Pieces of a body waiting for the connection.
const PIECES_MAX: usize = 4;

/// Where the pieces of a body go.
type Pieces = mpsc::Sender<Result<Bytes, PeerError>>;

impl HttpPeer {
    /// Writes one revision; returns it if the target refuses it.
    pub(super) async fn upload(
        &self,
        revision: Revision,
        source: &dyn Peer,
        parts: bool,
    ) -> Result<Option<Refusal>, PeerError> {
        let Some(rev) = revision.rev().cloned() else {
            return Err(PeerError::Answer("a revision without an id".into()));
        };
        let form = if parts { AttachmentForm::Stored } else { AttachmentForm::Decoded };
        let Envelope { content_type, texts } = match form {
            AttachmentForm::Stored => multipart::envelope(&revision)?,
            AttachmentForm::Decoded => cut(&revision),
        };
        let attachments = open_unmeasured(&revision, &rev, source, form).await?;
        let length = |one: &Outgoing<'_>| match form {
            AttachmentForm::Stored => one.length,
            AttachmentForm::Decoded => base64_length(one.length),
        };
        let length = texts.iter().map(|text| text.len() as u64).sum::<u64>()
            + attachments.iter().map(length).sum::<u64>();
        let (pieces, coming) = mpsc::channel(PIECES_MAX);
        let body = RequestBody::from_stream(content_type, length, received(coming));
        let path = format!("{}?new_edits=false", document_path(&revision.id));
        let sending = self.send("document", Method::PUT, &path, Some(body));
        let feeding = feed(&revision, &rev, texts, attachments, form, source, pieces);
        let (fed, sent) = join(feeding, sending).await;
        let refused = match (sent, fed) {
            (Ok(reply), _) => {
                reply.read(ANSWER_BYTES_MAX).await?;
                return Ok(None);
            }
            // Whatever the target makes of half a document, the source is at fault.
            (Err(_), Err(error)) => return Err(error),
            (Err(error), Ok(())) => refusal(error)?,
        };
        Ok(Some(Refusal { id: revision.id, rev, reason: refused }))
    }
}

/// What of an error concerns this document alone.
fn refusal(error: PeerError) -> Result<RefusalReason, PeerError> {
    match error {
        PeerError::Refused { status: 412, .. } => Ok(RefusalReason::MissingStub),
        PeerError::Refused { status: status @ (400 | 415 | 422), reason: text } => {
            reason(&format!("answered {status}"), &text)
        }
        PeerError::Forbidden(text) => reason("forbidden", &text),
        PeerError::TooLarge(text) => reason("too large", &text),
        error => Err(error),
    }
}

/// An attachment to send.
struct Outgoing<'a> {
    described: &'a RevisionAttachment,
    length: u64,
    /// Its bytes, where they had to be asked for to know how many there are.
    opened: Option<AttachmentStream>,
}

/// The document's JSON, cut where the base64 of attachments goes.
fn cut(revision: &Revision) -> Envelope {
    let mut text = Vec::new();
    let inline = |at: usize| match revision.attachments[at].transfer {
        Transfer::Stub => Inline::Stub,
        Transfer::Bytes => Inline::Later,
    };
    let gaps = document::write(revision, inline, &mut text);
    let mut text = Bytes::from(text);
    let mut texts = Vec::with_capacity(gaps.len() + 1);
    let mut from = 0;
    for gap in gaps {
        texts.push(text.split_to(gap - from));
        from = gap;
    }
    texts.push(text);
    Envelope { content_type: HeaderValue::from_static("application/json"), texts }
}

/// The attachments to send, each with its length.
async fn open_unmeasured<'a>(
    revision: &'a Revision,
    rev: &RevId,
    source: &dyn Peer,
    form: AttachmentForm,
) -> Result<Vec<Outgoing<'a>>, PeerError> {
    let mut outgoing = Vec::new();
    for described in revision.attachments.iter().filter(|one| one.transfer == Transfer::Bytes) {
        let length = match (form, described.encoding) {
            (AttachmentForm::Stored, Some(_)) => described.encoded_length,
            _ => described.length,
        };
        outgoing.push(match length {
            Some(length) => Outgoing { described, length, opened: None },
            None => {
                let stream = source.attachment(&revision.id, rev, &described.name, form).await?;
                let length = stream.length.ok_or_else(|| wrong_length(described))?;
                Outgoing { described, length, opened: Some(stream) }
            }
        });
    }
    Ok(outgoing)
}

fn base64_length(bytes: u64) -> u64 {
    bytes.div_ceil(3).saturating_mul(4)
}

fn received(
    coming: mpsc::Receiver<Result<Bytes, PeerError>>,
) -> impl futures_util::Stream<Item = Result<Bytes, PeerError>> + Send {
    stream::unfold(coming, |mut coming| async move { Some((coming.recv().await?, coming)) })
}

/// Produces the body. Ends early, without an error, when nobody reads it any more.
async fn feed(
    revision: &Revision,
    rev: &RevId,
    texts: Vec<Bytes>,
    attachments: Vec<Outgoing<'_>>,
    form: AttachmentForm,
    source: &dyn Peer,
    pieces: Pieces,
) -> Result<(), PeerError> {
    let mut attachments = attachments.into_iter();
    for text in texts {
        if pieces.send(Ok(text)).await.is_err() {
            return Ok(());
        }
        let Some(outgoing) = attachments.next() else { break };
        let Outgoing { described, length, opened } = outgoing;
        let stream = match opened {
            Some(stream) => Ok(stream),
            None => source.attachment(&revision.id, rev, &described.name, form).await,
        };
        let sent = match (stream, form) {
            (Ok(stream), AttachmentForm::Stored) if stream.encoding != described.encoding => {
                let problem = format!("attachment {:?} in another encoding", described.name);
                Err(PeerError::Answer(problem))
            }
            (Ok(stream), AttachmentForm::Stored) => pass(stream, length, described, &pieces).await,
            (Ok(stream), AttachmentForm::Decoded) => {
                encode(stream, length, described, &pieces).await
            }
            (Err(error), _) => Err(error),
        };
        match sent {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => {
                // Breaks the request off; half a document must not look like a whole one.
                let _ = pieces.send(Err(PeerError::Answer("broken off".into()))).await;
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Sends an attachment as it comes; whether anybody still reads.
async fn pass(
    mut stream: AttachmentStream,
    length: u64,
    described: &RevisionAttachment,
    pieces: &Pieces,
) -> Result<bool, PeerError> {
    let mut left = length;
    while let Some(chunk) = stream.chunks.next().await {
        let chunk = chunk?;
        left = left.checked_sub(chunk.len() as u64).ok_or_else(|| wrong_length(described))?;
        if !chunk.is_empty() && pieces.send(Ok(chunk)).await.is_err() {
            return Ok(false);
        }
    }
    if left > 0 {
        return Err(wrong_length(described));
    }
    Ok(true)
}

/// Sends an attachment as base64; whether anybody still reads.
async fn encode(
    stream: AttachmentStream,
    length: u64,
    described: &RevisionAttachment,
    pieces: &Pieces,
) -> Result<bool, PeerError> {
    let mut left = length;
    let mut carry = Vec::new();
    let mut chunks = stream.chunks.ready_chunks(4);
    while let Some(ready) = chunks.next().await {
        for chunk in ready {
            let chunk = chunk?;
            left = left.checked_sub(chunk.len() as u64).ok_or_else(|| wrong_length(described))?;
            carry.extend_from_slice(&chunk);
        }
        let whole = carry.len() - carry.len() % 3;
        let text = STANDARD.encode(&carry[..whole]);
        carry.drain(..whole);
        if !text.is_empty() && pieces.send(Ok(text.into())).await.is_err() {
            return Ok(false);
        }
    }
    if left > 0 {
        return Err(wrong_length(described));
    }
    let rest = STANDARD.encode(&carry);
    Ok(rest.is_empty() || pieces.send(Ok(rest.into())).await.is_ok())
}

fn wrong_length(attachment: &RevisionAttachment) -> PeerError {
    PeerError::Answer(format!("attachment {:?} has another length", attachment.name))
}
