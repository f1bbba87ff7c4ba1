//! Bytes of attachments on their way in.

use std::io::{self, Write as _};

use flate2::write::MultiGzDecoder;
use store::{AttachmentWriter, Error, Staged};

use super::HttpError;
use crate::http::request::Coding;

/// An attachment's bytes on their way into the store, decoded where they come encoded.
#[derive(Debug)]
pub(crate) enum Staging {
    /// As they are.
    Identity(AttachmentWriter),
    /// Through a decoder.
    Gzip(Box<MultiGzDecoder<AttachmentWriter>>),
}

impl Staging {
    /// Into `writer`, as `coding` says.
    pub(crate) fn new(writer: AttachmentWriter, coding: Coding) -> Self {
        match coding {
            Coding::Identity => Self::Identity(writer),
            Coding::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(writer))),
        }
    }

    /// Takes the next bytes.
    pub(crate) fn take(mut self, bytes: &[u8]) -> Result<Self, HttpError> {
        let taken = match &mut self {
            Self::Identity(writer) => writer.write_all(bytes),
            Self::Gzip(decoder) => decoder.write_all(bytes),
        };
        taken.map(|()| self).map_err(staging_error)
    }

    /// Ends the attachment and makes its bytes durable.
    pub(crate) fn finish(self) -> Result<Staged, HttpError> {
        let writer = match self {
            Self::Identity(writer) => writer,
            Self::Gzip(decoder) => decoder.finish().map_err(staging_error)?,
        };
        Ok(writer.finish()?)
    }
}

fn staging_error(error: io::Error) -> HttpError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => HttpError::RequestTooLarge,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            HttpError::Store(Error::DiskFull)
        }
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            HttpError::BadRequest("the request body is not valid gzip".into())
        }
        _ => HttpError::Store(Error::Io { action: "stage an attachment", source: error }),
    }
}

/// Names the attachment where the request is too large.
pub(crate) fn too_large(name: &str) -> impl Fn(HttpError) -> HttpError {
    move |error| match error {
        HttpError::RequestTooLarge => HttpError::AttachmentTooLarge(name.to_owned()),
        other => other,
    }
}
