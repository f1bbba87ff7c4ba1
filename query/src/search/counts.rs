//! How many of the documents that match have each text in a field.

use std::collections::{BTreeMap, HashMap};

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::StrColumn;
use tantivy::{DocId, Score, SegmentReader};

use super::hits::texts;

/// Different texts that are counted, those of all fields together.
pub(super) const COUNTED_MAX: usize = 10_000;

/// Counts documents by the texts of these fields.
pub(super) struct Counts<'a>(pub(super) &'a [&'a str]);

/// For each field its texts; nothing where there are more than are counted.
pub(super) type Counted = Option<Vec<BTreeMap<String, u64>>>;

/// Counts those of a segment.
pub(super) struct SegmentCounts {
    fields: Vec<(Option<StrColumn>, HashMap<u64, u64>)>,
    left: usize,
    overflown: bool,
    /// Texts of one document.
    ordinals: Vec<u64>,
}

impl Collector for Counts<'_> {
    type Fruit = Counted;
    type Child = SegmentCounts;

    fn for_segment(&self, _: u32, reader: &SegmentReader) -> tantivy::Result<SegmentCounts> {
        let fields = self.0.iter().map(|name| Ok((texts(name, reader)?, HashMap::new())));
        let fields = fields.collect::<tantivy::Result<_>>()?;
        Ok(SegmentCounts { fields, left: COUNTED_MAX, overflown: false, ordinals: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<tantivy::Result<Counted>>) -> tantivy::Result<Counted> {
        let mut all = vec![BTreeMap::new(); self.0.len()];
        for counted in fruits {
            let Some(counted) = counted? else { return Ok(None) };
            for (all, counted) in all.iter_mut().zip(counted) {
                for (text, count) in counted {
                    *all.entry(text).or_default() += count;
                }
            }
            if all.iter().map(BTreeMap::len).sum::<usize>() > COUNTED_MAX {
                return Ok(None);
            }
        }
        Ok(Some(all))
    }
}

impl SegmentCollector for SegmentCounts {
    type Fruit = tantivy::Result<Counted>;

    fn collect(&mut self, document: DocId, _: Score) {
        if self.overflown {
            return;
        }
        for (column, counts) in &mut self.fields {
            let Some(column) = column else { continue };
            self.ordinals.clear();
            self.ordinals.extend(column.term_ords(document));
            // A document counts once, however often it has a text.
            self.ordinals.sort_unstable();
            self.ordinals.dedup();
            for ordinal in &self.ordinals {
                if let Some(count) = counts.get_mut(ordinal) {
                    *count += 1;
                } else if self.left > 0 {
                    self.left -= 1;
                    counts.insert(*ordinal, 1);
                } else {
                    self.overflown = true;
                    return;
                }
            }
        }
    }

    fn harvest(self) -> Self::Fruit {
        if self.overflown {
            return Ok(None);
        }
        let mut all = Vec::with_capacity(self.fields.len());
        for (column, counts) in self.fields {
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
        Ok(Some(all))
    }
}
