//! Rows in order: what map/reduce views and Mango's indexes stand on.
//!
//! An index is a file of pages that `store` keeps ([`store::IndexFile`]). In it, each view has a
//! [`Tree`] of rows, which [`apply_batch`] keeps in step with the documents. Nothing here knows where rows
//! come from, or who asks for them.

mod error;
pub(crate) mod key;
pub(crate) mod node;
mod position;
pub mod reduce;
mod row;
mod sorter;
mod tree;
mod update;

pub use self::error::IndexError;
pub use self::key::{Collation, CollationKey, KEYS_VERSION, KeyError};
pub use self::position::{Cut, Range};
pub use self::reduce::{Reduce, ReduceError};
pub use self::row::Row;
pub use self::tree::{Action, GroupLevel, Tree};
pub use self::update::{
    Builder, DocRows, Emitted, Progress, View, apply_batch, progress, rows_of, tree,
};
