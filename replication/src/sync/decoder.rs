//! Bytes of an answer in, frames out.

use bytes::BytesMut;
use store::DocumentLimits;

use super::frame::{HEADER_BYTES, Transcript, read_header};
use super::{Frame, Misbehaviour};

/// Takes the bytes of an answer, cut anywhere, and gives its frames. It holds one frame at a time
/// beside the bytes it was given last.
#[derive(Debug)]
pub struct Decoder {
    limits: DocumentLimits,
    buffer: BytesMut,
    /// Bytes still to come of a frame that is passed over.
    skipped: usize,
    transcript: Transcript,
    failed: Option<Misbehaviour>,
}

impl Decoder {
    /// Reads an answer whose documents are within `limits`.
    #[must_use]
    pub fn new(limits: DocumentLimits) -> Self {
        let (buffer, transcript) = (BytesMut::new(), Transcript::default());
        Self { limits, buffer, skipped: 0, transcript, failed: None }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next frame that is complete; `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`Misbehaviour`], and from then on always.
    #[allow(clippy::should_implement_trait, reason = "an iterator ends, this waits for bytes")]
    pub fn next(&mut self) -> Result<Option<Frame>, Misbehaviour> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let frame = self.read();
        if let Err(misbehaviour) = &frame {
            self.failed = Some(misbehaviour.clone());
            self.buffer = BytesMut::new();
        }
        frame
    }

    fn read(&mut self) -> Result<Option<Frame>, Misbehaviour> {
        loop {
            let skipped = self.buffer.split_to(self.skipped.min(self.buffer.len()));
            self.transcript.add(&skipped);
            self.skipped -= skipped.len();
            let Some(header) = self.buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
            let (kind, length) = read_header(*header, self.limits)?;
            let Some(kind) = kind else {
                self.skipped = HEADER_BYTES + length;
                continue;
            };
            if self.buffer.len() < HEADER_BYTES + length {
                self.buffer.reserve(HEADER_BYTES + length - self.buffer.len());
                return Ok(None);
            }
            let bytes = self.buffer.split_to(HEADER_BYTES + length).freeze();
            let frame = Frame::read(kind, bytes.slice(HEADER_BYTES..), &self.transcript)?;
            self.transcript.add(&bytes);
            return Ok(Some(frame));
        }
    }

    /// Whether [`Self::next`] has something to tell.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let Some(rest) = self.buffer.get(self.skipped..) else { return self.failed.is_some() };
        let Some(header) = rest.first_chunk::<HEADER_BYTES>() else { return self.failed.is_some() };
        match read_header(*header, self.limits) {
            Ok((Some(_), length)) => rest.len() >= HEADER_BYTES + length,
            Ok((None, _)) | Err(_) => true,
        }
    }

    /// Whether all bytes that came belong to frames that are complete.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.buffer.is_empty() && self.skipped == 0
    }
}
