//! Full-text indexes: words that follow from documents, kept in a folder of the store's by Tantivy,
//! which is not known outside of here.
//!
//! Nothing is kept open: an index is opened for each question, and its writer for each update.

mod analyzer;
mod boosted;
mod compile;
mod counts;
mod definition;
mod document;
mod error;
mod expand;
mod files;
mod find;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod highlight;
mod hits;
mod question;
mod ranges;
mod shown;
mod syntax;
mod term;
mod update;

pub use self::analyzer::{Analyzer, Analyzers};
pub use self::definition::{Dialect, SearchIndex, SearchIndexes};
pub use self::error::{DefinitionError, QuestionError, SearchError};
pub use self::files::check;
pub use self::find::{Answer, Group, find};
pub use self::hits::{Hit, OrderValue};
pub use self::question::{CountedRange, Grouping, Highlighting, Question, SortField, SortType};
pub use self::shown::Shown;
pub use self::update::{SearchCounts, SearchUpdate};

#[cfg(test)]
mod tests;
