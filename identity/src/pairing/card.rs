//! What one side says of itself: the name that it suggests, where it is reached, what it will share.

use serde::{Deserialize, Serialize};

use super::FindKey;
use crate::{HttpKeyUrl, PublicKey};

/// Longest name that is read, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// Most ways to one hub.
pub const REACH_MAX: usize = 8;

/// Most databases that are shared at once.
pub const SHARES_MAX: usize = 64;

/// Longest name of a database, in bytes.
pub const DATABASE_BYTES_MAX: usize = 238;

/// What one side says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The name that it suggests: any text, so that it is for whoever shows it to make it harmless.
    pub name: String,
    /// Where it is reached, the way that it likes best first.
    pub reach: Vec<HttpKeyUrl>,
    /// What it will share, once both have agreed.
    pub share: Vec<Share>,
    /// By which key it looks for the other's onion service, where the link of the two has a [`FindSecret`]:
    /// whoever sends a link without one may not know this member.
    ///
    /// [`FindSecret`]: super::FindSecret
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub find: Option<FindKey>,
}

/// A database that will be shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// What it is called where it is.
    pub database: String,
    /// What the other may do with it.
    pub right: Right,
}

/// What the other may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Read it.
    Read,
    /// Read it and write documents.
    Write,
}

/// What a side says of itself cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// Too long a name.
    #[error("the name that the other side suggests is longer than {NAME_BYTES_MAX} bytes")]
    Name,
    /// Too many ways, or one that leads to somebody else.
    #[error("the other side names more than {REACH_MAX} ways to it, or ways to somebody else")]
    Reach,
    /// Too much that is shared, or what is no name of a database.
    #[error("the other side shares more than {SHARES_MAX} databases, or what is none")]
    Share,
}

impl Card {
    /// The card, where it can be that of the hub with this key.
    pub(super) fn checked(self, key: PublicKey) -> Result<Self, CardError> {
        if self.name.len() > NAME_BYTES_MAX {
            return Err(CardError::Name);
        }
        let its_own = |url: &HttpKeyUrl| url.key() == key && url.path() == "/";
        if self.reach.len() > REACH_MAX || !self.reach.iter().all(its_own) {
            return Err(CardError::Reach);
        }
        let named = |share: &Share| (1..=DATABASE_BYTES_MAX).contains(&share.database.len());
        if self.share.len() > SHARES_MAX || !self.share.iter().all(named) {
            return Err(CardError::Share);
        }
        Ok(self)
    }

    /// As much of it as somebody may know whose person has not said yes.
    pub(super) fn name_alone(&self) -> Self {
        Self { name: self.name.clone(), ..Self::default() }
    }
}
