//! What both agreed to, written down.

use identity::pairing::{Card, Kind, Right, Share};
use identity::{Host, HttpKeyUrl};
use store::Millis;

use super::finding;
use super::session::{Inner, Session};
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

/// The ways to the other side that this hub will take, out of those that it names: none that has a name
/// looked up, and to a friend none that would show this hub's address elsewhere.
fn ways_taken(kind: Kind, reach: &[HttpKeyUrl]) -> Vec<HttpKeyUrl> {
    let taken = |url: &&HttpKeyUrl| match (kind, &url.authority().host) {
        (Kind::Device, Host::Ip(_)) => true,
        _ => mesh::may_be_named_by_others(url),
    };
    reach.iter().filter(taken).cloned().collect()
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
    let reach = ways_taken(inner.kind, &other.card.reach);
    let record = Record::paired(other.key, name, reach, verified, now);
    let record = record.map_err(|error| HttpError::BadRequest(error.to_string()))?;
    mesh::check(app, kind_of(inner.kind), &record)?;
    Ok(record)
}

/// What is to be shared, as the mesh has it.
///
/// # Errors
/// What is not there, what no policy opens, and anything with a device, which has all.
pub(super) fn shares(
    app: &App,
    kind: Kind,
    share: &[Share],
) -> Result<Vec<mesh::Share>, HttpError> {
    if kind == Kind::Device && !share.is_empty() {
        let reason = "a device of yours has every database; share with friends";
        return Err(HttpError::BadRequest(reason.into()));
    }
    if share.len() > identity::pairing::SHARES_MAX {
        return Err(HttpError::BadRequest("too many databases are shared at once".into()));
    }
    let found = share.iter().map(|Share { database, right }| {
        let right = match right {
            Right::Read => acl::Right::Read,
            Right::Write => acl::Right::Write,
        };
        mesh::Share::find(app, database, right)
    });
    found.collect()
}

/// Notes the other side, and gives what is shared in the same commit. May block.
pub(super) fn write(
    app: &App,
    session: &Session,
    card: Card,
    now: Millis,
) -> Result<(), HttpError> {
    let find = card.find;
    let (record, kind, share) = {
        let mut inner = session.at(now);
        if let Some(other) = &mut inner.other {
            other.card = card;
        }
        (record(app, session, &inner, now)?, inner.kind, inner.share.clone())
    };
    let shares = shares(app, kind, &share)?;
    let key = record.key;
    mesh::introduce_with(app, kind_of(kind), record, &shares, now)?;
    finding::let_find(app, key, find);
    Ok(())
}

#[cfg(test)]
mod tests {
    use identity::DeviceKey;

    use super::*;

    #[test]
    fn a_friend_does_not_choose_where_this_hub_shows_itself() {
        const ONION: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion:9898";
        let key = DeviceKey::from_seed(&[7; 32]).public();
        let url = |at: &str| format!("httpkey://{at}/ed25519publickey:{key}/").parse().unwrap();
        let taken = |kind, at: &str| ways_taken(kind, &[url(at)]).len() == 1;
        for near in
            [ONION, "192.168.1.7:1", "100.64.0.1:1", "127.0.0.1:1", "[fe80::1]:1", "[fd00::1]:1"]
        {
            assert!(taken(Kind::Friend, near) && taken(Kind::Device, near), "{near}");
        }
        for far in ["203.0.113.7:1", "[2001:db8::1]:1", "[::ffff:203.0.113.7]:1", "100.128.0.1:1"] {
            assert!(!taken(Kind::Friend, far) && taken(Kind::Device, far), "{far}");
        }
        assert!(!taken(Kind::Friend, "tracker.example:1") && !taken(Kind::Device, "localhost:1"));
    }
}
