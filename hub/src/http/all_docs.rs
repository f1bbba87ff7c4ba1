//! Listings of documents by id: `_all_docs`, `_design_docs`, `_local_docs`.

mod listing;
mod options;
mod rows;

use std::sync::Arc;

use serde_json::{Map, Value};
use store::{Database, Partition};

pub(crate) use self::listing::Listing;
use self::listing::Namespace;
pub(crate) use self::options::{Options, Span};
use super::call::blocking;
use super::etag::ETag;
use super::given::Options as _;
use super::pages::Gate;
use super::several::{self, Several};
use super::{Call, HttpError, Query, Reply, json_body, pages};
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

/// `GET /{db}/_partition/{partition}/_all_docs`
pub(crate) async fn list_of(call: Call, partition: Partition) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let options = Options::parse(&call.query, Map::new())?.within(partition);
    let gate = Gate::of(&call, Action::Read);
    answer(gate, database, Namespace::Documents, options).await
}

/// `POST /{db}/_partition/{partition}/_all_docs`
pub(crate) async fn list_posted_of(call: Call, partition: Partition) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let gate = Gate::of(&call, Action::Read);
    let body = json_body::object(&call.headers, call.body).await?;
    let options = Options::parse(&call.query, body)?.within(partition);
    answer(gate, database, Namespace::Documents, options).await
}

/// The rows of `_all_docs` that options in the query and in a body ask for, and what tells them from
/// others.
pub(crate) async fn listing(
    database: &Arc<Database>,
    query: &Query,
    body: Map<String, Value>,
) -> Result<(Listing, ETag), HttpError> {
    let options = Options::parse(query, body)?;
    let options = checked(database, vec![options]).await?.pop().unwrap_or_default();
    let tag = ETag::new(&database.update_seq().to_string())?;
    let tag = tag.with(format!("{options:?}").as_bytes())?;
    Ok((Listing::new(Namespace::Documents, options), tag))
}

async fn list(call: Call, namespace: Namespace) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let options = Options::parse(&call.query, Map::new())?;
    let gate = Gate::of(&call, Action::Read);
    answer(gate, database, namespace, options).await
}

async fn answer(
    gate: Gate,
    database: Arc<Database>,
    namespace: Namespace,
    options: Options,
) -> Result<Reply, HttpError> {
    let options = checked(&database, vec![options]).await?.pop().unwrap_or_default();
    pages::answer(gate, database, Listing::new(namespace, options)).await
}

/// Refuses partitions where there are none, and limits that are too large for one.
async fn checked(
    database: &Arc<Database>,
    options: Vec<Options>,
) -> Result<Vec<Options>, HttpError> {
    if options.iter().all(|options| options.partition.is_none()) {
        return Ok(options);
    }
    let database = Arc::clone(database);
    if !blocking(move || Ok(database.is_partitioned()?)).await? {
        let reason = "`partition` parameter is not supported on this db";
        return Err(HttpError::Query(reason.into()));
    }
    options.iter().try_for_each(Options::check_limit)?;
    Ok(options)
}

async fn list_posted(call: Call, namespace: Namespace) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let gate = Gate::of(&call, Action::Read);
    let body = json_body::object(&call.headers, call.body).await?;
    let options = Options::parse(&call.query, body)?;
    answer(gate, database, namespace, options).await
}

async fn list_several(call: Call, namespace: Namespace) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let gate = Gate::of(&call, Action::Read);
    let mut body = json_body::object(&call.headers, call.body).await?;
    let queries = several::queries(&mut body)?;
    let options = checked(&database, Options::parse_several(&call.query, queries)?).await?;
    let listings = options.into_iter().map(|options| Listing::new(namespace, options));
    pages::answer(gate, database, Several::new(listings.collect())).await
}
