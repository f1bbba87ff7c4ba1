//! The decision.

use identity::PublicKey;
use store::{DbName, DbUuid};

use crate::access::{Action, Caller, Decision, Reason, Resource, Scope};
use crate::grant::Grant;
use crate::policies::Policies;
use crate::rights::Rights;
use crate::word::Who;

/// A database, or a view of it, that is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) name: &'a DbName,
    pub(crate) uuid: Option<DbUuid>,
    pub(crate) view: Option<(&'a str, &'a str)>,
}

impl<'a> Target<'a> {
    /// What the resource names, where it names a database.
    pub(crate) fn of(resource: Resource<'a>) -> Option<Self> {
        match resource {
            Resource::Server => None,
            Resource::Database { name, uuid } => Some(Self { name, uuid, view: None }),
            Resource::View { name, uuid, design, view } => {
                Some(Self { name, uuid, view: Some((design, view)) })
            }
        }
    }
}

const ALLOW: Decision = Decision::Allow(Scope::Database);

impl Policies {
    /// May the caller do this, to this?
    pub fn decide(&self, caller: Caller<'_>, action: Action, resource: Resource<'_>) -> Decision {
        match caller {
            Caller::Owner | Caller::App { admin: true, .. } => ALLOW,
            Caller::Anonymous if action == Action::Greet => ALLOW,
            Caller::Anonymous => Decision::Deny(Reason::LogIn),
            Caller::App { name, grants, admin: false } => {
                self.decide_app(name, grants, action, resource)
            }
            Caller::Key(key) => self.decide_key(key, action, resource),
        }
    }

    fn decide_app(
        &self,
        name: &str,
        grants: &[Grant],
        action: Action,
        resource: Resource<'_>,
    ) -> Decision {
        if matches!(action, Action::Greet | Action::UseServer) {
            return ALLOW;
        }
        let forbid = Decision::Deny(Reason::Forbid);
        let Some(target) = Target::of(resource).filter(|target| !target.name.is_system()) else {
            return forbid;
        };
        let who = Who::App(name.into());
        let rights = granted(grants, target.name) | self.rights(&who, target);
        self.within(rights, &who, action, target).map_or(forbid, Decision::Allow)
    }

    fn decide_key(&self, key: PublicKey, action: Action, resource: Resource<'_>) -> Decision {
        let notes = self.principals.get(&key);
        if notes.is_some_and(|notes| notes.blocked) {
            return Decision::Deny(Reason::Blocked);
        }
        if action == Action::Greet || notes.is_some_and(|notes| notes.own) {
            return ALLOW;
        }
        let of_server = matches!(action, Action::UseServer | Action::AdministerServer);
        let Some(target) = Target::of(resource).filter(|_| !of_server) else {
            return Decision::Deny(Reason::Forbid);
        };
        let who = Who::Key(key);
        let rights = self.rights(&who, target);
        if rights.is_nothing() {
            return Decision::Deny(Reason::Hidden);
        }
        let scope = self.within(rights, &who, action, target);
        scope.map_or(Decision::Deny(Reason::Forbid), Decision::Allow)
    }

    /// What the policy of a database gives; nothing of a system database.
    pub(crate) fn rights(&self, who: &Who, target: Target<'_>) -> Rights {
        let uuid = target.uuid.filter(|_| !target.name.is_system());
        let compiled = uuid.and_then(|uuid| self.databases.get(&uuid));
        compiled.map(|compiled| compiled.database.rights(who, &self.nesting)).unwrap_or_default()
    }

    /// How far rights go, by themselves or by the one view's own list.
    fn within(
        &self,
        rights: Rights,
        who: &Who,
        action: Action,
        target: Target<'_>,
    ) -> Option<Scope> {
        // Local apps share the owner's local documents, remote principals have their own.
        if rights.allow(action, matches!(who, Who::Key(_))) {
            return Some(Scope::Database);
        }
        let (Action::ReadView, Some(uuid), Some((design, view))) =
            (action, target.uuid, target.view)
        else {
            return None;
        };
        if !rights.has(Rights::SOME_VIEW) {
            return None;
        }
        let named = self.databases.get(&uuid)?.views.get(design)?.get(view)?;
        named.rights(who, &self.nesting).has(Rights::READ).then_some(Scope::View)
    }
}

/// What an app was given of the database of that name.
pub(crate) fn granted(grants: &[Grant], name: &DbName) -> Rights {
    let mut rights = Rights::default();
    // A document written by hand may grant what `larder app add` refuses.
    let of_name = grants.iter().filter(|grant| grant.name == *name && !name.is_system());
    of_name.for_each(|grant| rights |= if grant.write { Rights::GRANTED } else { Rights::READ });
    rights
}
