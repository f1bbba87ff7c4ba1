//! The view that a request names.

use std::sync::Arc;

use query::design::{ViewPlace, Views};
use query::index::Progress;
use store::{Database, DocId};

use super::{Options, Update};
use crate::access::{self, Action};
use crate::app::App;
use crate::designs::DesignDoc;
use crate::http::functions::design;
use crate::http::pages::Gate;
use crate::http::{Call, HttpError, blocking};
use crate::indexer::{Wanted, reached_by_now};

/// What a request for a view is about.
pub(crate) struct Scope {
    /// The hub.
    pub(crate) app: Arc<App>,
    /// The database.
    pub(crate) database: Arc<Database>,
    /// Who may read it.
    pub(crate) gate: Gate,
    /// The design document, without `_design/`.
    pub(crate) design: String,
    /// The view in it.
    pub(crate) view: String,
    /// Whether whoever asks may read this view and nothing else of the database.
    pub(crate) view_only: bool,
}

/// A view.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Its index.
    pub(crate) wanted: Wanted,
    /// Where it is in it.
    pub(crate) place: ViewPlace,
}

impl Scope {
    /// What a request names in its path.
    pub(crate) fn of(call: &Call) -> Result<Self, HttpError> {
        let design = call.captures.doc.strip_prefix("_design/").unwrap_or(&call.captures.doc);
        Ok(Self {
            app: Arc::clone(&call.app),
            database: call.database()?,
            gate: Gate::of(call, Action::ReadView),
            design: design.to_owned(),
            view: call.captures.view.clone(),
            view_only: call.scope == access::Scope::View,
        })
    }

    /// Refuses what shows more than the view where that is all that may be read.
    pub(crate) fn admit(&self, options: &Options) -> Result<(), HttpError> {
        if self.view_only && options.shows_more_than_rows() {
            return Err(HttpError::ForbiddenBecause(
                "Only the rows of this view may be read, not the documents behind them.",
            ));
        }
        Ok(())
    }

    /// The design document. Answers at once where it is known.
    pub(crate) async fn design(&self) -> Result<Arc<DesignDoc>, HttpError> {
        if let Some(designs) = self.app.designs.known(&self.database)
            && let Ok(id) = format!("_design/{}", self.design).parse::<DocId>()
            && let Some(design) = designs.find(&id)
        {
            return Ok(Arc::clone(design));
        }
        let (app, database) = (Arc::clone(&self.app), Arc::clone(&self.database));
        let name = self.design.clone();
        blocking(move || design(&app, &database, &name)).await
    }

    /// The view.
    pub(crate) async fn find(&self) -> Result<Found, HttpError> {
        let found = self.find_named().await;
        match found {
            // What became of the design document is for those who may read the database.
            Err(HttpError::NotFound(_)) if self.view_only => Err(HttpError::NotFound("missing")),
            found => found,
        }
    }

    async fn find_named(&self) -> Result<Found, HttpError> {
        let design = self.design().await?;
        let views: Arc<Views> = design.views.clone()?;
        let place = views.find(&self.view).ok_or(HttpError::NotFound("missing_named_view"))?;
        Ok(Found { wanted: self.wanted(&design, views), place })
    }

    /// The index of a design document's views.
    pub(crate) fn wanted(&self, design: &DesignDoc, views: Arc<Views>) -> Wanted {
        let design = design.id.as_str().to_owned();
        Wanted { database: Arc::clone(&self.database), design, views }
    }

    /// Sees to it that the index is as new as it is wanted; up to where it goes.
    pub(crate) async fn bring_up_to_date(
        &self,
        found: &Found,
        update: Update,
    ) -> Result<Progress, HttpError> {
        let indexer = &self.app.indexer;
        match update {
            Update::First => return Ok(indexer.update(&found.wanted).await?),
            Update::Later => indexer.update_later(found.wanted.clone()),
            Update::Never => {}
        }
        Ok(reached_by_now(&found.wanted).await?)
    }
}
