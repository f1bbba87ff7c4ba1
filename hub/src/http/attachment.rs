//! Attachments one at a time.

mod range;
mod read;
mod staging;
mod write;

#[cfg(any(test, fuzzing))]
pub(crate) use range::Wanted;
pub(crate) use read::get;
pub(crate) use staging::{Staging, check_md5, intake, too_large};
pub(crate) use write::{delete, edited, put, writable_name};

use super::HttpError;
use super::document::Revision;
