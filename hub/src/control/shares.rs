//! `/_hub/shares`: what is shared with whom.

use std::sync::Arc;

use acl::{Place, Policy, Right, Who};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Database, DbUuid, Millis};

use super::apps::parsed;
use super::who::{self, Meant};
use crate::access::{self, AclError};
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};
use crate::mesh::{self, Kind};
use crate::registry::{Record, Scope, SourceView};
use crate::sharing;

/// `GET /_hub/shares`: every database and view that somebody else may read, with whom, and whether they have it.
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    let shares = blocking(move || Ok(shares(&app)));
    Ok(reply::json(StatusCode::OK, &json!({"shares": shares.await?})))
}

fn shares(app: &App) -> Vec<Value> {
    let policies = app.access.policies().now();
    let mut shares = Vec::new();
    for database in app.store.databases() {
        let Some(policy) = policies.policy_of(database.uuid()) else { continue };
        let record = app.registry.record(database.uuid());
        let published = record.as_ref().and_then(|record| record.view.clone());
        for (who, right, place) in policy.given() {
            // What is a friend's own is not shared with that friend, who writes it.
            let origin = record.as_ref().and_then(|record| record.device);
            let is_theirs = origin.map(|device| Who::Key(policies.person(device)));
            if is_theirs.as_ref() == Some(&who) {
                continue;
            }
            let mut shown = json!({
                "place": database.name().as_str(),
                "with": describe(app, &who),
                "right": word(right),
            });
            match (&published, place) {
                (Some(view), _) => {
                    shown["place"] = place_of(app, view).into();
                    shown["copy"] = database.name().as_str().into();
                    shown["view"] = standing(app, database.uuid());
                }
                (None, Place::View { design, view }) => {
                    let place = format!("{}/{}", database.name(), view_word(design, view));
                    shown["place"] = place.into();
                }
                (None, Place::Database) => {}
            }
            if let (Who::Key(key), true) = (&who, place == Place::Database) {
                shown["in_step"] = mesh::has_all(app, *key, &database).into();
            }
            shares.push(shown);
        }
    }
    shares
}

/// How it went last with the view that a database is made of.
fn standing(app: &App, of: DbUuid) -> Value {
    let Some(standing) = app.sharing.standing(of) else {
        let is_own =
            app.registry.record(of).and_then(|record| record.device) == Some(app.device.public());
        let state = if is_own { "beginning" } else { "made_elsewhere" };
        return json!({"state": state});
    };
    let mut shown = json!({
        "state": if standing.trouble.is_some() { "failed" } else { "current" },
        "rows": standing.rows, "too_large": standing.too_large,
    });
    if let Some((code, sentence)) = standing.trouble {
        shown["code"] = code.into();
        shown["sentence"] = sentence.into();
    }
    shown
}

/// Where the rows of a published view come from.
fn place_of(app: &App, view: &SourceView) -> String {
    let source = view.of().and_then(|uuid| app.registry.record(uuid));
    let name = source.map_or_else(|| view.database.clone(), |record| record.name.to_string());
    format!("{name}/{}", view_word(&view.design, &view.view))
}

/// A view behind its database's name; a `/` within a name is written `%2F`.
fn view_word(design: &str, view: &str) -> String {
    let encoded = |name: &str| name.replace('%', "%25").replace('/', "%2F");
    format!("{}/{}", encoded(design), encoded(view))
}

fn word(right: Right) -> &'static str {
    match right {
        Right::Read => "read",
        Right::Write => "write",
        Right::Views => "views",
        Right::Admin => "admin",
    }
}

/// Whom something is shared with.
fn describe(app: &App, who: &Who) -> Value {
    match who {
        Who::Group(name) => json!({"name": name.to_string(), "kind": "group"}),
        Who::App(name) => json!({"name": name, "kind": "app"}),
        Who::Key(key) => {
            let policies = app.access.policies().now();
            let notes = policies.principals().get(key);
            let kind = if notes.is_some_and(|notes| notes.own) { "device" } else { "friend" };
            let name = notes.map_or_else(String::new, |notes| notes.name.clone());
            json!({"name": name, "kind": kind, "key": key})
        }
    }
}

/// What `POST /_hub/shares` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// `DB` or `DB/DESIGN/VIEW`.
    place: String,
    with: String,
    #[serde(default)]
    right: Wish,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wish {
    #[default]
    Read,
    Write,
}

/// `POST /_hub/shares`: shares a database, or a view as a database of its own, before this is answered.
pub(crate) async fn give(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let Wanted { place, with, right } = parsed(json_body::object(&headers, body).await?)?;
    let shared = blocking(move || {
        let who = who::find(&app, &with)?;
        let (name, is_view) = share(&app, &place, &who, right == Wish::Write, clock::now())?;
        let mut answer = json!({
            "ok": true, "place": place, "with": describe(&app, &who),
            "right": if right == Wish::Write { "write" } else { "read" },
        });
        if is_view {
            answer["copy"] = name.into();
        }
        Ok(answer)
    });
    Ok(reply::json(StatusCode::CREATED, &shared.await?))
}

/// Shares a place with somebody, who has just this right there afterwards; the database that they see,
/// and whether it was made of a view. May block.
pub(crate) fn share(
    app: &App,
    place: &str,
    who: &Who,
    writes: bool,
    now: Millis,
) -> Result<(String, bool), HttpError> {
    let refused = |reason: &str| Err(HttpError::BadRequest(reason.into()));
    let meant = Meant::find(app, place)?;
    if meant.database.name().is_system() {
        return refused("a system database is shared with nobody");
    }
    if is_own(app, who) {
        return refused("your own devices have every database already");
    }
    let record = app.registry.record(meant.database.uuid());
    if record.as_ref().is_some_and(|record| record.scope == Scope::Local) {
        let name = meant.database.name();
        return refused(&format!(
            "{name} stays on this device: `larder db set {name} scope=mesh` lets it go"
        ));
    }
    let is_of_view = record.is_some_and(|record| record.view.is_some());
    if writes && (is_of_view || meant.view().is_some()) {
        return refused("of a view only reading is shared");
    }
    let database = match source_view(&meant) {
        Some(view) => {
            has_view(app, &meant)?;
            app.registry.publish(&view, now)?
        }
        None => {
            app.registry.set(&meant.database.name(), None, Some(Scope::Shared), now)?;
            Arc::clone(&meant.database)
        }
    };
    let right = if writes { Right::Write } else { Right::Read };
    change(app, &database, now, |policy| {
        policy.revoke(who, Place::Database)?;
        Ok(policy.grant(who, right, Place::Database)?)
    })?;
    Ok((database.name().to_string(), meant.view().is_some()))
}

/// `DELETE /_hub/shares?place=&with=`: serves somebody no longer, before this is answered; what they have
/// they keep.
pub(crate) async fn withdraw(call: Call) -> Result<Reply, HttpError> {
    let option = |name| {
        let missing = || HttpError::BadRequest(format!("`{name}` is missing"));
        call.query.text(name).map(str::to_owned).ok_or_else(missing)
    };
    let (place, with) = (option("place")?, option("with")?);
    let app = call.app;
    blocking(move || take_back(&app, &place, &with, clock::now())).await?;
    Ok(reply::ok(StatusCode::OK))
}

fn take_back(app: &App, place: &str, with: &str, now: Millis) -> Result<(), HttpError> {
    let meant = Meant::find(app, place)?;
    let who = who::find(app, with)?;
    let mut was_shared = false;
    if app.access.policies().now().policy_of(meant.database.uuid()).is_some() {
        change(app, &meant.database, now, |policy| {
            was_shared = policy.revoke(&who, meant.place())?;
            Ok(())
        })?;
    }
    if let Some(record) = source_view(&meant).and_then(|view| app.registry.published(&view)) {
        let published = app.registry.database(record.uuid).ok_or(HttpError::NoDatabase)?;
        was_shared |= taken_back(app, &published, &who, now)?;
        close_unshared(app, &published, &record, now)?;
    } else if let Some(record) = app.registry.record(meant.database.uuid()) {
        close_unshared(app, &meant.database, &record, now)?;
    }
    match was_shared {
        true => Ok(()),
        false => Err(HttpError::NotFound("it is not shared with them by name")),
    }
}

fn taken_back(app: &App, database: &Database, who: &Who, now: Millis) -> Result<bool, HttpError> {
    let mut was_shared = false;
    change(app, database, now, |policy| {
        was_shared = policy.revoke(who, Place::Database)?;
        Ok(())
    })?;
    Ok(was_shared)
}

/// A database that is shared with nobody any more is in its owner's mesh only; one that is made of a view is
/// no longer.
fn close_unshared(
    app: &App,
    database: &Database,
    record: &Record,
    now: Millis,
) -> Result<(), HttpError> {
    let is_shared = {
        let policies = app.access.policies().now();
        policies.policy_of(database.uuid()).is_some_and(|policy| !policy.given().is_empty())
    };
    if is_shared {
        return Ok(());
    }
    if record.view.is_some() {
        return sharing::withdraw(app, record, now);
    }
    let is_theirs = record.device.is_some_and(|device| {
        app.mesh.peers().now().get(&device).is_some_and(|peer| peer.kind == Kind::Friend)
    });
    if record.scope == Scope::Shared && !is_theirs {
        app.registry.set(&database.name(), None, Some(Scope::Mesh), now)?;
    }
    Ok(())
}

/// Changes the policy of a database; it counts when this returns.
fn change(
    app: &App,
    database: &Database,
    now: Millis,
    mut change: impl FnMut(&mut Policy) -> Result<(), AclError>,
) -> Result<(), HttpError> {
    let hub = Some(app.access.policies().hub());
    access::change(&app.store, &access::policy_id(database), now, |before| {
        let mut policy = match before {
            Some(body) => Policy::parse(body, hub)?,
            None => Policy::from_security("{}", database.name().as_str(), hub)?,
        };
        change(&mut policy)?;
        Ok(Some(policy.document()))
    })?;
    Ok(app.access.policies().reload(&app.store)?)
}

fn is_own(app: &App, who: &Who) -> bool {
    let Who::Key(key) = who else { return false };
    let policies = app.access.policies().now();
    *key == app.device.public() || policies.principals().get(key).is_some_and(|notes| notes.own)
}

fn source_view(meant: &Meant) -> Option<SourceView> {
    let (design, view) = meant.view()?;
    Some(SourceView {
        database: meant.database.uuid().to_string(),
        design: design.into(),
        view: view.into(),
    })
}

/// Refuses what names no view.
fn has_view(app: &App, meant: &Meant) -> Result<(), HttpError> {
    let Some((design, view)) = meant.view() else { return Ok(()) };
    let designs = app.designs_of(&meant.database)?;
    let design = format!("_design/{design}").parse().ok().and_then(|id| designs.find(&id).cloned());
    let design = design.ok_or(HttpError::NotFound("there is no such design document"))?;
    let views = design.views.clone()?;
    views.find(view).map(|_| ()).ok_or(HttpError::NotFound("missing_named_view"))
}
