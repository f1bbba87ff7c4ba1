//! `/_hub/invitations`: databases that friends share, to be taken or declined.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use store::DbName;

use super::apps::parsed;
use super::peers;
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};
use crate::mesh::{self, Invitation, Peer};
use crate::registry::fold;
use crate::sharing;

/// `GET /_hub/invitations`: what friends offer, how much it is, what may be done with it, and what of it is here.
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    mesh::ask_sizes(&app).await;
    let shown = blocking(move || {
        let declined = sharing::declined(&app)?;
        let mut shown = Vec::new();
        for invitation in mesh::invitations(&app) {
            let id = id(&invitation);
            let edited = invitation.here.as_ref().is_some_and(|_| {
                let here = app.registry.database(invitation.database);
                here.is_some_and(|here| app.sharing.own_edits.are_in(&here))
            });
            let declined = declined.contains(&id);
            let mut described = describe(&invitation, &id, declined, edited);
            if invitation.here.is_none() {
                let suggested = default_name(&app, &invitation.from, &invitation.name).ok();
                described["suggested"] = suggested.map(|name| name.to_string()).into();
            }
            shown.push(described);
        }
        Ok(shown)
    });
    Ok(reply::json(StatusCode::OK, &json!({"invitations": shown.await?})))
}

fn id(invitation: &Invitation) -> String {
    sharing::invitation_id(invitation.from.record.key, invitation.database)
}

fn describe(invitation: &Invitation, id: &str, declined: bool, edited: bool) -> Value {
    let Invitation { from, database, name, right, size, here, in_step, is_offered } = invitation;
    let state = match (here, is_offered, declined) {
        (Some(_), Some(false), _) => "withdrawn",
        (Some(_), ..) => "accepted",
        (None, _, true) => "declined",
        (None, _, false) => "open",
    };
    let record = &from.record;
    let mut shown = json!({
        "id": id,
        "from": {"key": record.key, "name": record.name},
        "name": name,
        "database": database.to_string(),
        "right": right.map(mesh::SharedRight::word),
        "documents": size.as_ref().map(|size| size.documents),
        "bytes": size.as_ref().map(|size| size.bytes),
        "here": here,
        "in_step": in_step,
        "declined": declined && here.is_none(),
        "state": state,
        "followed": here.as_ref().and(*is_offered),
    });
    let reads_only = *right == Some(mesh::SharedRight::Read);
    let sentence = match (here, state) {
        (Some(here), "withdrawn") => Some(format!(
            "{} does not share it any more: {here} stays as it is, and is no longer followed.",
            record.name
        )),
        (Some(_), _) if reads_only && edited => {
            Some("You may only read it: your edits stay here.".into())
        }
        (Some(_), _) if reads_only => Some("You may only read it.".into()),
        _ => None,
    };
    if let Some(sentence) = sentence {
        shown["sentence"] = sentence.into();
    }
    shown
}

/// What `POST /_hub/invitations/{doc}` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    accept: bool,
    /// What it is called here; the friend's name and the friend's name for it unless that is said.
    #[serde(rename = "as")]
    local: Option<String>,
}

/// `POST /_hub/invitations/{doc}`: takes what is offered, or declines it, which all of the owner's devices
/// remember.
pub(crate) async fn answer(call: Call) -> Result<Reply, HttpError> {
    let Call { app, captures, headers, body, .. } = call;
    let Answer { accept, local } = parsed(json_body::object(&headers, body).await?)?;
    if !accept && local.is_some() {
        return Err(HttpError::BadRequest("`as` is for what is accepted".into()));
    }
    let answered = blocking(move || {
        let mut all = mesh::invitations(&app).into_iter();
        let invitation = all.find(|invitation| id(invitation) == captures.doc);
        let invitation = invitation.ok_or(HttpError::NotFound("there is no such invitation"))?;
        let key = invitation.from.record.key;
        let now = clock::now();
        if !accept {
            if invitation.here.is_some() {
                let reason = "it was accepted: delete the database to be rid of it";
                return Err(HttpError::BadRequest(reason.into()));
            }
            sharing::decline(&app, (key, invitation.database), true, now)?;
            return Ok((StatusCode::OK, json!({"ok": true, "declined": true})));
        }
        let word = invitation.database.to_string();
        let name = peers::take(&app, &invitation.from, &word, local.as_deref(), now)?;
        sharing::decline(&app, (key, invitation.database), false, now)?;
        Ok((StatusCode::CREATED, json!({"ok": true, "database": name})))
    });
    let (status, answer) = answered.await?;
    Ok(reply::json(status, &answer))
}

/// What an offered database is called here unless the owner says otherwise: `petname/name`.
pub(super) fn default_name(app: &App, friend: &Peer, name: &str) -> Result<DbName, HttpError> {
    Ok(app.registry.free_plain_name(&spelt(&friend.record.name, name))?)
}

/// Whose it is and what they call it, in the letters that names of databases have.
fn spelt(petname: &str, name: &str) -> String {
    let folded = fold(petname);
    let is_fit = folded.starts_with(|first: char| first.is_ascii_lowercase());
    let folded = match (folded.as_str(), is_fit) {
        ("", _) => "friend".to_owned(),
        (_, true) => folded,
        (_, false) => format!("friend-{folded}"),
    };
    // The device that it is of there, behind a tilde, is nothing to us.
    let name = name.split('~').next().unwrap_or_default();
    format!("{folded}/{name}")
}

#[cfg(test)]
mod tests {
    use store::DbName;

    use super::*;

    #[test]
    fn names_of_friends_become_names_of_databases() {
        for (petname, name, expected) in [
            ("Anna", "recipes", "anna/recipes"),
            ("Anna's phone", "a/b", "anna-s-phone/a/b"),
            ("\u{d6}mer", "notes~phone", "mer/notes"),
            ("007", "notes", "friend-007/notes"),
            ("\u{674e}", "notes", "friend/notes"),
        ] {
            assert_eq!(spelt(petname, name), expected);
            expected.parse::<DbName>().unwrap();
        }
    }
}
