//! The side that has the documents: one answer, piece by piece.

mod feed;
mod named;
mod page;

use std::collections::VecDeque;
use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use store::{AttachmentReader, Database, Seq};

use self::feed::Feed;
use self::named::Named;
use self::page::Page;
use super::frame::CHUNK_BYTES_MAX;
use super::request::Terms;
use super::{
    Begin, Delivered, Encoder, Frame, Mode, PackedBatch, Packer, ParcelHeader, Question,
    RefusalCode, SyncRefusal,
};
use crate::{PeerError, Select};

/// Says whether whoever asked may still read: rights may go while an answer is on its way.
pub trait Visible: Send + Sync {
    /// Asked before every piece that leaves.
    ///
    /// # Errors
    /// Why the answer ends here; the target is told.
    fn check(&self) -> Result<(), SyncRefusal>;
}

/// What a source takes from the hub around it.
#[derive(Clone)]
pub struct SourceOptions {
    /// Version of the conflict rule that this hub follows in the database.
    pub policy_version: u64,
    /// What the selector of a request means; a request with one is refused without.
    pub select: Option<Arc<dyn Select>>,
    /// Whether the answer goes on.
    pub visible: Option<Arc<dyn Visible>>,
    /// What whoever asks has delivered here.
    pub delivered: Option<Arc<Delivered>>,
    /// How large its batches become.
    pub batch: BatchSize,
}

/// How large a batch becomes; one document more may exceed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSize {
    /// Documents; of such that are only listed, eight times as many.
    pub documents: usize,
    /// Bytes before they are packed.
    pub bytes: usize,
}

/// As much as a store commits at once.
impl Default for BatchSize {
    fn default() -> Self {
        Self { documents: 1000, bytes: 1 << 20 }
    }
}

/// What a source has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Documents, those included that were only listed.
    pub documents: u64,
    /// Revisions with their contents.
    pub revisions: u64,
    /// Bytes of attachments that travelled by themselves.
    pub parcel_bytes: u64,
    /// Bytes of all pieces.
    pub bytes: u64,
}

/// The answer to one question, read from a database while it is sent. Every call may block on the disk.
///
/// It holds one batch, and of attachments that travel by themselves one piece.
pub struct Source {
    database: Arc<Database>,
    terms: Terms,
    options: SourceOptions,
    task: Task,
    encoder: Encoder,
    packer: Packer,
    page: Page,
    ready: VecDeque<Piece>,
    parcel: Option<Parcel>,
    sent: Sent,
    over: bool,
}

/// What there is to do.
enum Task {
    /// All of it: this was asked.
    Asked(Question),
    Feed(Feed),
    Named(Named),
}

/// Something to send that was read already, or is open.
enum Piece {
    Batch(PackedBatch),
    Parcel(Parcel),
    End(Seq),
}

/// An attachment that travels by itself.
struct Parcel {
    header: ParcelHeader,
    reader: AttachmentReader,
    left: u64,
}

impl Source {
    /// Answers a question from this database.
    #[must_use]
    pub fn new(database: Arc<Database>, question: Question, options: SourceOptions) -> Self {
        Self {
            database,
            terms: question.terms(),
            options,
            task: Task::Asked(question),
            encoder: Encoder::default(),
            packer: Packer::new(),
            page: Page::new(),
            ready: VecDeque::new(),
            parcel: None,
            sent: Sent::default(),
            over: false,
        }
    }

    /// What it has sent so far.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.sent
    }

    /// Whether the answer goes on: for whoever holds a piece back before it leaves.
    pub(super) fn visible(&self) -> Option<Arc<dyn Visible>> {
        self.options.visible.clone()
    }

    /// The next piece: one or more whole frames. `None` after the last.
    pub fn next_piece(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let piece = self.check().and_then(|()| self.advance()).unwrap_or_else(|refusal| {
            self.over = true;
            self.ready.clear();
            self.parcel = None;
            refusal.to_frame()
        });
        self.sent.bytes += piece.len() as u64;
        Some(piece)
    }

    fn check(&self) -> Result<(), SyncRefusal> {
        if self.database.is_deleted() {
            return Err(refusal_for(&store::Error::NoDatabase.into()));
        }
        self.options.visible.as_ref().map_or(Ok(()), |visible| visible.check())
    }

    fn advance(&mut self) -> Result<Bytes, SyncRefusal> {
        loop {
            if let Some(parcel) = &mut self.parcel {
                if let Some(chunk) = parcel.next_chunk()? {
                    self.sent.parcel_bytes += chunk.len() as u64;
                    return Ok(self.encoder.encode(&Frame::Chunk(chunk)));
                }
                self.parcel = None;
            }
            match self.ready.pop_front() {
                Some(Piece::Batch(batch)) => {
                    return Ok(self.encoder.encode(&Frame::Batch(batch)));
                }
                Some(Piece::Parcel(parcel)) => {
                    let header = Frame::Parcel(parcel.header);
                    self.parcel = Some(parcel);
                    return Ok(self.encoder.encode(&header));
                }
                Some(Piece::End(through)) => {
                    self.over = true;
                    return Ok(self.encoder.encode(&Frame::End(through)));
                }
                None => {}
            }
            match &mut self.task {
                Task::Asked(question) => {
                    let question = question.clone();
                    return self.begin(question);
                }
                Task::Feed(_) | Task::Named(_) => self.read()?,
            }
        }
    }

    /// Finds out what there is to send.
    fn begin(&mut self, question: Question) -> Result<Bytes, SyncRefusal> {
        let (theirs, ours) = (self.terms.policy_version, self.options.policy_version);
        if theirs != ours {
            let reason = format!("version {ours} of the conflict rule here, {theirs} there");
            return Err(SyncRefusal::new(RefusalCode::PolicyVersion, reason));
        }
        let begun = match question {
            Question::Sync(request) => {
                let select = match (&request.selector, &self.options.select) {
                    (None, _) => None,
                    (Some(_), Some(select)) => Some(Arc::clone(select)),
                    (Some(_), None) => {
                        let reason = "selectors are not understood here";
                        return Err(SyncRefusal::new(RefusalCode::Malformed, reason));
                    }
                };
                Feed::begin(&self.database, request, select)
                    .map(|(feed, begin)| (Task::Feed(feed), begin))
            }
            Question::Wanted(request) => {
                let begin = Begin {
                    since: Seq(0),
                    mode: Mode::Copy,
                    update_seq: self.database.update_seq(),
                    documents: request.wishes.len() as u64,
                    bytes: 0,
                };
                Ok((Task::Named(Named::new(request.wishes)), begin))
            }
        };
        let (task, begin) = begun.map_err(|error| refusal_for(&error))?;
        self.page.begin(begin.since);
        self.task = task;
        Ok(self.encoder.encode(&Frame::Begin(begin)))
    }

    /// Reads one batch, or that there is none any more.
    fn read(&mut self) -> Result<(), SyncRefusal> {
        let Self { database, terms, options, page, .. } = self;
        let read = match &mut self.task {
            Task::Asked(_) => return Ok(()),
            Task::Feed(feed) => feed.read(database, terms, options, page),
            Task::Named(named) => named.read(database, terms, options, page),
        };
        let read = read.map_err(|error| refusal_for(&error))?;
        self.sent.documents += page.writer.documents() as u64;
        self.sent.revisions += page.writer.leaves_sent() as u64;
        if let Some(pending) = read.batch {
            self.ready.extend(page.take_parcels().map(Piece::Parcel));
            let packer = &mut self.packer;
            let batch = page.writer.finish(read.through, pending, |bytes| packer.pack(bytes));
            self.ready.push_back(Piece::Batch(batch));
        }
        if read.over {
            self.ready.push_back(Piece::End(read.through));
        }
        Ok(())
    }
}

/// What a task has read into a page.
struct Read {
    /// Up to which position.
    through: Seq,
    /// Changes behind it, where there is a batch to send.
    batch: Option<u64>,
    /// Whether it is the end.
    over: bool,
}

impl Parcel {
    fn next_chunk(&mut self) -> Result<Option<Bytes>, SyncRefusal> {
        if self.left == 0 {
            return Ok(None);
        }
        let wanted = self.left.min(CHUNK_BYTES_MAX as u64);
        let mut chunk = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
        let read = (&mut self.reader).take(wanted).read_to_end(&mut chunk);
        let failed = |reason: String| SyncRefusal::new(RefusalCode::Unavailable, reason);
        read.map_err(|error| failed(format!("an attachment could not be read: {error}")))?;
        if chunk.is_empty() {
            return Err(failed("an attachment is shorter than it was".into()));
        }
        self.left -= chunk.len() as u64;
        Ok(Some(chunk.into()))
    }
}

/// What the target is told of an error here; the whole of it is for the log.
fn refusal_for(error: &PeerError) -> SyncRefusal {
    let code = match error {
        PeerError::NoDatabase | PeerError::Store(store::Error::NoDatabase) => RefusalCode::Gone,
        PeerError::Store(_) => RefusalCode::Unavailable,
        other if other.is_passing() => RefusalCode::Unavailable,
        _ => RefusalCode::Malformed,
    };
    if code == RefusalCode::Unavailable {
        tracing::warn!(error = error.chain(), "an answer to a sync ends");
    }
    SyncRefusal::new(code, error.to_string())
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("database", &self.database)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}
