//! Request bodies: bounded, decoded, held in memory or spooled to a file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use http::{HeaderMap, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use store::Error;
use tokio::time::timeout;

use super::HttpError;
use super::call::blocking;
use super::incoming::Incoming;
use super::{memory, timing};
use crate::app::App;
use crate::clock;
use crate::config::Limits;

/// Longest text of one document, its attachments inline in base64, unless a body alone may be
/// longer. It is held in memory, and its attachments decoded beside it; larger attachments are
/// written by requests of their own.
const DOCUMENT_TEXT_BYTES_MAX: u64 = 128 << 20;

/// Bytes of a request body held in memory; what is longer goes to a file without a name.
const MEMORY_BYTES_MAX: usize = 8 << 20;

/// Bytes written to a spool file at a time, and read from it.
const SPOOL_PIECE_BYTES: usize = 1 << 20;

/// Compressed bytes that are decoded where they arrive; more goes to a thread that may block.
const INFLATE_AT_ONCE_BYTES: usize = 4 * 1024;

/// Bytes of text that are decoded at a time, at first.
const INFLATE_STEP_BYTES: usize = 64 * 1024;

/// How long a client may send nothing in the middle of a body.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Refuses a request whose body is not said to be JSON.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), HttpError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    match media_type {
        Some(json) if json.eq_ignore_ascii_case("application/json") => Ok(()),
        _ => Err(HttpError::BadContentType),
    }
}

/// How long the text of one document may be.
pub(crate) fn document_text_bytes_max(limits: &Limits) -> usize {
    let bytes = DOCUMENT_TEXT_BYTES_MAX.max(limits.document_bytes_max);
    usize::try_from(bytes.min(limits.request_bytes_max)).unwrap_or(usize::MAX)
}

/// Bytes that are reserved for what was announced and has not come.
const ROOM_BYTES_MAX: usize = 64 * 1024;

/// How a request body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is.
    Identity,
    /// `Content-Encoding: gzip`.
    Gzip,
}

impl Coding {
    /// Reads `Content-Encoding`.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, HttpError> {
        let Some(coding) = headers.get(header::CONTENT_ENCODING) else { return Ok(Self::Identity) };
        match coding.to_str().map(str::trim) {
            Ok(text) if text.eq_ignore_ascii_case("gzip") => Ok(Self::Gzip),
            Ok(text) if text.eq_ignore_ascii_case("identity") => Ok(Self::Identity),
            _ => Err(HttpError::BadContentEncoding(
                "Only gzip and identity content-encodings are supported",
            )),
        }
    }
}

/// A request body on its way in.
pub(crate) struct Upload {
    body: Incoming,
    bytes_left: u64,
    trailers: HeaderMap,
}

impl Upload {
    /// Takes at most `bytes_max` bytes; a longer body is refused at once where it says its length.
    pub(crate) fn new(body: Incoming, bytes_max: u64) -> Result<Self, HttpError> {
        if body.size_hint().lower() > bytes_max {
            return Err(HttpError::RequestTooLarge);
        }
        Ok(Self { body, bytes_left: bytes_max, trailers: HeaderMap::new() })
    }

    /// Headers that came behind the body, once it has ended.
    pub(crate) fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }

    /// The next piece, of at least `bytes` bytes unless the body ends before.
    pub(crate) async fn piece(&mut self, bytes: usize) -> Result<Vec<u8>, HttpError> {
        let declared = self.body.size_hint().exact().unwrap_or(0);
        let room = usize::try_from(declared).unwrap_or(bytes).min(bytes).min(ROOM_BYTES_MAX);
        let mut piece = Vec::with_capacity(room);
        while piece.len() < bytes {
            let since = clock::instant();
            let frame = timeout(IDLE_MAX, self.body.frame()).await;
            timing::waited(since.elapsed());
            let frame = match frame {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => break,
                Ok(Some(Err(_))) | Err(_) => return Err(HttpError::BodyLost),
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    self.trailers = frame.into_trailers().unwrap_or_default();
                    continue;
                }
            };
            let Some(left) = self.bytes_left.checked_sub(data.len() as u64) else {
                return Err(HttpError::RequestTooLarge);
            };
            self.bytes_left = left;
            let needed = piece.len() + data.len();
            // A vector without room doubles. What is only announced takes no memory yet.
            let grown = needed.next_power_of_two();
            memory::hold(if needed <= room { grown.min(room) } else { grown } as u64).await?;
            piece.extend_from_slice(&data);
        }
        Ok(piece)
    }
}

/// The whole body in memory, decoded: at most `bytes_max` bytes.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Incoming,
    bytes_max: usize,
) -> Result<Vec<u8>, HttpError> {
    let coding = Coding::of(headers)?;
    let received = Upload::new(body, bytes_max as u64)?.piece(usize::MAX).await?;
    match coding {
        Coding::Identity => Ok(received),
        Coding::Gzip => inflate(received, bytes_max).await,
    }
}

/// Decodes step by step: none more than doubles the text, and is taken before memory is held for it.
async fn inflate(bytes: Vec<u8>, bytes_max: usize) -> Result<Vec<u8>, HttpError> {
    let received = bytes.len();
    let at_once = received <= INFLATE_AT_ONCE_BYTES;
    let mut inflating = Inflating { decoder: MultiGzDecoder::new(bytes.into()), text: Vec::new() };
    loop {
        let length = inflating.text.len();
        let room = length.clamp(INFLATE_STEP_BYTES, bytes_max.max(INFLATE_STEP_BYTES));
        memory::hold((received + 2 * (length + room)) as u64).await?;
        inflating = match at_once {
            true => inflating.step(room)?,
            false => blocking(move || inflating.step(room)).await?,
        };
        match inflating.text.len() {
            longer if longer > bytes_max => return Err(HttpError::RequestTooLarge),
            same if same == length => return Ok(inflating.text),
            _ => {}
        }
    }
}

struct Inflating {
    decoder: MultiGzDecoder<VecDeque<u8>>,
    text: Vec<u8>,
}

impl Inflating {
    /// Decodes up to `room` bytes; none only where there are none left.
    fn step(mut self, room: usize) -> Result<Self, HttpError> {
        let mut next = (&mut self.decoder).take(room as u64);
        next.read_to_end(&mut self.text).map_err(|_| broken_gzip())?;
        Ok(self)
    }
}

fn broken_gzip() -> HttpError {
    HttpError::BadRequest("the request body is not valid gzip".into())
}

/// A body received in full, however long, that can be read more than once.
#[derive(Debug)]
pub(crate) struct Spooled {
    received: Received,
    coding: Coding,
    bytes_max: u64,
}

#[derive(Debug)]
enum Received {
    Memory(Vec<u8>),
    File(File),
}

impl Spooled {
    /// Receives a body; what is too long for memory goes to a file in the data directory.
    pub(crate) async fn receive(
        app: &App,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Self, HttpError> {
        let coding = Coding::of(headers)?;
        let bytes_max = app.limits().request_bytes_max;
        let mut upload = Upload::new(body, bytes_max)?;
        let mut piece = upload.piece(MEMORY_BYTES_MAX).await?;
        if piece.len() < MEMORY_BYTES_MAX {
            return Ok(Self { received: Received::Memory(piece), coding, bytes_max });
        }
        let folder = app.data_dir.path().to_owned();
        let opening = move || tempfile::tempfile_in(folder).map_err(spool_error);
        let mut file = blocking(opening).await?;
        while !piece.is_empty() {
            file = blocking(move || {
                file.write_all(&piece).map_err(spool_error)?;
                Ok(file)
            })
            .await?;
            piece = upload.piece(SPOOL_PIECE_BYTES).await?;
        }
        Ok(Self { received: Received::File(file), coding, bytes_max })
    }

    /// The body, if it lies in memory as it was sent.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        match (&self.received, self.coding) {
            (Received::Memory(bytes), Coding::Identity) => Some(bytes),
            (Received::Memory(_), Coding::Gzip) | (Received::File(_), _) => None,
        }
    }

    /// Hands the decoded body to `take`, part by part from its beginning, on a thread that may
    /// block.
    pub(crate) fn read_through(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), HttpError>,
    ) -> Result<(), HttpError> {
        let bytes_max = self.bytes_max;
        match (&mut self.received, self.coding) {
            (Received::Memory(bytes), Coding::Identity) => take(bytes),
            (Received::Memory(bytes), Coding::Gzip) => {
                let decoder = MultiGzDecoder::new(bytes.as_slice());
                read_parts(decoder, bytes_max, broken_gzip_or, take)
            }
            (Received::File(file), coding) => {
                file.rewind().map_err(spool_error)?;
                match coding {
                    Coding::Identity => read_parts(file, bytes_max, spool_error, take),
                    Coding::Gzip => {
                        let file = io::BufReader::with_capacity(SPOOL_PIECE_BYTES, file);
                        read_parts(MultiGzDecoder::new(file), bytes_max, broken_gzip_or, take)
                    }
                }
            }
        }
    }
}

fn read_parts(
    mut reader: impl Read,
    bytes_max: u64,
    explain: impl Fn(io::Error) -> HttpError,
    mut take: impl FnMut(&[u8]) -> Result<(), HttpError>,
) -> Result<(), HttpError> {
    let mut part = vec![0; SPOOL_PIECE_BYTES];
    let mut bytes_left = bytes_max;
    loop {
        let length = match reader.read(&mut part) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(explain(error)),
        };
        bytes_left = bytes_left.checked_sub(length as u64).ok_or(HttpError::RequestTooLarge)?;
        take(&part[..length])?;
    }
}

/// What a decoder reports may come from the file beneath it.
fn broken_gzip_or(error: io::Error) -> HttpError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            broken_gzip()
        }
        _ => spool_error(error),
    }
}

fn spool_error(error: io::Error) -> HttpError {
    HttpError::Store(Error::of_io("spool a request", error))
}

#[cfg(test)]
impl Spooled {
    /// As if this had been received and fitted into memory.
    pub(crate) fn held(text: &str) -> Self {
        let received = Received::Memory(text.as_bytes().to_vec());
        Self { received, coding: Coding::Identity, bytes_max: u64::MAX }
    }

    /// As if this had been received and had not fitted into memory.
    pub(crate) fn filed(text: &str) -> Self {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Self { received: Received::File(file), coding: Coding::Identity, bytes_max: u64::MAX }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn content_types() {
        let json = |value| require_json(&headers(header::CONTENT_TYPE, value)).is_ok();
        for good in ["application/json", "application/json; charset=utf-8", "Application/JSON;x"] {
            assert!(json(good), "{good}");
        }
        for bad in ["", "text/plain", "application/json2", "application/jso", "text/json"] {
            assert!(!json(bad), "{bad}");
        }
        assert!(require_json(&HeaderMap::new()).is_err());
    }

    #[test]
    fn codings() {
        let coding = |value| Coding::of(&headers(header::CONTENT_ENCODING, value)).ok();
        assert_eq!(coding("gzip"), Some(Coding::Gzip));
        assert_eq!(coding(" GZIP"), Some(Coding::Gzip));
        assert_eq!(coding("identity"), Some(Coding::Identity));
        assert_eq!(coding("deflate"), None);
        assert_eq!(coding("gzip, gzip"), None);
        assert_eq!(Coding::of(&HeaderMap::new()).unwrap(), Coding::Identity);
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn inflates_within_bounds() {
        for length in [0, 1, INFLATE_STEP_BYTES, 1_000_000] {
            let zipped = gzip(&vec![7; length]);
            assert_eq!(inflate(zipped.clone(), length).await.unwrap(), vec![7; length]);
            let outcome = inflate(zipped.clone(), length.saturating_sub(1)).await;
            assert!(length == 0 || matches!(outcome, Err(HttpError::RequestTooLarge)));
            let cut = zipped[..zipped.len() - 3].to_vec();
            assert!(matches!(inflate(cut, length).await, Err(HttpError::BadRequest(_))));
        }
        assert!(matches!(inflate(b"{}".to_vec(), 100).await, Err(HttpError::BadRequest(_))));
    }

    #[tokio::test]
    async fn a_bomb_goes_off_within_the_memory_there_is() {
        let zipped = gzip(&vec![0; 64 << 20]);
        let outcome = memory::Memory::new(8 << 20).share(inflate(zipped, 128 << 20)).await;
        assert!(matches!(outcome, Err(HttpError::RequestTooLarge)));
    }

    #[test]
    fn reads_spooled_bodies_again_and_again() {
        let text: Vec<u8> = (0..3_000_000_u32).map(|i| i.to_le_bytes()[0]).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&text).unwrap();
        let mut zipped = tempfile::tempfile().unwrap();
        zipped.write_all(&gzip(&text)).unwrap();
        for (received, coding) in [
            (Received::Memory(text.clone()), Coding::Identity),
            (Received::Memory(gzip(&text)), Coding::Gzip),
            (Received::File(file), Coding::Identity),
            (Received::File(zipped), Coding::Gzip),
        ] {
            let mut spooled = Spooled { received, coding, bytes_max: text.len() as u64 };
            for _ in 0..2 {
                let mut read = Vec::new();
                spooled
                    .read_through(|part| {
                        read.extend_from_slice(part);
                        Ok(())
                    })
                    .unwrap();
                assert_eq!(read, text);
            }
        }
    }
}
