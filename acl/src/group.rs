//! Groups: named sets of principals and groups.

use std::fmt;
use std::str::FromStr;

use identity::PublicKey;
use serde::{Deserialize, Serialize};

use crate::documents::DocumentError;
use crate::word::{self, Who};

/// Most members of a group.
pub const GROUP_MEMBERS_MAX: usize = 10_000;

/// Longest name of a group, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// The name of a group. What begins with an underscore is none: CouchDB's own roles do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(Box<str>);

/// The text cannot name a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name a group: at most {NAME_BYTES_MAX} bytes without `/`, `:`, `?`, `#`, `%` and \
     control characters, no space at either end, and the first is no underscore"
)]
pub struct GroupNameError(String);

impl GroupName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for GroupName {
    type Err = GroupNameError;

    fn from_str(text: &str) -> Result<Self, GroupNameError> {
        let barred = |c: char| c.is_control() || "/:?#%".contains(c);
        let fits = !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.trim() == text;
        if !fits || text.starts_with('_') || text.contains(barred) {
            return Err(GroupNameError(text.into()));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for GroupName {
    type Error = GroupNameError;

    fn try_from(text: String) -> Result<Self, GroupNameError> {
        text.parse()
    }
}

impl From<GroupName> for String {
    fn from(name: GroupName) -> Self {
        name.0.into()
    }
}

/// What a document `group/<name>` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Who is in it; what names nobody is left out.
    pub members: Vec<Who>,
}

#[derive(Deserialize)]
struct Text {
    members: Vec<String>,
}

impl Group {
    /// Reads the document. `hub` is this hub's own key: URLs of groups of others name nobody.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn parse(body: &str, hub: Option<PublicKey>) -> Result<Self, DocumentError> {
        let text: Text = serde_json::from_str(body)?;
        if text.members.len() > GROUP_MEMBERS_MAX {
            return Err(DocumentError::TooManyMembers);
        }
        let words = text.members.iter().map(|text| word::member(text, hub));
        let members: Vec<Option<Who>> = words.collect::<Result<_, _>>()?;
        Ok(Self { members: members.into_iter().flatten().collect() })
    }
}
