//! The cluster that a hub is: one node, set up from its first start.

use http::StatusCode;
use serde_json::{Value, json};
use store::DbName;

use crate::clock;
use crate::http::call::blocking;
use crate::http::{Call, HttpError, Reply, json_body, reply};
use crate::registry::{NewDatabase, RegistryError};

/// The node's name; what CouchDB calls a node that nobody named.
pub(super) const NODE: &str = "nonode@nohost";

/// `GET /_membership`
pub(crate) async fn membership(_call: Call) -> Result<Reply, HttpError> {
    let nodes = json!({"all_nodes": [NODE], "cluster_nodes": [NODE]});
    Ok(reply::json(StatusCode::OK, &nodes))
}

/// `GET /_cluster_setup`: set up, unless a database that the client wants to be sure of is missing.
pub(crate) async fn state(call: Call) -> Result<Reply, HttpError> {
    let wanted = call.query.json("ensure_dbs_exist")?;
    let missing = wanted_databases(wanted.as_ref())?
        .iter()
        .any(|name| call.app.store.database(name).is_none());
    let state = if missing { "single_node_disabled" } else { "single_node_enabled" };
    Ok(reply::json(StatusCode::OK, &json!({"state": state})))
}

/// `POST /_cluster_setup`: nothing is left to do but to make the databases asked for; a name and a
/// password in the body are passed over, the owner has a token.
pub(crate) async fn set_up(call: Call) -> Result<Reply, HttpError> {
    let body = json_body::object(&call.headers, call.body).await?;
    match body.get("action").and_then(Value::as_str) {
        Some("enable_single_node" | "finish_cluster") => {}
        Some("enable_cluster" | "add_node" | "remove_node" | "receive_cookie") => {
            return Err(HttpError::BadRequest("A hub is a single node.".into()));
        }
        _ => return Err(HttpError::BadRequest("Invalid Action".into())),
    }
    let wanted = wanted_databases(body.get("ensure_dbs_exist"))?;
    let app = call.app;
    blocking(move || {
        for name in wanted {
            let wanted = NewDatabase::named(name, app.databases.app_conflicts.0.clone());
            match app.registry.create(&wanted, clock::now()) {
                Ok(_) | Err(RegistryError::Store(store::Error::DatabaseExists(_))) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(reply::ok(StatusCode::CREATED))
    })
    .await
}

fn wanted_databases(names: Option<&Value>) -> Result<Vec<DbName>, HttpError> {
    let bad = || HttpError::BadRequest("`ensure_dbs_exist` must be an array of names.".into());
    match names {
        None | Some(Value::Null) => Ok(vec![]),
        Some(Value::Array(names)) => {
            names.iter().map(|name| Ok(name.as_str().ok_or_else(bad)?.parse::<DbName>()?)).collect()
        }
        Some(_) => Err(bad()),
    }
}
