//! `/_hub/quotas`: how much others may bring, and how much they have brought.

use std::sync::Arc;

use acl::Who;
use http::StatusCode;
use identity::PublicKey;
use serde::Deserialize;
use serde_json::{Value, json};
use store::DbUuid;

use super::apps::parsed;
use super::who;
use crate::app::App;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};
use crate::mesh;
use crate::quota::{Quota, usages};

/// `GET /_hub/quotas`
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    let listed = blocking(move || {
        let config = app.quotas.config();
        let quotas: Vec<Value> = app.quotas.all().iter().map(|quota| shown(&app, quota)).collect();
        let charged = usages(&app)?.into_iter().map(|(name, databases)| {
            let bytes = databases.values().fold(0u64, |sum, bytes| sum.saturating_add(*bytes));
            json!({"who": name, "name": name_of(&app, &name), "bytes": bytes, "databases": databases})
        });
        Ok(json!({
            "quotas": quotas,
            "friend_bytes_max": config.friend_bytes_max,
            "database_bytes_max": config.database_bytes_max,
            "charged": charged.collect::<Vec<_>>(),
            "postponed": mesh::postponed(&app),
        }))
    });
    Ok(reply::json(StatusCode::OK, &listed.await?))
}

fn shown(app: &App, quota: &Quota) -> Value {
    let database = quota.db.as_deref().and_then(DbUuid::parse);
    let database = database.and_then(|id| app.store.database_of(id));
    json!({
        "who": quota.who, "name": quota.who.as_deref().map(|who| name_of(app, who)),
        "db": quota.db, "database": database.map(|database| database.name().to_string()),
        "bytes_max": quota.bytes_max,
    })
}

/// What the owner calls somebody.
fn name_of(app: &App, who: &str) -> String {
    let policies = app.access.policies().now();
    let key = who.parse::<PublicKey>().ok();
    let noted = key.and_then(|key| Some(policies.principals().get(&key)?.name.clone()));
    noted.filter(|name| !name.is_empty()).unwrap_or_else(|| who.to_owned())
}

/// What `PUT /_hub/quotas` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    /// A key, a petname or an app; all friends together where nobody is named.
    who: Option<String>,
    /// A database's name or uuid; all of them where none is named.
    db: Option<String>,
    /// How many bytes; `null` is no limit.
    #[serde(default, deserialize_with = "given")]
    bytes_max: Option<Option<u64>>,
}

fn given<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// `PUT /_hub/quotas`: sets how much somebody may bring.
pub(crate) async fn set(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let Set { who, db, bytes_max } = parsed(json_body::object(&headers, body).await?)?;
    let missing = || HttpError::BadRequest("`bytes_max` is missing: a number, or null".into());
    let bytes_max = bytes_max.ok_or_else(missing)?;
    let (who, db) = meant(&app, who.as_deref(), db.as_deref())?;
    let quota = Quota { who, db, bytes_max };
    let shown = blocking(move || {
        app.quotas.set(&app.store, &quota)?;
        Ok(shown(&app, &quota))
    });
    Ok(reply::json(StatusCode::OK, &json!({"ok": true, "quota": shown.await?})))
}

/// `DELETE /_hub/quotas`: what holds where nothing is set holds again.
pub(crate) async fn unset(call: Call) -> Result<Reply, HttpError> {
    let app = Arc::clone(&call.app);
    let (who, db) = meant(&app, call.query.text("who"), call.query.text("db"))?;
    let found =
        blocking(move || Ok(app.quotas.unset(&app.store, who.as_deref(), db.as_deref())?));
    match found.await? {
        true => Ok(reply::ok(StatusCode::OK)),
        false => Err(HttpError::NotFound("there is no such quota")),
    }
}

/// Whom and what two words mean, as quotas name them.
fn meant(
    app: &App,
    who: Option<&str>,
    db: Option<&str>,
) -> Result<(Option<String>, Option<String>), HttpError> {
    let who = who.map(|word| match who::find(app, word)? {
        Who::Key(key) => Ok(key.to_string()),
        Who::App(name) => Ok(name.to_string()),
        Who::Group(_) => {
            Err(HttpError::BadRequest("a group has no quota; its members have".into()))
        }
    });
    let db = db.map(|word| {
        let by_name = word.parse().ok().and_then(|name| app.store.database(&name));
        let by_id = || DbUuid::parse(word).and_then(|id| app.store.database_of(id));
        let found = by_name.or_else(by_id).ok_or(HttpError::NoDatabase)?;
        Ok::<_, HttpError>(found.uuid().to_string())
    });
    let meant = (who.transpose()?, db.transpose()?);
    if meant == (None, None) {
        let reason = "name somebody (`who`), a database (`db`), or both";
        return Err(HttpError::BadRequest(reason.into()));
    }
    Ok(meant)
}
