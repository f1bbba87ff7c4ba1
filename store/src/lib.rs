//! Databases of documents with CouchDB's revision trees, kept durably on one device.
//!
//! Complete without network, async runtime, HTTP, clock or identity: callers pass `now`, and call
//! from threads that may block. `docs/store-format.md` describes every file.

mod activity;
mod attachment;
mod backup;
mod catalog;
mod changes;
mod conflicts;
mod core;
mod database;
#[cfg(feature = "deliberate-bugs")]
pub mod deliberate;
mod document;
mod engine;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod index;
pub mod json;
mod name;
mod partition;
mod rev;
pub mod rev_tree;
mod seq;
mod simulated_disk;
pub mod stamp;
mod store;
pub mod varint;

pub use activity::Activity;
pub use attachment::{
    Attachment, AttachmentReader, AttachmentWriter, Compression, Content, ContentHash, CopySource,
    Encoding, Intake, Md5Digest, Staged,
};
pub use backup::{CopyFile, Restore};
pub use changes::{Change, Direction};
pub use conflicts::{ConflictPolicy, ConflictRule, FieldPath, ParsePolicyError};
pub use database::{
    Body, Charges, Database, DocTree, Head, Held, IdRange, Info, Local, Overwritten, PartitionInfo,
    Preview, Purge, Sizes, Snapshot, Waste,
};
pub use document::{
    BodyText, DocError, Document, DocumentId, DocumentLimits, Edit, EditError, Following, Lineage,
    NewAttachment, Output, OutputError, ParsedAttachment, ParsedContent, Show, ShowAttachments,
};
pub use engine::Moment;
pub use error::{Error, OpenError};
pub use index::{
    IndexFile, IndexFolder, IndexName, IndexNameError, MemoryPages, PageId, Pages, PagesMut,
};
pub use name::{DOC_ID_BYTES_MAX, DbName, DbNameError, DocId, DocIdError, LocalId};
pub use partition::{Partition, PartitionError, PartitionedIdError};
pub use rev::{ParseRevError, RevId, SIGNATURE_BYTES_MAX, Signature};
pub use seq::{DbUuid, Epoch, MalformedSeq, Seq, UpdateSeq};
pub use simulated_disk::SimulatedDisk;
pub use stamp::Millis;
pub use store::{Options, Store, Trashed, make_private_folder};
