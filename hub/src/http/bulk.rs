//! Many documents in one request.

mod batch;
mod docs;
mod get;
mod parallel;
mod parts;
mod request;
mod rows;
mod wanted;

pub(crate) use docs::bulk_docs;
pub(crate) use get::bulk_get;
