//! The CouchDB replication protocol, as values between two peers; and `larder-sync/1`, the hubs' own.
//!
//! [`Replication`] is the protocol without I/O: it says what to ask the source and the target, and
//! takes their answers. A [`Peer`] is either of them: a database of this hub ([`LocalPeer`]) or of
//! any CouchDB, PouchDB server or hub ([`HttpPeer`]). A [`Job`] drives the one between two of the
//! other on Tokio. Between hubs it is [`sync`] that brings databases up to date.
//!
//! ```
//! use std::sync::Arc;
//! use replication::{Filter, Job, Leaves, LocalPeer, Outcome, ReplicationId, Spec, Surroundings};
//! use store::{DocumentLimits, Millis, Options, Store};
//!
//! # let options = Options { writer_threads: 1, open_databases_max: 8, device: [0; 32] };
//! let store = Store::in_memory(&options)?;
//! store.create(&"notes".parse()?, Millis(0))?;
//! let clock: replication::Clock = Arc::new(|| Millis(0));
//! let peer = |name: &str| {
//!     Ok::<_, store::DbNameError>(Arc::new(LocalPeer::new(
//!         Arc::clone(&store), name.parse()?, DocumentLimits::default(), Arc::clone(&clock),
//!     )))
//! };
//! let id = ReplicationId::new(b"this hub", "notes", "copy", &Filter::All, Leaves::All);
//! let spec = Spec { create_target: true, ..Spec::new(id) };
//! let (source, target) = (peer("notes")?, peer("copy")?);
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! let outcome = runtime.block_on(async {
//!     let surroundings = Surroundings { clock: Arc::clone(&clock), random: 42 };
//!     Job::start(spec, source, target, surroundings).outcome().await
//! });
//! let Outcome::Completed(report) = outcome else { panic!("{outcome:?}") };
//! assert_eq!(report.to_json(), r#"{"ok":true,"no_changes":true}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checkpoint;
mod driver;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod id;
mod manager;
mod peer;
mod progress;
mod replication;
mod revision;
mod seq;
mod spec;
pub mod sync;

pub use driver::{Canceller, Clock, Job, Surroundings};
pub use feed::{Change, ChangesBatch, ChangesQuery, Feed, Filter, FunctionFilter, Leaves, Select};
pub use id::{ReplicationId, SessionId};
pub use manager::{
    Backoff, Budget, Hold, Manager, ManagerLimits, Next, Offer, Opening, ParseWindowError, Paths,
    Peer as ManagedPeer, PeerId, Permit, PullEnd, Rank, Run, Standing, Step, Trouble, Window,
};
pub use peer::{
    Answering, AttachmentForm, AttachmentStream, BoxedIo, BulkGets, Connect, Create, Fetched,
    HttpClient, HttpPeer, Incoming, Io, LocalDatabase, LocalDocument, LocalPeer, ParseUrlError,
    Peer, PeerError, PeerInfo, PeerUrl, Timeouts,
};
pub use progress::{Failure, Outcome, Progress, Report, State, Stats};
pub use replication::{Answer, Call, Replication, Request, RequestId, Side};
pub use revision::{Judge, Refusal, RefusalReason, Revision, RevisionAttachment, Transfer, Wanted};
pub use seq::PeerSeq;
pub use spec::Spec;
