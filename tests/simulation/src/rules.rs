//! Which rule a hub follows in a database, and how a change of it gets around: as records of `_dbs` do,
//! which hubs compare before anything else.

use std::cmp::Ordering;

use store::{ConflictPolicy, ConflictRule};

use crate::bug::Bug;
use crate::device::DATABASES;
use crate::event::Job;
use crate::world::World;

/// What a rule may say.
const POLICIES: [&str; 4] = ["newest", "newest", "newest_by:/at", "keep"];

impl World {
    /// Gives every hub the same first rules.
    pub(crate) fn begin_rules(&mut self) {
        for db in 0..DATABASES.len() {
            let policy = self.any_policy();
            let version = u64::from(policy != ConflictPolicy::Keep);
            self.policies_had.push(vec![policy.clone()]);
            for device in 0..self.devices.len() {
                if self.devices[device].is_hub() {
                    self.set_rule(device, db, ConflictRule { policy: policy.clone(), version });
                }
            }
        }
    }

    fn any_policy(&mut self) -> ConflictPolicy {
        let text = self.random.pick(&POLICIES).copied().unwrap_or("keep");
        text.parse().unwrap_or_default()
    }

    /// A person decides otherwise.
    pub(crate) fn change_rule(&mut self, device: usize, db: usize) {
        let Some(known) = self.rule(device, db) else { return };
        let policy = self.any_policy();
        self.policies_had[db].push(policy.clone());
        let rule = ConflictRule { policy, version: known.version + 1 };
        self.ask_disk(device, Job::Rule { db, rule });
    }

    /// Follows a rule from now on, unless it is older than the one that is followed.
    pub(crate) fn set_rule(&mut self, device: usize, db: usize, rule: ConflictRule) {
        let Some(database) = self.devices[device].database(db).cloned() else { return };
        let Some(known) = self.rule(device, db) else { return };
        if order(&known, &rule).is_ge() {
            return;
        }
        let now = self.devices[device].local(self.now);
        let set = database.set_conflict_rule(rule.clone());
        let set = set.and_then(|()| database.resolve_conflicts(now));
        self.trace_line(|_| {
            let ConflictRule { policy, version } = rule;
            format!("{device} follows {policy} ({version}) in {}: {set:?}", DATABASES[db])
        });
    }

    /// Whether two devices have nothing to tell each other about the rule.
    pub(crate) fn is_agreed(&self, target: usize, source: usize, db: usize) -> bool {
        let between_hubs = self.devices[target].is_hub() && self.devices[source].is_hub();
        !between_hubs
            || self.bug == Some(Bug::Policies)
            || self.rule(target, db) == self.rule(source, db)
    }

    /// Whether two hubs follow the same rule; if not, whoever has the older one takes the other's.
    pub(crate) fn agree_on_rule(&mut self, target: usize, source: usize, db: usize) -> bool {
        if self.is_agreed(target, source, db) {
            return true;
        }
        let (Some(here), Some(there)) = (self.rule(target, db), self.rule(source, db)) else {
            return false;
        };
        match order(&here, &there) {
            Ordering::Equal => return true,
            Ordering::Less => self.ask_disk(target, Job::Rule { db, rule: there }),
            Ordering::Greater => self.ask_disk(source, Job::Rule { db, rule: here }),
        }
        false
    }

    pub(crate) fn rule(&self, device: usize, db: usize) -> Option<ConflictRule> {
        self.devices[device].database(db)?.conflict_rule().ok()
    }
}

/// Of two rules of one version the greater text counts.
fn order(one: &ConflictRule, other: &ConflictRule) -> Ordering {
    let text = |rule: &ConflictRule| rule.policy.to_string();
    one.version.cmp(&other.version).then_with(|| text(one).cmp(&text(other)))
}
