//! Mango: `_find`, `_explain` and `_index`.

mod index;
mod pages;
mod source;

use std::sync::Arc;

use http::StatusCode;
use query::mango::{Find, FindRequest, IndexDefinition, Plan, Purpose, explain};
use store::{Database, Partition};

pub(crate) use self::index::{bulk_delete, create, list, remove};
use self::pages::FindPages;
use self::source::Indexed;
use super::pages::{self as answers, Gate};
use super::{Call, HttpError, Reply, blocking, reply, request};
use crate::access::Action;
use crate::app::App;
use crate::clock;
use crate::designs::DesignDocs;
use crate::indexer::Wanted;

/// Longest body of a question.
const BYTES_MAX: usize = 8 << 20;

/// `POST /{db}/_find`
pub(crate) async fn find(call: Call) -> Result<Reply, HttpError> {
    answer(call, None).await
}

/// `POST /{db}/_partition/{partition}/_find`
pub(crate) async fn find_in_partition(call: Call) -> Result<Reply, HttpError> {
    let partition = call.captures.partition.parse::<Partition>()?;
    answer(call, Some(partition)).await
}

/// `POST /{db}/_explain`
pub(crate) async fn explain_find(call: Call) -> Result<Reply, HttpError> {
    explained(call, None).await
}

/// `POST /{db}/_partition/{partition}/_explain`
pub(crate) async fn explain_in_partition(call: Call) -> Result<Reply, HttpError> {
    let partition = call.captures.partition.parse::<Partition>()?;
    explained(call, Some(partition)).await
}

async fn answer(call: Call, partition: Option<Partition>) -> Result<Reply, HttpError> {
    let began = clock::instant();
    let database = call.database()?;
    let app = Arc::clone(&call.app);
    let gate = Gate::of(&call, Action::Read);
    let request = parse(call, partition).await?;
    let designs = designs(&app, &database).await?;
    let plan = plan(&designs, &request, Purpose::Find)?;
    let indexed = match plan.index() {
        None => None,
        Some(index) => Some(indexed(&database, &designs, index, &request)?),
    };
    if let Some(indexed) = &indexed
        && request.update
        && !request.stale
    {
        app.indexer.update(&indexed.wanted).await?;
    }
    let wanted = request.skip.saturating_add(request.limit);
    let find = (Find::new(request, plan)?, wanted);
    let pages = FindPages::new(&app, find, indexed, began);
    answers::answer(gate, database, pages).await
}

async fn explained(call: Call, partition: Option<Partition>) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let app = Arc::clone(&call.app);
    let request = parse(call, partition).await?;
    let designs = designs(&app, &database).await?;
    let plan = plan(&designs, &request, Purpose::Explain)?;
    let text = explain(database.name().as_str(), &request, &plan);
    Ok(reply::json_text(StatusCode::OK, text.into_bytes()))
}

async fn parse(call: Call, partition: Option<Partition>) -> Result<FindRequest, HttpError> {
    let mut parsed = FindRequest::parse(&body(call).await?)?;
    if partition.is_some() {
        parsed.partition = partition;
    }
    Ok(parsed)
}

/// The body of a request, which is JSON.
async fn body(call: Call) -> Result<String, HttpError> {
    request::require_json(&call.headers)?;
    let text = request::read(&call.headers, call.body, BYTES_MAX).await?;
    let weight = super::memory::bytes_as_values(&text);
    super::memory::hold(weight).await?;
    String::from_utf8(text).map_err(|_| HttpError::BadRequest("invalid UTF-8 JSON".into()))
}

/// The design documents of a database; at once where they are known.
async fn designs(app: &Arc<App>, database: &Arc<Database>) -> Result<Arc<DesignDocs>, HttpError> {
    if let Some(known) = app.designs.known(database) {
        return Ok(known);
    }
    let (app, database) = (Arc::clone(app), Arc::clone(database));
    blocking(move || Ok(app.designs_of(&database)?)).await
}

fn plan(designs: &DesignDocs, request: &FindRequest, purpose: Purpose) -> Result<Plan, HttpError> {
    let indexes: Vec<Arc<IndexDefinition>> =
        designs.iter().flat_map(|design| design.indexes.iter().cloned()).collect();
    Ok(Plan::choose(request, &indexes, designs.partitioned(), purpose)?)
}

/// Where the rows of a chosen index are.
fn indexed(
    database: &Arc<Database>,
    designs: &DesignDocs,
    index: &IndexDefinition,
    request: &FindRequest,
) -> Result<Indexed, HttpError> {
    let gone = || HttpError::NotFound("missing");
    let id = index.design().parse()?;
    let design = designs.find(&id).ok_or_else(gone)?;
    let views = design.views.clone()?;
    let place = views.find(index.name()).ok_or_else(gone)?;
    let partition = views.partitioned.then(|| request.partition.clone()).flatten();
    let design = index.design().to_owned();
    let wanted = Wanted { database: Arc::clone(database), design, views };
    Ok(Indexed { wanted, place, partition })
}
