//! Who may do what: principals, groups and policies to decisions.
//!
//! ```
//! use acl::{Action, Caller, Decision, Document, Policies, Reason, Resource, Scope};
//! use store::{DbName, DbUuid};
//!
//! let uuid = DbUuid([7; 16]);
//! let family = r#"{"members": ["nnvaasbf2qpiyfmhwaln4jbi2tbjrvi5lmxcghdivbgh5igkcqga"]}"#;
//! let policy = r#"{"readers": {"roles": ["family"]}}"#;
//! let id = format!("database/{uuid}");
//! let policies = Policies::read(None, [
//!     Document { id: "group/family", body: family },
//!     Document { id: &id, body: policy },
//! ]);
//!
//! let aunt = Caller::Key("nnvaasbf2qpiyfmhwaln4jbi2tbjrvi5lmxcghdivbgh5igkcqga".parse()?);
//! let photos = "photos".parse()?;
//! let photos = Resource::Database { name: &photos, uuid: Some(uuid) };
//! assert_eq!(policies.decide(aunt, Action::Read, photos), Decision::Allow(Scope::Database));
//! assert_eq!(policies.decide(aunt, Action::Write, photos), Decision::Deny(Reason::Forbid));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod decide;
mod documents;
mod explain;
mod grant;
mod group;
mod nesting;
mod people;
mod policies;
mod policy;
mod principal;
mod rights;
mod word;

pub use access::{Action, Caller, Decision, Reason, Resource, Scope};
pub use documents::{
    DATABASE_PREFIX, Document, DocumentError, GROUP_PREFIX, PRINCIPAL_PREFIX, Problem,
};
pub use explain::Explanation;
pub use grant::{Grant, GrantError};
pub use group::{GROUP_MEMBERS_MAX, Group, GroupName, GroupNameError};
pub use people::{DEVICES_OF_FRIEND_MAX, People, Vouched};
pub use policies::{DOCUMENTS_MAX, Device, GROUPS_MAX, Policies};
pub use policy::{POLICY_WORDS_MAX, Place, Policy, Right};
pub use principal::PrincipalNotes;
pub use word::{Who, WordError};
