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
            Caller::Key(key) => self.decide_key(self.person(key), action, resource),
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

#[cfg(test)]
mod tests {
    use Action as A;

    use super::*;
    use crate::{Device, Document, Vouched};

    const DB: DbUuid = DbUuid([1; 16]);
    const HIDDEN: Decision = Decision::Deny(Reason::Hidden);
    const FORBID: Decision = Decision::Deny(Reason::Forbid);

    fn key(seed: u8) -> PublicKey {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
        PublicKey::from_bytes(key.to_bytes()).unwrap()
    }

    /// Keys 1 to 6: reader, member, designer (and member), admin, of one view, designer alone. Key 7 is
    /// blocked though an admin, 8 the owner's own, 9 a stranger; 10 reads by way of two groups.
    fn policies() -> Policies {
        let names = |keys: &[u8], app: &str| {
            let names = keys.iter().map(|&k| key(k).to_string());
            names.chain((!app.is_empty()).then(|| app.to_owned())).collect::<Vec<_>>()
        };
        let policy = serde_json::json!({
            "readers": {"names": names(&[1], ""), "roles": ["outer"]},
            "members": {"names": names(&[2, 3], "member")},
            "designers": {"names": names(&[3, 6], "")},
            "admins": {"names": names(&[4, 7], "admin")},
            "views": {"d/v": {"names": names(&[5], "viewer")}},
        });
        let inner = serde_json::json!({"members": [key(10)]});
        let texts = [
            (format!("database/{DB}"), policy.to_string()),
            ("group/inner".into(), inner.to_string()),
            ("group/outer".into(), r#"{"members": ["group:inner"]}"#.into()),
            (format!("principal/{}", key(7)), r#"{"name": "pest", "blocked": true}"#.into()),
            (format!("principal/{}", key(8)), r#"{"name": "phone", "own": true}"#.into()),
        ];
        let documents = texts.iter().map(|(id, body)| Document { id, body });
        let policies = Policies::read(None, documents);
        assert!(policies.problems().is_empty(), "{:?}", policies.problems());
        policies
    }

    #[test]
    fn whom_the_owner_has_to_do_with() {
        let policies = policies();
        for known in [1, 2, 3, 4, 5, 6, 8, 10] {
            assert!(policies.knows(key(known)), "{known}");
        }
        assert!(!policies.knows(key(7)), "blocked, though an admin");
        assert!(!policies.knows(key(9)), "a stranger");
    }

    /// Of all actions on a resource just these are allowed, and the others denied for this reason.
    fn check(caller: Caller<'_>, resource: Resource<'_>, allowed: &[Action], reason: Reason) {
        let policies = policies();
        for action in Action::ALL {
            let decision = policies.decide(caller, action, resource);
            let explained = policies.explain(caller, action, resource);
            assert_eq!(explained.decision, decision);
            match allowed.contains(&action) {
                true => assert!(decision.is_allowed(), "{caller:?} {action:?} {resource:?}"),
                false => assert_eq!(decision, Decision::Deny(reason), "{caller:?} {explained}"),
            }
        }
    }

    const READ: [A; 3] = [A::Greet, A::Read, A::ReadView];
    const READ_REMOTELY: [A; 4] = [A::Greet, A::Read, A::ReadView, A::WriteLocal];
    const WRITE: [A; 5] = [A::Greet, A::Read, A::ReadView, A::Write, A::WriteLocal];

    #[test]
    fn every_cell_of_keys() {
        let (name, other) = ("notes".parse().unwrap(), "other".parse().unwrap());
        let database = Resource::Database { name: &name, uuid: Some(DB) };
        let designs = [&WRITE[..], &[A::WriteViews]].concat();
        let all = [&designs[..], &[A::WriteDesign]].concat();
        for (who, allowed, reason) in [
            (1, &READ_REMOTELY[..], Reason::Forbid),
            (2, &WRITE, Reason::Forbid),
            (3, &designs, Reason::Forbid),
            (4, &all, Reason::Forbid),
            (5, &[A::Greet], Reason::Forbid),
            (7, &[], Reason::Blocked),
            (8, &Action::ALL, Reason::Forbid),
            (10, &READ_REMOTELY, Reason::Forbid),
        ] {
            check(Caller::Key(key(who)), database, allowed, reason);
        }
        let policies = policies();
        let nowhere = Resource::Database { name: &other, uuid: None };
        let unshared = Resource::Database { name: &other, uuid: Some(DbUuid([2; 16])) };
        let apps = "_apps".parse().unwrap();
        let system = Resource::Database { name: &apps, uuid: Some(DB) };
        for (who, resource) in [(6, database), (9, database), (9, nowhere), (4, nowhere)]
            .into_iter()
            .chain([(4, unshared), (4, system)])
        {
            for action in Action::ALL {
                let expected = match action {
                    A::Greet => ALLOW,
                    A::UseServer | A::AdministerServer => FORBID,
                    _ => HIDDEN,
                };
                assert_eq!(policies.decide(Caller::Key(key(who)), action, resource), expected);
            }
        }
        for who in [1, 2, 3, 4, 5, 6, 9, 10] {
            check(Caller::Key(key(who)), Resource::Server, &[A::Greet], Reason::Forbid);
        }
        check(Caller::Key(key(7)), Resource::Server, &[], Reason::Blocked);
        check(Caller::Key(key(8)), Resource::Server, &Action::ALL, Reason::Forbid);
    }

    #[test]
    fn every_cell_of_the_others() {
        let name = "notes".parse().unwrap();
        let database = Resource::Database { name: &name, uuid: Some(DB) };
        let absent = Resource::Database { name: &name, uuid: None };
        let apps = "_apps".parse().unwrap();
        let system = Resource::Database { name: &apps, uuid: Some(DB) };
        let grants = |write| [Grant { name: name.clone(), write }];
        let by_hand = [Grant { name: apps.clone(), write: true }];
        let server = [A::Greet, A::UseServer];
        let write = [&WRITE[..], &[A::UseServer]].concat();
        let granted = [&write[..], &[A::WriteViews, A::WriteDesign, A::Create]].concat();
        let all = [&write[..], &[A::WriteViews, A::WriteDesign]].concat();
        let read = [&READ[..], &[A::UseServer]].concat();
        for resource in [database, absent, system, Resource::Server] {
            check(Caller::Anonymous, resource, &[A::Greet], Reason::LogIn);
            check(Caller::Owner, resource, &Action::ALL, Reason::Forbid);
            let admin = Caller::App { name: "a", admin: true, grants: &[] };
            check(admin, resource, &Action::ALL, Reason::Forbid);
        }
        fn app<'a>(name: &'a str, grants: &'a [Grant]) -> Caller<'a> {
            Caller::App { name, admin: false, grants }
        }
        for (name, grants, allowed, in_absent) in [
            ("stranger", &[][..], &server[..], &server[..]),
            ("stranger", &grants(false), &read, &read),
            ("stranger", &grants(true), &granted, &granted),
            ("member", &[], &write, &server),
            ("admin", &[], &all, &server),
            ("viewer", &[], &server, &server),
            ("member", &by_hand, &write, &server),
        ] {
            check(app(name, grants), database, allowed, Reason::Forbid);
            check(app(name, grants), absent, in_absent, Reason::Forbid);
            check(app(name, grants), system, &server, Reason::Forbid);
            check(app(name, grants), Resource::Server, &server, Reason::Forbid);
        }
    }

    #[test]
    fn only_the_device_list_makes_a_device() {
        let device = |is_own| Device { name: "laptop".into(), is_own };
        let devices = [(key(9), device(true)), (key(7), device(true)), (key(4), device(false))];
        let policies = policies().with_devices(devices);
        let decide = |who| policies.decide(Caller::Key(key(who)), A::Create, Resource::Server);
        assert_eq!(decide(9), ALLOW);
        assert_eq!(decide(7), ALLOW, "what another device noted does not shut it out");
        assert_eq!(decide(8), FORBID, "its notes say that it is one");
        assert_eq!(decide(4), Decision::Deny(Reason::Blocked), "an admin that was removed");
        assert_eq!(policies.principals()[&key(9)].name, "laptop");
    }

    #[test]
    fn a_device_of_a_friend_is_the_friend() {
        let name = "notes".parse().unwrap();
        let database = Resource::Database { name: &name, uuid: Some(DB) };
        // Key 2 is a member, 7 is blocked, 1 a reader, 8 the owner's; 12 and 13 are nobody.
        let friends = [(key(2), vec![key(12), key(1), key(8), key(20)]), (key(7), vec![key(13)])];
        let vouched = Vouched { friends: friends.into_iter().collect(), devices_max: 10 };
        let policies = policies().with_people(key(20), &vouched);
        let decide =
            |who, action| policies.decide(Caller::Key(key(who)), action, database).is_allowed();
        assert!(decide(12, A::Write) && decide(8, A::Write));
        assert!(decide(1, A::Read) && !decide(1, A::Write), "whom a list names stays what it is");
        assert!(!decide(20, A::Read) && policies.knows(key(12)) && !policies.knows(key(13)));
        let blocked = policies.decide(Caller::Key(key(13)), A::Greet, database);
        assert_eq!(blocked, Decision::Deny(Reason::Blocked));
        let sentence = policies.explain(Caller::Key(key(12)), A::Write, database).sentence;
        let (device, friend) = (key(12), key(2));
        let expected = format!("The key {device}, as a device of the key {friend}, may");
        assert!(sentence.starts_with(&expected), "{sentence}");
    }

    #[test]
    fn a_view_is_told_from_a_database() {
        let (policies, name) = (policies(), "notes".parse().unwrap());
        let view = |view| Resource::View { name: &name, uuid: Some(DB), design: "d", view };
        let decide = |who, of| policies.decide(Caller::Key(key(who)), A::ReadView, view(of));
        assert_eq!(decide(1, "v"), ALLOW);
        assert_eq!(decide(5, "v"), Decision::Allow(Scope::View));
        assert_eq!(decide(5, "w"), FORBID);
        assert_eq!(decide(9, "v"), HIDDEN);
        let viewer = Caller::App { name: "viewer", admin: false, grants: &[] };
        assert_eq!(policies.decide(viewer, A::ReadView, view("v")), Decision::Allow(Scope::View));
        assert_eq!(policies.decide(Caller::Key(key(5)), A::Read, view("v")), FORBID);
    }

    #[test]
    fn a_key_whose_notes_cannot_be_read_is_blocked() {
        let id = format!("principal/{}", key(1));
        let body = r#"{"name": 7, "blocked": true}"#;
        let policies = Policies::read(None, [Document { id: &id, body }]);
        assert_eq!(policies.problems().len(), 1);
        let decision = policies.decide(Caller::Key(key(1)), A::Greet, Resource::Server);
        assert_eq!(decision, Decision::Deny(Reason::Blocked));
    }

    #[test]
    fn the_owner_is_told_why_and_nobody_else() {
        let (policies, name) = (policies(), "notes".parse().unwrap());
        let database = Resource::Database { name: &name, uuid: Some(DB) };
        let why = |who: u8, action| {
            let explained = policies.explain(Caller::Key(key(who)), action, database).sentence;
            explained.split_once(": ").unwrap().1.to_owned()
        };
        assert_eq!(why(1, A::Read), "it is listed under readers.");
        assert_eq!(
            why(10, A::Read),
            "it is in the group inner, that in outer, which is listed under readers."
        );
        assert_eq!(
            why(3, A::WriteViews),
            "it is listed under members, and it is listed under designers."
        );
        assert_eq!(
            why(1, A::Write),
            "no list of its policy that names it gives this; it may only read."
        );
        assert!(why(9, A::Read).contains("it is told that there is no such database"));
        assert_eq!(why(7, A::Greet), "the owner has blocked this key.");
        assert_eq!(why(8, A::Create), "it is one of the owner's own devices.");
        let named = policies.explain(Caller::Key(key(8)), A::Read, database).sentence;
        assert!(named.starts_with(&format!("phone ({}) may read notes", key(8))), "{named}");
        assert_eq!(Reason::Hidden.to_string(), "Database does not exist.");
    }
}
