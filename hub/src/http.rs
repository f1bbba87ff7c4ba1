//! CouchDB's HTTP API: one table of routes, one gate, one place that turns errors into answers.

mod accept;
mod all_docs;
mod attachment;
mod body;
mod bulk;
mod call;
mod changes;
pub(crate) mod cors;
mod database;
mod document;
mod error;
mod etag;
pub(crate) mod json_body;
mod local;
mod location;
mod multipart;
mod pages;
mod path;
mod pieces;
mod query;
pub(crate) mod reply;
mod request;
mod revisions;
mod route;
mod router;
mod routes;
mod row;
mod server;
mod session;
pub(crate) mod sink;

pub(crate) use call::{Call, blocking};
pub(crate) use error::HttpError;
pub(crate) use query::Query;
pub(crate) use reply::Reply;
pub(crate) use router::answer;
