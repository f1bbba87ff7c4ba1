//! Bytes of attachments on their way in.

use std::io::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::{AttachmentWriter, Compression, Error, Intake, Staged};

use super::HttpError;
use crate::http::request::Coding;

/// An attachment's bytes on their way into the store.
#[derive(Debug)]
pub(crate) struct Staging(AttachmentWriter);

impl Staging {
    /// Into `writer`.
    pub(crate) fn new(writer: AttachmentWriter) -> Self {
        Self(writer)
    }

    /// Takes the next bytes.
    pub(crate) fn take(mut self, bytes: &[u8]) -> Result<Self, HttpError> {
        self.0.write_all(bytes).map(|()| self).map_err(staging_error)
    }

    /// Ends the attachment and makes its bytes durable.
    pub(crate) fn finish(self) -> Result<Staged, HttpError> {
        self.0.finish().map_err(|error| match error {
            Error::AttachmentTooLarge(_) => HttpError::RequestTooLarge,
            error => error.into(),
        })
    }
}

/// What becomes of an attachment that comes in this coding: what comes compressed stays as it is.
pub(crate) fn intake(coding: Coding, compression: &Compression, content_type: &str) -> Intake {
    match coding {
        Coding::Gzip => Intake::Gzip,
        Coding::Identity => compression.intake(content_type),
    }
}

/// Refuses bytes that have another digest, in base64, than the client says.
pub(crate) fn check_md5(staged: &Staged, said: Option<&str>) -> Result<(), HttpError> {
    match said {
        Some(said) if said.trim() != STANDARD.encode(staged.received_digest().0) => {
            Err(HttpError::Md5Mismatch)
        }
        _ => Ok(()),
    }
}

fn staging_error(error: io::Error) -> HttpError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => HttpError::RequestTooLarge,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            HttpError::Store(Error::NotGzip)
        }
        _ => HttpError::Store(Error::of_io("stage an attachment", error)),
    }
}

/// Names the attachment where the request is too large.
pub(crate) fn too_large(name: &str) -> impl Fn(HttpError) -> HttpError {
    move |error| match error {
        HttpError::RequestTooLarge => HttpError::AttachmentTooLarge(name.to_owned()),
        other => other,
    }
}
