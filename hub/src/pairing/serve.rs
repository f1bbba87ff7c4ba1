//! `/_hub/pairing`: what the owner sees of pairings, and decides.

use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};
use identity::pairing::{
    Host, Kind, NAME_BYTES_MAX, PairingError, PairingLink, Proof, Share, SpokenCode,
};
use identity::{Authority, HttpKeyUrl};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::Millis;

use super::guest::{self, Errand, Token};
use super::session::{Decision, Inner, Role, Session, State, Trouble};
use super::{MINUTES, MINUTES_MAX, finding, finish, new_code, new_id, new_secret};
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, body, json_body, reply};
use crate::mesh::{self, Record, Verified, profile};
use crate::qr;

/// What `POST /_hub/pairing` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    kind: Kind,
    minutes: Option<u64>,
    #[serde(default)]
    share: Vec<Share>,
    /// What to call the other; what it suggests, where nothing is said.
    name: Option<String>,
    /// What this hub calls itself.
    me: Option<String>,
    /// How whoever comes proves itself; by a link, where nothing is said.
    proof: Option<Proof>,
}

/// `POST /_hub/pairing`: opens a window and waits behind it.
pub(crate) async fn open(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let asked: Opened = parsed(json_body::object(&headers, body).await?)?;
    let Opened { kind, minutes, share, name, me, proof } = asked;
    finish::shares(&app, kind, &share)?;
    check_name(&app, name.as_deref())?;
    let now = clock::now();
    let minutes = minutes.unwrap_or(MINUTES).clamp(1, MINUTES_MAX);
    let until = Millis(now.0.saturating_add(minutes * 60_000));
    let proof = proof.unwrap_or(Proof::Link);
    if proof != Proof::Link {
        app.pairings.check_attempts()?;
    }
    let mut inner = Inner::new(kind, State::Waiting, own_name(&app, kind, me).await?);
    (inner.name, inner.share) = (name, share);
    inner.reach = mesh::own_reach(&app);
    let card = finding::own_card(&app, false, &inner);
    let mut loan = None;
    inner.host = Some(match proof {
        Proof::Link => {
            let secret = new_secret()?;
            let reach = inner.reach.iter().map(|url| url.authority().clone()).collect();
            let until_s = until.0 / 1000;
            let key = app.device.public();
            loan = app.onion.lend_spare();
            let find = loan.as_ref().map(|loan| loan.secret.clone());
            let link = PairingLink { kind, key, reach, secret: secret.clone(), find, until_s };
            inner.link = Some(link.to_string());
            Host::for_link(secret, kind, card, until.0)
        }
        Proof::Compare => Host::for_comparing(kind, card, until.0),
        Proof::Spoken => {
            let code = new_code()?;
            inner.code = Some(code.shown());
            Host::for_code(code, kind, card, until.0)
        }
    });
    let proof = (proof, loan.is_some());
    let session = Arc::new(Session::new(new_id()?, Role::Host, proof, (now, until), inner));
    app.pairings.add(Arc::clone(&session), now)?;
    if let Some(loan) = loan {
        tokio::spawn(finding::end_with(Arc::clone(&app), Arc::clone(&session), loan));
    }
    Ok(reply::json(StatusCode::CREATED, &session.describe(&app, now)))
}

/// What `POST /_hub/pairing/join` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Joined {
    link: Option<String>,
    address: Option<String>,
    code: Option<String>,
    kind: Option<Kind>,
    #[serde(default)]
    share: Vec<Share>,
    name: Option<String>,
    me: Option<String>,
    /// Whether the link was scanned from the screen of the hub that waits.
    #[serde(default)]
    scanned: bool,
}

/// `POST /_hub/pairing/join`: goes to a hub that waits.
pub(crate) async fn join(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let asked: Joined = parsed(json_body::object(&headers, body).await?)?;
    let now = clock::now();
    let bad = |error: &dyn std::fmt::Display| HttpError::BadRequest(error.to_string());
    let mut until = Millis(now.0.saturating_add(MINUTES * 60_000));
    let (errand, kind, proof) = match (&asked.link, &asked.address, &asked.code) {
        (Some(link), None, None) => {
            let link: PairingLink = link.parse().map_err(|error| bad(&error))?;
            let link = link.current(now.0).map_err(|error| bad(&error))?;
            if link.key == app.device.public() {
                return Err(HttpError::BadRequest("this is a link of the hub itself".into()));
            }
            if asked.kind.is_some_and(|kind| kind != link.kind) {
                return Err(PairingError::KindDiffers.into());
            }
            // Clocks differ; nobody waits for longer than windows are open.
            let latest = now.0.saturating_add(MINUTES_MAX * 60_000);
            until = Millis(link.until_s.saturating_mul(1000).min(latest));
            let PairingLink { reach, key, secret, find, kind, .. } = link;
            let token = Token::Link(secret);
            let errand = Errand { ways: reach, expected: Some(key), token, find };
            (errand, Some(kind), Proof::Link)
        }
        (None, Some(address), code) => {
            let (at, expected) = destination(address)?;
            let (token, proof) = match code {
                None => (Token::Nothing, Proof::Compare),
                Some(code) => {
                    let code: SpokenCode = code.parse().map_err(|error| bad(&error))?;
                    (Token::Code(code), Proof::Spoken)
                }
            };
            (Errand { ways: vec![at], expected, token, find: None }, asked.kind, proof)
        }
        _ => {
            let reason = "either a link, or an address and perhaps a code";
            return Err(HttpError::BadRequest(reason.into()));
        }
    };
    check_name(&app, asked.name.as_deref())?;
    // Which kind it is may be for the other side to say; what is shared is looked at again then.
    finish::shares(&app, kind.unwrap_or(Kind::Friend), &asked.share)?;
    let shown_kind = kind.unwrap_or(Kind::Device);
    let me = own_name(&app, shown_kind, asked.me).await?;
    let mut inner = Inner::new(shown_kind, State::Connecting, me);
    (inner.name, inner.share, inner.scanned) = (asked.name, asked.share, asked.scanned);
    let url = |at: &Authority| HttpKeyUrl::new(at.clone(), errand.expected?, "").ok();
    inner.reach = errand.ways.iter().filter_map(url).collect();
    inner.looks_for = finding::service(&inner.reach);
    let proof = (proof, errand.find.is_some());
    let session = Arc::new(Session::new(new_id()?, Role::Guest, proof, (now, until), inner));
    app.pairings.add(Arc::clone(&session), now)?;
    let shown = session.describe(&app, now);
    tokio::spawn(guest::run(app, session, errand, kind));
    Ok(reply::json(StatusCode::CREATED, &shown))
}

/// What an address means: a host and a port, or an httpkey URL, which says who has to answer.
fn destination(text: &str) -> Result<(Authority, Option<identity::PublicKey>), HttpError> {
    let bad = |error: &dyn std::fmt::Display| {
        HttpError::BadRequest(format!("the address leads nowhere: {error}"))
    };
    let text = text.trim();
    if text.contains("://") {
        let url: HttpKeyUrl = text.parse().map_err(|error| bad(&error))?;
        return Ok((url.authority().clone(), Some(url.key())));
    }
    Ok((text.parse().map_err(|error| bad(&error))?, None))
}

/// `GET /_hub/pairing`: every pairing that goes on, and those that were over lately.
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let now = clock::now();
    let sessions = call.app.pairings.all(now);
    let sessions: Vec<Value> =
        sessions.iter().map(|session| session.describe(&call.app, now)).collect();
    Ok(reply::json(StatusCode::OK, &json!({"sessions": sessions})))
}

/// `GET /_hub/pairing/{id}`.
pub(crate) async fn show(call: Call) -> Result<Reply, HttpError> {
    let now = clock::now();
    let session = call.app.pairings.get(&call.captures.doc, now)?;
    Ok(reply::json(StatusCode::OK, &session.describe(&call.app, now)))
}

/// What `POST /_hub/pairing/{id}/confirm` takes.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmed {
    name: Option<String>,
    share: Option<Vec<Share>>,
    /// That both screens show the same digits.
    #[serde(default)]
    digits_match: bool,
}

/// `POST /_hub/pairing/{id}/confirm`: the owner says yes.
pub(crate) async fn confirm(call: Call) -> Result<Reply, HttpError> {
    let Call { app, captures, headers, body, .. } = call;
    let asked = json_body::optional_object(&headers, body).await?;
    let Confirmed { name, share, digits_match } =
        asked.map(parsed).transpose()?.unwrap_or_default();
    let now = clock::now();
    let session = app.pairings.get(&captures.doc, now)?;
    let mut inner = session.at(now);
    match inner.state {
        State::Compare if !digits_match => {
            let reason =
                "compare the digits first, and say by `digits_match` that they are the same";
            return Err(HttpError::BadRequest(reason.into()));
        }
        State::Compare | State::Confirm | State::Confirmed => {}
        State::Waiting | State::Connecting => return Err(PairingError::OutOfTurn.into()),
        State::Done | State::Refused | State::Failed | State::Expired => {
            return Err(PairingError::Over.into());
        }
    }
    if inner.writing || (inner.state == State::Confirmed && (name.is_some() || share.is_some())) {
        // The other side may have been told what was agreed to.
        return Err(PairingError::OutOfTurn.into());
    }
    if let Some(share) = &share {
        finish::shares(&app, inner.kind, share)?;
    }
    let before = (inner.name.clone(), inner.share.clone(), inner.compared);
    inner.name = name.or_else(|| inner.petname(&app));
    inner.share = share.unwrap_or_else(|| inner.share.clone());
    inner.compared |= digits_match;
    // The name is settled now: what the other suggests from here on counts no more.
    let settled = match finish::record(&app, &session, &inner, now) {
        Ok(record) => record.name,
        Err(error) => {
            (inner.name, inner.share, inner.compared) = before;
            return Err(error);
        }
    };
    inner.name = Some(settled);
    let card = finding::own_card(&app, session.finds, &inner);
    if let Some(host) = &mut inner.host {
        host.set_card(card);
        host.confirm(now.0)?;
    }
    inner.decision = Some(Decision::Yes);
    inner.state = State::Confirmed;
    drop(inner);
    session.decided.notify_one();
    Ok(reply::json(StatusCode::OK, &session.describe(&app, now)))
}

/// `POST /_hub/pairing/{id}/refuse`: the owner says no, or does not want to wait any longer.
pub(crate) async fn refuse(call: Call) -> Result<Reply, HttpError> {
    let now = clock::now();
    let session = call.app.pairings.get(&call.captures.doc, now)?;
    let mut inner = session.at(now);
    if inner.writing || inner.state == State::Done {
        return Err(PairingError::Over.into());
    }
    if !inner.state.is_over() {
        if let Some(host) = &mut inner.host {
            host.refuse()?;
        }
        inner.decision = Some(Decision::No);
        inner.end(State::Refused, Some(Trouble::new("refused_here", "You have said no.")));
    }
    drop(inner);
    session.decided.notify_one();
    Ok(reply::json(StatusCode::OK, &session.describe(&call.app, now)))
}

/// `GET /_hub/pairing/{id}/qr`: the link as a picture to be scanned.
pub(crate) async fn qr(call: Call) -> Result<Reply, HttpError> {
    let now = clock::now();
    let session = call.app.pairings.get(&call.captures.doc, now)?;
    let link = session.at(now).link.clone();
    let link = link.ok_or(HttpError::NotFound("this pairing has no link, or it was used"))?;
    let svg = qr::svg(&link)
        .map_err(|error| HttpError::Internal { action: "draw a code", cause: error.to_string() })?;
    let mut reply = Response::new(body::whole(svg.into_bytes()));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    // It is a secret for a while.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(reply)
}

/// Refuses what nobody could be called, before somebody waits for it in vain.
fn check_name(app: &App, name: Option<&str>) -> Result<(), HttpError> {
    let Some(name) = name else { return Ok(()) };
    let key = app.device.public();
    let made = Record::paired(key, name.to_owned(), Vec::new(), Verified::Link, clock::now());
    made.map(drop).map_err(|error| HttpError::BadRequest(error.to_string()))
}

/// What this hub calls itself: what its owner says now, or has said before: to friends the name that friends
/// are told, to devices what this one is called. Without any of these it is a name made of its key.
async fn own_name(app: &Arc<App>, kind: Kind, said: Option<String>) -> Result<String, HttpError> {
    let said = said.filter(|said| !said.trim().is_empty());
    let own = match said {
        Some(said) => said,
        None => {
            let app = Arc::clone(app);
            blocking(move || Ok(known_name(&app, kind))).await?
        }
    };
    if own.len() > NAME_BYTES_MAX {
        return Err(HttpError::BadRequest(format!("a name has at most {NAME_BYTES_MAX} bytes")));
    }
    Ok(own)
}

/// What this hub is called where nobody says otherwise. May block.
fn known_name(app: &App, kind: Kind) -> String {
    let told = profile::settings(app).name;
    if kind == Kind::Friend && !told.trim().is_empty() {
        return told;
    }
    let devices = app.access.policies().devices();
    // Not what the system is called: nobody has said that others may know that.
    devices.record(app.device.public()).name
}

fn parsed<T: serde::de::DeserializeOwned>(members: Map<String, Value>) -> Result<T, HttpError> {
    serde_json::from_value(members.into()).map_err(|error| HttpError::BadRequest(error.to_string()))
}
