//! The apps that may log in: kept in the database `_apps`, held in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use identity::PublicKey;
use store::{
    Database, DbName, Direction, DocId, Edit, EditError, Error, Head, IdRange, Lineage, LocalId,
    Millis, RevId, Store,
};

use super::app::{App, AppDocument, AppName};

/// Most apps that are read; more than that is no longer a person's own doing.
const APPS_MAX: usize = 1000;

/// Where apps are kept.
pub(crate) const DATABASE: &str = "_apps";

/// An app could not be added or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppsError {
    /// The name is taken.
    #[error("an app named {0} exists already; `larder app remove {0}` takes its rights away")]
    Exists(AppName),
    /// There is no such app.
    #[error("there is no app named {0}")]
    Unknown(AppName),
    /// Somebody else wrote the same document at the same time.
    #[error("the app was changed by somebody else at the same time")]
    Conflict,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
}

/// The apps that may log in.
#[derive(Default)]
pub(crate) struct Apps {
    by_name: RwLock<Arc<BTreeMap<AppName, Arc<App>>>>,
    /// Those that have a key.
    by_key: RwLock<HashMap<PublicKey, Arc<App>>>,
    /// Held over a whole reading, so that an older one never replaces a newer one.
    reading: Mutex<()>,
}

impl Apps {
    /// The app of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<App>> {
        let name: AppName = name.parse().ok()?;
        self.all().get(&name).cloned()
    }

    /// The app that has this key.
    pub(crate) fn of_key(&self, key: PublicKey) -> Option<Arc<App>> {
        self.by_key.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Whether pages of this origin are some app's.
    pub(crate) fn trust(&self, origin: &str) -> bool {
        self.all().values().any(|app| app.trusts(origin) == Some(true))
    }

    /// Every app, by name.
    pub(crate) fn all(&self) -> Arc<BTreeMap<AppName, Arc<App>>> {
        Arc::clone(&self.by_name.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the apps anew and retires those that were removed or changed; whether there were any.
    /// May block.
    pub(crate) fn reload(&self, store: &Store) -> Result<bool, Error> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let mut apps = read(store)?;
        let before = self.all();
        let mut retired = Vec::new();
        for (name, old) in before.iter() {
            match apps.get_mut(name) {
                // An app that did not change keeps its feeds.
                Some(new) if new.document() == old.document() => *new = Arc::clone(old),
                Some(new) => {
                    if let Some(used) = old.used() {
                        new.note_use(used);
                    }
                    retired.push(Arc::clone(old));
                }
                None => retired.push(Arc::clone(old)),
            }
        }
        let changed = !retired.is_empty() || apps.len() != before.len();
        let keys = apps.values().filter_map(|app| Some((app.document().key?, Arc::clone(app))));
        *self.by_key.write().unwrap_or_else(PoisonError::into_inner) = keys.collect();
        *self.by_name.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(apps);
        retired.iter().for_each(|app| app.retire());
        Ok(changed)
    }
}

/// The local document of `_apps` that says when each app was used last.
const LAST_USE: &str = "_local/last_use";

impl Apps {
    /// Writes down when each app was used last, if that has changed since `written`. May block.
    pub(crate) fn write_uses(
        &self,
        store: &Store,
        written: &mut BTreeMap<String, u64>,
    ) -> Result<(), Error> {
        let used = |app: &Arc<App>| Some((app.name().to_owned(), app.used()?.0));
        let uses: BTreeMap<String, u64> = self.all().values().filter_map(used).collect();
        let Some(database) = database(store)?.filter(|_| uses != *written) else { return Ok(()) };
        let text = serde_json::to_string(&uses).unwrap_or_default();
        database.write_local(last_use()?, 0, Some(text))?;
        *written = uses;
        Ok(())
    }

    /// Reads when each app was used last. May block.
    pub(crate) fn read_uses(&self, store: &Store) -> Result<BTreeMap<String, u64>, Error> {
        let Some(database) = database(store)? else { return Ok(BTreeMap::new()) };
        let id = last_use()?;
        let local = database.read(|snapshot| snapshot.local(&id))?;
        let text = local.map(|local| local.json).unwrap_or_default();
        let uses: BTreeMap<String, u64> = serde_json::from_str(&text).unwrap_or_default();
        for (name, used) in &uses {
            if let Some(app) = self.get(name) {
                app.note_use(Millis(*used));
            }
        }
        Ok(uses)
    }
}

fn last_use() -> Result<LocalId, Error> {
    LAST_USE.parse().map_err(|_| Error::NoDatabase)
}

/// Writes a new app to `_apps`. May block.
pub(crate) fn add(store: &Store, app: &AppDocument, now: Millis) -> Result<(), AppsError> {
    let body = serde_json::to_string(app).unwrap_or_default();
    match write(store, &app.name, None, Some(body), now)? {
        Ok(()) => Ok(()),
        Err(EditError::Conflict) => Err(AppsError::Exists(app.name.clone())),
        Err(_) => Err(AppsError::Conflict),
    }
}

/// Takes an app out of `_apps`. May block.
pub(crate) fn remove(store: &Store, name: &AppName, now: Millis) -> Result<(), AppsError> {
    let unknown = || AppsError::Unknown(name.clone());
    let database = database(store)?.ok_or_else(unknown)?;
    let id = id(name)?;
    let head = database.read(|snapshot| snapshot.head(&id))?;
    let head = head.filter(|head| !head.deleted).ok_or_else(unknown)?;
    match write(store, name, Some(head.rev), None, now)? {
        Ok(()) => Ok(()),
        Err(_) => Err(AppsError::Conflict),
    }
}

/// Writes the app's document, or its tombstone where there is no body.
fn write(
    store: &Store,
    name: &AppName,
    base: Option<RevId>,
    body: Option<String>,
    now: Millis,
) -> Result<Result<(), EditError>, Error> {
    let database = match database(store)? {
        Some(database) => database,
        None => store.create(&database_name()?, now)?,
    };
    let edit = Edit {
        id: id(name)?,
        lineage: Lineage::Child(base),
        deleted: body.is_none(),
        body: body.unwrap_or_else(|| "{}".into()).into(),
        attachments: Vec::new(),
    };
    let mut outcomes = database.write(vec![edit], now)?;
    Ok(outcomes.pop().unwrap_or(Err(EditError::Conflict)).map(|_rev| ()))
}

fn read(store: &Store) -> Result<BTreeMap<AppName, Arc<App>>, Error> {
    let Some(database) = database(store)? else { return Ok(BTreeMap::new()) };
    let everything = IdRange { start: None, end: None, direction: Direction::Ascending };
    let bodies = database.read(|snapshot| {
        let heads = snapshot.heads(&everything, 0, APPS_MAX)?;
        let body = |head: Head| Ok((head.id, snapshot.body(head.body)?));
        heads.into_iter().map(body).collect::<Result<Vec<_>, Error>>()
    })?;
    let mut apps = BTreeMap::new();
    for (id, body) in bodies {
        let Some(body) = body.filter(|_| !id.is_design()) else { continue };
        match serde_json::from_str::<AppDocument>(&body.json) {
            Ok(app) if app.name.as_str() == id.as_str() => {
                apps.insert(app.name.clone(), Arc::new(App::new(app)));
            }
            Ok(_) => tracing::warn!("a document in _apps has another name than its id; ignored"),
            Err(error) => {
                tracing::warn!("a document in _apps describes no app; ignored");
                tracing::debug!(%error, "a document in _apps describes no app; ignored");
            }
        }
    }
    Ok(apps)
}

fn database(store: &Store) -> Result<Option<Arc<Database>>, Error> {
    Ok(store.database(&database_name()?))
}

fn database_name() -> Result<DbName, Error> {
    DATABASE.parse().map_err(|_| Error::NoDatabase)
}

fn id(name: &AppName) -> Result<DocId, Error> {
    // App names begin with a letter or a digit, so each can be an id.
    name.as_str().parse().map_err(|_| Error::NoDatabase)
}
