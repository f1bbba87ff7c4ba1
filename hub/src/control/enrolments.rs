//! `/_hub/enrolments` and `/_hub/enrol`: programs with a key of their own that ask to be let in.

use http::StatusCode;
use identity::PublicKey;
use serde::Deserialize;
use serde_json::json;
use store::Millis;

use super::apps::{check_grants, let_in, parsed};
use crate::access::{
    AppDocument, AppName, CODE_MINUTES_MAX, EnrolmentError, Grant, Token, TokenHash,
};
use crate::clock;
use crate::http::{Call, HttpError, Reply, json_body, reply};

/// How long a code is good where nobody says.
const CODE_MINUTES: u64 = 10;

/// What a program sends that asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    name: AppName,
    key: PublicKey,
    #[serde(default)]
    databases: Vec<Grant>,
}

/// `POST /_hub/enrolments`: a program of this person's asks to be let in.
pub(crate) async fn ask(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let Question { name, key, databases } = parsed(json_body::object(&headers, body).await?)?;
    check_grants(&databases)?;
    let state = match app.access.apps().get(name.as_str()) {
        Some(known) if known.document().key == Some(key) => "approved",
        Some(_) => return Err(EnrolmentError::NameTaken.into()),
        None => app.access.enrolments().ask(&name, key, databases, clock::now())?.word(),
    };
    Ok(reply::json(StatusCode::ACCEPTED, &json!({"ok": true, "state": state})))
}

/// `GET /_hub/enrolments/NAME`: what became of a program's question.
pub(crate) async fn show(call: Call) -> Result<Reply, HttpError> {
    let name = name(&call)?;
    let access = &call.app.access;
    let state = match (access.apps().get(name.as_str()), access.enrolments().get(&name)) {
        (Some(_), _) => "approved",
        (None, Some(enrolment)) => enrolment.state.word(),
        (None, None) => return Err(NOBODY),
    };
    Ok(reply::json(StatusCode::OK, &json!({"state": state})))
}

/// `GET /_hub/enrolments`: who asks for what.
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let asked = call.app.access.enrolments().all();
    Ok(reply::json(StatusCode::OK, &json!({"enrolments": asked})))
}

/// What the owner answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    approve: bool,
    /// What the program gets; what it asked for, where nothing is said.
    databases: Option<Vec<Grant>>,
}

/// `POST /_hub/enrolments/NAME`: the owner lets a program in, or does not.
pub(crate) async fn answer(call: Call) -> Result<Reply, HttpError> {
    let name = name(&call)?;
    let Call { app, headers, body, .. } = call;
    let Answer { approve, databases } = parsed(json_body::object(&headers, body).await?)?;
    let enrolment = app.access.enrolments().get(&name).ok_or(NOBODY)?;
    if !approve {
        app.access.enrolments().refuse(&name);
        return Ok(reply::ok(StatusCode::OK));
    }
    let databases = databases.unwrap_or(enrolment.databases);
    check_grants(&databases)?;
    let_in(app.clone(), of_key(name.clone(), enrolment.key, databases.clone())).await?;
    app.access.enrolments().forget(&name);
    let answer = json!({"ok": true, "name": name, "databases": databases});
    Ok(reply::json(StatusCode::CREATED, &answer))
}

/// What the owner wants a code for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invitation {
    name: AppName,
    #[serde(default)]
    databases: Vec<Grant>,
    minutes: Option<u64>,
}

/// `POST /_hub/codes`: makes a code that lets one program in, once.
pub(crate) async fn invite(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let Invitation { name, databases, minutes } = parsed(json_body::object(&headers, body).await?)?;
    check_grants(&databases)?;
    let minutes = minutes.unwrap_or(CODE_MINUTES).clamp(1, CODE_MINUTES_MAX);
    let code = Token::random()?;
    let (hash, now) = (TokenHash::of(code.expose())?, clock::now());
    let until = Millis(now.0.saturating_add(minutes * 60_000));
    app.access.enrolments().invite(&name, hash, databases, until, now)?;
    let answer = json!({"ok": true, "name": name, "code": code.expose(), "minutes": minutes});
    Ok(reply::json(StatusCode::CREATED, &answer))
}

/// What a program with a code sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redemption {
    name: AppName,
    code: String,
}

/// `POST /_hub/enrol`: a program that proves its key, and has a code, is let in.
pub(crate) async fn enrol(call: Call) -> Result<Reply, HttpError> {
    let key = call.principal.device().ok_or_else(|| match call.principal.name() {
        None => HttpError::LogIn,
        Some(_) => {
            HttpError::BadRequest("An app enrols by the key that it proves over TLS.".into())
        }
    })?;
    let Call { app, headers, body, .. } = call;
    let Redemption { name, code } = parsed(json_body::object(&headers, body).await?)?;
    if app.access.apps().get(name.as_str()).is_some() {
        // No more is said than to anybody with a wrong code.
        return Err(EnrolmentError::WrongCode.into());
    }
    let databases = app.access.enrolments().redeem(&name, code.as_bytes(), clock::now())?;
    let_in(app, of_key(name.clone(), key, databases.clone())).await?;
    let answer = json!({"ok": true, "name": name, "databases": databases});
    Ok(reply::json(StatusCode::CREATED, &answer))
}

fn of_key(name: AppName, key: PublicKey, databases: Vec<Grant>) -> AppDocument {
    AppDocument {
        name,
        admin: false,
        databases,
        token: None,
        key: Some(key),
        origins: Vec::new(),
        chosen: false,
        created: clock::now(),
    }
}

const NOBODY: HttpError = HttpError::NotFound("nobody asks to be let in under this name");

fn name(call: &Call) -> Result<AppName, HttpError> {
    call.captures.doc.parse().map_err(|_| NOBODY)
}
