//! Listings of documents by id: `_all_docs`, `_design_docs`, `_local_docs`.

mod listing;
mod options;
mod queries;
mod rows;

use serde_json::{Map, Value};

use self::listing::{Listing, Namespace};
pub(crate) use self::options::{Options, Span};
use self::queries::{QUERIES_MAX, Queries};
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

/// `POST /{db}/_all_docs/queries`
pub(crate) async fn queries(call: Call) -> Result<Reply, HttpError> {
    list_several(call, Namespace::Documents).await
}

/// `POST /{db}/_design_docs/queries`
pub(crate) async fn queries_design(call: Call) -> Result<Reply, HttpError> {
    list_several(call, Namespace::Design).await
}

/// `POST /{db}/_local_docs/queries`
pub(crate) async fn queries_local(call: Call) -> Result<Reply, HttpError> {
    list_several(call, Namespace::Local).await
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

async fn list_several(call: Call, namespace: Namespace) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let gate = Gate::of(&call, Action::Read);
    let mut body = json_body::object(&call.headers, call.body).await?;
    let bad = |reason: String| Err(HttpError::BadRequest(reason));
    let queries = match body.remove("queries") {
        Some(Value::Array(queries)) if queries.len() > QUERIES_MAX => {
            return bad(format!("`queries` must not have more than {QUERIES_MAX} elements."));
        }
        Some(Value::Array(queries)) => queries,
        Some(_) => return bad("`queries` member must be an array.".into()),
        None => return bad("POST body must include `queries` parameter.".into()),
    };
    let options = Options::parse_several(&call.query, queries)?;
    let listings = options.into_iter().map(|options| Listing::new(namespace, options));
    pages::answer(gate, database, Queries::new(listings.collect())).await
}
