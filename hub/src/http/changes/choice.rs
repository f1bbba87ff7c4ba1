//! A filter of `_changes`, asked about documents that somebody else has read.

use std::sync::Arc;

use serde::Deserialize;
use store::{Database, DocId};

use super::filter::Filter;
use crate::app::App;
use crate::http::functions::Asked;
use crate::http::{HttpError, Query};

/// Which documents a filter lets pass.
#[derive(Debug)]
pub(crate) struct Choice(Filter);

impl Choice {
    /// Refuses options that name no filter.
    pub(crate) fn check(query: &Query) -> Result<(), HttpError> {
        Filter::parse(query, None).map(drop)
    }

    /// Finds the filter that options of a feed name. May block.
    pub(crate) fn find(
        app: &Arc<App>,
        database: &Arc<Database>,
        query: &Query,
        asked: &Asked,
    ) -> Result<Self, HttpError> {
        Ok(Self(match Filter::parse(query, None)? {
            Filter::Named(named) => Filter::Function(named.find_now(app, database, asked)?),
            other => other,
        }))
    }

    /// For each document, its JSON, whether it passes. May block.
    pub(crate) fn choose(
        &self,
        database: &Database,
        documents: Vec<String>,
    ) -> Result<Vec<bool>, HttpError> {
        #[derive(Deserialize)]
        struct Named {
            #[serde(rename = "_id")]
            id: String,
        }

        match &self.0 {
            Filter::Function(function) => function.passes(database, documents),
            filter => {
                let id = |text: &String| serde_json::from_str::<Named>(text).ok()?.id.parse().ok();
                let passes = |id: DocId| filter.passes_id(&id);
                Ok(documents.iter().map(|text| id(text).is_some_and(passes)).collect())
            }
        }
    }
}
