//! Mango: CouchDB's questions written as JSON.

mod condition;
mod error;
mod matching;
mod parse;
mod path;
mod selector;

pub use self::error::SelectorError;
pub(crate) use self::path::{Found, Path};
#[cfg(any(test, fuzzing))]
pub(crate) use self::selector::LEVELS_MAX;
pub use self::selector::Selector;
