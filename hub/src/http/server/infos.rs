//! What several databases say of themselves, in one answer.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use store::{Database, DbName};

use super::listed;
use crate::http::call::blocking;
use crate::http::database::Info;
use crate::http::{Call, HttpError, Reply, json_body, reply};

/// One row: what the database says, or why it says nothing.
#[derive(Serialize)]
struct InfoRow {
    key: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Info>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// `GET /_dbs_info`: the databases that whoever asks may read.
pub(crate) async fn infos_of_range(call: Call) -> Result<Reply, HttpError> {
    let databases = listed(&call)?;
    answer(databases.into_iter().map(|database| (name_of(&database), Some(database))).collect())
        .await
}

/// `POST /_dbs_info`: a database that whoever asks may not read is not there.
pub(crate) async fn infos_of_keys(call: Call) -> Result<Reply, HttpError> {
    let bad = |reason: &str| HttpError::BadRequest(reason.into());
    let mut body = json_body::object(&call.headers, call.body).await?;
    let keys = match body.remove("keys") {
        None => return Err(bad("`keys` member must exist.")),
        Some(Value::Array(keys)) => keys,
        Some(_) => return Err(bad("`keys` member must be an array.")),
    };
    if keys.len() > call.app.couch_config.obeyed().dbs_info_max {
        return Err(bad("too_many_keys"));
    }
    let find = |key: &Value| {
        let name = DbName::of_existing(key.as_str()?).ok()?;
        call.app.store.database(&name).filter(|_| call.app.reads(&call.principal, name.as_str()))
    };
    let asked = keys.into_iter().map(|key| {
        let database = find(&key);
        (key, database)
    });
    answer(asked.collect()).await
}

fn name_of(database: &Database) -> Value {
    database.name().as_str().into()
}

async fn answer(asked: Vec<(Value, Option<Arc<Database>>)>) -> Result<Reply, HttpError> {
    blocking(move || {
        let rows = asked.into_iter().map(|(key, database)| row(key, database.as_deref()));
        Ok(reply::json(StatusCode::OK, &rows.collect::<Vec<_>>()))
    })
    .await
}

/// One database that cannot be read does not keep the others from answering.
fn row(key: Value, database: Option<&Database>) -> InfoRow {
    let info = match database {
        Some(database) => Info::of(database).map_err(HttpError::from),
        None => Err(HttpError::NoDatabase),
    };
    match info {
        Ok(info) => InfoRow { key, info: Some(info), error: None },
        Err(error) => {
            let word = error.parts().1.to_owned();
            InfoRow { key, info: None, error: Some(word) }
        }
    }
}
