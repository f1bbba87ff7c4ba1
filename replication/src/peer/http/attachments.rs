//! Attachments of another server.

use std::fmt::Write as _;

use http::{HeaderValue, Method, header};
use store::{DocId, RevId};

use super::{HttpPeer, document_path, url};
use crate::{AttachmentForm, AttachmentStream, PeerError};

impl HttpPeer {
    pub(super) async fn read_attachment(
        &self,
        id: &DocId,
        rev: &RevId,
        name: &str,
        form: AttachmentForm,
    ) -> Result<AttachmentStream, PeerError> {
        let uri = self.url.below(&path(id, rev, name))?;
        let mut headers = self.headers.clone();
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        if form == AttachmentForm::Stored {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let reply = self.client.send("attachment", Method::GET, uri, &headers, None).await;
        let reply = reply.map_err(|error| match error {
            // Overtaken and compacted meanwhile: the document is read again.
            PeerError::Refused { status: 404, .. } => {
                PeerError::Answer(format!("attachment {name:?} is gone"))
            }
            error => error,
        })?;
        let encoding = reply.encoding()?;
        if encoding.is_some() && form == AttachmentForm::Decoded {
            return Err(PeerError::Answer(
                "a compressed attachment, which was not asked for".into(),
            ));
        }
        Ok(AttachmentStream {
            encoding,
            length: reply.length(),
            chunks: Box::pin(reply.into_stream()),
        })
    }
}

/// Slashes in an attachment's name stay slashes, as PouchDB sends them.
fn path(id: &DocId, rev: &RevId, name: &str) -> String {
    let mut path = document_path(id);
    for segment in name.split('/') {
        let _ = write!(path, "/{}", url::encode(segment));
    }
    let _ = write!(path, "?rev={}", url::encode(&rev.to_string()));
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, name: &str, expected: &str) {
        let found = path(&id.parse().unwrap(), &"1-a".parse().unwrap(), name);
        assert_eq!(found, expected);
    }

    #[test]
    fn names_attachments() {
        check("a", "f.txt", "/a/f.txt?rev=1-a");
        check("a/b", "d/é ?.txt", "/a%2Fb/d/%C3%A9%20%3F.txt?rev=1-a");
        check("_design/x/y", "f", "/_design/x%2Fy/f?rev=1-a");
    }
}
