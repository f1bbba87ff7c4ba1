//! One pull: what a peer has in one database comes here.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use identity::PublicKey;
use replication::sync::{
    AnswerStream, Ask, Checkpoint, Misbehaviour, PullSpec, Question, RefusalCode, SkipReason,
    SyncError, SyncJob, SyncOutcome, Target,
};
use replication::{Judge, PeerError, PullEnd, Trouble};
use serde_json::json;
use store::{Database, DbUuid, DocumentLimits, Millis};
use tokio::sync::watch;

use super::follow::chance;
use super::link::{Link, Refused, trouble};
use super::state::{Skipped, State, Turn};
use super::{acknowledge, count, databases, id_of, room};
use crate::access::{KeyHolder, Principal, Way};
use crate::app::App;
use crate::causes::with_causes;
use crate::clock;
use crate::validate::{Author, says_right_is_missing};

/// What programs tell by that there was no room for a document.
pub(super) const NO_ROOM: &str = "quota";

/// What programs tell by that a design document was left out that a friend has no right to write.
pub(super) const DESIGN: &str = "design_not_taken";

/// How a pull ended, and what of.
struct Pulled {
    end: PullEnd,
    /// What is taken of the database, as of when it began.
    tag: String,
    /// How many bytes the least has for which there was no room, where there was none for something.
    postponed: Option<u64>,
}

/// Pulls, and tells the plan how it ended.
pub(super) async fn run(app: Arc<App>, key: PublicKey, id: DbUuid, mut turn: Turn) {
    // Two at a time would both begin where the one before has got to, and bring everything twice.
    turn.come().await;
    let Turn { stopped, over, .. } = turn;
    let tag = app.mesh.rules.tag(id);
    let pulled = match pull(&app, key, id, stopped).await {
        Ok((end, postponed)) => Pulled { end, tag, postponed },
        Err(trouble) => Pulled { end: PullEnd::Failed(trouble), tag, postponed: None },
    };
    let now = clock::now();
    let told = match &pulled.end {
        PullEnd::Reached(_) => Some(json!({"event": "in_step", "peer": key, "db": id.to_string()})),
        PullEnd::Failed(Trouble { code, text }) => {
            let (code, text) = (*code, text.as_str());
            let db = id.to_string();
            Some(json!({"event": "failed", "peer": key, "db": db, "code": code, "reason": text}))
        }
        PullEnd::Stopped => None,
    };
    let here = databases::find(&app, id);
    let is_postponed = pulled.postponed.is_some();
    {
        let mut state = app.mesh.state();
        // Of what has taken its place it says nothing.
        if state.is_last((key, id), &over) {
            ended(&mut state, (key, id), pulled, here.as_deref(), now);
        } else if let Some(bytes) = pulled.postponed {
            state.postponed.insert((key, id), bytes);
        }
    }
    drop(over);
    if let Some(told) = told {
        app.mesh.events.tell(now, || told);
    }
    if is_postponed {
        app.mesh.no_room.notify_one();
    }
    app.mesh.wake.notify_one();
}

/// Tells the plan, remembers how far it is, and has the peer told.
fn ended(
    state: &mut State,
    (key, id): (PublicKey, DbUuid),
    pulled: Pulled,
    here: Option<&Database>,
    now: Millis,
) {
    let Pulled { end, tag, postponed } = pulled;
    state.pulls.remove(&(key, id));
    let has_reached = matches!(end, PullEnd::Reached(_));
    state.manager.ended((id_of(key), id), end, now, chance());
    match postponed {
        Some(bytes) => {
            state.postponed.insert((key, id), bytes);
            // At the next start the checkpoint is asked.
            state.remembered.forget(key, id);
        }
        None if has_reached => {
            state.postponed.remove(&(key, id));
            reached(state, key, id, here.map(|here| (here, tag.as_str())));
        }
        None => {}
    }
}

/// Remembers how far it is, and has the peer told.
fn reached(state: &mut State, key: PublicKey, id: DbUuid, here: Option<(&Database, &str)>) {
    let standing = state.manager.standing(id_of(key), id);
    let seq = standing.and_then(|standing| standing.reached()).map(str::to_owned);
    let (Some(seq), Some(here)) = (seq, here) else { return };
    state.remembered.note(key, id, &seq, here);
    acknowledge::say(state, key, id, &seq);
}

async fn pull(
    app: &Arc<App>,
    key: PublicKey,
    id: DbUuid,
    mut stopped: watch::Receiver<bool>,
) -> Result<(PullEnd, Option<u64>), Trouble> {
    let (link, offered) = {
        let state = app.mesh.state();
        let link = state.ways.get(&key).and_then(|way| way.link.clone());
        let standing = state.manager.standing(id_of(key), id);
        let offered =
            standing.and_then(|standing| standing.offered()).map(|offer| offer.seq.clone());
        (link, offered)
    };
    let link = link.ok_or_else(|| trouble("cut", "there is no connection"))?;
    let database = databases::find(app, id).ok_or_else(|| trouble("registry", "it is not here"))?;
    let is_counted = !database.name().is_system();
    let target = target(app, key, id, database).noting(app.mesh.delivered(key));
    let judge = Arc::new(Author::new(app, &author(app, &link)));
    let target = target.judged_by(Arc::clone(&judge) as Arc<dyn Judge>);
    // What is in step already is found without asking.
    let (looking, asking) = (target.clone(), Arc::clone(app));
    let known = tokio::task::spawn_blocking(move || known(&asking, key, id, &looking));
    let known = known.await.map_err(|error| trouble("here", &error))?;
    let known = known.map_err(|error| trouble_here(&error))?;
    if let (Some(Checkpoint { through, postponed, .. }), Some(offered)) = (known, offered)
        && through.to_string() == offered
    {
        let waits = postponed.then(|| app.mesh.state().postponed.get(&(key, id)).copied());
        return Ok((PullEnd::Reached(offered), waits.map(|known| known.unwrap_or(1))));
    }
    let spec = PullSpec::new(app.registry.rule_version(id));
    let ask = OverLink { app: Arc::clone(app), link, id, is_counted };
    let job = SyncJob::start(spec, target, Arc::new(ask), Arc::new(clock::now));
    let progress = job.progress();
    if let Some(pulling) = app.mesh.state().pulls.get_mut(&(key, id)) {
        pulling.progress = Some(progress);
    }
    let canceller = job.canceller();
    let mut outcome = std::pin::pin!(job.outcome());
    let ended = tokio::select! {
        outcome = &mut outcome => Some(outcome),
        _ = stopped.wait_for(|&stop| stop) => None,
    };
    let outcome = match ended {
        Some(outcome) => outcome,
        None => {
            canceller.cancel();
            outcome.await
        }
    };
    let known = app.mesh.state().postponed.get(&(key, id)).copied();
    let least = judge.least_refused().into_iter().chain(known).min().unwrap_or(1);
    let postponed = outcome.postponed.then_some(least);
    Ok((note(app, key, id, outcome), postponed))
}

/// How far it is. Where something was left out for want of room, and there is room now, that counts for
/// nothing: everything is compared anew. May block.
fn known(
    app: &App,
    key: PublicKey,
    id: DbUuid,
    target: &Target,
) -> Result<Option<Checkpoint>, PeerError> {
    let known = target.checkpoint()?;
    if !known.is_some_and(|known| known.postponed) {
        return Ok(known);
    }
    let least = app.mesh.state().postponed.get(&(key, id)).copied().unwrap_or(1);
    if room::has_room(app, key, id, least)? {
        target.forget()?;
        app.mesh.state().postponed.remove(&(key, id));
        return Ok(None);
    }
    Ok(known)
}

/// Where what comes of a peer is written to.
pub(super) fn target(app: &App, key: PublicKey, id: DbUuid, database: Arc<Database>) -> Target {
    let limits = DocumentLimits::from(&app.limits());
    let person = app.access.policies().person(key);
    Target::new(database, &key.to_string(), &app.mesh.rules.filter(id), limits)
        .delivered_by(&person.to_string())
}

/// Who writes what comes over a connection.
pub(super) fn author(app: &App, link: &Link) -> Principal {
    let way = if link.is_onion() { Way::Onion(onion::Service::Main) } else { Way::Lan };
    Principal::Key(Arc::new(KeyHolder::new(link.key(), way, app.access.policies())))
}

/// Counts what came, and tells what that means for the plan.
fn note(app: &App, key: PublicKey, id: DbUuid, outcome: SyncOutcome) -> PullEnd {
    count(&app.mesh.counts.documents_in, outcome.progress.documents);
    count(&app.mesh.counts.bytes_in, outcome.progress.bytes);
    let cap = app.mesh.rules.own(id).and_then(|rule| rule.attachment_bytes_max);
    let skipped = outcome.skipped.iter().map(|skipped| {
        let (code, text) = match &skipped.reason {
            SkipReason::Refused(text) if skipped.id.is_design() && says_right_is_missing(text) => {
                (DESIGN, text.clone())
            }
            reason => skip_reason(reason, cap),
        };
        Skipped { doc: skipped.id.to_string(), code, text }
    });
    app.mesh.state().note_skipped((key, id), skipped.collect());
    match outcome.ending {
        Ok(through) => PullEnd::Reached(through.to_string()),
        Err(SyncError::Cancelled) => PullEnd::Stopped,
        Err(error) => PullEnd::Failed(trouble_of(&error)),
    }
}

/// Why something was left out; `cap` is how large attachments may be that this device takes by its rule.
fn skip_reason(reason: &SkipReason, cap: Option<u64>) -> (&'static str, String) {
    match (reason, cap) {
        (SkipReason::Refused(text), _) => ("validation_refused", text.clone()),
        (SkipReason::TooLarge, _) => {
            ("too_large", "it is larger than documents may be here".into())
        }
        (SkipReason::NoRoom(text), _) => (NO_ROOM, text.clone()),
        (SkipReason::AttachmentTooLarge, Some(cap)) => {
            ("rule", format!("it has an attachment of more than {cap} bytes"))
        }
        (SkipReason::AttachmentTooLarge, None) => {
            ("too_large", "an attachment is larger than they may be here".into())
        }
        (SkipReason::Gone, _) => {
            ("gone_there", "it was not there any more when it was asked for".into())
        }
        (SkipReason::Sibling, _) => ("sibling", "another revision of it was not taken".into()),
        (SkipReason::Unreadable(text), _) => ("unreadable", text.clone()),
    }
}

/// Why a pull did not come to its end.
fn trouble_of(error: &SyncError) -> Trouble {
    match error {
        SyncError::Cancelled => trouble("stopped", "it was stopped"),
        SyncError::Cut => trouble("cut", "the connection broke"),
        SyncError::Refused(refusal) => {
            let code = match refusal.code {
                RefusalCode::PolicyVersion => "policy",
                RefusalCode::Gone | RefusalCode::Forbidden => "right_missing_there",
                RefusalCode::Unavailable => "unavailable",
                RefusalCode::Malformed => "peer_misbehaved",
            };
            trouble(code, &refusal.reason)
        }
        SyncError::Ask(error) => {
            let code = match error {
                PeerError::NoDatabase | PeerError::Forbidden(_) | PeerError::Unauthorized(_) => {
                    "right_missing_there"
                }
                PeerError::Unreachable(_) | PeerError::TimedOut { .. } => "cut",
                PeerError::Unavailable { .. } => "unavailable",
                _ => "peer_misbehaved",
            };
            trouble(code, &with_causes(error))
        }
        SyncError::Misbehaved(misbehaviour) => {
            let damaged = matches!(misbehaviour, Misbehaviour::Digest(_));
            let code = if damaged { "digest" } else { "peer_misbehaved" };
            trouble(code, &with_causes(misbehaviour))
        }
        SyncError::Here(error) => trouble_here(error),
    }
}

fn trouble_here(error: &PeerError) -> Trouble {
    let code = match error {
        PeerError::Store(store::Error::DiskFull) => "disk_full",
        PeerError::Store(store::Error::NoDatabase) | PeerError::NoDatabase => "registry",
        _ => "here",
    };
    trouble(code, &with_causes(error))
}

/// Asks over the connection that is there.
struct OverLink {
    app: Arc<App>,
    link: Link,
    id: DbUuid,
    /// Whether what comes counts towards what may come in an hour.
    is_counted: bool,
}

impl Ask for OverLink {
    fn ask(
        &self,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Result<AnswerStream, PeerError>> + Send + '_>> {
        Box::pin(async move {
            count(&self.app.mesh.counts.questions, 1);
            let (path, body) = (question.path(self.id), question.to_json());
            let answer = self.link.ask(Method::POST, &path, Some(body)).await;
            let body = answer.map_err(refused)?.into_body();
            let broke = |error: hyper::Error| PeerError::Unreachable(Box::new(error));
            let app = self.is_counted.then(|| Arc::clone(&self.app));
            let pieces = body.into_data_stream().map(move |piece| {
                if let (Some(app), Ok(piece)) = (&app, &piece) {
                    app.mesh.spend(piece.len() as u64);
                }
                piece.map_err(broke)
            });
            Ok(Box::pin(pieces) as AnswerStream)
        })
    }
}

fn refused(refused: Refused) -> PeerError {
    match refused {
        Refused::Unasked(trouble) => PeerError::Unreachable(trouble.text.into()),
        Refused::Removed(reason) => PeerError::Unreachable(reason.into()),
        Refused::Answered(status, reason) => match status {
            StatusCode::NOT_FOUND => PeerError::NoDatabase,
            StatusCode::UNAUTHORIZED => PeerError::Unauthorized(reason),
            StatusCode::FORBIDDEN => PeerError::Forbidden(reason),
            _ if status.is_server_error() => {
                PeerError::Unavailable { status: status.as_u16(), reason }
            }
            _ => PeerError::Refused { status: status.as_u16(), reason },
        },
    }
}
