//! Views published as databases of their own, kept up to date by the device that published them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use query::design::ViewPlace;
use query::index::{Collation, View};
use query::view::{Reducers, ViewError};
use store::{Database, DbUuid, DocId, Error, Millis, UpdateSeq};
use tokio::time::sleep;

use super::deriving::{Deriving, Rows, empty};
use super::failure::Failure;
use super::mark::history;
use crate::access;
use crate::app::App;
use crate::clock;
use crate::functions::log;
use crate::http::HttpError;
use crate::indexer::Wanted;
use crate::registry::{Record, SourceView};

/// Time between two looks, so that many changes cost one.
const PAUSE: Duration = Duration::from_millis(100);

/// When what failed is tried again though nothing has changed.
const AGAIN: Duration = Duration::from_secs(60);

/// How it went last with a view that is published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Documents that there are.
    pub(crate) rows: u64,
    /// Rows that are too large to be any.
    pub(crate) too_large: u64,
    /// What keeps the newest rows from being there: what programs tell it by, and people.
    pub(crate) trouble: Option<(&'static str, String)>,
}

/// What tells whether there is anything to do for a published view.
type Seen = (String, UpdateSeq, u64, SourceView);

/// What was there when a view was looked at last, and since when it has failed, if it has.
type Looked = (Option<Seen>, Option<Instant>);

/// Follows the sources of views that this device publishes, as long as the hub runs.
pub(crate) async fn follow(app: Arc<App>) {
    let mut records = app.registry.changes();
    let mut shutdown = app.shutdown.clone();
    let mut seen: BTreeMap<DbUuid, Looked> = BTreeMap::new();
    loop {
        // Listening begins before looking, so that nothing falls between.
        let (changed, written) = (app.store.changed(), app.store.written());
        let published = published_here(&app);
        seen.retain(|uuid, _| published.iter().any(|record| record.uuid == *uuid));
        app.sharing.views().retain(|uuid, _| published.iter().any(|record| record.uuid == *uuid));
        let mut failed = false;
        for record in &published {
            if *shutdown.borrow() {
                return;
            }
            failed |= !look(&app, record, &mut seen).await;
        }
        sleep(PAUSE).await;
        let again = async {
            match failed {
                true => sleep(AGAIN).await,
                false => std::future::pending().await,
            }
        };
        let news = async {
            match published.is_empty() {
                true => std::future::pending().await,
                false => tokio::select! { () = changed => {}, () = written => {} },
            }
        };
        tokio::select! {
            _ = records.changed() => {}
            () = news => {}
            () = again => {}
            _ = shutdown.wait_for(|&stop| stop) => return,
        }
    }
}

/// The records of databases that this device makes of views.
fn published_here(app: &App) -> Vec<Arc<Record>> {
    let own = Some(app.device.public());
    let records = app.registry.records();
    let made = records
        .values()
        .filter(|record| record.view.is_some() && record.is_live() && record.device == own);
    made.cloned().collect()
}

/// Brings one of them up to date, where there is news; whether that went well.
async fn look(app: &Arc<App>, record: &Record, seen: &mut BTreeMap<DbUuid, Looked>) -> bool {
    let Some(view) = &record.view else { return true };
    let source = source(app, view);
    if source.is_none() && is_gone(app, view) {
        tracing::info!(database = %record.uuid, "a published view goes with its database");
        let (app, record) = (Arc::clone(app), record.clone());
        let gone = tokio::task::spawn_blocking(move || withdraw(&app, &record, clock::now())).await;
        return matches!(gone, Ok(Ok(())));
    }
    let now_seen = source.as_ref().map(|source| {
        (history(source), source.update_seq(), source.designs_version(), view.clone())
    });
    if let Some((before, failed)) = seen.get(&record.uuid)
        && *before == now_seen
        && failed.is_none_or(|since| since.elapsed() < AGAIN)
    {
        return failed.is_none();
    }
    let outcome = match source {
        Some(source) => bring_up(app, record, view, source).await,
        None => Err(Failure::NoSource),
    };
    let known = app.sharing.standing(record.uuid).unwrap_or_default();
    let (standing, well) = match outcome {
        Ok(standing) => (standing, true),
        Err(
            Failure::Stopped
            | Failure::View(ViewError::Stopped)
            | Failure::Store(Error::Closing | Error::NoDatabase),
        ) => {
            return false;
        }
        Err(failure) => {
            let code = failure.code();
            tracing::info!(database = %record.uuid, code, "a published view stays as it is");
            let text = match &failure {
                Failure::Store(error) => error.unnamed(),
                other => other.to_string(),
            };
            (Standing { trouble: Some((code, text)), ..known }, false)
        }
    };
    app.sharing.views().insert(record.uuid, standing);
    seen.insert(record.uuid, (now_seen, (!well).then(clock::instant)));
    well
}

/// The database that a view is of, or that has become of it.
fn source(app: &App, view: &SourceView) -> Option<Arc<Database>> {
    app.registry.database(followed(app, view)?)
}

/// Whether that was deleted.
fn is_gone(app: &App, view: &SourceView) -> bool {
    let record = followed(app, view).and_then(|uuid| app.registry.record(uuid));
    record.is_some_and(|record| !record.is_live())
}

fn followed(app: &App, view: &SourceView) -> Option<DbUuid> {
    let mut uuid = view.of()?;
    // Databases that became one with others, whose documents are elsewhere now.
    let mut passed = HashSet::from([uuid]);
    while let Some(next) = app.registry.record(uuid).and_then(|record| record.joined) {
        if !passed.insert(next) {
            return None;
        }
        uuid = next;
    }
    Some(uuid)
}

/// Makes an end of a published view: nobody is served any more; what others have of it they keep. May
/// block.
pub(crate) fn withdraw(app: &App, record: &Record, now: Millis) -> Result<(), HttpError> {
    if let Some(database) = app.registry.database(record.uuid) {
        app.registry.delete(&database, now)?;
        access::forget(&app.store, database.uuid(), now)?;
        app.access.policies().reload(&app.store)?;
    }
    Ok(())
}

async fn bring_up(
    app: &Arc<App>,
    record: &Record,
    view: &SourceView,
    source: Arc<Database>,
) -> Result<Standing, Failure> {
    let target = app.registry.database(record.uuid).ok_or(Error::NoDatabase)?;
    let (finding, of, view) = (Arc::clone(app), Arc::clone(&source), view.clone());
    let found = tokio::task::spawn_blocking(move || find(&finding, &of, &view));
    let found = found.await.map_err(|_| Failure::Stopped)??;
    let Some((wanted, place)) = found else {
        // A view that is not there has no rows.
        let emptied = tokio::task::spawn_blocking(move || empty(&target));
        emptied.await.map_err(|_| Failure::Stopped)??;
        let trouble =
            Some(("view_missing", "there is no such view any more, so it has no rows".into()));
        return Ok(Standing { trouble, ..Standing::default() });
    };
    let reached = app.indexer.update(&wanted).await?;
    let app = Arc::clone(app);
    let work = tokio::task::spawn_blocking(move || {
        let file = wanted.file()?;
        let reducers = Reducers::new(&wanted.views, app.functions.limits(), log)?;
        let reducers = reducers.of_tree(place.tree);
        let raw = wanted.views.trees.get(place.tree).is_some_and(|tree| tree.raw);
        let collation = if raw { Collation::Raw } else { Collation::Standard };
        let view = View { collation, reducers: &reducers };
        let rows = Rows { file: &file, views: &wanted.views, tree: place.tree, view };
        Deriving::new(&app, &source, &target, rows, reached)?.run()
    });
    work.await.map_err(|_| Failure::Stopped)?
}

/// The view's index and its place there; none where there is no such view. May block.
fn find(
    app: &App,
    source: &Arc<Database>,
    view: &SourceView,
) -> Result<Option<(Wanted, ViewPlace)>, Failure> {
    let designs = app.designs_of(source)?;
    let Ok(id) = format!("_design/{}", view.design).parse::<DocId>() else { return Ok(None) };
    let Some(design) = designs.find(&id) else { return Ok(None) };
    let views = design.views.clone().map_err(|error| Failure::Design(error.to_string()))?;
    let Some(place) = views.find(&view.view) else { return Ok(None) };
    let design = design.id.as_str().to_owned();
    Ok(Some((Wanted { database: Arc::clone(source), design, views }, place)))
}
