//! The documents of the system database `_acl`.

use crate::group::GROUP_MEMBERS_MAX;
use crate::policies::{DOCUMENTS_MAX, GROUPS_MAX};
use crate::policy::POLICY_WORDS_MAX;
use crate::word::WordError;

/// Before a database's uuid, in the id of its policy.
pub const DATABASE_PREFIX: &str = "database/";

/// Before a group's name, in the id of its document.
pub const GROUP_PREFIX: &str = "group/";

/// Before a key, in the id of what the owner notes of it.
pub const PRINCIPAL_PREFIX: &str = "principal/";

/// A document as `_acl` has it.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its JSON, with or without `_id` and `_rev`.
    pub body: &'a str,
}

/// A document that grants nothing because it could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{id}: {error}")]
pub struct Problem {
    /// The document's id.
    pub id: String,
    /// What is wrong with it.
    #[source]
    pub error: DocumentError,
}

/// A document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is no JSON of this kind.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It is no object.
    #[error("Request body must be a JSON object")]
    NoObject,
    /// One of the lists of a policy is no object.
    ///
    /// Source: `couch_db:validate_security_doc/1`.
    #[error("admins or members must be a JSON list of strings")]
    NoList,
    /// One of the lists is of our own, and is no object.
    #[error("{0} must be a JSON object with the lists names and roles")]
    NoListOf(&'static str),
    /// `names` or `roles` is no list of strings.
    #[error("{0} must be a JSON list of strings")]
    NoStrings(&'static str),
    /// A view is not named as `design/view`.
    #[error("`{0}` names no view: a view is DESIGN/VIEW, a `/` within either is written %2F")]
    View(String),
    /// A member that no document can have.
    #[error("Bad special document member: {0}")]
    Reserved(String),
    /// A word is malformed.
    #[error(transparent)]
    Word(#[from] WordError),
    /// More than [`POLICY_WORDS_MAX`].
    #[error("a policy names at most {POLICY_WORDS_MAX} principals and groups")]
    TooManyWords,
    /// More than [`GROUP_MEMBERS_MAX`].
    #[error("a group has at most {GROUP_MEMBERS_MAX} members")]
    TooManyMembers,
    /// More than [`GROUPS_MAX`].
    #[error("there are more than {GROUPS_MAX} groups")]
    TooManyGroups,
    /// More than [`DOCUMENTS_MAX`]: then none of them is heeded.
    #[error("there are more than {DOCUMENTS_MAX} documents, so none grants anything")]
    TooManyDocuments,
    /// The id says neither what the document is nor of what.
    #[error("the id is neither database/UUID, group/NAME nor principal/KEY")]
    Id,
}
