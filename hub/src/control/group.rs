//! `/_hub/groups`: named sets of principals and groups.

use std::sync::Arc;

use acl::{Group, GroupName, Who};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::who;
use crate::access::{self, AclError};
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};

/// What is done to a group that does not exist.
const UNKNOWN: AclError = AclError::Unknown("there is no group of that name");

/// `PUT /_hub/groups/NAME`: makes a group without members.
pub(crate) async fn create(call: Call) -> Result<Reply, HttpError> {
    let name = name(&call)?;
    let change = move |app: &App| {
        access::change(&app.store, &id(&name), clock::now(), |before| match before {
            None => Ok(Some(json!({"members": []}).to_string())),
            Some(_) => Err(AclError::Refused(format!("the group {name} exists already"))),
        })
    };
    apply(call.app, StatusCode::CREATED, move |app| Ok(change(app)?)).await
}

/// `DELETE /_hub/groups/NAME`: makes an end of a group, and of what was granted to it.
pub(crate) async fn delete(call: Call) -> Result<Reply, HttpError> {
    let name = name(&call)?;
    let change = move |app: &App| {
        access::change(&app.store, &id(&name), clock::now(), |before| match before {
            Some(_) => Ok(None),
            None => Err(UNKNOWN),
        })
    };
    apply(call.app, StatusCode::OK, move |app| Ok(change(app)?)).await
}

/// What `POST /_hub/groups/NAME` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    #[serde(default)]
    add: Vec<String>,
    #[serde(default)]
    remove: Vec<String>,
}

/// `POST /_hub/groups/NAME`: adds and removes members, before this is answered.
pub(crate) async fn change(call: Call) -> Result<Reply, HttpError> {
    let name = name(&call)?;
    let Call { app, headers, body, .. } = call;
    let asked = json_body::object(&headers, body).await?;
    let asked: Members = serde_json::from_value(asked.into())
        .map_err(|error| HttpError::BadRequest(error.to_string()))?;
    apply(app, StatusCode::OK, move |app| {
        let find = |words: &[String]| -> Result<Vec<Who>, HttpError> {
            words.iter().map(|word| who::find(app, word)).collect()
        };
        let (add, remove) = (find(&asked.add)?, find(&asked.remove)?);
        access::change(&app.store, &id(&name), clock::now(), |before| {
            edited(before.ok_or(UNKNOWN)?, &add, &remove).map(Some)
        })?;
        Ok(())
    })
    .await
}

/// The document with members added and removed; whatever else it says stays.
fn edited(body: &str, add: &[Who], remove: &[Who]) -> Result<String, AclError> {
    Group::parse(body, None)?;
    let mut document: Map<String, Value> =
        serde_json::from_str(body).map_err(acl::DocumentError::from)?;
    let mut members = match document.remove("members") {
        Some(Value::Array(members)) => members,
        Some(_) | None => Vec::new(),
    };
    let named = |value: &Value| value.as_str().and_then(|word| Who::parse(word).ok().flatten());
    if let Some(absent) = remove.iter().find(|who| {
        let is_it = |value: &Value| named(value).as_ref() == Some(*who);
        !members.iter().any(is_it)
    }) {
        return Err(AclError::Refused(format!("the group has no member {absent}")));
    }
    members.retain(|value| named(value).is_none_or(|who| !remove.contains(&who)));
    for who in add {
        if !members.iter().any(|value| named(value).as_ref() == Some(who)) {
            members.push(who.to_string().into());
        }
    }
    document.insert("members".into(), members.into());
    let body = Value::Object(document).to_string();
    Group::parse(&body, None)?;
    Ok(body)
}

async fn apply(
    app: Arc<App>,
    status: StatusCode,
    change: impl FnOnce(&App) -> Result<(), HttpError> + Send + 'static,
) -> Result<Reply, HttpError> {
    blocking(move || {
        change(&app)?;
        Ok(app.access.policies().reload(&app.store)?)
    })
    .await?;
    Ok(reply::ok(status))
}

fn name(call: &Call) -> Result<GroupName, HttpError> {
    let name = call.captures.doc.parse::<GroupName>();
    name.map_err(|error| HttpError::BadRequest(error.to_string()))
}

fn id(name: &GroupName) -> String {
    format!("{}{name}", acl::GROUP_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_and_go() {
        let who = |word| Who::parse(word).unwrap().unwrap();
        let body = r#"{"members":["a","group:g"],"note":1}"#;
        let change = |add: &[Who], remove: &[Who]| edited(body, add, remove);
        assert_eq!(
            change(&[who("b"), who("a")], &[who("group:g")]).unwrap(),
            r#"{"members":["a","b"],"note":1}"#
        );
        assert!(change(&[], &[who("c")]).is_err());
    }
}
