//! What somebody may still bring into a database.

use std::collections::BTreeMap;

use acl::{Action, Caller, Resource};
use identity::PublicKey;
use store::{Charges, Database, DbUuid, Edit, Error, Lineage};

use crate::access::Principal;
use crate::app::App;

/// What a revision takes beside its body and attachments, as the store counts it.
const REVISION_BYTES: u64 = 128;

/// One bound on what somebody may bring.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    used: u64,
    max: u64,
    /// What it is a bound of, in words.
    of: &'static str,
}

/// What somebody may bring into a database, as of when it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    bounds: Vec<Bound>,
}

/// There is no room for an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OverQuota {
    /// How many bytes it has.
    pub(crate) bytes: u64,
    /// Why, in words for whoever brings it.
    pub(crate) reason: String,
}

/// Somebody whom the store charges for what it brings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payer<'a> {
    /// As it is charged.
    name: &'a str,
    caller: Caller<'a>,
    /// Whether it is none of the owner's devices or apps.
    is_guest: bool,
}

impl<'a> Payer<'a> {
    /// Who writes; the owner is charged for nothing.
    pub(crate) fn of(principal: &'a Principal) -> Option<Self> {
        let (caller, is_guest) = (principal.caller(), principal.is_guest());
        match principal {
            Principal::Anonymous | Principal::Unproven | Principal::Owner => None,
            Principal::App(_) | Principal::Key(_) => {
                Some(Self { name: principal.name()?, caller, is_guest })
            }
        }
    }

    /// Whoever holds this key, called so, from whom somebody fetches.
    pub(crate) fn key(app: &App, key: PublicKey, name: &'a str) -> Self {
        let policies = app.access.policies().now();
        let is_own = policies.principals().get(&key).is_some_and(|notes| notes.own);
        Self { name, caller: Caller::Key(key), is_guest: !is_own }
    }

    /// Whether there can be any bound at all: nothing is read for this.
    pub(crate) fn is_bounded(self, app: &App) -> bool {
        self.is_guest || app.quotas.all().iter().any(|q| q.who.as_deref() == Some(self.name))
    }
}

impl Account {
    /// Of somebody, in a database. May block.
    pub(crate) fn of(app: &App, payer: Payer<'_>, database: &Database) -> Result<Self, Error> {
        let mut bounds = Vec::new();
        // What hubs need themselves always finds room: who is not let in any more, for instance.
        if database.name().is_system() {
            return Ok(Self { bounds });
        }
        let (quotas, id) = (&app.quotas, database.uuid());
        let Payer { name, is_guest, .. } = payer;
        let charges = database.charges()?;
        if let Some(Some(max)) = quotas.set_for(Some(name), Some(id)) {
            bounds.push(Bound { used: charges.of(name), max, of: "into this database" });
        }
        let default = is_guest.then_some(Some(quotas.config().friend_bytes_max));
        if let Some(Some(max)) = quotas.set_for(Some(name), None).or(default) {
            bounds.push(Bound { used: brought(app, payer, id)?, max, of: "to this hub" });
        }
        let default = Some(quotas.config().database_bytes_max);
        if let Some(Some(max)) = quotas.set_for(None, Some(id)).or(default)
            && is_guest
        {
            let (used, of) =
                (of_others(app, &charges), "into this database by all others together");
            bounds.push(Bound { used, max, of });
        }
        Ok(Self { bounds })
    }

    /// Whether so many bytes more find room.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        self.bounds.iter().all(|bound| bound.used.saturating_add(bytes) <= bound.max)
    }

    /// Takes edits in order, as long as there is room for them; what deletes, or is here already, needs
    /// none. May block.
    pub(crate) fn admit(
        &mut self,
        database: &Database,
        edits: &[&Edit],
    ) -> Result<Vec<Result<(), OverQuota>>, Error> {
        let all = edits.iter().fold(0u64, |sum, edit| sum.saturating_add(bytes_of(edit)));
        if self.has_room(all) {
            return Ok(edits.iter().map(|_| Ok(())).collect());
        }
        let mut admitted = Vec::with_capacity(edits.len());
        for edit in edits {
            let bytes = bytes_of(edit);
            if is_known(database, edit)? {
                admitted.push(Ok(()));
                continue;
            }
            if !self.has_room(bytes) && !edit.deleted {
                admitted.push(Err(OverQuota { bytes, reason: self.reason(bytes) }));
                continue;
            }
            for bound in &mut self.bounds {
                bound.used = bound.used.saturating_add(bytes);
            }
            admitted.push(Ok(()));
        }
        Ok(admitted)
    }

    /// Why so many bytes find no room.
    fn reason(&self, bytes: u64) -> String {
        let full = |bound: &&Bound| bound.used.saturating_add(bytes) > bound.max;
        match self.bounds.iter().find(full) {
            Some(Bound { max, of, .. }) => {
                format!("over quota: at most {max} bytes may be brought {of}")
            }
            None => "over quota".into(),
        }
    }
}

/// What a revision is charged.
fn bytes_of(edit: &Edit) -> u64 {
    edit.body.len() as u64 + edit.staged_bytes() + REVISION_BYTES
}

/// What somebody has brought into the databases that it may write to, and into this one.
fn brought(app: &App, payer: Payer<'_>, into: DbUuid) -> Result<u64, Error> {
    let policies = app.access.policies().now();
    let mut brought = 0u64;
    for database in app.store.databases() {
        let (name, uuid) = (database.name(), database.uuid());
        let resource = Resource::Database { name: &name, uuid: Some(uuid) };
        let writes = || policies.decide(payer.caller, Action::Write, resource).is_allowed();
        if !name.is_system() && (uuid == into || writes()) {
            match database.charges() {
                Err(Error::NoDatabase) => {}
                charges => brought = brought.saturating_add(charges?.of(payer.name)),
            }
        }
    }
    Ok(brought)
}

/// Whether a revision is here, so that it costs nothing to bring it again.
fn is_known(database: &Database, edit: &Edit) -> Result<bool, Error> {
    let Lineage::Path(path) = &edit.lineage else { return Ok(false) };
    let Some(tip) = path.first() else { return Ok(false) };
    database.read(|snapshot| {
        let tree = snapshot.tree(&edit.id)?;
        let missing = snapshot.missing(&edit.id, tree.as_ref(), std::slice::from_ref(tip))?;
        Ok(missing.is_empty())
    })
}

/// What keys have brought that are none of the owner's devices.
fn of_others(app: &App, charges: &Charges) -> u64 {
    let policies = app.access.policies().now();
    let is_own = |key: &PublicKey| policies.principals().get(key).is_some_and(|notes| notes.own);
    let others =
        charges.iter().filter(|(name, _)| name.parse::<PublicKey>().is_ok_and(|key| !is_own(&key)));
    others.fold(0, |sum, (_, bytes)| sum.saturating_add(bytes))
}

/// What somebody has brought, by databases.
type Usage = BTreeMap<String, BTreeMap<String, u64>>;

/// What everybody has brought who is charged for something: by name, then by database. May block.
pub(crate) fn usages(app: &App) -> Result<Usage, Error> {
    let mut usages = Usage::new();
    for database in app.store.databases() {
        if database.name().is_system() {
            continue;
        }
        let charges = match database.charges() {
            Err(Error::NoDatabase) => continue,
            charges => charges?,
        };
        let of = database.name().to_string();
        for (name, bytes) in charges.iter() {
            usages.entry(name.to_owned()).or_default().insert(of.clone(), bytes);
        }
    }
    Ok(usages)
}

#[cfg(test)]
mod tests {
    use store::{Millis, Options, Store};

    use super::*;

    fn edit(id: &str, deleted: bool, bytes: usize) -> Edit {
        Edit {
            id: id.parse().unwrap(),
            lineage: Lineage::Path(vec!["1-a".parse().unwrap()]),
            deleted,
            body: format!("{{\"t\":\"{}\"}}", "x".repeat(bytes)).into(),
            attachments: Vec::new(),
        }
    }

    #[test]
    fn what_finds_no_room_is_refused_and_the_rest_goes_on() {
        let options = Options { writer_threads: 0, open_databases_max: 2, device: [7; 32] };
        let store = Store::in_memory(&options).unwrap();
        let database = store.create(&"shared".parse().unwrap(), Millis(1)).unwrap();
        let known = edit("known", false, 5000);
        database.deliver(vec![known.clone()], Millis(1), "anna").unwrap();
        let bound = Bound { used: 0, max: 1000, of: "to this hub" };
        let mut account = Account { bounds: vec![bound] };
        let edits = [
            edit("a", false, 300),
            edit("large", false, 900),
            known,
            edit("gone", true, 900),
            edit("b", false, 10),
        ];
        let admitted = account.admit(&database, &edits.iter().collect::<Vec<_>>()).unwrap();
        let refused: Vec<bool> = admitted.iter().map(Result::is_err).collect();
        assert_eq!(refused, [false, true, false, false, true]);
        let refused = admitted[1].as_ref().unwrap_err();
        assert_eq!(refused.bytes, 900 + 8 + REVISION_BYTES);
        assert_eq!(refused.reason, "over quota: at most 1000 bytes may be brought to this hub");
        assert!(Account { bounds: vec![] }.has_room(u64::MAX));
    }
}
