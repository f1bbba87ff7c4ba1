//! Functions of design documents, run where they can reach nothing.
//!
//! A [`Sandbox`] belongs to one thread. A [`Mapper`], a [`Reducer`] and the [`Functions`] of a design
//! document each have a world of their own in it; [`Workers`] keeps threads for functions that are
//! called now and then.

mod error;
mod functions;
mod held;
#[cfg(feature = "search")]
mod indexer;
mod limits;
mod list;
mod map;
mod native;
mod pulse;
mod reduce;
mod runtime;
mod script;
mod text;
mod workers;

pub use error::{Error as SandboxError, Refused};
pub use functions::Functions;
#[cfg(feature = "search")]
pub use indexer::{FieldType, FieldValue, IndexedField, Indexer};
pub use limits::Limits;
pub use list::{ListPart, Rows};
pub use map::{Emitted, Mapper};
pub use reduce::Reducer;
pub use runtime::Sandbox;
pub use workers::{DesignKey, Workers, WorkersOptions};

#[cfg(test)]
mod tests;
