//! Rows in order: what map/reduce views and Mango's indexes stand on.

mod key;

pub use self::key::{Collation, CollationKey, KEYS_VERSION, KeyError};
