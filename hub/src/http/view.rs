//! Views of design documents.

mod document;
mod found;
mod info;
mod options;
mod range;
mod reduced;
mod rows;

use http::HeaderMap;
use query::index::Progress;
use serde_json::{Map, Value};
use store::Partition;

pub(crate) use self::found::{Found, Scope};
pub(crate) use self::info::info;
pub(crate) use self::options::{Options, Update};
pub(crate) use self::rows::ViewRows;
use super::etag::ETag;
use super::given::Options as _;
use super::pages;
use super::several::{self, Several};
use super::{Call, HttpError, Reply, json_body};

/// `GET /{db}/_design/{design}/_view/{view}`
pub(crate) async fn get(call: Call) -> Result<Reply, HttpError> {
    let scope = Scope::of(&call)?;
    let options = Options::parse(&call.query, Map::new())?;
    one(scope, options, &call.headers).await
}

/// `POST /{db}/_design/{design}/_view/{view}`
pub(crate) async fn post(call: Call) -> Result<Reply, HttpError> {
    let scope = Scope::of(&call)?;
    let mut body = json_body::object(&call.headers, call.body).await?;
    if body.contains_key("queries") {
        let queries = several::queries(&mut body)?;
        return each(scope, Options::parse_several(&call.query, queries)?).await;
    }
    let options = Options::parse(&call.query, body)?;
    one(scope, options, &call.headers).await
}

/// `POST /{db}/_design/{design}/_view/{view}/queries`
pub(crate) async fn queries(call: Call) -> Result<Reply, HttpError> {
    let scope = Scope::of(&call)?;
    let mut body = json_body::object(&call.headers, call.body).await?;
    let queries = several::queries(&mut body)?;
    each(scope, Options::parse_several(&call.query, queries)?).await
}

/// `GET /{db}/_partition/{partition}/_design/{design}/_view/{view}`
pub(crate) async fn get_partition(call: Call) -> Result<Reply, HttpError> {
    let scope = Scope::of(&call)?;
    let options = within(&call, Map::new())?;
    one(scope, options, &call.headers).await
}

/// `POST /{db}/_partition/{partition}/_design/{design}/_view/{view}`
pub(crate) async fn post_partition(mut call: Call) -> Result<Reply, HttpError> {
    let scope = Scope::of(&call)?;
    let (query, captures) = (std::mem::take(&mut call.query), std::mem::take(&mut call.captures));
    let body: Map<String, Value> = json_body::object(&call.headers, call.body).await?;
    let mut options = Options::parse(&query, body)?;
    options.partition = Some(captures.partition.parse::<Partition>()?);
    one(scope, options, &call.headers).await
}

fn within(call: &Call, body: Map<String, Value>) -> Result<Options, HttpError> {
    let mut options = Options::parse(&call.query, body)?;
    options.partition = Some(call.captures.partition.parse::<Partition>()?);
    Ok(options)
}

async fn one(scope: Scope, options: Options, headers: &HeaderMap) -> Result<Reply, HttpError> {
    scope.admit(&options)?;
    let found = scope.find().await?;
    let rows = ViewRows::new(&scope.app, &found, &options)?;
    let reached = scope.bring_up_to_date(&found, options.update).await?;
    if scope.view_only {
        // What the tag is made of changes with documents that the view may not show.
        return pages::answer(scope.gate, found.wanted.database, rows).await;
    }
    let tag = tag(&found, &scope.view, &options, reached)?;
    if tag.is_known(headers) {
        return Ok(tag.not_modified());
    }
    let mut reply = pages::answer(scope.gate, found.wanted.database, rows).await?;
    tag.put(&mut reply);
    Ok(reply)
}

async fn each(scope: Scope, options: Vec<Options>) -> Result<Reply, HttpError> {
    options.iter().try_for_each(|options| scope.admit(options))?;
    let found = scope.find().await?;
    let rows = options.iter().map(|options| ViewRows::new(&scope.app, &found, options));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let wanted = |update| options.iter().any(|options| options.update == update);
    let update = [Update::First, Update::Later].into_iter().find(|update| wanted(*update));
    scope.bring_up_to_date(&found, update.unwrap_or(Update::Never)).await?;
    pages::answer(scope.gate, found.wanted.database, Several::new(rows)).await
}

/// What the answer follows from: the rows, and how they are asked for; with documents, all of those.
pub(crate) fn tag(
    found: &Found,
    view: &str,
    options: &Options,
    reached: Progress,
) -> Result<ETag, HttpError> {
    let mut hasher = blake3::Hasher::new();
    let mut add = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    };
    add(found.wanted.views.signature.as_str().as_bytes());
    add(view.as_bytes());
    add(format!("{options:?}").as_bytes());
    add(&reached.update_seq.to_be_bytes());
    add(&reached.purge_seq.to_be_bytes());
    if options.show().is_some() || options.update_seq {
        add(found.wanted.database.update_seq().to_string().as_bytes());
    }
    ETag::new(&hasher.finalize().to_hex()[..32])
}
