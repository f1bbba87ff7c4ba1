//! `/_hub/acl`: who may do what, shown, changed and explained.

use acl::{Caller, Decision, Policy, Right, Who};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::who::{self, Meant};
use crate::access::{self, AclError, Principal, is_done_here};
use crate::app::App;
use crate::clock;
use crate::http::path::Path;
use crate::http::route::{Destination, find};
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};

/// `GET /_hub/acl`: every policy, group and principal, and what of them cannot be read.
pub(crate) async fn show(call: Call) -> Result<Reply, HttpError> {
    let policies = call.app.access.policies().now();
    let mut databases: Vec<_> = call.app.store.databases();
    databases.retain(|database| policies.policy_of(database.uuid()).is_some());
    let databases = databases.iter().map(|database| {
        let security = policies.policy_of(database.uuid()).map(Policy::security);
        (database.name().to_string(), security.unwrap_or_default())
    });
    let groups = policies.groups().iter().map(|(name, group)| {
        let members: Vec<_> = group.members.iter().map(Who::to_string).collect();
        (name.to_string(), json!(members))
    });
    let principals = policies.principals().iter();
    let principals = principals.map(|(key, notes)| (key.to_string(), json!(notes)));
    let problems: Vec<_> = policies.problems().iter().map(ToString::to_string).collect();
    let shown = json!({
        "databases": databases.collect::<Map<String, Value>>(),
        "groups": groups.collect::<Map<String, Value>>(),
        "principals": principals.collect::<Map<String, Value>>(),
        "problems": problems,
    });
    Ok(reply::json(StatusCode::OK, &shown))
}

/// What `POST /_hub/acl/grant` and `POST /_hub/acl/revoke` take.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// `DB` or `DB/DESIGN/VIEW`.
    place: String,
    who: String,
    right: Option<GivenRight>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum GivenRight {
    Read,
    Write,
    Views,
    Admin,
}

impl From<GivenRight> for Right {
    fn from(right: GivenRight) -> Self {
        match right {
            GivenRight::Read => Self::Read,
            GivenRight::Write => Self::Write,
            GivenRight::Views => Self::Views,
            GivenRight::Admin => Self::Admin,
        }
    }
}

/// `POST /_hub/acl/grant`: gives somebody a right, before this is answered.
pub(crate) async fn grant(call: Call) -> Result<Reply, HttpError> {
    edit(call, |policy, who, meant, right| {
        let right = right.ok_or_else(|| AclError::Refused("which right is not said".into()))?;
        let of_view = meant.place() != acl::Place::Database;
        if of_view && right != Right::Read {
            return Err(AclError::Refused("of a view only reading is given".into()));
        }
        if meant.database.name().is_system() {
            let reason = "it is a system database, which no policy opens";
            return Err(AclError::Refused(reason.into()));
        }
        Ok(policy.grant(who, right, meant.place())?)
    })
    .await
}

/// `POST /_hub/acl/revoke`: takes from somebody what a policy gives by name, before this is answered.
pub(crate) async fn revoke(call: Call) -> Result<Reply, HttpError> {
    edit(call, |policy, who, meant, _| match policy.revoke(who, meant.place())? {
        true => Ok(()),
        false => Err(AclError::Unknown("no list names them there, so nothing can be taken away")),
    })
    .await
}

async fn edit(
    call: Call,
    change: fn(&mut Policy, &Who, &Meant, Option<Right>) -> Result<(), AclError>,
) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let asked = json_body::object(&headers, body).await?;
    let asked: Change = serde_json::from_value(asked.into())
        .map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let security = blocking(move || {
        let meant = Meant::find(&app, &asked.place)?;
        let who = who::find(&app, &asked.who)?;
        let right = asked.right.map(Right::from);
        let hub = Some(app.access.policies().hub());
        let mut security = Value::Null;
        let id = access::policy_id(&meant.database);
        access::change(&app.store, &id, clock::now(), |before| {
            let name = meant.database.name();
            let mut policy = match before {
                Some(body) => Policy::parse(body, hub)?,
                None => Policy::from_security("{}", name.as_str(), hub)?,
            };
            change(&mut policy, &who, &meant, right)?;
            security = policy.security();
            Ok(Some(policy.document()))
        })?;
        app.access.policies().reload(&app.store)?;
        Ok(security)
    });
    Ok(reply::json(StatusCode::OK, &json!({"ok": true, "security": security.await?})))
}

/// `GET /_hub/acl/explain?who=&method=&path=`: may they, and why, or why not.
pub(crate) async fn explain(call: Call) -> Result<Reply, HttpError> {
    let option = |name| call.query.text(name).ok_or(HttpError::NotFound("who, method and path"));
    let (who, method, path) = (option("who")?, option("method")?, option("path")?);
    let path = path.split('?').next().unwrap_or_default();
    let (route, captures) = match find(&Path::parse(path)?, method) {
        Destination::Route(route, captures) => (route, captures),
        Destination::Nowhere(_, error) => {
            let (_, _, reason) = error.parts();
            let sentence = format!("No route has this method and path, so nobody may: {reason}");
            let answer = json!({"allowed": false, "sentence": sentence});
            return Ok(reply::json(StatusCode::OK, &answer));
        }
    };
    let target = route.target(&captures);
    let name = target.name();
    let resource = call.app.resource(target, name.as_ref());
    let policies = call.app.access.policies().now();
    let (explained, key) = asker(&call.app, who, |caller| {
        let key = if let Caller::Key(key) = caller { Some(key) } else { None };
        (policies.explain(caller, route.action, resource), key)
    })?;
    let mut answer = json!({
        "allowed": explained.decision.is_allowed(),
        "sentence": explained.sentence,
        "seen": match explained.decision {
            Decision::Allow(_) => None,
            Decision::Deny(reason) => Some(reason.to_string()),
        },
        "route": format!("{} {}", route.method, route.path),
    });
    let own = key.and_then(|key| policies.principals().get(&key)).is_some_and(|notes| notes.own);
    let is_for_keys = own || route.for_keys.is_some();
    let refused = key.is_some() && (!is_for_keys || is_done_here(route.action, target));
    if refused && explained.decision.is_allowed() {
        answer["allowed"] = false.into();
        answer["seen"] = HttpError::Forbidden.to_string().into();
        let sentence =
            format!("{} But this is for programs of the hub's own device.", explained.sentence);
        answer["sentence"] = sentence.into();
    }
    Ok(reply::json(StatusCode::OK, &answer))
}

/// Asks as whoever a word means; `owner` and `anonymous` ask too.
fn asker<T>(app: &App, word: &str, ask: impl FnOnce(Caller<'_>) -> T) -> Result<T, HttpError> {
    match word {
        access::OWNER => return Ok(ask(Caller::Owner)),
        "anonymous" => return Ok(ask(Caller::Anonymous)),
        _ => {}
    }
    // A friend's device asks as itself.
    if let Ok(Some(Who::Key(key))) = Who::parse(word) {
        return Ok(ask(Caller::Key(key)));
    }
    match who::find(app, word)? {
        Who::Key(key) => Ok(ask(Caller::Key(key))),
        Who::App(name) => {
            let found = app.access.apps().get(&name).map_or(Principal::Anonymous, Principal::App);
            Ok(ask(found.caller()))
        }
        Who::Group(name) => Err(HttpError::BadRequest(format!(
            "groups ask for nothing, their members do: name one of {name}"
        ))),
    }
}
