//! Views published as databases of their own, kept up to date by the device that published them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use query::design::{ViewPlace, Views};
use query::index::{Collation, Progress, View, rows_of};
use query::view::{Reducers, ViewError};
use store::{
    Database, DbUuid, Direction, DocId, Edit, Error, IdRange, IndexFile, Millis, Seq, UpdateSeq,
};
use tokio::time::sleep;

use super::derive::{self, IdKey, Present};
use super::mark::{Mark, history};
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

/// Changes of a source read at a time, and documents of what is made of it.
const PAGE: usize = 500;

/// Most edits that are written at a time, and bytes of them; one more may exceed them.
const EDITS_MAX: usize = 500;
const BYTES_MAX: usize = 4 << 20;

/// Most rows of a view that is published.
const ROWS_MAX: u64 = 100_000;

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

/// Why rows do not become documents; those that there are stay.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The database of the view is not here.
    #[error("the database that it is a view of is not on this device")]
    NoSource,
    /// The view cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Its design document cannot be.
    #[error("{0}")]
    Design(String),
    /// It has more rows than may be published.
    #[error("the view has more than {ROWS_MAX} rows")]
    TooManyRows,
    /// Somebody else wrote there.
    #[error("somebody else has written to the database of the rows")]
    Conflict,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
    /// The hub stops.
    #[error("stopped")]
    Stopped,
}

impl Failure {
    /// What programs tell it by.
    fn code(&self) -> &'static str {
        match self {
            Self::NoSource => "source_missing",
            Self::View(_) | Self::Design(_) => "view_failed",
            Self::TooManyRows => "too_many_rows",
            Self::Conflict | Self::Store(_) | Self::Stopped => "here",
        }
    }
}

/// What tells whether there is anything to do for a published view.
type Seen = (String, UpdateSeq, u64, SourceView);

/// Follows the sources of views that this device publishes, as long as the hub runs.
pub(crate) async fn follow(app: Arc<App>) {
    let mut records = app.registry.changes();
    let mut shutdown = app.shutdown.clone();
    let mut seen: BTreeMap<DbUuid, Seen> = BTreeMap::new();
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
async fn look(app: &Arc<App>, record: &Record, seen: &mut BTreeMap<DbUuid, Seen>) -> bool {
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
    if now_seen.is_some() && seen.get(&record.uuid) == now_seen.as_ref() {
        return true;
    }
    let outcome = match source {
        Some(source) => bring_up(app, record, view, source).await,
        None => Err(Failure::NoSource),
    };
    let known = app.sharing.standing(record.uuid).unwrap_or_default();
    let (standing, well) = match outcome {
        Ok(standing) => (standing, true),
        Err(Failure::Stopped | Failure::Store(Error::Closing | Error::NoDatabase)) => {
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
    match now_seen.filter(|_| well) {
        Some(now_seen) => _ = seen.insert(record.uuid, now_seen),
        None => _ = seen.remove(&record.uuid),
    }
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

/// Deletes all rows. May block.
fn empty(target: &Database) -> Result<(), Failure> {
    let mut mark = Mark::read(target)?;
    sweep(target, |_| false)?;
    (mark.seq, mark.purge_seq, mark.index) = (0, 0, String::new());
    Ok(mark.write(target)?)
}

/// Deletes the documents of all sources but those that are to stay. May block.
fn sweep(target: &Database, stays: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let mut start = None;
    loop {
        let range = IdRange { start, end: None, direction: Direction::Ascending };
        let heads = target.read(|snapshot| snapshot.heads(&range, 0, PAGE))?;
        let Some(last) = heads.last() else { return Ok(()) };
        start = Some((last.id.as_str().to_owned(), false));
        let gone = heads.into_iter().filter(|head| !head.deleted && !stays(head.id.as_str()));
        let gone = gone.map(|head| Present { id: head.id, rev: head.rev, body: String::new() });
        write(target, derive::edits(gone.collect(), BTreeMap::new()))?;
    }
}

fn write(target: &Database, edits: Vec<Edit>) -> Result<(), Failure> {
    if edits.is_empty() {
        return Ok(());
    }
    let outcomes = target.write(edits, clock::now())?;
    match outcomes.iter().all(Result::is_ok) {
        true => Ok(()),
        false => Err(Failure::Conflict),
    }
}

/// The rows of the view, by the documents that they are of.
struct Rows<'a> {
    file: &'a IndexFile,
    views: &'a Views,
    tree: usize,
    view: View<'a>,
}

impl Rows<'_> {
    fn of(&self, source: &str) -> Result<Vec<(String, String)>, Failure> {
        let mut rows = self
            .file
            .read(|pages| rows_of(pages, self.tree, self.view, source).map_err(ViewError::from))?;
        if self.views.partitioned {
            // The index orders by the partition first, of which whoever asks a partition sees nothing.
            for (key, _) in &mut rows {
                let parts: Option<(&str, &serde_json::value::RawValue)> =
                    serde_json::from_str(key).ok();
                if let Some((_, bare)) = parts {
                    *key = bare.get().to_owned();
                }
            }
        }
        Ok(rows)
    }
}

/// Documents brought in step with rows.
struct Deriving<'a> {
    app: &'a App,
    source: &'a Database,
    target: &'a Database,
    rows: Rows<'a>,
    reached: Progress,
    mark: Mark,
    key: IdKey,
    /// What ids of sources with rows begin with, where the others are to be swept away.
    kept: Option<HashSet<String>>,
    standing: Standing,
    edits: Vec<Edit>,
    bytes: usize,
}

impl<'a> Deriving<'a> {
    fn new(
        app: &'a App,
        source: &'a Database,
        target: &'a Database,
        rows: Rows<'a>,
        reached: Progress,
    ) -> Result<Self, Failure> {
        let mut mark = Mark::read(target)?;
        let history = history(source);
        let index = rows.views.signature.as_str().to_owned();
        if mark.history != history || mark.seq > reached.update_seq {
            (mark.seq, mark.sweeps) = (0, true);
        }
        if mark.index != index || mark.tree != rows.tree {
            mark.seq = 0;
        }
        (mark.history, mark.index, mark.tree) = (history, index, rows.tree);
        let key = IdKey::new(mark.key().unwrap_or_default());
        let known = app.sharing.standing(target.uuid()).unwrap_or_default();
        // What was too large is counted anew where everything is looked at.
        let too_large = if mark.seq == 0 { 0 } else { known.too_large };
        let standing = Standing { rows: target.info()?.doc_count, too_large, trouble: None };
        let (edits, kept) = (Vec::new(), None);
        Ok(Self { app, source, target, rows, reached, mark, key, kept, standing, edits, bytes: 0 })
    }

    fn run(mut self) -> Result<Standing, Failure> {
        self.take_purges()?;
        if self.mark.sweeps {
            self.mark.seq = 0;
            self.kept = Some(HashSet::new());
        }
        let until = Seq(self.reached.update_seq);
        while self.mark.since() < until {
            let since = self.mark.since();
            let changes =
                self.source.read(|snapshot| snapshot.changes(since, Direction::Ascending, PAGE))?;
            let read = changes.len();
            let mut place = since;
            for change in changes {
                // The index does not tell of what is behind yet.
                if change.seq > until {
                    place = until;
                    break;
                }
                self.take(change.id.as_str())?;
                place = change.seq;
            }
            self.flush()?;
            self.mark.seq = if read < PAGE { until.0 } else { place.0 };
            if self.kept.is_none() {
                self.mark.write(self.target)?;
            }
        }
        if let Some(kept) = self.kept.take() {
            sweep(self.target, |id| {
                id.get(..derive::SOURCE_DIGITS).is_some_and(|source| kept.contains(source))
            })?;
            self.mark.sweeps = false;
            self.standing.rows = self.target.info()?.doc_count;
        }
        self.mark.write(self.target)?;
        Ok(self.standing)
    }

    /// Looks at what was purged from the source, of which no change tells.
    fn take_purges(&mut self) -> Result<(), Failure> {
        while self.mark.purge_seq < self.reached.purge_seq && self.mark.seq > 0 {
            let after = self.mark.purge_seq;
            let purges = self.source.read(|snapshot| snapshot.purges(after, PAGE))?;
            let (Some((first, _)), Some((last, _))) = (purges.first(), purges.last()) else {
                break;
            };
            if *first > after + 1 {
                self.mark.sweeps = true;
                break;
            }
            self.mark.purge_seq = *last;
            for (_, purge) in &purges {
                self.take(purge.id.as_str())?;
            }
        }
        self.mark.purge_seq = self.reached.purge_seq;
        self.flush()
    }

    /// Compares the rows of a source with their documents.
    fn take(&mut self, source: &str) -> Result<(), Failure> {
        if *self.app.shutdown.borrow() || self.target.is_deleted() || self.source.is_deleted() {
            return Err(Failure::Stopped);
        }
        let wanted = self.key.documents(source, &self.rows.of(source)?);
        let prefix = self.key.of_source(source);
        let present = present(self.target, &prefix)?;
        if let Some(kept) = self.kept.as_mut().filter(|_| !wanted.documents.is_empty()) {
            kept.insert(prefix);
        }
        self.standing.too_large += wanted.too_large;
        let (more, fewer) = (wanted.documents.len() as u64, present.len() as u64);
        self.standing.rows = (self.standing.rows + more).saturating_sub(fewer);
        if more > fewer && self.standing.rows > ROWS_MAX {
            return Err(Failure::TooManyRows);
        }
        let edits = derive::edits(present, wanted.documents);
        self.bytes += edits.iter().map(|edit| edit.body.len()).sum::<usize>();
        self.edits.extend(edits);
        if self.edits.len() >= EDITS_MAX || self.bytes >= BYTES_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.bytes = 0;
        write(self.target, std::mem::take(&mut self.edits))
    }
}

/// The documents of a source that there are.
fn present(target: &Database, prefix: &str) -> Result<Vec<Present>, Error> {
    let mut present = Vec::new();
    let mut start = Some((prefix.to_owned(), true));
    // Behind every hexadecimal digit.
    let end = Some((format!("{prefix}g"), false));
    loop {
        let range = IdRange { start, end: end.clone(), direction: Direction::Ascending };
        let page = target.read(|snapshot| {
            let heads = snapshot.heads(&range, 0, PAGE)?;
            let mut page = Vec::with_capacity(heads.len());
            for head in heads {
                let body = if head.deleted { None } else { snapshot.body(head.body)? };
                page.push((head, body.map(|body| body.json)));
            }
            Ok::<_, Error>(page)
        })?;
        let Some((last, _)) = page.last() else { return Ok(present) };
        start = Some((last.id.as_str().to_owned(), false));
        let live = page.into_iter().filter(|(head, _)| !head.deleted);
        present.extend(live.map(|(head, body)| Present {
            id: head.id,
            rev: head.rev,
            body: body.unwrap_or_default(),
        }));
    }
}
