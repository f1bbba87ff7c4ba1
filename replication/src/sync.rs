//! `larder-sync/1`: how hubs bring each other up to date.
//!
//! The target asks, the source streams: batches of changes together with the revisions, bodies and
//! attachments that the target is likely to lack. The target compares every leaf with its own tree,
//! asks for what it still lacks, and remembers how far it has come once all of that is durable.
//! `docs/sync-protocol.md` describes every byte.
//!
//! [`Source`] answers one question piece by piece. At the target [`Inflow`] takes an answer apart,
//! [`Target`] compares and writes, and [`Pull`] says what comes next: a state machine without I/O
//! and without a clock. [`SyncBody`] and [`SyncJob`] run the one and the others on Tokio.

mod batch;
mod body;
mod checkpoint;
mod decoder;
mod delivered;
mod error;
mod frame;
mod hints;
mod inflow;
mod job;
mod progress;
mod pull;
mod request;
mod source;
mod target;

pub use batch::{
    Batch, BatchDocument, BatchWriter, Carriage, Leaf, LeafContent, SentAttachment, SentRevision,
    Withheld,
};
pub use body::SyncBody;
pub use checkpoint::Checkpoint;
pub use decoder::Decoder;
pub use delivered::Delivered;
pub use error::{Misbehaviour, RefusalCode, SyncError, SyncRefusal};
pub use frame::{Begin, Encoder, Frame, PackedBatch, Packer, ParcelHeader};
pub use hints::Hints;
pub use inflow::{Arrival, Delivery, Inflow};
pub use job::{AnswerStream, Ask, SyncCanceller, SyncJob};
pub use progress::{SkipReason, Skipped, SyncOutcome, SyncProgress, SyncState};
pub use pull::{Action, Event, Pull, PullSpec, QuestionId, TakeId};
pub use request::{
    CONTENT_TYPE, Mode, PROTOCOL, ParseRequestError, Question, REQUEST_BYTES_MAX, SyncFilter,
    SyncRequest, Terms, WantedRequest, Wish,
};
pub use source::{BatchSize, Sent, Source, SourceOptions, Visible};
pub use target::{Looked, Taken, Target};
