//! How many of the documents that match have a number in each range.

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::{DocId, Score, SegmentReader};

use super::error::QuestionError;
use super::hits::numbers;
use super::question::CountedRange;
use super::syntax::{self, Bound, Node};
use super::term;

/// Numbers of a field between two, each with whether it counts itself.
#[derive(Debug, PartialEq)]
pub(super) struct NumberRange {
    field: String,
    low: (f64, bool),
    high: (f64, bool),
}

/// Counts documents by these ranges.
pub(super) struct Ranges<'a>(pub(super) &'a [NumberRange]);

/// Counts those of a segment.
pub(super) struct SegmentRanges(Vec<SegmentRange>);

struct SegmentRange {
    column: Option<Column<f64>>,
    low: (f64, bool),
    high: (f64, bool),
    count: u64,
}

impl NumberRange {
    /// Reads a range as queries have them, `[0 TO 10}`.
    pub(super) fn parse(counted: &CountedRange) -> Result<Self, QuestionError> {
        let malformed = || {
            let CountedRange { field, range, .. } = counted;
            let what = format!("{field}:{range} was not a well-formed range specification");
            QuestionError::Facets(what)
        };
        let Node::Range { low, high, .. } = syntax::parse(&format!("x:{}", counted.range))? else {
            return Err(malformed());
        };
        let end = |bound: Option<Bound>, none: f64| match bound {
            None => Ok((none, true)),
            Some(Bound { text, inclusive }) => {
                Ok((term::parse_number(&text).ok_or_else(malformed)?, inclusive))
            }
        };
        let (low, high) = (end(low, f64::NEG_INFINITY)?, end(high, f64::INFINITY)?);
        Ok(Self { field: counted.field.clone(), low, high })
    }
}

impl SegmentRange {
    fn has(&self, number: f64) -> bool {
        let ((low, with_low), (high, with_high)) = (self.low, self.high);
        let above = if with_low { number >= low } else { number > low };
        above && if with_high { number <= high } else { number < high }
    }
}

impl Collector for Ranges<'_> {
    type Fruit = Vec<u64>;
    type Child = SegmentRanges;

    fn for_segment(&self, _: u32, reader: &SegmentReader) -> tantivy::Result<SegmentRanges> {
        let ranges = self.0.iter().map(|NumberRange { field, low, high }| {
            let column = numbers(field, reader)?;
            Ok(SegmentRange { column, low: *low, high: *high, count: 0 })
        });
        Ok(SegmentRanges(ranges.collect::<tantivy::Result<_>>()?))
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<Vec<u64>>) -> tantivy::Result<Vec<u64>> {
        let mut all = vec![0; self.0.len()];
        for counts in fruits {
            all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
        }
        Ok(all)
    }
}

impl SegmentCollector for SegmentRanges {
    type Fruit = Vec<u64>;

    fn collect(&mut self, document: DocId, _: Score) {
        for range in &mut self.0 {
            let numbers = range.column.iter().flat_map(|column| column.values_for_doc(document));
            let has = numbers.into_iter().any(|number| range.has(number));
            range.count += u64::from(has);
        }
    }

    fn harvest(self) -> Vec<u64> {
        self.0.into_iter().map(|range| range.count).collect()
    }
}
