//! Documents that match in groups, by the texts of a field: first which groups come first, then what is
//! in them.

use std::collections::{BTreeSet, HashMap};

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::StrColumn;
use tantivy::{DocId, Score, SegmentReader};

use super::order::{Firsts, Order};
use super::rank::texts;
use super::{Found, Place, keep_first, needs_scores};
use crate::search::question::SortField;

/// The text that the documents of a group have, or that they have none.
pub(in crate::search) type GroupName = Option<String>;

/// Finds the groups whose first documents come first.
pub(in crate::search) struct FirstGroups<'a> {
    pub(in crate::search) field: &'a str,
    pub(in crate::search) sort: &'a [SortField],
    pub(in crate::search) limit: usize,
}

/// Collects those of a segment.
pub(in crate::search) struct SegmentGroups {
    column: Option<StrColumn>,
    order: Order,
    limit: usize,
    /// Where the first document of each is.
    first: HashMap<Option<u64>, Vec<u64>>,
    /// The same in that order.
    sorted: BTreeSet<(Vec<u64>, Option<u64>)>,
    ranks: Vec<u64>,
}

impl Collector for FirstGroups<'_> {
    type Fruit = Vec<GroupName>;
    type Child = SegmentGroups;

    fn for_segment(&self, _: u32, reader: &SegmentReader) -> tantivy::Result<SegmentGroups> {
        Ok(SegmentGroups {
            column: texts(self.field, reader)?,
            order: Order::open(self.sort, reader)?,
            limit: self.limit,
            first: HashMap::new(),
            sorted: BTreeSet::new(),
            ranks: Vec::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        needs_scores(self.sort)
    }

    fn merge_fruits(
        &self,
        fruits: Vec<<SegmentGroups as SegmentCollector>::Fruit>,
    ) -> tantivy::Result<Vec<GroupName>> {
        let mut first: HashMap<GroupName, Place> = HashMap::new();
        for groups in fruits {
            for (name, place) in groups? {
                match first.get_mut(&name) {
                    Some(known) if known.compare(&place, self.sort).is_le() => {}
                    Some(known) => *known = place,
                    None => drop(first.insert(name, place)),
                }
            }
        }
        let mut sorted: Vec<(GroupName, Place)> = first.into_iter().collect();
        sorted.sort_by(|(_, a), (_, b)| a.compare(b, self.sort));
        sorted.truncate(self.limit);
        Ok(sorted.into_iter().map(|(name, _)| name).collect())
    }
}

impl SegmentCollector for SegmentGroups {
    type Fruit = tantivy::Result<Vec<(GroupName, Place)>>;

    fn collect(&mut self, document: DocId, score: Score) {
        self.order.rank(document, score, &mut self.ranks);
        let name = self.column.as_ref().and_then(|column| column.ords().first(document));
        match self.first.get(&name) {
            Some(first) if *first <= self.ranks => return,
            Some(first) => drop(self.sorted.remove(&(first.clone(), name))),
            None if self.first.len() < self.limit => {}
            None => match self.sorted.last() {
                Some((last, _)) if self.ranks < *last => {
                    if let Some((_, name)) = self.sorted.pop_last() {
                        self.first.remove(&name);
                    }
                }
                _ => return,
            },
        }
        self.first.insert(name, self.ranks.clone());
        self.sorted.insert((self.ranks.clone(), name));
    }

    fn harvest(self) -> Self::Fruit {
        let groups = self.sorted.into_iter().map(|(ranks, name)| {
            let name = name.zip(self.column.as_ref()).map(|(ordinal, column)| {
                let mut text = String::new();
                column.ord_to_str(ordinal, &mut text)?;
                Ok::<_, tantivy::TantivyError>(text)
            });
            Ok((name.transpose()?, self.order.place(&ranks)?))
        });
        groups.collect()
    }
}

/// Finds the first documents of these groups, and counts all.
pub(in crate::search) struct Members<'a> {
    pub(in crate::search) field: &'a str,
    pub(in crate::search) groups: &'a [GroupName],
    pub(in crate::search) sort: &'a [SortField],
    pub(in crate::search) limit: usize,
}

/// What was found of groups.
pub(in crate::search) struct FoundGroups {
    /// Documents that match, whatever group they are in.
    pub(in crate::search) total: u64,
    /// What is in each group.
    pub(in crate::search) groups: Vec<Found>,
}

/// Collects those of a segment.
pub(in crate::search) struct SegmentMembers {
    segment: u32,
    column: Option<StrColumn>,
    order: Order,
    /// Which group a text stands for.
    places: HashMap<Option<u64>, usize>,
    groups: Vec<(u64, Firsts)>,
    total: u64,
    ranks: Vec<u64>,
}

impl Collector for Members<'_> {
    type Fruit = FoundGroups;
    type Child = SegmentMembers;

    fn for_segment(&self, segment: u32, reader: &SegmentReader) -> tantivy::Result<SegmentMembers> {
        let column = texts(self.field, reader)?;
        let mut places = HashMap::new();
        for (place, name) in self.groups.iter().enumerate() {
            match (name, &column) {
                (None, _) => drop(places.insert(None, place)),
                (Some(_), None) => {}
                (Some(text), Some(column)) => {
                    let ordinal = column.dictionary().term_ord(text)?;
                    places.extend(ordinal.map(|ordinal| (Some(ordinal), place)));
                }
            }
        }
        Ok(SegmentMembers {
            segment,
            column,
            order: Order::open(self.sort, reader)?,
            places,
            groups: self.groups.iter().map(|_| (0, Firsts::new(self.limit))).collect(),
            total: 0,
            ranks: Vec::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        needs_scores(self.sort)
    }

    fn merge_fruits(
        &self,
        fruits: Vec<<SegmentMembers as SegmentCollector>::Fruit>,
    ) -> tantivy::Result<FoundGroups> {
        let groups = self.groups.iter().map(|_| Found::default()).collect();
        let mut all = FoundGroups { total: 0, groups };
        for found in fruits {
            let found = found?;
            all.total += found.total;
            for (all, found) in all.groups.iter_mut().zip(found.groups) {
                all.total += found.total;
                all.first.extend(found.first);
            }
        }
        for group in &mut all.groups {
            keep_first(&mut group.first, self.sort, self.limit);
        }
        Ok(all)
    }
}

impl SegmentCollector for SegmentMembers {
    type Fruit = tantivy::Result<FoundGroups>;

    fn collect(&mut self, document: DocId, score: Score) {
        self.total += 1;
        let name = self.column.as_ref().and_then(|column| column.ords().first(document));
        let Some((total, first)) = self.places.get(&name).map(|place| &mut self.groups[*place])
        else {
            return;
        };
        *total += 1;
        self.order.rank(document, score, &mut self.ranks);
        first.offer(&self.ranks, document);
    }

    fn harvest(self) -> Self::Fruit {
        let groups = self.groups.into_iter().map(|(total, first)| {
            Ok(Found { total, first: first.places(&self.order, self.segment)? })
        });
        let groups = groups.collect::<tantivy::Result<_>>()?;
        Ok(FoundGroups { total: self.total, groups })
    }
}
