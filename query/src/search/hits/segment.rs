//! The first documents of a segment.

use tantivy::collector::SegmentCollector;
use tantivy::{DocId, Score, SegmentReader};

use super::order::{Firsts, Order};
use super::{First, Found};

/// Collects the first documents of a segment.
pub(in crate::search) struct SegmentHits {
    segment: u32,
    order: Order,
    after: Option<Vec<u64>>,
    total: u64,
    first: Firsts,
    /// Where the document is that is looked at.
    ranks: Vec<u64>,
}

impl SegmentHits {
    pub(super) fn new(
        first: &First<'_>,
        segment: u32,
        reader: &SegmentReader,
    ) -> tantivy::Result<Self> {
        let order = Order::open(first.sort, reader)?;
        let after = first.after.as_ref().map(|place| order.rank_of(place)).transpose()?;
        let first = Firsts::new(first.limit);
        Ok(Self { segment, order, after, total: 0, first, ranks: Vec::new() })
    }
}

impl SegmentCollector for SegmentHits {
    type Fruit = tantivy::Result<Found>;

    fn collect(&mut self, document: DocId, score: Score) {
        self.total += 1;
        self.order.rank(document, score, &mut self.ranks);
        if self.after.as_ref().is_none_or(|after| self.ranks > *after) {
            self.first.offer(&self.ranks, document);
        }
    }

    fn harvest(self) -> Self::Fruit {
        let first = self.first.places(&self.order, self.segment)?;
        Ok(Found { total: self.total, first })
    }
}
