//! Why a policy leaves a conflict to a person.

use store::ConflictPolicy;

/// What a policy says of a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It decides it as soon as the document, or the policy, changes.
    Decides,
    /// It leaves conflicts to apps and persons.
    Keeps,
    /// There is a live leaf of which nothing says when it was written.
    Untimed(String),
}

impl Verdict {
    /// What a policy says of live leaves, some of which have no time.
    pub(super) fn of(policy: &ConflictPolicy, all_have_times: bool) -> Self {
        match policy {
            ConflictPolicy::Keep => Self::Keeps,
            _ if all_have_times => Self::Decides,
            ConflictPolicy::Newest => Self::Untimed("a revision that no hub stamped".into()),
            ConflictPolicy::NewestBy(field) => {
                Self::Untimed(format!("a revision without a time in {field}, which no hub stamped"))
            }
        }
    }

    /// One word.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Decides => "decides",
            Self::Keeps => "keep",
            Self::Untimed(_) => "untimed",
        }
    }

    /// The same to people.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Decides => "the policy decides it with the next edit",
            Self::Keeps => "policy keep: it leaves conflicts to apps and to you",
            Self::Untimed(reason) => reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_every_policy() {
        for (policy, timed, code, reason) in [
            ("keep", true, "keep", "policy keep"),
            ("keep", false, "keep", "policy keep"),
            ("newest", false, "untimed", "no hub stamped"),
            ("newest_by:/edited", false, "untimed", "/edited"),
            ("newest", true, "decides", "next edit"),
            ("newest_by:/edited", true, "decides", "next edit"),
        ] {
            let verdict = Verdict::of(&policy.parse().unwrap(), timed);
            assert_eq!(verdict.code(), code, "{policy}");
            assert!(verdict.reason().contains(reason), "{policy}: {}", verdict.reason());
        }
    }
}
