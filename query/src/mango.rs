//! Mango: CouchDB's questions written as JSON.

mod bookmark;
mod condition;
mod error;
mod explain;
mod fields;
mod find;
mod find_request;
mod index_definition;
mod index_error;
mod json;
mod matching;
mod members;
mod normal;
mod parse;
mod path;
mod plan;
mod plan_error;
mod projection;
mod range;
mod request_error;
mod scan;
mod selector;
mod sort;
mod source;
mod use_index;

pub use self::error::SelectorError;
pub use self::explain::explain;
pub use self::fields::Fields;
pub use self::find::{Ending, Find, Progress, Statistics, Step};
pub use self::find_request::FindRequest;
pub use self::index_definition::{
    Addition, BulkDelete, IndexDefinition, Removal, list_indexes, list_part, remove_index,
};
pub use self::index_error::IndexError;
pub(crate) use self::path::{Found, Path};
pub use self::plan::{Plan, Purpose};
pub use self::plan_error::PlanError;
pub use self::request_error::RequestError;
pub use self::scan::{DocumentRange, KeyRange};
#[cfg(any(test, fuzzing))]
pub(crate) use self::selector::LEVELS_MAX;
pub use self::selector::Selector;
pub use self::sort::Sort;
pub use self::source::{Read, Row, Source};
pub use self::use_index::UseIndex;
