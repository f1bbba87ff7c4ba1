//! Full-text indexes: words that follow from documents, kept in a folder of the store's by Tantivy,
//! which is not known outside of here.
//!
//! Nothing is kept open: an index is opened for each question, and its writer for each update.

mod analyzer;
mod compile;
mod counts;
mod definition;
mod document;
mod error;
mod expand;
mod files;
mod find;
mod hits;
mod question;
mod ranges;
mod syntax;
mod term;
mod update;

pub use self::analyzer::{Analyzer, Analyzers};
pub use self::definition::{Dialect, SearchIndex};
pub use self::error::{DefinitionError, QuestionError, SearchError};
pub use self::files::check;
pub use self::find::{Answer, find};
pub use self::hits::{Hit, OrderValue};
pub use self::question::{CountedRange, Question, SortField, SortType};
pub use self::update::{SearchCounts, SearchUpdate};

#[cfg(test)]
mod tests;
