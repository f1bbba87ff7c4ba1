//! Full-text indexes of design documents, asked.

mod analyze;
mod info;
mod options;
mod pages;

use std::sync::Arc;

use ::query::search::Dialect;
use serde_json::Map;
use store::Partition;

pub(crate) use self::analyze::{analyze, analyze_nouveau};
pub(crate) use self::info::{info, nouveau_info};
use self::options::Options;
use self::pages::SearchPages;
use super::given::bad;
use super::view::Scope;
use super::{Call, HttpError, Reply, json_body, pages as answers};
use crate::indexer::WantedSearch;

/// `GET /{db}/_design/{design}/_search/{index}`, of a partition too.
pub(crate) async fn get(call: Call) -> Result<Reply, HttpError> {
    let target = Target::of(&call, Dialect::Search)?;
    target.ask(Options::parse(Dialect::Search, &call.query, &Map::new())?).await
}

/// `POST /{db}/_design/{design}/_search/{index}`, of a partition too.
pub(crate) async fn post(call: Call) -> Result<Reply, HttpError> {
    let target = Target::of(&call, Dialect::Search)?;
    let body = json_body::object(&call.headers, call.body).await?;
    target.ask(Options::parse(Dialect::Search, &call.query, &body)?).await
}

/// `GET /{db}/_design/{design}/_nouveau/{index}`, of a partition too.
pub(crate) async fn get_nouveau(call: Call) -> Result<Reply, HttpError> {
    let target = Target::of(&call, Dialect::Nouveau)?;
    target.ask(Options::parse(Dialect::Nouveau, &call.query, &Map::new())?).await
}

/// `POST /{db}/_design/{design}/_nouveau/{index}`, of a partition too.
pub(crate) async fn post_nouveau(call: Call) -> Result<Reply, HttpError> {
    let target = Target::of(&call, Dialect::Nouveau)?;
    let body = json_body::object(&call.headers, call.body).await?;
    target.ask(Options::parse(Dialect::Nouveau, &call.query, &body)?).await
}

/// The index that a request names.
struct Target {
    scope: Scope,
    dialect: Dialect,
    partition: Option<Partition>,
}

impl Target {
    fn of(call: &Call, dialect: Dialect) -> Result<Self, HttpError> {
        let partition = match call.captures.partition.as_str() {
            "" => None,
            partition => Some(partition.parse::<Partition>()?),
        };
        Ok(Self { scope: Scope::of(call)?, dialect, partition })
    }

    async fn find(&self) -> Result<WantedSearch, HttpError> {
        let design = self.scope.design().await?;
        let index = design.search_indexes.find(self.dialect, &self.scope.view);
        let index = index.ok_or_else(|| HttpError::Function {
            status: http::StatusCode::NOT_FOUND,
            word: "not_found".into(),
            reason: format!("{} not found.", self.scope.view),
        })?;
        Ok(WantedSearch {
            database: Arc::clone(&self.scope.database),
            design: design.id.as_str().to_owned(),
            index: Arc::clone(index.as_ref().map_err(Clone::clone)?),
        })
    }

    async fn ask(self, mut options: Options) -> Result<Reply, HttpError> {
        let wanted = self.find().await?;
        match (wanted.index.partitioned, &self.partition) {
            (true, None) => {
                return Err(bad("`partition` parameter is mandatory for queries to this index."));
            }
            (false, Some(_)) => return Err(bad("`partition` not supported on this index")),
            _ => {}
        }
        options.check(self.partition.is_some())?;
        options.question.partition = self.partition.map(|partition| partition.as_str().to_owned());
        if options.update {
            self.scope.app.indexer.update_search(&wanted).await?;
        }
        let database = Arc::clone(&wanted.database);
        answers::answer(self.scope.gate, database, SearchPages::new(wanted, options)).await
    }
}
