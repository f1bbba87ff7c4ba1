//! One request on its way through the hub.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{HeaderMap, Method, Uri};
use store::{Database, DbName};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::incoming::Incoming;
use super::{HttpError, Query};
use crate::access::{Action, Principal, Scope, Target};
use crate::app::App;
use crate::replicate::is_replicator;
use crate::validate::Author;

/// Far longer than reading a few rows takes where they are in memory.
const MOMENT: Duration = Duration::from_millis(5);

/// How often design documents may rewrite one request: CouchDB's `rewrite_limit`.
const REWRITES_MAX: u32 = 100;

/// Why what design documents made of a request asks no replication.
const REPLICATES_NOTHING: &str = "A rewrite replicates nothing.";

/// A request whose route is known and whose principal was let through the gate.
#[derive(Debug)]
pub(crate) struct Call {
    /// The hub.
    pub(crate) app: Arc<App>,
    /// Who asks.
    pub(crate) principal: Principal,
    /// The method as sent.
    pub(crate) method: Method,
    /// The path and the query as sent.
    pub(crate) uri: Uri,
    /// What the route's path pattern captured, percent-decoded once.
    pub(crate) captures: Captures,
    /// The query options.
    pub(crate) query: Query,
    /// How far the gate lets it go.
    pub(crate) scope: Scope,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body, not yet read.
    pub(crate) body: Incoming,
    /// What it was before design documents rewrote it.
    pub(crate) rewritten: Rewritten,
}

/// What a request was before design documents rewrote it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rewritten {
    times: u32,
    requested: Option<Uri>,
    /// Whether it was a `GET` or a `HEAD` once, which whoever follows a link sends unawares.
    reads: bool,
}

/// What a path pattern captured; a member is empty where the route has no such part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Captures {
    /// `{db}`, not yet checked to be a legal name.
    pub(crate) db: String,
    /// `{doc}`: the whole document id, `_design/…` and `_local/…` included.
    pub(crate) doc: String,
    /// `{att}`: the attachment's name, slashes included; `{rest}` of a path likewise.
    pub(crate) att: String,
    /// `{partition}`: a partition's name, not yet checked to be a legal one.
    pub(crate) partition: String,
    /// `{node}`: a node of the cluster.
    pub(crate) node: String,
    /// `{section}` of the settings.
    pub(crate) section: String,
    /// `{key}` of a setting.
    pub(crate) key: String,
    /// `{function}` of a design document.
    pub(crate) function: String,
    /// `{view}` of a design document.
    pub(crate) view: String,
    /// `{other}`: another design document, without `_design/`.
    pub(crate) other: String,
    /// Whether the path as it came ends with a slash.
    pub(crate) slash: bool,
}

impl Call {
    /// The database that the path names.
    pub(crate) fn database(&self) -> Result<Arc<Database>, HttpError> {
        // What cannot be a name names no database; only who makes one is told why.
        let name = DbName::of_existing(&self.captures.db).map_err(|_| HttpError::NoDatabase)?;
        self.app.store.database(&name).ok_or(HttpError::NoDatabase)
    }

    /// Who writes, for what the database's design documents have to say of it.
    pub(crate) fn author(&self) -> Author {
        Author::new(&self.app, &self.principal)
    }

    /// The name in the path, of a database that can be made.
    pub(crate) fn db_name(&self) -> Result<DbName, HttpError> {
        Ok(self.captures.db.parse::<DbName>()?)
    }

    /// Asks the gate for a further right on the same database, for requests whose action shows only
    /// in their body.
    pub(crate) fn require(&self, action: Action) -> Result<(), HttpError> {
        let target = Target::Database(&self.captures.db);
        let _scope = self.app.admit(&self.principal, action, target)?;
        self.rewritten.allows(action, Some(&self.captures.db))
    }
}

impl Rewritten {
    /// Notes that the request to this place, of this method, became another one.
    pub(crate) fn once_more(&mut self, method: &Method, from: Uri) -> Result<(), HttpError> {
        if self.times >= REWRITES_MAX {
            return Err(HttpError::BadRequest("Exceeded rewrite recursion limit".into()));
        }
        self.times += 1;
        self.reads |= [Method::GET, Method::HEAD].contains(method);
        self.requested.get_or_insert(from);
        Ok(())
    }

    /// Whether a design document made this request.
    pub(crate) fn is_rewritten(&self) -> bool {
        self.times > 0
    }

    /// Where the client sent its request, where that became another one.
    pub(crate) fn requested(&self) -> Option<&Uri> {
        self.requested.as_ref()
    }

    /// Refuses what nobody does by following a link: who wrote the design document may have less
    /// rights than whoever follows it.
    pub(crate) fn allows(&self, action: Action, db: Option<&str>) -> Result<(), HttpError> {
        if !self.is_rewritten() {
            return Ok(());
        }
        let reason = match action {
            Action::Administer | Action::AdministerServer => "A rewrite administers nothing.",
            Action::Create => "A rewrite creates no databases.",
            Action::WriteDesign | Action::WriteViews => "A rewrite writes no design documents.",
            Action::Write | Action::WriteLocal if self.reads => {
                "A rewrite of what reads does not write."
            }
            Action::Write if db.is_some_and(is_replicator) => REPLICATES_NOTHING,
            Action::Write
            | Action::WriteLocal
            | Action::Read
            | Action::ReadView
            | Action::UseServer
            | Action::Greet => return Ok(()),
        };
        Err(HttpError::ForbiddenBecause(reason))
    }

    /// Refuses to replicate, as [`Self::allows`] does other things.
    pub(crate) fn allows_replication(&self) -> Result<(), HttpError> {
        match self.is_rewritten() {
            true => Err(HttpError::ForbiddenBecause(REPLICATES_NOTHING)),
            false => Ok(()),
        }
    }
}

/// Runs what may block on a thread made for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HttpError> + Send + 'static,
) -> Result<T, HttpError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(join) => Err(HttpError::Internal { action: "finish a task", cause: join.to_string() }),
    }
}

/// Runs what reads a few rows: where it stands, since the way to another thread and back costs
/// several times what the reading does. One thread is left for everything else, so where the others
/// do so already it waits for one of them; if none is done in a moment, a slow disk holds them, and it
/// goes to a thread made for it.
pub(crate) async fn quick<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HttpError> + Send + 'static,
) -> Result<T, HttpError> {
    let permit = match STANDING.try_acquire() {
        Ok(permit) => Some(permit),
        Err(_) => timeout(MOMENT, STANDING.acquire()).await.ok().and_then(Result::ok),
    };
    match permit {
        Some(_permit) => work(),
        None => blocking(work).await,
    }
}

/// Threads that requests may be worked on where they stand, though it takes a moment.
static STANDING: LazyLock<Semaphore> = LazyLock::new(|| {
    let workers = Handle::current().metrics().num_workers();
    Semaphore::new(workers.saturating_sub(1).max(1))
});

/// Requests that are being answered.
static ANSWERING: AtomicUsize = AtomicUsize::new(0);

/// A request that is being answered, as long as this lives.
#[derive(Debug)]
pub(crate) struct Answering(());

impl Answering {
    /// One more.
    pub(crate) fn begin() -> Self {
        ANSWERING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        ANSWERING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Leave to work where the request stands for as long as a write takes: given only to one that comes
/// alone, since many at a time share what a write costs.
pub(crate) fn alone() -> Option<SemaphorePermit<'static>> {
    let alone = ANSWERING.load(Ordering::Relaxed) <= 1;
    alone.then(|| STANDING.try_acquire().ok()).flatten()
}
