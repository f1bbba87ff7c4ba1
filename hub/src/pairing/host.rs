//! The side that waits: `POST /_hub/pair/{window}`, by whoever has proven a key.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use identity::ProvenKey;
use identity::pairing::{Channel, Effect, MESSAGE_BYTES_MAX, PairingError, Reception};
use store::Millis;

use super::session::{Other, Session, State, Trouble, trouble_of};
use super::{chance, finish};
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, body, reply, request};

/// What is answered where nobody waits, whatever the reason: who is not meant to come learns nothing.
const NOBODY: HttpError = HttpError::NotFound("missing");

/// `POST /_hub/pair/{window}`: a message of the protocol.
pub(crate) async fn receive(call: Call) -> Result<Reply, HttpError> {
    let now = clock::now();
    let proven = call.principal.proven().ok_or_else(|| match call.principal.name() {
        None => HttpError::LogIn,
        Some(_) => HttpError::ForbiddenBecause("This is for other devices, known by their keys."),
    })?;
    let Call { app, captures, headers, body: message, .. } = call;
    let session = app.pairings.behind(&captures.doc, now).ok_or(NOBODY)?;
    let is_stranger = {
        let inner = session.at(now);
        inner.host.as_ref().and_then(identity::pairing::Host::guest) != Some(proven.key())
    };
    let counted = app.pairings.rate().one_more(proven.key(), is_stranger, clock::instant());
    counted.map_err(HttpError::TooManyAttempts)?;
    let bytes = request::read(&headers, message, MESSAGE_BYTES_MAX).await?;
    let answer = heard(&app, &session, proven, &bytes, now).await?;
    // To the byte, without CouchDB's closing newline: it is hashed at the other end.
    let mut reply = reply::json_stream(StatusCode::OK, body::whole(answer));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(reply)
}

async fn heard(
    app: &Arc<App>,
    session: &Arc<Session>,
    proven: ProvenKey,
    bytes: &[u8],
    now: Millis,
) -> Result<Vec<u8>, HttpError> {
    let channel =
        Channel { host: app.device.public(), guest: proven.key(), binding: proven.binding() };
    let reception = take(app, session, &channel, bytes, now)?;
    let card = match reception {
        Reception { answer: Some(answer), .. } => return Ok(answer),
        Reception { effect: Effect::Write(card), .. } => card,
        Reception { .. } => return Err(PairingError::OutOfTurn.into()),
    };
    let (writing, of) = (Arc::clone(app), Arc::clone(session));
    // On a task of its own: it is seen through, and noted, also where the guest does not wait for it.
    let written = blocking(move || {
        let outcome = finish::write(&writing, &of, card, now);
        let mut inner = of.at(now);
        inner.writing = false;
        let answer = inner.host.as_mut().map(|host| host.written(outcome.is_ok()));
        match outcome {
            Ok(()) => inner.end(State::Done, None),
            Err(error) => {
                tracing::warn!(error = error.unnamed(), "what a pairing agreed to was not written");
                let sentence = format!("It could not be written down: {error}");
                inner.end(State::Failed, Some(Trouble::new("not_written", sentence)));
            }
        }
        Ok(answer.transpose()?.ok_or(PairingError::Over)?)
    });
    written.await
}

/// Lets the protocol take a message, and notes what has come of it.
fn take(
    app: &App,
    session: &Session,
    channel: &Channel,
    bytes: &[u8],
    now: Millis,
) -> Result<Reception, HttpError> {
    let chance = chance()?;
    let mut inner = session.at(now);
    let state = inner.state;
    if inner.writing {
        return Err(HttpError::Overloaded);
    }
    let Some(host) = &mut inner.host else { return Err(NOBODY) };
    if host.is_over() {
        return Err(NOBODY);
    }
    let outcome = host.receive(channel, bytes, &chance, now.0);
    let (digits, is_over) = (host.digits(), host.is_over());
    let reception = match outcome {
        Ok(reception) => reception,
        // Nobody is told that there was a window whose time is over.
        Err(PairingError::Expired) => return Err(NOBODY),
        Err(error) => {
            if error == PairingError::WrongCode {
                app.pairings.note_wrong_code();
            }
            if is_over && !state.is_over() {
                inner.end(State::Failed, Some(trouble_of(error)));
            }
            return Err(error.into());
        }
    };
    match &reception.effect {
        Effect::Nothing => {}
        Effect::Greeted => {
            inner.state = State::Connecting;
            // What is good once is not shown to anybody else.
            (inner.link, inner.code) = (None, None);
        }
        Effect::Proven => inner.digits = digits.map(|digits| digits.to_string()),
        Effect::Introduced(card) => {
            inner.introduce(session.proof, Other { key: channel.guest, card: card.clone() });
        }
        Effect::Confirmed(card) => {
            inner.introduce(session.proof, Other { key: channel.guest, card: card.clone() });
        }
        Effect::Refused => {
            let trouble = Trouble::new("refused", "The other side has said no.");
            inner.end(State::Refused, Some(trouble));
        }
        Effect::Write(_) => inner.writing = true,
    }
    Ok(reception)
}
