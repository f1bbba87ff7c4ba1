//! What the owner notes of a principal.

use serde::{Deserialize, Serialize};

/// What a document `principal/<key>` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalNotes {
    /// Its petname, which only this hub uses.
    #[serde(default)]
    pub name: String,
    /// Whether it is a device of the owner's own, which may do whatever the owner may. A document that
    /// says so makes it none.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
    /// Whether the owner wants nothing to do with it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub blocked: bool,
    /// Whether it is blocked only because the owner has taken it away, and may be paired with anew.
    #[serde(default, skip_serializing_if = "is_false")]
    pub removed: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl PrincipalNotes {
    /// What is assumed of a key whose document cannot be read: it may have said that it is blocked.
    pub(crate) fn unreadable() -> Self {
        Self { name: String::new(), own: false, blocked: true, removed: false }
    }
}
