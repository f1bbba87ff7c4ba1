//! `/_hub/dbs` and `/_hub/trash`: databases as their owner sees them.

use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use store::{ConflictPolicy, Database, DbName, Trashed};

use super::apply::Join;
use super::record::{Record, Scope};
use super::{NewDatabase, RegistryError, follow, forget_policy, is_of_mesh};
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};

/// `GET /_hub/dbs`: every database here, those that are noted and are elsewhere, and the trash.
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    let answer = blocking(move || {
        let here = app.store.databases();
        let records = app.registry.records();
        let elsewhere = records
            .values()
            .filter(|record| record.is_live() && app.store.database_of(record.uuid).is_none());
        Ok(json!({
            "databases": here.iter().map(|database| describe(&app, database)).collect::<Vec<_>>(),
            "elsewhere": elsewhere.map(|record| noted(&app, record)).collect::<Vec<_>>(),
            "trash": trash(&app)?,
        }))
    });
    Ok(reply::json(StatusCode::OK, &answer.await?))
}

fn describe(app: &App, database: &Database) -> Value {
    let name = database.name();
    let mut shown = match app.registry.record(database.uuid()) {
        Some(record) => noted(app, &record),
        None => {
            let rule = app.registry.rule(database);
            let scope = if is_of_mesh(name.as_str()) { Scope::Mesh } else { Scope::Local };
            json!({
                "uuid": database.uuid().to_string(), "system": name.is_system(), "scope": scope,
                "conflicts": rule.policy.to_string(), "conflicts_version": rule.version,
                "created": database.created().0,
            })
        }
    };
    shown["name"] = name.as_str().into();
    shown["sync_id"] = app.registry.sync_id(database).map(|id| id.to_string()).into();
    shown
}

fn noted(app: &App, record: &Record) -> Value {
    let device = record.device.map(|device| device.to_string());
    let is_own = record.device == Some(app.device.public());
    json!({
        "uuid": record.uuid.to_string(),
        "name": record.name.as_str(),
        "conflicts": record.conflicts.to_string(),
        "conflicts_version": record.conflicts_version,
        "scope": record.scope,
        "device": device,
        "made_here": is_own,
        "created": record.created.0,
        "partitioned": record.partitioned,
        "view": record.view,
    })
}

fn trash(app: &App) -> Result<Vec<Value>, HttpError> {
    let shown = |trashed: &Trashed| {
        let ends = app.registry.ends(trashed, app.databases.trash_days);
        json!({
            "uuid": trashed.uuid.to_string(),
            "name": trashed.name.as_str(),
            "deleted_at": app.registry.deleted_at(trashed).map(|at| at.0),
            "kept_until": ends.map(|at| at.0),
            "bytes": trashed.bytes,
            "joined": app.registry.record(trashed.uuid).and_then(|record| record.joined)
                .map(|joined| joined.to_string()),
        })
    };
    Ok(app.store.trash()?.iter().map(shown).collect())
}

/// What `POST /_hub/dbs` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    conflicts: Option<String>,
    scope: Option<Scope>,
    #[serde(default)]
    partitioned: bool,
}

/// `POST /_hub/dbs`: makes a database for a person, whose newest edit counts unless something else is
/// said.
pub(crate) async fn create(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let asked: Wanted = parsed(json_body::object(&headers, body).await?)?;
    let conflicts = asked.conflicts.as_deref().map(policy).transpose()?;
    let wanted = NewDatabase {
        name: asked.name.parse::<DbName>()?,
        partitioned: asked.partitioned,
        conflicts: conflicts.unwrap_or(ConflictPolicy::Newest),
        scope: asked.scope.unwrap_or(Scope::Mesh),
    };
    if wanted.scope == Scope::Shared {
        return Err(shared_by_lists());
    }
    if wanted.partitioned && !crate::http::may_be_partitioned(&wanted.name) {
        return Err(HttpError::BadRequest("Cannot partition a system database".into()));
    }
    let shown = blocking(move || {
        let database = app.registry.create(&wanted, clock::now())?;
        Ok(describe(&app, &database))
    });
    Ok(reply::json(StatusCode::CREATED, &shown.await?))
}

/// What `PUT /_hub/dbs/NAME` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    conflicts: Option<String>,
    scope: Option<Scope>,
}

/// `PUT /_hub/dbs/NAME`: sets what becomes of conflicts in a database, and on which devices it is.
pub(crate) async fn set(call: Call) -> Result<Reply, HttpError> {
    let name = existing(&call.captures.doc)?;
    let Call { app, headers, body, .. } = call;
    let asked: Settings = parsed(json_body::object(&headers, body).await?)?;
    let conflicts = asked.conflicts.as_deref().map(policy).transpose()?;
    if asked.scope == Some(Scope::Shared) {
        return Err(shared_by_lists());
    }
    let shown = blocking(move || {
        app.registry.set(&name, conflicts.as_ref(), asked.scope, clock::now())?;
        let database = app.store.database(&name).ok_or(HttpError::NoDatabase)?;
        Ok(describe(&app, &database))
    });
    Ok(reply::json(StatusCode::OK, &shown.await?))
}

/// What `POST /_hub/dbs/NAME/rename` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renamed {
    name: String,
}

/// `POST /_hub/dbs/NAME/rename`: gives a database another name, on every device.
pub(crate) async fn rename(call: Call) -> Result<Reply, HttpError> {
    let name = existing(&call.captures.doc)?;
    let Call { app, headers, body, .. } = call;
    let asked: Renamed = parsed(json_body::object(&headers, body).await?)?;
    let to: DbName = asked.name.parse()?;
    blocking(move || Ok(app.registry.rename(&name, &to, clock::now())?)).await?;
    Ok(reply::ok(StatusCode::OK))
}

/// What `POST /_hub/dbs/NAME/join` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Joined {
    with: Option<String>,
}

/// `POST /_hub/dbs/NAME/join`: makes one of two databases, answered when all documents are copied. Without
/// another word, `name~device` is joined with the one that is called `name`.
pub(crate) async fn join(call: Call) -> Result<Reply, HttpError> {
    let name = existing(&call.captures.doc)?;
    let Call { app, headers, body, .. } = call;
    let asked = json_body::optional_object(&headers, body).await?.unwrap_or_default();
    let Joined { with } = parsed(asked)?;
    let with = with.as_deref().map_or_else(|| Ok(name.plain()), existing)?;
    let finding = app.clone();
    let joining = blocking(move || Ok(finding.registry.to_join(&name, &with, clock::now())?));
    let (into, from) = joining.await?;
    follow::carry_out(&app, Join { into: into.uuid, from: from.uuid }).await?;
    let shown = app.registry.database(into.uuid).map(|database| describe(&app, &database));
    Ok(reply::json(StatusCode::OK, &shown.ok_or(HttpError::NoDatabase)?))
}

/// What `POST /_hub/trash/NAME/restore` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restored {
    name: Option<String>,
}

/// `POST /_hub/trash/NAME/restore`: brings a database back from the trash.
pub(crate) async fn restore(call: Call) -> Result<Reply, HttpError> {
    let word = call.captures.doc;
    let (app, headers, body) = (call.app, call.headers, call.body);
    let asked = json_body::optional_object(&headers, body).await?.unwrap_or_default();
    let Restored { name } = parsed(asked)?;
    let name = name.map(|name| name.parse::<DbName>()).transpose()?;
    let shown = blocking(move || {
        let restored = app.registry.restore(&word, name.as_ref(), clock::now())?;
        Ok(describe(&app, &restored))
    });
    Ok(reply::json(StatusCode::OK, &shown.await?))
}

/// `DELETE /_hub/trash/NAME`: deletes for good what is in the trash.
pub(crate) async fn discard(call: Call) -> Result<Reply, HttpError> {
    let (app, word) = (call.app, call.captures.doc);
    blocking(move || {
        let uuid = app.registry.discard(&word)?;
        forget_policy(&app, uuid, clock::now());
        Ok(())
    })
    .await?;
    Ok(reply::ok(StatusCode::OK))
}

fn existing(text: &str) -> Result<DbName, HttpError> {
    DbName::of_existing(text).map_err(|_| HttpError::NoDatabase)
}

fn policy(text: &str) -> Result<ConflictPolicy, HttpError> {
    text.parse().map_err(|error| HttpError::BadRequest(format!("`conflicts`: {error}")))
}

fn shared_by_lists() -> HttpError {
    HttpError::BadRequest("a database is shared by `larder acl grant`; its scope follows".into())
}

fn parsed<T: DeserializeOwned>(body: Map<String, Value>) -> Result<T, HttpError> {
    serde_json::from_value(body.into()).map_err(|error| HttpError::BadRequest(error.to_string()))
}

impl From<RegistryError> for HttpError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Unknown(reason) => Self::NotFound(reason),
            RegistryError::Refused(reason) => Self::BadRequest(reason),
            RegistryError::Conflict => Self::Exists(error.to_string()),
            RegistryError::Store(error) => Self::Store(error),
        }
    }
}
