//! The order of a segment's documents, and the first of them.

use std::collections::BinaryHeap;

use tantivy::{DocAddress, DocId, Score, SegmentReader};

use super::rank::RankColumn;
use super::{OrderValue, Place};
use crate::search::question::SortField;

/// What documents of a segment are sorted by: numbers that compare as it does, then their ids.
pub(super) struct Order {
    columns: Vec<RankedBy>,
}

struct RankedBy {
    column: RankColumn,
    descending: bool,
}

impl Order {
    pub(super) fn open(sort: &[SortField], reader: &SegmentReader) -> tantivy::Result<Self> {
        let mut columns = Vec::with_capacity(sort.len() + 1);
        for field in sort {
            let column = RankColumn::open(&field.by, reader)?;
            columns.push(RankedBy { column, descending: field.descending });
        }
        columns.push(RankedBy { column: RankColumn::of_ids(reader)?, descending: false });
        Ok(Self { columns })
    }

    /// Puts where a document is in place of what `ranks` held.
    pub(super) fn rank(&self, document: DocId, score: Score, ranks: &mut Vec<u64>) {
        ranks.clear();
        ranks.extend(self.columns.iter().map(|by| by.turned(by.column.rank(document, score))));
    }

    /// Where a place is that need not be in the segment.
    pub(super) fn rank_of(&self, place: &Place) -> tantivy::Result<Vec<u64>> {
        let Place { order, id } = place;
        let values = order.iter().cloned().chain([OrderValue::Text(id.clone())]);
        let columns = self.columns.iter().zip(values);
        columns.map(|(by, value)| Ok(by.turned(by.column.rank_of(&value)?))).collect()
    }

    /// What is there.
    pub(super) fn place(&self, ranks: &[u64]) -> tantivy::Result<Place> {
        let mut order = Vec::with_capacity(ranks.len());
        for (by, rank) in self.columns.iter().zip(ranks) {
            order.push(by.column.value(by.turned(*rank))?);
        }
        let id = match order.pop() {
            Some(OrderValue::Text(id)) => id,
            _ => String::new(),
        };
        Ok(Place { order, id })
    }
}

impl RankedBy {
    /// The same rank in the other direction, where that is wanted.
    fn turned(&self, rank: u64) -> u64 {
        if self.descending { u64::MAX - rank } else { rank }
    }
}

/// The first of the documents that were offered.
pub(super) struct Firsts {
    limit: usize,
    /// The last of them on top.
    heap: BinaryHeap<(Vec<u64>, DocId)>,
}

impl Firsts {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, heap: BinaryHeap::new() }
    }

    pub(super) fn offer(&mut self, ranks: &[u64], document: DocId) {
        if self.heap.len() >= self.limit {
            match self.heap.peek() {
                Some((last, _)) if ranks < last.as_slice() => drop(self.heap.pop()),
                _ => return,
            }
        }
        self.heap.push((ranks.to_vec(), document));
    }

    /// Where they are, in no order.
    pub(super) fn places(
        self,
        order: &Order,
        segment: u32,
    ) -> tantivy::Result<Vec<(Place, DocAddress)>> {
        let places = self.heap.into_iter().map(|(ranks, document)| {
            Ok((order.place(&ranks)?, DocAddress::new(segment, document)))
        });
        places.collect()
    }
}
