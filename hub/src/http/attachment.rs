//! Attachments one at a time.

mod range;
mod read;
mod staging;
mod write;

pub(crate) use read::get;
pub(crate) use staging::{Staging, too_large};
pub(crate) use write::{delete, put};

use super::HttpError;
use super::document::Revision;
