//! `/_hub/friends`, and how the owner names other hubs; `devices` has what is done with the owner's own.

use acl::{Policy, Right, Who};
use http::StatusCode;
use identity::{HttpKeyUrl, PublicKey};
use serde::Deserialize;
use serde_json::{Value, json};
use store::Millis;

use super::apps::parsed;
use super::invitations;
use crate::access::{self, AclError};
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};
use crate::mesh::{self, Kind, Peer, Record, Share};

/// `GET /_hub/friends`: hubs of others, with what they say of themselves.
pub(crate) async fn friends(call: Call) -> Result<Reply, HttpError> {
    let app = &call.app;
    let peers = app.mesh.peers().now();
    let of_kind = peers.values().filter(|peer| peer.kind == Kind::Friend && peer.is_noted());
    let now = clock::now();
    let shown = of_kind.map(|peer| {
        let mut shown = json!(peer.record);
        shown["blocked"] = app.access.policies().is_blocked(peer.record.key).into();
        shown["profile"] =
            peer.record.profile.as_ref().and_then(|said| said.shown(peer.record.key, now)).into();
        let devices = mesh::devices_of(&peers, peer.record.key);
        if devices.len() > 1 {
            shown["devices"] = devices.iter().map(|(key, peer)| device(app, *key, peer)).collect();
        }
        if let Some(refused) = app.mesh.profiles().refused(peer.record.key) {
            shown["profiles_refused"] = json!(refused);
        }
        shown
    });
    let friends: Vec<Value> = shown.collect();
    Ok(reply::json(StatusCode::OK, &json!({"friends": friends})))
}

/// A hub of a friend's who has several.
fn device(app: &App, key: PublicKey, peer: &Peer) -> Value {
    json!({
        "key": key,
        "label": peer.label,
        "noted": peer.is_noted(),
        "blocked": app.access.policies().is_blocked(key),
        "connected": mesh::is_connected(app, key),
    })
}

/// What `POST /_hub/devices` and `POST /_hub/friends` take.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    url: HttpKeyUrl,
    name: Option<String>,
    /// Databases that a friend gets from the beginning.
    #[serde(default)]
    share: Vec<Shared>,
}

/// A database, and what a friend may do there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    database: String,
    right: SharedRight,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SharedRight {
    Read,
    Write,
}

impl Shared {
    fn find(&self, app: &App) -> Result<Share, HttpError> {
        let right = match self.right {
            SharedRight::Read => Right::Read,
            SharedRight::Write => Right::Write,
        };
        Share::find(app, &self.database, right)
    }
}

/// `POST /_hub/devices`: names a device of the owner's, which may do whatever the owner may.
pub(crate) async fn add_device(call: Call) -> Result<Reply, HttpError> {
    add(call, Kind::Device).await
}

/// `POST /_hub/friends`: names somebody else's hub, which gets what lists give it.
pub(crate) async fn add_friend(call: Call) -> Result<Reply, HttpError> {
    add(call, Kind::Friend).await
}

async fn add(call: Call, kind: Kind) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let Added { url, name, share } = parsed(json_body::object(&headers, body).await?)?;
    let record = blocking(move || {
        let peers = app.mesh.peers().now();
        let known = peers.get(&url.key()).filter(|peer| peer.is_noted());
        let known = known.map(|peer| peer.record.name.clone());
        let name = name.or(known).unwrap_or_else(|| format!("device-{}", url.key().shortened()));
        let now = clock::now();
        let record = Record::new(&url, name, now);
        let record = record.map_err(|error| HttpError::BadRequest(error.to_string()))?;
        if kind == Kind::Device && !share.is_empty() {
            return Err(HttpError::BadRequest("a device has every database anyway".into()));
        }
        let shares: Vec<_> =
            share.iter().map(|share| share.find(&app)).collect::<Result<_, _>>()?;
        mesh::introduce_with(&app, kind, record, &shares, now)
    });
    Ok(reply::json(StatusCode::CREATED, &json!({"ok": true, kind.noun(): record.await?})))
}

/// `DELETE /_hub/friends/{doc}`: takes a friend away, by name or key; from now on they are refused.
pub(crate) async fn remove_friend(call: Call) -> Result<Reply, HttpError> {
    let Call { app, captures, .. } = call;
    let key = named(&app, &captures.doc)?.record.key;
    blocking(move || mesh::remove_friend(&app, key, clock::now())).await?;
    Ok(reply::ok(StatusCode::OK))
}

/// `PUT /_hub/friends/{doc}`: gives a friend another name.
pub(crate) async fn rename_friend(call: Call) -> Result<Reply, HttpError> {
    let friend = named(&call.app, &call.captures.doc)?;
    let Call { app, headers, body, .. } = call;
    let Renamed { name } = parsed(json_body::object(&headers, body).await?)?;
    let record = friend.record.clone();
    let renaming = move || mesh::rename(&app, Kind::Friend, record, name, clock::now());
    let record = blocking(renaming).await?;
    Ok(reply::json(StatusCode::OK, &json!({"ok": true, "friend": record})))
}

/// What `PUT /_hub/friends/{doc}` and `PUT /_hub/devices/{doc}` take.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renamed {
    pub(super) name: String,
}

/// `POST /_hub/friends/{doc}/block`: refuses a friend until further notice.
pub(crate) async fn block_friend(call: Call) -> Result<Reply, HttpError> {
    block(call, true).await
}

/// `POST /_hub/friends/{doc}/unblock`: lets a friend come again, with the rights that lists give; or, by the key,
/// somebody who was removed, who has what lists still give.
pub(crate) async fn unblock_friend(call: Call) -> Result<Reply, HttpError> {
    block(call, false).await
}

async fn block(call: Call, blocked: bool) -> Result<Reply, HttpError> {
    let Call { app, captures, .. } = call;
    let key = match named(&app, &captures.doc) {
        Ok(friend) => friend.record.key,
        Err(error) => removed(&app, &captures.doc).filter(|_| !blocked).ok_or(error)?,
    };
    blocking(move || mesh::block_friend(&app, key, blocked, clock::now())).await?;
    Ok(reply::ok(StatusCode::OK))
}

/// The key of somebody who was removed, and is no device.
fn removed(app: &App, word: &str) -> Option<PublicKey> {
    let (key, policies) = (word.parse().ok()?, app.access.policies());
    let is_removed = policies.is_blocked(key) && policies.devices().listing(key).is_none();
    is_removed.then_some(key)
}

fn named(app: &App, word: &str) -> Result<std::sync::Arc<Peer>, HttpError> {
    let missing = HttpError::NotFound("there is no friend of that name or key");
    app.mesh.peers().find(word, Some(Kind::Friend)).ok_or(missing)
}

/// `GET /_hub/friends/{doc}/databases`: what a friend offers, and what of it is here.
pub(crate) async fn offers(call: Call) -> Result<Reply, HttpError> {
    let friend = named(&call.app, &call.captures.doc)?;
    let offers = mesh::offers(&call.app, friend.record.key);
    Ok(reply::json(StatusCode::OK, &json!({"databases": offers})))
}

/// What `POST /_hub/friends/{doc}/accept` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    /// What the friend calls it, or its uuid.
    database: String,
    /// What it is called here.
    #[serde(rename = "as")]
    local: Option<String>,
}

/// `POST /_hub/friends/{doc}/accept`: takes a database that a friend offers, with what the friend
/// writes into it from then on.
pub(crate) async fn accept(call: Call) -> Result<Reply, HttpError> {
    let friend = named(&call.app, &call.captures.doc)?;
    let Call { app, headers, body, .. } = call;
    let Accepted { database, local } = parsed(json_body::object(&headers, body).await?)?;
    let name = blocking(move || take(&app, &friend, &database, local.as_deref(), clock::now()));
    Ok(reply::json(StatusCode::CREATED, &json!({"ok": true, "database": name.await?})))
}

/// Takes a database that a friend offers, with the right to write into it; what it is called here, which is
/// `petname/name` unless the owner says otherwise. May block.
pub(super) fn take(
    app: &App,
    friend: &Peer,
    word: &str,
    local: Option<&str>,
    now: Millis,
) -> Result<String, HttpError> {
    let called = |name: &str| match local {
        Some(local) => Ok(local.parse()?),
        None => invitations::default_name(app, friend, name),
    };
    let from = friend.record.key;
    let database = mesh::accept(app, from, word, called, now)?;
    let hub = Some(app.access.policies().hub());
    let name = database.name().to_string();
    access::change(&app.store, &access::policy_id(&database), now, |before| {
        let mut policy = match before {
            Some(body) => Policy::parse(body, hub)?,
            None => Policy::from_security("{}", &name, hub)?,
        };
        policy.grant(&Who::Key(from), Right::Write, acl::Place::Database)?;
        Ok::<_, AclError>(Some(policy.document()))
    })?;
    app.access.policies().reload(&app.store)?;
    Ok(name)
}
