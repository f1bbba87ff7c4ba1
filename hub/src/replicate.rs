//! `POST /_replicate`: replications that somebody asked for, once or for as long as the hub runs.
//!
//! Whoever asks needs the rights that the replication uses: reading a source here, writing to a
//! target here, creating it where that is asked for. An app may name any server as the other side,
//! but one side has to be a database here: the hub fetches and sends documents for apps, it is no
//! proxy between other servers. A replication ends with the rights of the app that began it.

mod connect;
mod endpoint;
mod jobs;
mod request;

use http::StatusCode;
use serde::Serialize;

use self::endpoint::Endpoint;
pub(crate) use self::jobs::Replications;
use self::jobs::{Ended, Running};
use self::request::Wanted;
use crate::access::{Action, Principal, decide};
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
    let Call { app, principal, headers, body, .. } = call;
    let body = json_body::object(&headers, body).await?;
    let wanted = Wanted::parse(&body, &app.server_uuid)?;
    let jobs = &app.replications;
    let request = match wanted {
        Wanted::Cancel(id) => {
            let running = jobs.find(&id, &principal).ok_or(HttpError::NotFound("missing"))?;
            running.cancel();
            running.ended().await;
            return Ok(reply::json(StatusCode::OK, &Accepted { ok: true, id: &id }));
        }
        Wanted::Start(request) => request,
    };
    check_rights(&principal, &request.source, &request.target, request.spec.create_target)?;
    let continuous = request.spec.continuous;
    let running = jobs.start(&app, principal, *request)?;
    if continuous {
        let accepted = Accepted { ok: true, id: running.id() };
        return Ok(reply::json(StatusCode::ACCEPTED, &accepted));
    }
    answer(&running).await
}

/// Waits for the end, and says what came of it.
async fn answer(running: &Running) -> Result<Reply, HttpError> {
    match running.ended().await {
        Ended::Completed(report) => Ok(reply::json_text(StatusCode::OK, report.into_bytes())),
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
    principal: &Principal,
    source: &Endpoint,
    target: &Endpoint,
    create_target: bool,
) -> Result<(), HttpError> {
    if let Some(source) = source.local() {
        decide(principal, Action::Read, Some(source.as_str())).allowed()?;
    }
    if let Some(target) = target.local() {
        decide(principal, Action::Write, Some(target.as_str())).allowed()?;
        if create_target {
            decide(principal, Action::Create, Some(target.as_str())).allowed()?;
        }
    }
    if source.local().is_none() && target.local().is_none() && !principal.is_admin() {
        return Err(HttpError::ForbiddenBecause(
            "One side of an app's replication has to be a database of this hub.",
        ));
    }
    Ok(())
}
