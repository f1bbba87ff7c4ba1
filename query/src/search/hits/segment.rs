//! The first documents of a segment.

use std::collections::BinaryHeap;

use tantivy::collector::SegmentCollector;
use tantivy::{DocAddress, DocId, Score, SegmentReader};

use super::rank::RankColumn;
use super::{First, Found, OrderValue, Place};

/// Collects the first documents of a segment, by numbers that compare as what they are sorted by.
pub(in crate::search) struct SegmentHits {
    segment: u32,
    columns: Vec<RankedBy>,
    after: Option<Vec<u64>>,
    limit: usize,
    total: u64,
    /// The last of the first on top.
    first: BinaryHeap<(Vec<u64>, DocId)>,
    ranks: Vec<u64>,
}

struct RankedBy {
    column: RankColumn,
    descending: bool,
}

impl SegmentHits {
    pub(super) fn new(
        first: &First<'_>,
        segment: u32,
        reader: &SegmentReader,
    ) -> tantivy::Result<Self> {
        let mut columns = Vec::with_capacity(first.sort.len() + 1);
        for field in first.sort {
            let column = RankColumn::open(&field.by, reader)?;
            columns.push(RankedBy { column, descending: field.descending });
        }
        columns.push(RankedBy { column: RankColumn::of_ids(reader)?, descending: false });
        let after = first.after.as_ref().map(|Place { order, id }| {
            let values = order.iter().cloned().chain([OrderValue::Text(id.clone())]);
            let ranks = columns
                .iter()
                .zip(values)
                .map(|(by, value)| Ok(by.turned(by.column.rank_of(&value)?)));
            ranks.collect::<tantivy::Result<Vec<u64>>>()
        });
        Ok(Self {
            segment,
            columns,
            after: after.transpose()?,
            limit: first.limit,
            total: 0,
            first: BinaryHeap::new(),
            ranks: Vec::new(),
        })
    }

    fn places(self) -> tantivy::Result<Found> {
        let Self { segment, columns, total, first, .. } = self;
        let mut found = Found { total, first: Vec::with_capacity(first.len()) };
        for (ranks, document) in first {
            let mut order = Vec::with_capacity(ranks.len());
            for (by, rank) in columns.iter().zip(ranks) {
                order.push(by.column.value(by.turned(rank))?);
            }
            let id = match order.pop() {
                Some(OrderValue::Text(id)) => id,
                _ => String::new(),
            };
            found.first.push((Place { order, id }, DocAddress::new(segment, document)));
        }
        Ok(found)
    }
}

impl SegmentCollector for SegmentHits {
    type Fruit = tantivy::Result<Found>;

    fn collect(&mut self, document: DocId, score: Score) {
        self.total += 1;
        self.ranks.clear();
        let ranks = self.columns.iter().map(|by| by.turned(by.column.rank(document, score)));
        self.ranks.extend(ranks);
        if self.after.as_ref().is_some_and(|after| self.ranks <= *after) {
            return;
        }
        if self.first.len() >= self.limit {
            match self.first.peek() {
                Some((last, _)) if self.ranks < *last => drop(self.first.pop()),
                _ => return,
            }
        }
        self.first.push((self.ranks.clone(), document));
    }

    fn harvest(self) -> Self::Fruit {
        self.places()
    }
}

impl RankedBy {
    /// The same rank in the other direction, where that is wanted.
    fn turned(&self, rank: u64) -> u64 {
        if self.descending { u64::MAX - rank } else { rank }
    }
}
