//! Invitations that were declined: remembered in `_dbs`, which the owner's devices have in common.

use std::collections::BTreeSet;

use identity::PublicKey;
use serde_json::json;
use store::{DbUuid, Direction, Error, IdRange, Millis};

use crate::access::{self, AclError};
use crate::app::App;
use crate::registry::DBS;

/// What the ids of the documents begin with; the invitation's own follows. No record's begins so.
const PREFIX: &str = "declined:";

/// Documents read at a time, and most that are heeded.
const PAGE: usize = 500;
const DECLINED_MAX: usize = 100_000;

/// Digits of an invitation's id.
const DIGITS: usize = 32;

/// The ids of those that were declined.
pub(crate) type Declined = BTreeSet<String>;

/// What tells a friend's offer of a database from all others, the same on every device.
pub(crate) fn id(from: PublicKey, database: DbUuid) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("larder 2026-11-28 invitation");
    hasher.update(from.bytes());
    hasher.update(&database.0);
    hasher.finalize().to_hex().chars().take(DIGITS).collect()
}

/// Which were declined. May block.
pub(crate) fn declined(app: &App) -> Result<Declined, Error> {
    let mut declined = Declined::new();
    let Some(dbs) = DBS.parse().ok().and_then(|name| app.store.database(&name)) else {
        return Ok(declined);
    };
    let mut start = Some((PREFIX.to_owned(), true));
    while declined.len() < DECLINED_MAX {
        // What follows a colon.
        let end = Some((PREFIX.replace(':', ";"), false));
        let range = IdRange { start, end, direction: Direction::Ascending };
        let heads = dbs.read(|snapshot| snapshot.heads(&range, 0, PAGE))?;
        let Some(last) = heads.last() else { break };
        start = Some((last.id.as_str().to_owned(), false));
        let live = heads.iter().filter(|head| !head.deleted);
        declined
            .extend(live.filter_map(|head| Some(head.id.as_str().strip_prefix(PREFIX)?.into())));
    }
    Ok(declined)
}

/// Remembers that an invitation is declined, or is so no longer. May block.
pub(crate) fn decline(
    app: &App,
    (from, database): (PublicKey, DbUuid),
    declines: bool,
    now: Millis,
) -> Result<(), AclError> {
    let dbs = DBS.parse().ok().and_then(|name| app.store.database(&name));
    let dbs = dbs.ok_or(AclError::Store(Error::NoDatabase))?;
    let text = json!({
        "from": from, "database": database.to_string(), "declined_at": now.0,
    });
    access::change_in(&dbs, &format!("{PREFIX}{}", id(from, database)), now, |before| {
        Ok(match (declines, before) {
            (true, Some(before)) => Some(before.to_owned()),
            (true, None) => Some(text.to_string()),
            (false, _) => None,
        })
    })
}
