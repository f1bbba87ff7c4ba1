//! Documents one at a time.

mod copy;
mod form;
mod options;
mod parts;
mod read;
pub(crate) mod related;
mod revision;
mod submit;
mod write;

pub(crate) use copy::copy;
pub(crate) use form::upload;
pub(crate) use options::{OpenRevs, ReadOptions, rev_options};
pub(crate) use read::{chosen, get};
pub(crate) use revision::Revision;
pub(crate) use submit::{Edited, outcome, submit, submit_one};
pub(crate) use write::{
    Writer, delete, generated_id, post, put, read_document, replicated, write_made, write_row,
    written,
};
