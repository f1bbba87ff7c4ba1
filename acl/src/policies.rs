//! All that `_acl` says, as one snapshot.

use std::collections::{BTreeMap, HashMap, HashSet};

use identity::PublicKey;
use store::DbUuid;

use crate::access::Caller;
use crate::documents::{
    DATABASE_PREFIX, Document, DocumentError, GROUP_PREFIX, PRINCIPAL_PREFIX, Problem,
};
use crate::group::{Group, GroupName};
use crate::nesting::{GroupSet, Nesting};
use crate::people::{People, Vouched};
use crate::policy::{LISTS, Policy};
use crate::principal::PrincipalNotes;
use crate::rights::Rights;
use crate::word::Who;

/// Most documents that are heeded.
pub const DOCUMENTS_MAX: usize = 50_000;

/// Most groups.
pub const GROUPS_MAX: usize = 2000;

/// All policies, groups and notes of principals at one moment.
#[derive(Debug, Default)]
pub struct Policies {
    pub(crate) databases: HashMap<DbUuid, Compiled>,
    pub(crate) groups: BTreeMap<GroupName, Group>,
    pub(crate) nesting: Nesting,
    pub(crate) principals: BTreeMap<PublicKey, PrincipalNotes>,
    people: People,
    problems: Vec<Problem>,
}

/// A key that is, or was, one of the owner's devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What it is called; empty where only its notes say.
    pub name: String,
    /// Whether it is one now; else it is refused.
    pub is_own: bool,
}

/// A policy, and what follows from it.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) policy: Policy,
    /// What everybody may that is named in any list.
    pub(crate) database: Named,
    /// Design document, view, and who may read it.
    pub(crate) views: HashMap<Box<str>, HashMap<Box<str>, Named>>,
}

/// The rights of whoever is named, and of the groups that are.
#[derive(Debug, Default)]
pub(crate) struct Named {
    principals: HashMap<Who, Rights>,
    /// The groups that have some rights: as sets, so that how many there are matters little.
    groups: Vec<(Rights, GroupSet)>,
}

impl Named {
    fn add(&mut self, who: &Who, rights: Rights, nesting: &Nesting) {
        match who {
            Who::Key(_) | Who::App(_) => {
                *self.principals.entry(who.clone()).or_default() |= rights;
            }
            Who::Group(name) => {
                if let Some(group) = nesting.find(name) {
                    self.groups_with(rights, nesting).add(group);
                }
            }
        }
    }

    /// The groups that have just these rights by one list.
    fn groups_with(&mut self, rights: Rights, nesting: &Nesting) -> &mut GroupSet {
        let at = self.groups.iter().position(|(others, _)| *others == rights);
        let at = at.unwrap_or_else(|| {
            self.groups.push((rights, nesting.none()));
            self.groups.len() - 1
        });
        &mut self.groups[at].1
    }

    /// Whether a list names them, not by a group.
    fn names(&self, who: &Who) -> bool {
        self.principals.contains_key(who)
    }

    /// What somebody may, by name and by groups.
    pub(crate) fn rights(&self, who: &Who, nesting: &Nesting) -> Rights {
        let mut rights = self.principals.get(who).copied().unwrap_or_default();
        if let Some(groups) = nesting.groups_of(who) {
            let of_groups = self.groups.iter().filter(|(_, listed)| listed.meets(groups));
            of_groups.for_each(|(more, _)| rights |= *more);
        }
        rights
    }
}

impl Compiled {
    fn new(policy: Policy, nesting: &Nesting) -> Self {
        let mut database = Named::default();
        for (list, (_, rights)) in policy.lists.iter().zip(LISTS) {
            list.iter().for_each(|who| database.add(who, rights, nesting));
        }
        let mut views: HashMap<Box<str>, HashMap<Box<str>, Named>> = HashMap::new();
        for list in &policy.views {
            let of_design = views.entry(list.design.clone()).or_default();
            let named = of_design.entry(list.view.clone()).or_default();
            for who in &list.who {
                named.add(who, Rights::READ, nesting);
                database.add(who, Rights::SOME_VIEW, nesting);
            }
        }
        Self { policy, database, views }
    }
}

impl Policies {
    /// Reads the documents of `_acl`. Which keys are the owner's devices they cannot say for good:
    /// [`Self::with_devices`] does. What cannot be read grants nothing and is among
    /// [`Self::problems`]. `hub` is this hub's own key: URLs of groups of others name nobody.
    pub fn read<'a>(
        hub: Option<PublicKey>,
        documents: impl IntoIterator<Item = Document<'a>>,
    ) -> Self {
        let mut reading = Reading { hub, ..Reading::default() };
        for (count, document) in documents.into_iter().enumerate() {
            if count >= DOCUMENTS_MAX {
                let (id, error) = (document.id.into(), DocumentError::TooManyDocuments);
                return Self { problems: vec![Problem { id, error }], ..Self::default() };
            }
            if let Err(error) = reading.take(document) {
                reading.problems.push(Problem { id: document.id.into(), error });
            }
        }
        let nesting = Nesting::new(&reading.groups);
        let compiled = |policy| Compiled::new(policy, &nesting);
        let databases = reading.policies.into_iter().map(|(db, policy)| (db, compiled(policy)));
        Self {
            databases: databases.collect(),
            groups: reading.groups,
            nesting,
            principals: reading.principals,
            people: People::default(),
            problems: reading.problems,
        }
    }

    /// Lets those keys be the owner's own devices that are, and nobody else, whatever the documents say;
    /// those of whom the owner's devices want nothing are blocked. What a device is called goes before
    /// what its notes say.
    #[must_use]
    pub fn with_devices(mut self, devices: impl IntoIterator<Item = (PublicKey, Device)>) -> Self {
        self.principals.values_mut().for_each(|notes| notes.own = false);
        for (key, device) in devices {
            let notes = self.principals.entry(key).or_default();
            notes.own = device.is_own;
            notes.blocked = !device.is_own;
            if !device.name.is_empty() {
                notes.name = device.name;
            }
        }
        self
    }

    /// Lets devices stand for friends as those say, but for this hub's own key, `hub`, and keys that the
    /// owner notes something of or names in a list: what those may is said of themselves.
    /// [`Self::with_devices`] comes before.
    #[must_use]
    pub fn with_people(mut self, hub: PublicKey, vouched: &Vouched) -> Self {
        let is_blocked = |key| self.principals.get(&key).is_some_and(|notes| notes.blocked);
        // A list of all that are named: of what friends name there may be a lot.
        let is_any = vouched.friends.values().any(|devices| !devices.is_empty());
        let lists = self.databases.values().filter(|_| is_any);
        let listed: HashSet<&Who> = lists.flat_map(|of| of.database.principals.keys()).collect();
        let is_named = |key| {
            let who = Who::Key(key);
            listed.contains(&who) || self.nesting.groups_of(&who).is_some()
        };
        let is_somebody = |key| key == hub || self.principals.contains_key(&key) || is_named(key);
        self.people = People::new(vouched, is_somebody, is_blocked);
        self
    }

    /// Which keys stand for which friends.
    pub fn people(&self) -> &People {
        &self.people
    }

    /// Whom a key is of: the noted key of a friend whose device it is, else itself.
    pub fn person(&self, key: PublicKey) -> PublicKey {
        self.people.person(key)
    }

    /// The policy of the database that is this.
    pub fn policy_of(&self, database: DbUuid) -> Option<&Policy> {
        self.databases.get(&database).map(|compiled| &compiled.policy)
    }

    /// Every policy, in no order.
    pub fn databases(&self) -> impl Iterator<Item = (DbUuid, &Policy)> {
        self.databases.iter().map(|(database, compiled)| (*database, &compiled.policy))
    }

    /// The names of all groups that somebody is in, in order; whoever may do everything needs none.
    pub fn groups_of(&self, caller: Caller<'_>) -> Vec<&str> {
        let groups = self.who(caller).and_then(|who| self.nesting.groups_of(&who));
        groups.into_iter().flat_map(|set| self.nesting.names(set)).map(GroupName::as_str).collect()
    }

    /// Every group.
    pub fn groups(&self) -> &BTreeMap<GroupName, Group> {
        &self.groups
    }

    /// Every principal that the owner noted something of.
    pub fn principals(&self) -> &BTreeMap<PublicKey, PrincipalNotes> {
        &self.principals
    }

    /// Whether the owner has to do with whoever has this key: notes something of them, names them in a
    /// policy or a group, and has not blocked them.
    pub fn knows(&self, key: PublicKey) -> bool {
        let person = self.person(key);
        self.principals.get(&person).map_or_else(|| self.names(person), |notes| !notes.blocked)
    }

    /// Whether a policy or a group names this very key.
    fn names(&self, key: PublicKey) -> bool {
        let who = Who::Key(key);
        let mut databases = self.databases.values();
        self.nesting.groups_of(&who).is_some() || databases.any(|of| of.database.names(&who))
    }

    /// The documents that could not be read.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whom lists name when they name the caller.
    pub(crate) fn who(&self, caller: Caller<'_>) -> Option<Who> {
        match caller {
            Caller::Anonymous | Caller::Owner => None,
            Caller::App { name, .. } => Some(Who::App(name.into())),
            Caller::Key(key) => Some(Who::Key(self.person(key))),
        }
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    hub: Option<PublicKey>,
    policies: Vec<(DbUuid, Policy)>,
    groups: BTreeMap<GroupName, Group>,
    principals: BTreeMap<PublicKey, PrincipalNotes>,
    problems: Vec<Problem>,
}

impl Reading {
    fn take(&mut self, Document { id, body }: Document<'_>) -> Result<(), DocumentError> {
        if let Some(uuid) = id.strip_prefix(DATABASE_PREFIX) {
            let uuid = DbUuid::parse(uuid).ok_or(DocumentError::Id)?;
            self.policies.push((uuid, Policy::parse(body, self.hub)?));
        } else if let Some(name) = id.strip_prefix(GROUP_PREFIX) {
            let name = name.parse::<GroupName>().map_err(crate::word::WordError::Group)?;
            if self.groups.len() >= GROUPS_MAX {
                return Err(DocumentError::TooManyGroups);
            }
            self.groups.insert(name, Group::parse(body, self.hub)?);
        } else if let Some(key) = id.strip_prefix(PRINCIPAL_PREFIX) {
            let key: PublicKey = key.parse().map_err(|_| DocumentError::Id)?;
            let notes = serde_json::from_str(body);
            let known = notes.as_ref().ok().cloned();
            self.principals.insert(key, known.unwrap_or_else(PrincipalNotes::unreadable));
            notes?;
        } else {
            return Err(DocumentError::Id);
        }
        Ok(())
    }
}
