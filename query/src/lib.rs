//! Questions about documents: CouchDB's order over JSON values, Mango selectors, and functions of
//! design documents.
//!
//! ```
//! use query::{Document, Selector};
//!
//! let selector = Selector::parse(r#"{"year": {"$gte": 1960}, "tags": {"$all": ["red"]}}"#)?;
//! let matches = |text| Document::parse(text).is_ok_and(|document| selector.matches(&document));
//! assert!(matches(r#"{"_id":"a","year":1977,"tags":["red","old"]}"#));
//! assert!(!matches(r#"{"_id":"b","year":1977}"#));
//! # Ok::<(), query::SelectorError>(())
//! ```

mod collation;
pub mod design;
mod document;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod index;
pub mod mango;
mod sandbox;
#[cfg(feature = "search")]
pub mod search;
mod value;
pub mod view;

pub use collation::{compare, compare_strings};
pub use document::{Document, NotADocument};
pub use index::{Collation, CollationKey};
pub use mango::{Selector, SelectorError};
pub use sandbox::{
    DesignKey, Emitted, Functions, Limits, ListPart, Mapper, Reducer, Refused, Rows, Sandbox,
    SandboxError, Workers, WorkersOptions,
};
#[cfg(feature = "search")]
pub use sandbox::{FieldType, FieldValue, IndexedField, Indexer};
pub use value::{Number, Value};
