//! Documents: their text read into edits, and revisions written out as text again.

mod attachments;
mod body;
mod edit;
mod error;
mod output;
mod parse;
pub(crate) mod render;

pub use attachments::{Following, ParsedAttachment, ParsedContent};
pub use body::BodyText;
pub use edit::{Edit, EditError, Lineage, NewAttachment};
pub use error::DocError;
pub use output::{Output, OutputError};
pub use parse::{Document, DocumentId, DocumentLimits};
pub use render::{Show, ShowAttachments};
