//! What a database does about conflicts, and doing it.

use super::commit::time_of;
use super::queue::{Job, Settle};
use super::{Database, Snapshot, setting};
use crate::rev_tree::Node;
use crate::stamp::Stamp;
use crate::{ConflictPolicy, ConflictRule, Direction, DocId, Error, Millis, Seq};

/// Changes that are looked at together.
const CHANGES_AT_ONCE: usize = 500;

impl Database {
    /// What is done about conflicts; [`ConflictPolicy::Keep`] in version 0 unless set.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn conflict_rule(&self) -> Result<ConflictRule, Error> {
        setting::conflict_rule(self.setting(setting::CONFLICT_RULE)?.as_deref())
    }

    /// Sets what is done about conflicts of documents that change from now on. For those that are there
    /// already, call [`Self::resolve_conflicts`] after it.
    ///
    /// # Errors
    /// Any of [`Error`].
    #[expect(clippy::needless_pass_by_value, reason = "whoever sets a rule is done with it")]
    pub fn set_conflict_rule(&self, rule: ConflictRule) -> Result<(), Error> {
        let value = rule.encode();
        self.wait(|done| Job::Setting { key: setting::CONFLICT_RULE, value, done })
    }

    /// Decides what the rule decides among conflicts that are in the database already, some at a time while
    /// others write; how many documents changed.
    ///
    /// # Errors
    /// Any of [`Error`]; what was decided by then stays so.
    pub fn resolve_conflicts(&self, now: Millis) -> Result<u64, Error> {
        if self.conflict_rule()?.policy == ConflictPolicy::Keep {
            return Ok(0);
        }
        // What changes meanwhile is decided as it does.
        let (mut after, until) = (Seq(0), self.update_seq().seq);
        let mut changed = 0;
        while after < until {
            let changes = self
                .read(|snapshot| snapshot.changes(after, Direction::Ascending, CHANGES_AT_ONCE))?;
            let Some(last) = changes.last() else { break };
            after = last.seq;
            let undecided = |leaves: &[(crate::RevId, bool)]| leaves.len() > 1 || leaves[0].1;
            let ids: Vec<DocId> = changes
                .into_iter()
                .filter(|change| change.seq <= until && undecided(&change.leaves))
                .map(|change| change.id)
                .collect();
            if !ids.is_empty() {
                changed += self.settle(Settle::Resolve { ids, now })?;
            }
        }
        Ok(changed)
    }

    pub(super) fn settle(&self, settle: Settle) -> Result<u64, Error> {
        self.wait(|done| Job::Settle { settle, done })
    }
}

impl Snapshot<'_> {
    /// When a leaf was written, as far as a policy can tell: by its field where the policy names one, else by
    /// its stamp. A conflict with a live leaf of which that is not known is decided by nobody.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn written(&self, policy: &ConflictPolicy, leaf: &Node) -> Result<Option<Stamp>, Error> {
        let field = match policy {
            ConflictPolicy::NewestBy(field) => Some(field),
            ConflictPolicy::Keep | ConflictPolicy::Newest => None,
        };
        time_of(self.rows, field, leaf, leaf.stored.map(|stored| stored.body))
    }
}
