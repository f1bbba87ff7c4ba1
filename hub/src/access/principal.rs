//! Principals and the decision of the gate.

use std::sync::Arc;

use super::app::{App, OWNER};
use crate::http::HttpError;

/// Who sent a request.
#[derive(Clone, Debug)]
pub(crate) enum Principal {
    /// Nobody that the hub knows.
    Anonymous,
    /// Whoever holds the owner's token, or speaks over the owner-only socket.
    Owner,
    /// A local app with a token of its own.
    App(Arc<App>),
}

impl Principal {
    /// The name in `userCtx`.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::Owner => Some(OWNER),
            Self::App(app) => Some(app.name()),
        }
    }

    /// The roles in `userCtx`: CouchDB's `_admin` for whoever may do everything.
    pub(crate) fn roles(&self) -> &'static [&'static str] {
        if self.is_admin() { &["_admin"] } else { &[] }
    }

    /// Whether this is the owner, or an app that may do whatever the owner may.
    pub(crate) fn is_admin(&self) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Owner => true,
            Self::App(app) => app.is_admin(),
        }
    }

    /// Whether it is still known: an app that was removed or changed is not, and what it began,
    /// for instance a feed, ends.
    pub(crate) fn is_current(&self) -> bool {
        match self {
            Self::Anonymous | Self::Owner => true,
            Self::App(app) => app.is_current(),
        }
    }
}

/// What a route does; the rights that it needs follow from this and the database it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// What anybody may see: that there is a hub, and who one is oneself.
    Greet,
    /// See what the server shows to every principal: names of its own databases, tasks, uuids.
    UseServer,
    /// Read documents, attachments, changes and database information.
    Read,
    /// Write documents and attachments, local ones included; compact what is superseded away.
    Write,
    /// Write design documents.
    WriteDesign,
    /// Create the database.
    Create,
    /// Delete the database, purge documents of it, or change its security object or its limits.
    Administer,
    /// Manage the hub itself: apps, backups, verification.
    AdministerServer,
}

/// What the gate says.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Go on.
    Allow,
    /// Nobody is logged in: 401.
    LogIn,
    /// Logged in without the right: 403.
    Forbid,
}

impl Decision {
    /// The decision as an error to answer with.
    pub(crate) fn allowed(self) -> Result<(), HttpError> {
        match self {
            Self::Allow => Ok(()),
            Self::LogIn => Err(HttpError::LogIn),
            Self::Forbid => Err(HttpError::Forbidden),
        }
    }
}

/// May this principal do this, to this database where the route names one?
pub(crate) fn decide(principal: &Principal, action: Action, db: Option<&str>) -> Decision {
    match principal {
        _ if action == Action::Greet => Decision::Allow,
        Principal::Owner => Decision::Allow,
        Principal::Anonymous => Decision::LogIn,
        Principal::App(app) if !app.is_current() => Decision::LogIn,
        Principal::App(app) if app.is_admin() => Decision::Allow,
        Principal::App(app) => {
            let granted = match action {
                Action::Greet | Action::UseServer => true,
                Action::Read => db.is_some_and(|db| app.reads(db)),
                Action::Write | Action::WriteDesign | Action::Create => {
                    db.is_some_and(|db| app.writes(db))
                }
                Action::Administer | Action::AdministerServer => false,
            };
            if granted { Decision::Allow } else { Decision::Forbid }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::app::AppDocument;
    use super::super::token::TokenHash;
    use super::*;
    use Action as A;

    fn app(admin: bool) -> Arc<App> {
        let document: AppDocument = serde_json::from_value(serde_json::json!({
            "name": "a", "admin": admin, "token": TokenHash::of("t").unwrap(), "created": 0,
            "databases": [{"name": "read", "write": false}, {"name": "write", "write": true}],
        }))
        .unwrap();
        Arc::new(App::new(document))
    }

    const ALL: [Action; 8] = [
        A::Greet,
        A::UseServer,
        A::Read,
        A::Write,
        A::WriteDesign,
        A::Create,
        A::Administer,
        A::AdministerServer,
    ];

    fn check(principal: &Principal, db: Option<&str>, allowed: &[Action]) {
        for action in ALL {
            let allow = decide(principal, action, db) == Decision::Allow;
            assert_eq!(allow, allowed.contains(&action), "{principal:?} {action:?} {db:?}");
        }
    }

    #[test]
    fn every_cell_of_the_table() {
        let nobody = Principal::Anonymous;
        let limited = Principal::App(app(false));
        let writes = [A::Greet, A::UseServer, A::Read, A::Write, A::WriteDesign, A::Create];
        for db in [None, Some("read"), Some("write"), Some("other"), Some("_users"), Some("")] {
            check(&nobody, db, &[A::Greet]);
            check(&Principal::Owner, db, &ALL);
            check(&Principal::App(app(true)), db, &ALL);
            match db {
                Some("read") => check(&limited, db, &[A::Greet, A::UseServer, A::Read]),
                Some("write") => check(&limited, db, &writes),
                _ => check(&limited, db, &[A::Greet, A::UseServer]),
            }
        }
        assert_eq!(decide(&nobody, A::Read, Some("read")), Decision::LogIn);
        assert_eq!(decide(&limited, A::Write, Some("read")), Decision::Forbid);
    }

    #[test]
    fn a_retired_app_is_nobody() {
        for admin in [false, true] {
            let app = app(admin);
            app.retire();
            check(&Principal::App(app), Some("write"), &[A::Greet]);
        }
    }
}
