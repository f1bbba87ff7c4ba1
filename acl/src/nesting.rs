//! Groups in groups: which groups a member of one is in.

use std::collections::{BTreeMap, HashMap};

use crate::group::{Group, GroupName};
use crate::word::Who;

/// How deep groups are followed into groups.
pub(crate) const DEPTH_MAX: usize = 16;

/// A group by its place in the order of names.
pub(crate) type GroupAt = u16;

/// A set of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupSet(Box<[u64]>);

impl GroupSet {
    fn of_size(groups: usize) -> Self {
        Self(vec![0; groups.div_ceil(64)].into())
    }

    pub(crate) fn has(&self, group: GroupAt) -> bool {
        self.0.get(usize::from(group / 64)).is_some_and(|bits| bits >> (group % 64) & 1 == 1)
    }

    /// Whether a group is in both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(bits, others)| bits & others != 0)
    }

    pub(crate) fn add(&mut self, group: GroupAt) {
        if let Some(bits) = self.0.get_mut(usize::from(group / 64)) {
            *bits |= 1 << (group % 64);
        }
    }

    fn add_all(&mut self, others: &Self) {
        for (bits, others) in self.0.iter_mut().zip(&others.0) {
            *bits |= others;
        }
    }
}

/// All groups, and who is in which, itself or by way of groups in it.
#[derive(Debug, Default)]
pub(crate) struct Nesting {
    names: Vec<GroupName>,
    /// For each group the groups that it is itself a member of.
    parents: Vec<Vec<GroupAt>>,
    /// For each principal the groups that name it.
    direct: HashMap<Who, Vec<GroupAt>>,
    /// For each principal all the groups it is in.
    all: HashMap<Who, GroupSet>,
}

impl Nesting {
    /// Follows every group into the groups it is in.
    pub(crate) fn new(groups: &BTreeMap<GroupName, Group>) -> Self {
        let names: Vec<GroupName> = groups.keys().cloned().collect();
        let mut parents = vec![Vec::new(); names.len()];
        let mut direct: HashMap<Who, Vec<GroupAt>> = HashMap::new();
        for (group, at) in groups.values().zip(0..) {
            for member in &group.members {
                match member {
                    Who::Key(_) | Who::App(_) => direct.entry(member.clone()).or_default().push(at),
                    Who::Group(name) => {
                        if let Ok(child) = names.binary_search(name) {
                            parents[child].push(at);
                        }
                    }
                }
            }
        }
        let above: Vec<GroupSet> = (0..).take(names.len()).map(|at| above(&parents, at)).collect();
        let union = |groups: &Vec<GroupAt>| {
            let mut all = GroupSet::of_size(names.len());
            groups.iter().for_each(|&group| all.add_all(&above[usize::from(group)]));
            all
        };
        let all = direct.iter().map(|(who, groups)| (who.clone(), union(groups))).collect();
        Self { names, parents, direct, all }
    }

    /// The group of that name.
    pub(crate) fn find(&self, name: &GroupName) -> Option<GroupAt> {
        self.names.binary_search(name).ok().and_then(|at| GroupAt::try_from(at).ok())
    }

    /// A set without groups, with room for all of them.
    pub(crate) fn none(&self) -> GroupSet {
        GroupSet::of_size(self.names.len())
    }

    /// The groups that somebody is in.
    pub(crate) fn groups_of(&self, who: &Who) -> Option<&GroupSet> {
        self.all.get(who)
    }

    /// The names of the groups in a set, in order.
    pub(crate) fn names<'a>(&'a self, groups: &'a GroupSet) -> impl Iterator<Item = &'a GroupName> {
        self.names.iter().zip(0..).filter(|(_, at)| groups.has(*at)).map(|(name, _)| name)
    }

    /// The shortest way from somebody to a group it is in: the group that names it first.
    pub(crate) fn path(&self, who: &Who, to: GroupAt) -> Vec<&GroupName> {
        let mut came_from: BTreeMap<GroupAt, Option<GroupAt>> = BTreeMap::new();
        let mut level: Vec<GroupAt> = self.direct.get(who).cloned().unwrap_or_default();
        level.iter().for_each(|&group| _ = came_from.insert(group, None));
        while !level.is_empty() && !came_from.contains_key(&to) {
            let mut next = Vec::new();
            for &child in &level {
                for &parent in &self.parents[usize::from(child)] {
                    came_from.entry(parent).or_insert_with(|| {
                        next.push(parent);
                        Some(child)
                    });
                }
            }
            level = next;
        }
        let mut path = Vec::new();
        let mut at = came_from.contains_key(&to).then_some(to);
        while let Some(group) = at {
            path.push(&self.names[usize::from(group)]);
            at = came_from.get(&group).copied().flatten();
        }
        path.reverse();
        path
    }
}

/// A group, and the groups it is in, level by level, so that a cycle ends.
fn above(parents: &[Vec<GroupAt>], group: GroupAt) -> GroupSet {
    let mut found = GroupSet::of_size(parents.len());
    found.add(group);
    let mut level = vec![group];
    for _ in 0..DEPTH_MAX {
        let mut next = Vec::new();
        for child in level {
            for &parent in &parents[usize::from(child)] {
                if !found.has(parent) {
                    found.add(parent);
                    next.push(parent);
                }
            }
        }
        level = next;
    }
    found
}
