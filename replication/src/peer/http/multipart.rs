//! A document with attachments as `multipart/related`: its JSON, and each attachment in the form in
//! which the source stores it, so that the target stores the same bytes under the same digest.

use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderValue;

use super::document::{self, Inline};
use crate::{PeerError, Revision, RevisionAttachment, Transfer};

/// What stands around the attachments of one body.
#[derive(Debug)]
pub(super) struct Envelope {
    /// The media type of the whole.
    pub(super) content_type: HeaderValue,
    /// What goes before the first attachment, between two, and after the last; all of it where
    /// there is none.
    pub(super) texts: Vec<Bytes>,
}

/// Writes everything but the attachments.
pub(super) fn envelope(revision: &Revision) -> Result<Envelope, PeerError> {
    let boundary = boundary()?;
    let mut text = format!("--{boundary}\r\nContent-Type: application/json\r\n\r\n").into_bytes();
    let inline = |at: usize| match revision.attachments[at].transfer {
        Transfer::Stub => Inline::Stub,
        Transfer::Bytes => Inline::Follows,
    };
    document::write(revision, inline, &mut text);
    let mut texts = Vec::new();
    for sent in revision.attachments.iter().filter(|one| one.transfer == Transfer::Bytes) {
        text.extend_from_slice(headers(sent, &boundary).as_bytes());
        texts.push(std::mem::take(&mut text).into());
    }
    text.extend_from_slice(format!("\r\n--{boundary}--").as_bytes());
    texts.push(text.into());
    let content_type = format!("multipart/related;boundary=\"{boundary}\"");
    let content_type = HeaderValue::try_from(content_type)
        .map_err(|error| PeerError::Answer(error.to_string()))?;
    Ok(Envelope { content_type, texts })
}

/// Something that no attachment has.
fn boundary() -> Result<String, PeerError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| PeerError::Unreachable(Box::new(error)))?;
    Ok(format!("{:032x}", u128::from_le_bytes(bytes)))
}

/// Ends the part before and begins that of an attachment.
fn headers(attachment: &RevisionAttachment, boundary: &str) -> String {
    let mut text = format!("\r\n--{boundary}\r\nContent-Disposition: attachment; filename=\"");
    for character in attachment.name.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            // A name must not end its header.
            control if control.is_control() => text.push('_'),
            other => text.push(other),
        }
    }
    text.push('"');
    if HeaderValue::from_str(&attachment.content_type).is_ok() {
        // Writing to memory cannot fail.
        let _written = write!(text, "\r\nContent-Type: {}", attachment.content_type);
    }
    if let Some(encoding) = attachment.encoding {
        let _written = write!(text, "\r\nContent-Encoding: {encoding}");
    }
    text.push_str("\r\n\r\n");
    text
}

#[cfg(test)]
mod tests {
    use store::Encoding;

    use super::*;

    fn attachment(name: &str, transfer: Transfer) -> RevisionAttachment {
        RevisionAttachment {
            name: name.into(),
            content_type: "text/plain".into(),
            revpos: 1,
            digest: Some("md5-x".into()),
            length: Some(9),
            encoding: Some(Encoding::Gzip),
            encoded_length: Some(5),
            transfer,
        }
    }

    #[test]
    fn attachments_follow_the_document() {
        let revision = Revision {
            id: "d".parse().unwrap(),
            path: vec!["1-a".parse().unwrap()],
            deleted: false,
            body: "{}".into(),
            attachments: vec![
                attachment("a\"\r\n", Transfer::Bytes),
                attachment("b", Transfer::Stub),
                attachment("c", Transfer::Bytes),
            ],
        };
        let Envelope { content_type, texts } = envelope(&revision).unwrap();
        let texts: Vec<&str> =
            texts.iter().map(|text| std::str::from_utf8(text).unwrap()).collect();
        let [first, between, last] = texts[..] else { panic!("{texts:?}") };
        let boundary = content_type.to_str().unwrap();
        let boundary = boundary.strip_prefix("multipart/related;boundary=\"").unwrap();
        let boundary = boundary.strip_suffix('"').unwrap();
        let (json, head) = first.split_once(&format!("\r\n--{boundary}\r\n")).unwrap();
        let (_, json) = json.split_once("\r\n\r\n").unwrap();
        let said =
            r#""follows":true,"digest":"md5-x","length":9,"encoding":"gzip","encoded_length":5}"#;
        assert!(json.contains(said), "{json}");
        assert!(json.contains(r#""stub":true,"digest":"md5-x","length":9}"#), "{json}");
        let expected = concat!(
            "Content-Disposition: attachment; filename=\"a\\\"__\"\r\n",
            "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n",
        );
        assert_eq!(head, expected);
        assert!(between.starts_with(&format!("\r\n--{boundary}\r\n")), "{between}");
        assert_eq!(last, format!("\r\n--{boundary}--"));
    }
}
