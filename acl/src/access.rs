//! The question the gate asks, and its answer.

use std::fmt;

use identity::PublicKey;
use store::{DbName, DbUuid};

use crate::Grant;

/// What a request does; the rights that it needs follow from this and the resource it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// What anybody may see: that there is a hub, and who one is oneself.
    Greet,
    /// See what the server shows to every local program: names of its own databases, tasks, uuids.
    UseServer,
    /// Read documents, attachments, changes and database information.
    Read,
    /// Read the rows of a view.
    ReadView,
    /// Write documents and attachments; compact what is superseded away.
    Write,
    /// Write local documents.
    WriteLocal,
    /// Write design documents that have only `views`, `language` and `options`.
    WriteViews,
    /// Write any design document.
    WriteDesign,
    /// Create the database.
    Create,
    /// Delete the database, purge documents of it, or change its security object or its limits.
    Administer,
    /// Manage the hub itself: apps, rights, backups, verification.
    AdministerServer,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 11] = [
        Self::Greet,
        Self::UseServer,
        Self::Read,
        Self::ReadView,
        Self::Write,
        Self::WriteLocal,
        Self::WriteViews,
        Self::WriteDesign,
        Self::Create,
        Self::Administer,
        Self::AdministerServer,
    ];
}

/// What is done, in words that follow "may".
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greet => "greet the hub",
            Self::UseServer => "use the hub as a local program does",
            Self::Read => "read",
            Self::ReadView => "read a view of",
            Self::Write => "write documents to",
            Self::WriteLocal => "write local documents to",
            Self::WriteViews => "write views to",
            Self::WriteDesign => "write design documents to",
            Self::Create => "create",
            Self::Administer => "administer",
            Self::AdministerServer => "manage the hub",
        })
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The hub as a whole.
    Server,
    /// A database: its name, and what it is where there is one of that name.
    Database {
        /// As the request names it.
        name: &'a DbName,
        /// Policies belong to this; apps' grants go by the name.
        uuid: Option<DbUuid>,
    },
    /// A view of a database.
    View {
        /// As the request names it.
        name: &'a DbName,
        /// As in [`Self::Database`].
        uuid: Option<DbUuid>,
        /// The design document's id behind `_design/`.
        design: &'a str,
        /// The view's name in it.
        view: &'a str,
    },
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// Nobody that the hub knows.
    Anonymous,
    /// Whoever holds the owner's token, or speaks over the owner-only socket.
    Owner,
    /// A local app with a token of its own.
    App {
        /// The name that it logs in with.
        name: &'a str,
        /// Whether it may do whatever the owner may.
        admin: bool,
        /// The databases that it was given.
        grants: &'a [Grant],
    },
    /// Whoever has proven this key.
    Key(PublicKey),
}

/// What the gate says.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on, as far as this.
    Allow(Scope),
    /// Stop, for this reason.
    Deny(Reason),
}

impl Decision {
    /// Whether the request goes on, however far.
    pub fn is_allowed(self) -> bool {
        match self {
            Self::Allow(Scope::Database | Scope::View) => true,
            Self::Deny(_) => false,
        }
    }
}

/// How far what was allowed goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that the action covers.
    Database,
    /// One view alone: its rows as the view wrote them, and nothing else of the documents they are of.
    View,
}

/// Why the gate stops a request, as much as the asker may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody is logged in: 401.
    LogIn,
    /// Known, without the right: 403.
    Forbid,
    /// There is no such database, as far as this asker is concerned: 404, and no different from the
    /// answer about one that does not exist.
    Hidden,
    /// The owner wants nothing to do with this key: 403.
    Blocked,
}

/// What the asker may see.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogIn => "You are not logged in.",
            Self::Forbid | Self::Blocked => "You are not allowed to do this.",
            Self::Hidden => "Database does not exist.",
        })
    }
}
