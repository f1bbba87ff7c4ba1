//! Why the gate decides as it does, for the owner.

use std::fmt;

use identity::PublicKey;

use crate::access::{Action, Caller, Decision, Reason, Resource, Scope};
use crate::decide::{Target, granted};
use crate::policies::{Compiled, Policies};
use crate::policy::LISTS;
use crate::rights::Rights;
use crate::word::Who;

/// A decision and the grounds of it. For the owner alone: who asked sees [`Reason`] and no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// A sentence: by which list, group or grant it is allowed, or what is missing.
    pub sentence: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Policies {
    /// The decision of [`Self::decide`], and why.
    pub fn explain(
        &self,
        caller: Caller<'_>,
        action: Action,
        resource: Resource<'_>,
    ) -> Explanation {
        let decision = self.decide(caller, action, resource);
        let verb = if decision.is_allowed() { "may" } else { "may not" };
        let (who, what) = (self.label(caller), what(action, resource));
        let why = match decision {
            Decision::Allow(scope) => self.ground(caller, action, resource, scope),
            Decision::Deny(reason) => self.obstacle(caller, resource, reason),
        };
        Explanation { decision, sentence: format!("{who} {verb} {what}: {why}.") }
    }

    /// Who the caller is, with its petname.
    fn label(&self, caller: Caller<'_>) -> String {
        match caller {
            Caller::Anonymous => "Whoever is not logged in".into(),
            Caller::Owner => "The owner".into(),
            Caller::App { name, .. } => format!("The app {name}"),
            Caller::Key(key) => match (self.person(key), self.name_of(self.person(key))) {
                (person, Some(name)) if person == key => format!("{name} ({key})"),
                (person, None) if person == key => format!("The key {key}"),
                (friend, Some(name)) => {
                    format!("The key {key}, as a device of {name} ({friend}),")
                }
                (friend, None) => format!("The key {key}, as a device of the key {friend},"),
            },
        }
    }

    /// What the owner calls somebody, where that is noted.
    fn name_of(&self, key: PublicKey) -> Option<&str> {
        let name = self.principals.get(&key).map(|notes| notes.name.as_str());
        name.filter(|name| !name.is_empty())
    }

    fn ground(
        &self,
        caller: Caller<'_>,
        action: Action,
        resource: Resource<'_>,
        scope: Scope,
    ) -> String {
        let everything = match caller {
            Caller::Owner => Some("the owner may do everything"),
            Caller::App { admin: true, .. } => Some("it is an admin app"),
            Caller::Key(key) if self.principals.get(&key).is_some_and(|notes| notes.own) => {
                Some("it is one of the owner's own devices")
            }
            Caller::Anonymous | Caller::App { .. } | Caller::Key(_) => None,
        };
        if let Some(ground) = everything {
            return ground.into();
        }
        match action {
            Action::Greet => return "everybody may whose key is not blocked".into(),
            Action::UseServer => return "every app may".into(),
            _ => {}
        }
        if let (Caller::App { grants, .. }, Some(target)) = (caller, Target::of(resource))
            && granted(grants, target.name).allow(action, false)
        {
            return format!("it was given the database {} when it was added", target.name);
        }
        self.listed(caller, action, resource, scope)
    }

    /// The lists that a right comes from: one that gives it, or the two that do so together.
    fn listed(
        &self,
        caller: Caller<'_>,
        action: Action,
        resource: Resource<'_>,
        scope: Scope,
    ) -> String {
        let found = self.who(caller).zip(self.compiled(resource));
        let Some((who, compiled)) = found else { return "a list names it".into() };
        if scope == Scope::View {
            let way = self.way_to_view(&who, compiled, resource);
            return format!("{way} may read this view, and nothing else of the database");
        }
        let local = matches!(who, Who::Key(_));
        let ways: Vec<(Rights, String)> = self.ways(&who, compiled);
        if let Some((_, way)) = ways.iter().find(|(rights, _)| rights.allow(action, local)) {
            return way.clone();
        }
        let part = |(rights, _): &&(Rights, String)| {
            rights.has(Rights::WRITE) || rights.has(Rights::DESIGN_VIEWS)
        };
        let ways: Vec<&str> = ways.iter().filter(part).map(|(_, way)| way.as_str()).collect();
        if ways.is_empty() { "a list names it".into() } else { ways.join(", and ") }
    }

    /// Every list that names somebody, with the shortest way to it.
    fn ways(&self, who: &Who, compiled: &Compiled) -> Vec<(Rights, String)> {
        let mut ways = Vec::new();
        for ((name, rights), list) in LISTS.iter().zip(&compiled.policy.lists) {
            if let Some(way) = self.way(who, list) {
                ways.push((*rights, format!("{way} is listed under {name}")));
            }
        }
        ways
    }

    fn way_to_view(&self, who: &Who, compiled: &Compiled, resource: Resource<'_>) -> String {
        let wanted = Target::of(resource).and_then(|target| target.view);
        let lists = compiled.policy.views.iter();
        let mut lists = lists.filter(|list| wanted == Some((&list.design, &list.view)));
        lists.find_map(|list| self.way(who, &list.who)).unwrap_or_else(|| "it".into())
    }

    /// How a list comes to name somebody: itself, or a group that it is in.
    fn way(&self, who: &Who, list: &[Who]) -> Option<String> {
        if list.contains(who) {
            return Some("it".into());
        }
        let groups = self.nesting.groups_of(who)?;
        let named = list.iter().filter_map(|word| match word {
            Who::Group(name) => self.nesting.find(name).filter(|group| groups.has(*group)),
            Who::Key(_) | Who::App(_) => None,
        });
        let paths = named.map(|group| self.nesting.path(who, group));
        let path = paths.min_by_key(Vec::len)?;
        let names: Vec<String> = path.iter().map(ToString::to_string).collect();
        Some(match names.as_slice() {
            [] => return None,
            [only] => format!("it is in the group {only}, which"),
            [first, rest @ ..] => {
                format!("it is in the group {first}, that in {}, which", rest.join(", that in "))
            }
        })
    }

    fn obstacle(&self, caller: Caller<'_>, resource: Resource<'_>, reason: Reason) -> String {
        match reason {
            Reason::LogIn => return "it has to log in first".into(),
            Reason::Blocked => return "the owner has blocked this key".into(),
            Reason::Forbid | Reason::Hidden => {}
        }
        let Some(target) = Target::of(resource) else {
            return "only the owner, or an admin app, may".into();
        };
        if target.name.is_system() {
            return "it is a system database, which no policy and no grant opens".into();
        }
        let Some(who) = self.who(caller) else { return "nothing allows it".into() };
        let grants = match caller {
            Caller::App { grants, .. } => granted(grants, target.name),
            Caller::Anonymous | Caller::Owner | Caller::Key(_) => Rights::default(),
        };
        let rights = grants | self.rights(&who, target);
        let lacking = match (target.uuid, self.compiled(resource)) {
            (None, _) => "there is no database of that name",
            (Some(_), None) => "the database has no policy, so it is the owner's alone",
            (Some(_), Some(_)) => "no list of its policy that names it gives this",
        };
        let has = has(rights);
        match reason {
            Reason::Hidden => format!("{lacking}; it is told that there is no such database"),
            _ if has.is_empty() => lacking.into(),
            _ => format!("{lacking}; it may only {}", has.join(" and ")),
        }
    }

    fn compiled(&self, resource: Resource<'_>) -> Option<&Compiled> {
        let uuid = Target::of(resource).and_then(|target| target.uuid)?;
        self.databases.get(&uuid)
    }
}

/// What rights amount to, in words.
fn has(rights: Rights) -> Vec<&'static str> {
    let words = [
        (Rights::READ, "read"),
        (Rights::WRITE, "write documents"),
        (Rights::DESIGN_VIEWS | Rights::WRITE, "write views"),
        (Rights::DESIGN, "write design documents"),
        (Rights::SOME_VIEW, "read some of its views"),
    ];
    let has = |&(right, _): &(Rights, _)| {
        rights.has(right) && !(right == Rights::SOME_VIEW && rights.has(Rights::READ))
    };
    words.iter().filter(|word| has(word)).map(|(_, word)| *word).collect()
}

fn what(action: Action, resource: Resource<'_>) -> String {
    match Target::of(resource) {
        _ if matches!(action, Action::Greet | Action::UseServer | Action::AdministerServer) => {
            action.to_string()
        }
        None => format!("{action} a database"),
        Some(Target { name, view: None, .. }) => format!("{action} {name}"),
        Some(Target { name, view: Some((design, view)), .. }) => {
            format!("{action} {name} (_design/{design}, {view})")
        }
    }
}
