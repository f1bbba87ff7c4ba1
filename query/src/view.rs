//! Map/reduce views: rows that follow from documents, kept in an index and brought up to date.

mod error;
mod maps;
pub(crate) mod purged;
mod reducers;
pub(crate) mod source;
mod update;

pub use self::error::ViewError;
pub use self::reducers::Reducers;
pub use self::update::Update;
