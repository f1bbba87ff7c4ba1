//! Listings of documents by id: `_all_docs`, `_design_docs`, `_local_docs`.

mod listing;
mod options;
mod rows;

use serde_json::Map;

use self::listing::{Listing, Namespace};
pub(crate) use self::options::{Options, Span};
use super::pages::Gate;
use super::{Call, HttpError, Reply, json_body, pages};
use crate::access::Action;

/// `GET /{db}/_all_docs`
pub(crate) async fn get(call: Call) -> Result<Reply, HttpError> {
    list(call, Namespace::Documents).await
}

/// `POST /{db}/_all_docs`
pub(crate) async fn post(call: Call) -> Result<Reply, HttpError> {
    list_posted(call, Namespace::Documents).await
}

/// `GET /{db}/_design_docs`
pub(crate) async fn get_design(call: Call) -> Result<Reply, HttpError> {
    list(call, Namespace::Design).await
}

/// `POST /{db}/_design_docs`
pub(crate) async fn post_design(call: Call) -> Result<Reply, HttpError> {
    list_posted(call, Namespace::Design).await
}

/// `GET /{db}/_local_docs`
pub(crate) async fn get_local(call: Call) -> Result<Reply, HttpError> {
    list(call, Namespace::Local).await
}

/// `POST /{db}/_local_docs`
pub(crate) async fn post_local(call: Call) -> Result<Reply, HttpError> {
    list_posted(call, Namespace::Local).await
}

async fn list(call: Call, namespace: Namespace) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let options = Options::parse(&call.query, Map::new())?;
    let gate = Gate::of(&call, Action::Read);
    pages::answer(gate, database, Listing::new(namespace, options)).await
}

async fn list_posted(call: Call, namespace: Namespace) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let gate = Gate::of(&call, Action::Read);
    let body = json_body::object(&call.headers, call.body).await?;
    let options = Options::parse(&call.query, body)?;
    pages::answer(gate, database, Listing::new(namespace, options)).await
}
