//! Replications: those asked for by `POST /_replicate`, and those that documents of `_replicator`
//! ask for.
//!
//! Whoever asks needs the rights that the replication uses: reading a source here, writing to a
//! target here, creating it where that is asked for. An app may name any server as the other side,
//! but one side has to be a database here: the hub fetches and sends documents for apps, it is no
//! proxy between other servers. A replication ends with the rights of the app that began it.
//!
//! `documents` reads what documents ask for into the `table`, `jobs` makes a `plan` of it and runs
//! it, `document` writes into documents how they ended.

mod connect;
mod destination;
mod document;
mod documents;
mod endpoint;
mod filtered;
mod history;
mod jobs;
mod options;
mod outcome;
mod plan;
mod request;
pub(crate) mod scheduler;
mod settings;
mod table;

use http::{HeaderMap, StatusCode};
use replication::{Filter, Leaves, PeerUrl, ReplicationId, Spec};
use serde::Serialize;
use store::{Database, DbName};

pub(crate) use self::connect::{ToKey, connect_to_pair};
pub(crate) use self::document::{admit, is_replicator};
pub(crate) use self::documents::follow;
use self::endpoint::Endpoint;
pub(crate) use self::endpoint::{check_way, parse_url};
pub(crate) use self::filtered::Selected;
pub(crate) use self::jobs::{Replications, Waiting, schedule};
use self::options::Means;
pub(crate) use self::outcome::{Ended, failure};
use self::request::{Replicate, Wanted};
use self::settings::Settings;
use crate::access::{Action, Principal, Target};
use crate::app::App;
use crate::http::{Call, HttpError, Reply, json_body, reply};

/// The answer to what goes on in the background.
#[derive(Serialize)]
struct Accepted<'a> {
    ok: bool,
    #[serde(rename = "_local_id")]
    id: &'a str,
}

/// `POST /_replicate`.
pub(crate) async fn replicate(call: Call) -> Result<Reply, HttpError> {
    call.rewritten.allows_replication()?;
    let Call { app, principal, headers, body, .. } = call;
    let body = json_body::object(&headers, body).await?;
    let settings = Settings::of(&app.couch_config);
    let wanted = Wanted::parse(&body, &app.server_uuid, &settings)?;
    let jobs = &app.replications;
    let mut request = match wanted {
        Wanted::Cancel(id) => {
            let job = jobs.cancel(&id, &principal).ok_or(HttpError::NotFound("missing"))?;
            job.ended().await;
            return Ok(reply::json(StatusCode::OK, &Accepted { ok: true, id: &id }));
        }
        Wanted::Start(request) => *request,
    };
    request.check_way(&app.onion)?;
    check_rights(&app, &principal, &request.source, &request.target, &request.spec)?;
    let continuous = request.spec.continuous;
    if continuous {
        // Nobody would begin it again.
        request.spec.retries_max = None;
    }
    let job = jobs.start(&app, principal, request)?;
    if continuous {
        let accepted = Accepted { ok: true, id: &job.id };
        return Ok(reply::json(StatusCode::ACCEPTED, &accepted));
    }
    answer(job.ended().await)
}

/// Begins to bring everything that a database elsewhere has into one here, once, for the owner.
pub(crate) fn pull(app: &App, url: PeerUrl, into: DbName) -> Result<Waiting, HttpError> {
    let hub = app.server_uuid.as_bytes();
    let id = ReplicationId::new(hub, url.endpoint(), into.as_str(), &Filter::All, Leaves::All);
    let settings = Settings::of(&app.couch_config);
    let request = Replicate {
        source: Endpoint::Remote(url, HeaderMap::new()),
        target: Endpoint::Local(into),
        spec: Spec { checkpoint_interval_ms: settings.checkpoint_interval_ms, ..Spec::new(id) },
        means: Means { answer_s: 60, bulk_get: settings.use_bulk_get, create: Vec::new() },
    };
    app.replications.start(app, Principal::Owner, request)
}

/// Copies everything that one database here has into another, once, for the owner; how many revisions were
/// refused.
///
/// # Errors
/// Why it did not come to an end.
pub(crate) async fn copy(app: &App, from: &Database, into: &Database) -> Result<u64, String> {
    let hub = app.server_uuid.as_bytes();
    let (source, target) = (from.uuid().to_string(), into.uuid().to_string());
    let id = ReplicationId::new(hub, &source, &target, &Filter::All, Leaves::All);
    let settings = Settings::of(&app.couch_config);
    let request = Replicate {
        source: Endpoint::Local(from.name()),
        target: Endpoint::Local(into.name()),
        spec: Spec { checkpoint_interval_ms: settings.checkpoint_interval_ms, ..Spec::new(id) },
        means: Means { answer_s: 60, bulk_get: settings.use_bulk_get, create: Vec::new() },
    };
    let job = app.replications.start(app, Principal::Owner, request);
    match job.map_err(|error| error.to_string())?.ended().await {
        Ended::Completed { failures, .. } => Ok(failures),
        Ended::Cancelled => Err("the hub stops".into()),
        Ended::Failed { reason, .. } => Err(reason),
    }
}

/// Says what came of it.
fn answer(ended: Ended) -> Result<Reply, HttpError> {
    match ended {
        Ended::Completed { answer, .. } => {
            Ok(reply::json_text(StatusCode::OK, answer.into_bytes()))
        }
        Ended::Cancelled => Err(HttpError::Replication {
            status: StatusCode::SERVICE_UNAVAILABLE,
            word: "cancelled".into(),
            reason: "The replication was cancelled.".into(),
        }),
        Ended::Failed { status, word, reason } => {
            Err(HttpError::Replication { status, word: word.into(), reason })
        }
    }
}

fn check_rights(
    app: &App,
    principal: &Principal,
    source: &Endpoint,
    target: &Endpoint,
    spec: &Spec,
) -> Result<(), HttpError> {
    // Its own rights are what a job has; nobody has none, not even to a server elsewhere.
    app.admit(principal, Action::UseServer, Target::Server)?;
    if let Some(source) = source.local() {
        app.admit(principal, Action::Read, Target::Database(source.as_str()))?;
    }
    if let Some(target) = target.local() {
        app.admit(principal, Action::Write, Target::Database(target.as_str()))?;
        if spec.create_target {
            let _creatable: DbName = target.as_str().parse()?;
            app.admit(principal, Action::Create, Target::Database(target.as_str()))?;
        }
    }
    if (source.uses_device_key() || target.uses_device_key()) && !principal.is_admin() {
        // An app would have the rights that other hubs give to their friend's device.
        return Err(HttpError::ForbiddenBecause(
            "Only the owner replicates with the hub's own key.",
        ));
    }
    if source.local().is_none() && target.local().is_none() && !principal.is_admin() {
        return Err(HttpError::ForbiddenBecause(
            "One side of an app's replication has to be a database of this hub.",
        ));
    }
    Ok(())
}
