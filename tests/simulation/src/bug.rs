//! Bugs on purpose: whoever looks for faults must be able to find these.

use std::fmt;
use std::str::FromStr;

/// A bug that a run has on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Of leaves written at the same time, the one that a hub saw first wins.
    Ties,
    /// Nothing is kept of what a resolution tombstone from elsewhere takes away.
    Overwritten,
    /// A target remembers how far it is before what it was sent is durable.
    Checkpoint,
    /// Hubs follow whatever rule they know, and do not ask for each other's.
    Policies,
    /// Whatever looks like a stamped revision id is taken for one.
    Stamps,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Ties, Self::Overwritten, Self::Checkpoint, Self::Policies, Self::Stamps];

    fn name(self) -> &'static str {
        match self {
            Self::Ties => "ties",
            Self::Overwritten => "overwritten",
            Self::Checkpoint => "checkpoint",
            Self::Policies => "policies",
            Self::Stamps => "stamps",
        }
    }
}

/// From now on stores on this thread have the bug, or none.
///
/// # Errors
/// When it is not compiled in.
pub(crate) fn set(bug: Option<Bug>) -> Result<(), String> {
    #[cfg(feature = "deliberate-bugs")]
    store::deliberate::set(match bug {
        Some(Bug::Ties) => Some(store::deliberate::Bug::TiesByArrival),
        Some(Bug::Overwritten) => Some(store::deliberate::Bug::NothingKeptOfReplicated),
        Some(Bug::Stamps) => Some(store::deliberate::Bug::StampsByShape),
        Some(Bug::Checkpoint | Bug::Policies) | None => None,
    });
    match bug {
        Some(bug) if cfg!(not(feature = "deliberate-bugs")) => {
            Err(format!("{bug} needs `--features deliberate-bugs`"))
        }
        Some(_) | None => Ok(()),
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|bug| bug.name() == text);
        found.ok_or_else(|| format!("bugs are {}", Self::ALL.map(Self::name).join(", ")))
    }
}
