//! What both agreed to, written down.

use acl::{Place, Policy, Right as AclRight, Who};
use identity::pairing::{Card, Kind, Right, Share};
use store::{DbName, Millis};

use super::session::{Inner, Session};
use crate::access::{self, AclError};
use crate::app::App;
use crate::http::HttpError;
use crate::mesh::{self, Record};

/// As the mesh calls it.
pub(super) fn kind_of(kind: Kind) -> mesh::Kind {
    match kind {
        Kind::Device => mesh::Kind::Device,
        Kind::Friend => mesh::Kind::Friend,
    }
}

/// What would be noted of the other side, where it could be.
pub(super) fn record(
    app: &App,
    session: &Session,
    inner: &Inner,
    now: Millis,
) -> Result<Record, HttpError> {
    let nobody = HttpError::BadRequest("nobody has come whom one could say yes to".into());
    let (Some(other), Some(name)) = (&inner.other, inner.petname(app)) else { return Err(nobody) };
    let verified = inner.verified(session.proof);
    let record = Record::paired(other.key, name, other.card.reach.clone(), verified, now);
    let record = record.map_err(|error| HttpError::BadRequest(error.to_string()))?;
    mesh::check(app, kind_of(inner.kind), &record)?;
    Ok(record)
}

/// Refuses to share what is not there, what no policy opens, and anything with a device, which has all.
pub(super) fn check_share(app: &App, kind: Kind, share: &[Share]) -> Result<(), HttpError> {
    if kind == Kind::Device && !share.is_empty() {
        let reason = "a device of yours has every database; share with friends";
        return Err(HttpError::BadRequest(reason.into()));
    }
    if share.len() > identity::pairing::SHARES_MAX {
        return Err(HttpError::BadRequest("too many databases are shared at once".into()));
    }
    for Share { database, .. } in share {
        let name = DbName::of_existing(database).map_err(|_| HttpError::NoDatabase)?;
        let found = app.store.database(&name).filter(|_| !name.is_system());
        if found.is_none() {
            let reason = format!("there is no database {database} that could be shared");
            return Err(HttpError::BadRequest(reason));
        }
    }
    Ok(())
}

/// Notes the other side, and gives what is shared. What is shared comes first: nobody has the key's
/// rights before it is known. May block.
pub(super) fn write(
    app: &App,
    session: &Session,
    card: Card,
    now: Millis,
) -> Result<(), HttpError> {
    let (record, kind, share) = {
        let mut inner = session.at(now);
        if let Some(other) = &mut inner.other {
            other.card = card;
        }
        (record(app, session, &inner, now)?, inner.kind, inner.share.clone())
    };
    check_share(app, kind, &share)?;
    let who = Who::Key(record.key);
    for Share { database, right } in &share {
        let right = match right {
            Right::Read => AclRight::Read,
            Right::Write => AclRight::Write,
        };
        give(app, database, &who, right, now)?;
    }
    mesh::introduce(app, kind_of(kind), record, now)?;
    Ok(())
}

fn give(
    app: &App,
    database: &str,
    who: &Who,
    right: AclRight,
    now: Millis,
) -> Result<(), HttpError> {
    let name = DbName::of_existing(database).map_err(|_| HttpError::NoDatabase)?;
    let found = app.store.database(&name).ok_or(HttpError::NoDatabase)?;
    let hub = Some(app.access.policies().hub());
    access::change(&app.store, &access::policy_id(&found), now, |before| {
        let mut policy = match before {
            Some(body) => Policy::parse(body, hub)?,
            None => Policy::from_security("{}", name.as_str(), hub)?,
        };
        policy.grant(who, right, Place::Database)?;
        Ok::<_, AclError>(Some(policy.document()))
    })?;
    Ok(app.access.policies().reload(&app.store)?)
}
