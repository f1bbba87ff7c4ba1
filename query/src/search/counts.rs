//! How many of the documents that match have each text in a field.

use std::collections::{BTreeMap, HashMap};

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::StrColumn;
use tantivy::{DocId, Score, SegmentReader};

use super::hits::texts;

/// Counts documents by the texts of these fields.
pub(super) struct Counts<'a>(pub(super) &'a [String]);

/// For each field its texts.
pub(super) type Counted = Vec<BTreeMap<String, u64>>;

/// Counts those of a segment.
pub(super) struct SegmentCounts(Vec<(Option<StrColumn>, HashMap<u64, u64>)>);

impl Collector for Counts<'_> {
    type Fruit = Counted;
    type Child = SegmentCounts;

    fn for_segment(&self, _: u32, reader: &SegmentReader) -> tantivy::Result<SegmentCounts> {
        let column = |name: &String| Ok((texts(name, reader)?, HashMap::new()));
        Ok(SegmentCounts(self.0.iter().map(column).collect::<tantivy::Result<_>>()?))
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<tantivy::Result<Counted>>) -> tantivy::Result<Counted> {
        let mut all = vec![BTreeMap::new(); self.0.len()];
        for counted in fruits {
            for (all, counted) in all.iter_mut().zip(counted?) {
                for (text, count) in counted {
                    *all.entry(text).or_default() += count;
                }
            }
        }
        Ok(all)
    }
}

impl SegmentCollector for SegmentCounts {
    type Fruit = tantivy::Result<Counted>;

    fn collect(&mut self, document: DocId, _: Score) {
        for (column, counts) in &mut self.0 {
            for ordinal in column.iter().flat_map(|column| column.term_ords(document)) {
                *counts.entry(ordinal).or_default() += 1;
            }
        }
    }

    fn harvest(self) -> Self::Fruit {
        let mut all = Vec::with_capacity(self.0.len());
        for (column, counts) in self.0 {
            let mut counted = BTreeMap::new();
            for (ordinal, count) in counts {
                let mut text = String::new();
                if let Some(column) = &column {
                    column.ord_to_str(ordinal, &mut text)?;
                }
                counted.insert(text, count);
            }
            all.push(counted);
        }
        Ok(all)
    }
}
