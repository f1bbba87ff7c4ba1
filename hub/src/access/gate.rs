//! The gate: may whoever asks do this, to this?

use acl::{Action, Caller, Decision, Reason, Resource, Scope};
use store::DbName;

use super::Principal;
use crate::app::App;
use crate::http::HttpError;
use crate::pairing;

/// What a request is about, as its path names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// The hub as a whole.
    Server,
    /// A database, which may not be there.
    Database(&'a str),
    /// A view of a database.
    View {
        /// The database.
        db: &'a str,
        /// The design document, without `_design/`.
        design: &'a str,
        /// The view in it.
        view: &'a str,
    },
}

impl Target<'_> {
    /// The name of the database, where there is one that could be.
    pub(crate) fn name(self) -> Option<DbName> {
        match self {
            Self::Server => None,
            Self::Database(db) | Self::View { db, .. } => DbName::of_existing(db).ok(),
        }
    }
}

/// System databases that say who may do what; devices elsewhere write to them by their own hub.
const RIGHTS: [&str; 4] =
    [super::policies::DATABASE, super::apps::DATABASE, "_devices", "_contacts"];

impl App {
    /// Asks the gate; how far whoever asks may go.
    ///
    /// # Errors
    /// What to answer where they may not.
    pub(crate) fn admit(
        &self,
        principal: &Principal,
        action: Action,
        target: Target<'_>,
    ) -> Result<Scope, HttpError> {
        match self.decide(principal, action, target) {
            Decision::Allow(scope) => Ok(scope),
            Decision::Deny(Reason::LogIn) => Err(HttpError::LogIn),
            Decision::Deny(Reason::Forbid | Reason::Blocked) => Err(HttpError::Forbidden),
            Decision::Deny(Reason::Hidden) => Err(HttpError::NoDatabase),
        }
    }

    /// May this principal do this, to this?
    pub(crate) fn decide(
        &self,
        principal: &Principal,
        action: Action,
        target: Target<'_>,
    ) -> Decision {
        // The owner passes whatever is asked for, so nothing is looked up.
        if matches!(principal, Principal::Owner) {
            return Decision::Allow(Scope::Database);
        }
        if !principal.is_current() {
            return Decision::Deny(Reason::LogIn);
        }
        let blocked = principal.device().filter(|key| self.access.policies().is_blocked(*key));
        if let Some(key) = blocked {
            // Of whoever was removed the door lets through what an open window waits for, and that alone.
            return match action == Action::Greet && pairing::may_return(self, key) {
                true => Decision::Allow(Scope::Database),
                false => Decision::Deny(Reason::Blocked),
            };
        }
        if principal.is_stranger() && action != Action::Greet {
            // As whoever is in no policy.
            return match target {
                Target::Server => Decision::Deny(Reason::Forbid),
                Target::Database(_) | Target::View { .. } => Decision::Deny(Reason::Hidden),
            };
        }
        let decision = self.decide_by_policies(principal.caller(), action, target);
        if decision.is_allowed() && principal.is_elsewhere() && is_done_here(action, target) {
            return Decision::Deny(Reason::Forbid);
        }
        decision
    }

    fn decide_by_policies(
        &self,
        caller: Caller<'_>,
        action: Action,
        target: Target<'_>,
    ) -> Decision {
        let policies = self.access.policies().now();
        let name = target.name();
        if name.is_none() && target != Target::Server {
            // What cannot be a name names no database.
            return match (policies.decide(caller, action, Resource::Server), caller) {
                (Decision::Deny(Reason::Forbid), Caller::Key(_)) => Decision::Deny(Reason::Hidden),
                (decision, _) => decision,
            };
        }
        policies.decide(caller, action, self.resource(target, name.as_ref()))
    }

    /// What a target is about, its database's name parsed.
    pub(crate) fn resource<'a>(
        &self,
        target: Target<'a>,
        name: Option<&'a DbName>,
    ) -> Resource<'a> {
        let Some(name) = name else { return Resource::Server };
        let uuid = self.store.database(name).map(|database| database.uuid());
        match target {
            Target::Server => Resource::Server,
            Target::Database(_) => Resource::Database { name, uuid },
            Target::View { design, view, .. } => Resource::View { name, uuid, design, view },
        }
    }

    /// Whether the principal may read the database.
    pub(crate) fn reads(&self, principal: &Principal, db: &str) -> bool {
        self.decide(principal, Action::Read, Target::Database(db)).is_allowed()
    }
}

/// Whether nobody does this from elsewhere, not even the owner's own devices: managing the hub, and
/// saying who may do what.
pub(crate) fn is_done_here(action: Action, target: Target<'_>) -> bool {
    let changes = !matches!(
        action,
        Action::Greet | Action::UseServer | Action::Read | Action::ReadView | Action::WriteLocal
    );
    match target {
        _ if action == Action::AdministerServer => true,
        Target::Server => false,
        Target::Database(db) | Target::View { db, .. } => changes && RIGHTS.contains(&db),
    }
}
