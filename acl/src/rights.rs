//! Rights on a database, as a set.

use std::ops::{BitOr, BitOrAssign};

use crate::Action;

/// A set of rights on one database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights(u8);

impl Rights {
    /// Read everything.
    pub(crate) const READ: Self = Self(1);
    /// Write documents.
    pub(crate) const WRITE: Self = Self(1 << 1);
    /// Write views, for whoever may write documents.
    pub(crate) const DESIGN_VIEWS: Self = Self(1 << 2);
    /// Write any design document.
    pub(crate) const DESIGN: Self = Self(1 << 3);
    /// Create the database.
    pub(crate) const CREATE: Self = Self(1 << 4);
    /// Read some view or other; which one is asked for by its name.
    pub(crate) const SOME_VIEW: Self = Self(1 << 5);

    /// What a list of each kind gives.
    pub(crate) const READERS: Self = Self::READ;
    /// See [`Self::READERS`].
    pub(crate) const MEMBERS: Self = Self(Self::READ.0 | Self::WRITE.0);
    /// See [`Self::READERS`].
    pub(crate) const ADMINS: Self = Self(Self::MEMBERS.0 | Self::DESIGN_VIEWS.0 | Self::DESIGN.0);
    /// What an app may that was given a database to write to.
    pub(crate) const GRANTED: Self = Self(Self::ADMINS.0 | Self::CREATE.0);

    /// Whether all of the others are among these.
    pub(crate) fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether there is nothing that these allow: making views is a right of those who may write.
    pub(crate) fn is_nothing(self) -> bool {
        self.0 & !Self::DESIGN_VIEWS.0 == 0
    }

    /// Whether they allow this to be done with the database. `local` says that the caller has local
    /// documents of its own, so that who reads may write those.
    pub(crate) fn allow(self, action: Action, local: bool) -> bool {
        match action {
            Action::Greet => true,
            Action::UseServer | Action::Administer | Action::AdministerServer => false,
            Action::Read | Action::ReadView => self.has(Self::READ),
            Action::Write => self.has(Self::WRITE),
            Action::WriteLocal => self.has(if local { Self::READ } else { Self::WRITE }),
            Action::WriteViews => self.has(Self::WRITE | Self::DESIGN_VIEWS),
            Action::WriteDesign => self.has(Self::DESIGN),
            Action::Create => self.has(Self::CREATE),
        }
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Rights {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
