//! Revisions as JSON, on the way in and out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use store::json::{JsonError, Scanned, scan_document, write_string};
use store::{DocId, Encoding, RevId, Signature};

use super::nonsense;
use crate::{PeerError, Revision, RevisionAttachment, Transfer};

/// Reads one revision of the document asked for; `None` for one that no hub can hold.
pub(super) fn read(text: &[u8], id: &DocId) -> Result<Option<Revision>, PeerError> {
    let Scanned { mut body, members } = match scan_document(text) {
        Ok(scanned) => scanned,
        Err(JsonError::Depth | JsonError::NumberRange { .. } | JsonError::Surrogate { .. }) => {
            return Ok(None);
        }
        Err(error) => return Err(nonsense(error)),
    };
    let mut rev = None;
    let mut path = None;
    let mut deleted = false;
    let mut stubs = BTreeMap::new();
    for (name, raw) in &members {
        match name.as_str() {
            "_id" => check_id(raw, id)?,
            "_rev" => rev = serde_json::from_str::<Cow<'_, str>>(raw).ok(),
            "_revisions" => path = read_path(raw),
            "_deleted" => deleted = raw == "true",
            "_attachments" => stubs = serde_json::from_str(raw).map_err(nonsense)?,
            // What CouchDB's replicator writes into its own documents is part of them.
            _ if name.starts_with("_replication_") => append_member(&mut body, name, raw),
            _ => {}
        }
    }
    let rev: Option<RevId> = rev.and_then(|rev| rev.parse().ok());
    let (Some(rev), Some(path)) = (rev, path) else { return Ok(None) };
    if path.first() != Some(&rev) {
        return Err(nonsense("_rev and _revisions disagree"));
    }
    let attachments = stubs.into_iter().map(|(name, stub)| described(name, stub, &rev)).collect();
    Ok(Some(Revision { id: id.clone(), path, deleted, body, attachments }))
}

fn check_id(raw: &str, id: &DocId) -> Result<(), PeerError> {
    let found: Cow<'_, str> = serde_json::from_str(raw).map_err(nonsense)?;
    if found == id.as_str() { Ok(()) } else { Err(nonsense("a document under another's id")) }
}

fn read_path(raw: &str) -> Option<Vec<RevId>> {
    #[derive(Deserialize)]
    struct Revisions<'a> {
        start: u64,
        #[serde(borrow)]
        ids: Vec<Cow<'a, str>>,
    }
    let revisions: Revisions<'_> = serde_json::from_str(raw).ok()?;
    if revisions.ids.len() as u64 > revisions.start {
        return None;
    }
    let rev = |(id, generation): (&Cow<'_, str>, u64)| {
        Some(RevId { generation, signature: Signature::parse(id).ok()? })
    };
    revisions.ids.iter().zip((1..=revisions.start).rev()).map(rev).collect()
}

/// What a document says of an attachment that comes as a stub.
#[derive(Deserialize)]
struct Stub<'a> {
    #[serde(default, borrow)]
    content_type: Option<Cow<'a, str>>,
    #[serde(default)]
    revpos: Option<u64>,
    #[serde(default, borrow)]
    digest: Option<Cow<'a, str>>,
    #[serde(default)]
    length: Option<u64>,
    #[serde(default, borrow)]
    encoding: Option<Cow<'a, str>>,
    #[serde(default)]
    encoded_length: Option<u64>,
}

fn described(name: String, stub: Stub<'_>, rev: &RevId) -> RevisionAttachment {
    let content_type = stub.content_type.map(Cow::into_owned);
    let encoding = stub.encoding.filter(|encoding| encoding == "gzip").map(|_| Encoding::Gzip);
    let encoded_length = stub.encoded_length.filter(|_| encoding.is_some());
    // Of what came to it compressed, CouchDB does not know how long it is decoded.
    let length = stub.length.filter(|_| encoding.is_none() || encoded_length.is_some());
    let length = length.filter(|length| encoded_length != Some(*length));
    RevisionAttachment {
        name,
        content_type: content_type.unwrap_or_else(|| "application/octet-stream".into()),
        revpos: stub.revpos.unwrap_or(rev.generation),
        digest: stub.digest.map(Cow::into_owned),
        length,
        encoding,
        encoded_length,
        transfer: Transfer::Bytes,
    }
}

/// Appends a member to a compacted object.
fn append_member(body: &mut String, name: &str, raw: &str) {
    body.pop();
    if body.len() > 1 {
        body.push(',');
    }
    body.push_str(&format!("\"{name}\":{raw}}}"));
}

/// What goes into a document's JSON for one attachment.
pub(super) enum Inline<'a> {
    /// That the target has it.
    Stub,
    /// Its bytes as base64.
    Base64(&'a str),
    /// Nothing yet: the bytes will be put in while the document is sent.
    Later,
    /// That it follows, as the source stores it.
    Follows,
}

/// The JSON of a revision in pieces: between two of them goes the base64 of an attachment that is
/// sent [`Inline::Later`].
pub(super) fn write<'a>(
    revision: &Revision,
    mut inline: impl FnMut(usize) -> Inline<'a>,
    out: &mut Vec<u8>,
) -> Vec<usize> {
    let mut gaps = Vec::new();
    out.extend_from_slice(b"{\"_id\":");
    write_string(out, revision.id.as_str());
    if let Some(rev) = revision.rev() {
        out.extend_from_slice(b",\"_rev\":");
        write_string(out, &rev.to_string());
        out.extend_from_slice(b",\"_revisions\":{\"start\":");
        out.extend_from_slice(rev.generation.to_string().as_bytes());
        out.extend_from_slice(b",\"ids\":[");
        for (at, ancestor) in revision.path.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_string(out, &ancestor.signature.to_string());
        }
        out.extend_from_slice(b"]}");
    }
    if revision.deleted {
        out.extend_from_slice(b",\"_deleted\":true");
    }
    if !revision.attachments.is_empty() {
        out.extend_from_slice(b",\"_attachments\":{");
        for (at, attachment) in revision.attachments.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_attachment(attachment, &inline(at), out, &mut gaps);
        }
        out.push(b'}');
    }
    match revision.body.strip_prefix('{') {
        Some("}") | None => out.push(b'}'),
        Some(members) => {
            out.push(b',');
            out.extend_from_slice(members.as_bytes());
        }
    }
    gaps
}

/// Digest and length, where they are known.
fn write_description(attachment: &RevisionAttachment, out: &mut Vec<u8>) {
    if let Some(digest) = &attachment.digest {
        out.extend_from_slice(b",\"digest\":");
        write_string(out, digest);
    }
    if let Some(length) = attachment.length {
        out.extend_from_slice(format!(",\"length\":{length}").as_bytes());
    }
}

fn write_attachment(
    attachment: &RevisionAttachment,
    inline: &Inline<'_>,
    out: &mut Vec<u8>,
    gaps: &mut Vec<usize>,
) {
    write_string(out, &attachment.name);
    out.extend_from_slice(b":{\"content_type\":");
    write_string(out, &attachment.content_type);
    out.extend_from_slice(format!(",\"revpos\":{}", attachment.revpos).as_bytes());
    match inline {
        Inline::Stub => {
            out.extend_from_slice(b",\"stub\":true");
            write_description(attachment, out);
        }
        Inline::Follows => {
            out.extend_from_slice(b",\"follows\":true");
            write_description(attachment, out);
            if let Some(encoding) = attachment.encoding {
                out.extend_from_slice(format!(",\"encoding\":\"{encoding}\"").as_bytes());
            }
            if let Some(length) = attachment.encoded_length {
                out.extend_from_slice(format!(",\"encoded_length\":{length}").as_bytes());
            }
        }
        Inline::Base64(text) => {
            out.extend_from_slice(b",\"data\":\"");
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
        Inline::Later => {
            out.extend_from_slice(b",\"data\":\"");
            gaps.push(out.len());
            out.push(b'"');
        }
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a document that is read and written again.
    fn check(text: &str, expected: &str) {
        let found = match read(text.as_bytes(), &"a".parse().unwrap()) {
            Err(error) => error.to_string(),
            Ok(None) => "unholdable".to_owned(),
            Ok(Some(revision)) => {
                let mut out = Vec::new();
                write(&revision, |_| Inline::Stub, &mut out);
                String::from_utf8(out).unwrap()
            }
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn reads_and_writes() {
        let revisions = r#""_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]}"#;
        let same = format!(r#"{{"_id":"a",{revisions}}}"#);
        check(&same, &same);
        let same = format!(r#"{{"_id":"a",{revisions},"_deleted":true,"x":1.50,"y":"é"}}"#);
        check(&same, &same);
        check(
            &format!(r#"{{"x":1,{revisions},"_conflicts":["1-x"],"_replication_state":"ok"}}"#),
            &format!(r#"{{"_id":"a",{revisions},"x":1,"_replication_state":"ok"}}"#),
        );
        check(
            &format!(
                r#"{{{revisions},"_attachments":{{"f":{{"stub":true,"length":3,"revpos":1,"digest":"md5-x"}},"e":{{"content_type":"text/plain","length":9,"encoding":"gzip"}}}}}}"#
            ),
            &format!(
                r#"{{"_id":"a",{revisions},"_attachments":{{"e":{{"content_type":"text/plain","revpos":2,"stub":true}},"f":{{"content_type":"application/octet-stream","revpos":1,"stub":true,"digest":"md5-x","length":3}}}}}}"#
            ),
        );
    }

    #[test]
    fn what_no_hub_can_hold_is_told_from_nonsense() {
        let revisions = r#""_rev":"1-b","_revisions":{"start":1,"ids":["b"]}"#;
        for unholdable in [
            "{}".to_owned(),
            r#"{"_rev":"1-b"}"#.to_owned(),
            r#"{"_rev":"x","_revisions":{"start":1,"ids":["b"]}}"#.to_owned(),
            r#"{"_rev":"1-b","_revisions":{"start":1,"ids":["b","c"]}}"#.to_owned(),
            r#"{"_rev":"1-b","_revisions":{"start":1,"ids":[5]}}"#.to_owned(),
            format!(r#"{{{revisions},"x":{}{}}}"#, "[".repeat(600), "]".repeat(600)),
            format!(r#"{{{revisions},"x":1e999}}"#),
        ] {
            check(&unholdable, "unholdable");
        }
        for nonsense in [
            "",
            "null",
            "[]",
            "{",
            r#"{"_id":"b","_rev":"1-b","_revisions":{"start":1,"ids":["b"]}}"#,
            r#"{"_id":5}"#,
            r#"{"_attachments":5}"#,
            r#"{"_rev":"1-b","_revisions":{"start":1,"ids":["c"]}}"#,
            r#"{"_rev":"1-b","_revisions":{"start":99999999999,"ids":["b"]}}"#,
        ] {
            assert!(read(nonsense.as_bytes(), &"a".parse().unwrap()).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn leaves_gaps_for_bytes_to_come() {
        let text =
            r#"{"_rev":"1-b","_revisions":{"start":1,"ids":["b"]},"_attachments":{"e":{},"f":{}}}"#;
        let revision = read(text.as_bytes(), &"a".parse().unwrap()).unwrap().unwrap();
        let mut out = Vec::new();
        let inline = |at| if at == 0 { Inline::Later } else { Inline::Base64("QUJD") };
        let gaps = write(&revision, inline, &mut out);
        assert_eq!(gaps.len(), 1);
        out.splice(gaps[0]..gaps[0], *b"REVG");
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r#""data":"REVG"},"f":{"#), "{text}");
        assert!(text.ends_with(r#""data":"QUJD"}}}"#), "{text}");
    }
}
