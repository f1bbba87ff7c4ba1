//! Revisions to another server, many in one request.

use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use store::{DocId, RevId};

use super::document::{self, Inline};
use super::reply::printable;
use super::{ANSWER_BYTES_MAX, HttpPeer, no_database, parse};
use crate::{
    AttachmentForm, Peer, PeerError, Refusal, RefusalReason, Revision, RevisionAttachment, Transfer,
};

/// Bytes of one request, about.
const REQUEST_BYTES: usize = 8 << 20;

/// Bytes of the attachments with which a document still travels among others.
const SMALL_BYTES_MAX: u64 = 64 * 1024;

/// Attachments, and documents that travel alone, on their way at a time.
const AT_ONCE: usize = 4;

impl HttpPeer {
    /// Writes revisions: most of them together, each with large attachments alone.
    pub(super) async fn write_revisions(
        &self,
        revisions: Vec<Revision>,
        source: &dyn Peer,
    ) -> Result<Vec<Refusal>, PeerError> {
        let parts = self.takes_parts.load(Ordering::Relaxed);
        let (alone, together): (Vec<_>, Vec<_>) = revisions
            .into_iter()
            .partition(|revision| travels_alone(revision) || parts && sends_encoded(revision));
        let (small, plain): (Vec<_>, Vec<_>) =
            together.into_iter().partition(Revision::sends_bytes);
        let mut refusals = Vec::new();
        let mut request = Request::default();
        for revision in &plain {
            request.add(revision, &[]);
            self.send_if_full(&mut request, &mut refusals).await?;
        }
        let mut inlined =
            stream::iter(small).map(|revision| inline(revision, source)).buffered(AT_ONCE);
        while let Some((revision, attachments)) = inlined.try_next().await? {
            request.add(&revision, &attachments);
            self.send_if_full(&mut request, &mut refusals).await?;
        }
        self.send_bulk(request, &mut refusals).await?;
        let refused: Vec<Option<Refusal>> = stream::iter(alone)
            .map(|revision| self.upload(revision, source, parts))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        refusals.extend(refused.into_iter().flatten());
        Ok(refusals)
    }

    async fn send_if_full(
        &self,
        request: &mut Request,
        refusals: &mut Vec<Refusal>,
    ) -> Result<(), PeerError> {
        if request.json.len() < REQUEST_BYTES {
            return Ok(());
        }
        self.send_bulk(std::mem::take(request), refusals).await
    }

    async fn send_bulk(
        &self,
        mut request: Request,
        refusals: &mut Vec<Refusal>,
    ) -> Result<(), PeerError> {
        if request.revisions.is_empty() {
            return Ok(());
        }
        request.json.extend_from_slice(b"]}");
        let reply = self.post("documents", "/_bulk_docs", request.json).await;
        let text = reply.map_err(no_database)?.read(ANSWER_BYTES_MAX).await?;
        refusals.extend(read(&text, &request.revisions)?);
        Ok(())
    }
}

/// Whether a document gets a request of its own: one whose attachments are large, and one whose
/// stubs the target may not know, which would make it refuse all the others too.
fn travels_alone(revision: &Revision) -> bool {
    let bytes: Option<u64> = revision.attachments.iter().map(|attachment| attachment.length).sum();
    let stubs = revision.attachments.iter().any(|one| one.transfer == Transfer::Stub);
    !revision.attachments.is_empty() && (stubs || bytes.is_none_or(|sum| sum > SMALL_BYTES_MAX))
}

/// Whether attachments come with it that the source stores encoded.
fn sends_encoded(revision: &Revision) -> bool {
    let encoded =
        |one: &RevisionAttachment| one.transfer == Transfer::Bytes && one.encoding.is_some();
    revision.attachments.iter().any(encoded)
}

/// Reads a revision's small attachments, as base64.
async fn inline(
    revision: Revision,
    source: &dyn Peer,
) -> Result<(Revision, Vec<String>), PeerError> {
    let Some(rev) = revision.rev() else {
        return Err(PeerError::Answer("a revision without an id".into()));
    };
    let mut attachments = Vec::with_capacity(revision.attachments.len());
    for attachment in &revision.attachments {
        let form = AttachmentForm::Decoded;
        let mut stream = source.attachment(&revision.id, rev, &attachment.name, form).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.chunks.try_next().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > SMALL_BYTES_MAX {
                break;
            }
        }
        if attachment.length != Some(bytes.len() as u64) {
            let problem = format!("attachment {:?} has another length", attachment.name);
            return Err(PeerError::Answer(problem));
        }
        attachments.push(STANDARD.encode(bytes));
    }
    Ok((revision, attachments))
}

/// A request that grows.
#[derive(Default)]
struct Request {
    json: Vec<u8>,
    revisions: Vec<(DocId, RevId)>,
}

impl Request {
    fn add(&mut self, revision: &Revision, attachments: &[String]) {
        let Some(rev) = revision.rev() else { return };
        self.json.extend_from_slice(match self.revisions.is_empty() {
            true => b"{\"new_edits\":false,\"docs\":[",
            false => b",",
        });
        let inline = |at: usize| attachments.get(at).map_or(Inline::Stub, |a| Inline::Base64(a));
        document::write(revision, inline, &mut self.json);
        self.revisions.push((revision.id.clone(), rev.clone()));
    }
}

/// Reads the answer, which names the revisions not taken; some servers name all.
fn read(text: &[u8], sent: &[(DocId, RevId)]) -> Result<Vec<Refusal>, PeerError> {
    #[derive(Deserialize)]
    struct Row {
        #[serde(default)]
        id: String,
        #[serde(default)]
        rev: Option<String>,
        #[serde(default)]
        error: Option<String>,
        #[serde(default)]
        reason: Option<String>,
    }
    let mut refusals = Vec::new();
    for row in parse::<Vec<Row>>(text)? {
        let Some(error) = row.error else { continue };
        let reason = reason(&error, row.reason.as_deref().unwrap_or_default())?;
        let rev = row.rev.and_then(|rev| rev.parse::<RevId>().ok());
        let refused = |(id, sent): &&(DocId, RevId)| {
            id.as_str() == row.id && rev.as_ref().is_none_or(|rev| rev == sent)
        };
        for (id, rev) in sent.iter().filter(refused) {
            refusals.push(Refusal { id: id.clone(), rev: rev.clone(), reason: reason.clone() });
        }
    }
    Ok(refusals)
}

/// What a server's words about one revision mean.
pub(super) fn reason(error: &str, reason: &str) -> Result<RefusalReason, PeerError> {
    let words = || printable(&format!("{error}: {reason}"));
    match error {
        "missing_stub" => Ok(RefusalReason::MissingStub),
        "internal_server_error"
        | "service_unavailable"
        | "timeout"
        | "too_many_requests"
        | "rexi_DOWN"
        | "nodedown" => Err(PeerError::Unavailable { status: 200, reason: words() }),
        _ => Ok(RefusalReason::Final(words())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: &str, expected: &str) {
        let sent: Vec<(DocId, RevId)> = [("a", "1-x"), ("a", "1-y"), ("b", "1-z")]
            .map(|(id, rev)| (id.parse().unwrap(), rev.parse().unwrap()))
            .into();
        let found = match read(answer.as_bytes(), &sent) {
            Err(error) => error.to_string(),
            Ok(refusals) => refusals
                .iter()
                .map(|refusal| format!("{} {} {:?};", refusal.id, refusal.rev, refusal.reason))
                .collect(),
        };
        assert!(found.starts_with(expected) && found.is_empty() == expected.is_empty(), "{found}");
    }

    #[test]
    fn reads_refusals() {
        check("[]", "");
        check(r#"[{"ok":true,"id":"a","rev":"1-x"}]"#, "");
        check(
            r#"[{"id":"a","rev":"1-y","error":"forbidden","reason":"no"}]"#,
            "a 1-y Final(\"forbidden: no\");",
        );
        check(
            r#"[{"id":"a","error":"unauthorized"}]"#,
            "a 1-x Final(\"unauthorized: \");a 1-y Final(\"unauthorized: \");",
        );
        check(r#"[{"id":"b","error":"missing_stub"}]"#, "b 1-z MissingStub;");
        check(r#"[{"id":"not sent","error":"forbidden"}]"#, "");
        check(r#"[{"id":"b","error":"timeout","reason":"x"}]"#, "answered 200: timeout: x");
        for answer in ["", "{}", "null", "[1]", r#"[{"id":5}]"#] {
            check(answer, "the peer's answer makes no sense");
        }
    }
}
