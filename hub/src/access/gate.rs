//! The gate: may whoever asks do this, to this?

use acl::{Action, Caller, Decision, Reason, Resource, Scope};
use store::DbName;

use super::Principal;
use crate::app::App;
use crate::http::HttpError;

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

/// System databases that say who may do what; devices elsewhere write to them by their own hub.
const RIGHTS: [&str; 2] = [super::policies::DATABASE, super::apps::DATABASE];

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
        if !principal.is_current() {
            return Decision::Deny(Reason::LogIn);
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
        let (db, view) = match target {
            Target::Server => return policies.decide(caller, action, Resource::Server),
            Target::Database(db) => (db, None),
            Target::View { db, design, view } => (db, Some((design, view))),
        };
        let Ok(name) = db.parse::<DbName>() else {
            // What cannot be a name names no database.
            return match (policies.decide(caller, action, Resource::Server), caller) {
                (Decision::Deny(Reason::Forbid), Caller::Key(_)) => Decision::Deny(Reason::Hidden),
                (decision, _) => decision,
            };
        };
        let (name, uuid) = (&name, self.store.database(&name).map(|database| database.uuid()));
        let resource = match view {
            None => Resource::Database { name, uuid },
            Some((design, view)) => Resource::View { name, uuid, design, view },
        };
        policies.decide(caller, action, resource)
    }

    /// Whether the principal may read the database.
    pub(crate) fn reads(&self, principal: &Principal, db: &str) -> bool {
        self.decide(principal, Action::Read, Target::Database(db)).is_allowed()
    }
}

/// Whether nobody does this from elsewhere, not even the owner's own devices: managing the hub, and
/// saying who may do what.
fn is_done_here(action: Action, target: Target<'_>) -> bool {
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
