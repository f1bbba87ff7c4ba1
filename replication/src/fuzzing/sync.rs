//! `larder-sync/1`: answers, batches and requests.

use store::DocumentLimits;

use crate::sync::{Batch, Decoder, Frame, Misbehaviour, Packer, SyncRequest, WantedRequest};

const LIMITS: DocumentLimits = DocumentLimits { body_bytes_max: 1000, attachment_bytes_max: 1000 };

/// An answer means the same however it is cut; a batch is read or refused, the same whether it was
/// packed or not; a request that is read reads the same when written again.
///
/// # Panics
/// When that does not hold.
pub fn sync(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => cut(rest),
        1 => batch(rest),
        2 => {
            if let Ok(request) = SyncRequest::parse(rest) {
                assert_eq!(SyncRequest::parse(request.to_json().as_bytes()), Ok(request));
            }
        }
        _ => {
            if let Ok(request) = WantedRequest::parse(rest) {
                assert_eq!(WantedRequest::parse(request.to_json().as_bytes()), Ok(request));
            }
        }
    }
}

/// The first byte says where to cut the others.
fn cut(bytes: &[u8]) {
    let Some((size, rest)) = bytes.split_first() else { return };
    let whole = frames(rest.chunks(rest.len().max(1)));
    let pieces = frames(rest.chunks(usize::from(*size) + 1));
    assert_eq!(whole, pieces);
    for frame in &whole.0 {
        if let Frame::Batch(batch) = frame {
            let _read: Result<Batch, Misbehaviour> = batch.open(LIMITS);
        }
    }
}

fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<Misbehaviour>) {
    let mut decoder = Decoder::new(LIMITS);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            let ready = decoder.is_ready();
            match decoder.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(misbehaviour) => return (frames, Some(misbehaviour)),
            }
            assert!(ready, "a frame that was not announced");
        }
    }
    (frames, None)
}

fn batch(content: &[u8]) {
    let raw = Packer::raw().pack(content).open(LIMITS);
    let packed = Packer::new().pack(content).open(LIMITS);
    assert_eq!(raw, packed);
}
