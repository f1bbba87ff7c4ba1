//! The first of the documents that match, in an order that every document has its place in: what they
//! are sorted by, then their ids.

mod groups;
mod order;
mod rank;
mod segment;

use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::{DocAddress, SegmentReader};

pub(super) use self::groups::{FirstGroups, Members};
pub(super) use self::rank::{boosts, numbers, texts};
use self::segment::SegmentHits;
use super::error::QuestionError;
use super::question::{SortField, SortType};

/// Bytes of a bookmark, which holds an id and what documents are sorted by.
const BOOKMARK_BYTES_MAX: usize = 16 << 10;

/// A document that matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its id.
    pub id: String,
    /// What it is sorted by.
    pub order: Vec<OrderValue>,
    /// Where the rest of it is.
    pub(super) address: DocAddress,
}

impl Hit {
    pub(super) fn new((Place { order, id }, address): (Place, DocAddress)) -> Self {
        Self { id, order, address }
    }
}

/// What a document is sorted by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OrderValue {
    /// It has no such field.
    Missing,
    /// How well it matches, or a number.
    Number(f64),
    /// A text.
    Text(String),
}

/// A document's place in the order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) order: Vec<OrderValue>,
    pub(super) id: String,
}

impl Place {
    pub(super) fn bookmark(&self) -> String {
        let text = serde_json::json!([self.order, self.id]).to_string();
        URL_SAFE_NO_PAD.encode(text)
    }

    /// Reads a bookmark of a question that is sorted so.
    pub(super) fn of_bookmark(text: &str, sort: &[SortField]) -> Result<Self, QuestionError> {
        let bad = || QuestionError::Bookmark;
        if text.len() > BOOKMARK_BYTES_MAX {
            return Err(bad());
        }
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        let (order, id): (Vec<OrderValue>, String) =
            serde_json::from_slice(&json).map_err(|_| bad())?;
        let fits = |(field, value): (&SortField, &OrderValue)| match (&field.by, value) {
            (SortType::Score, OrderValue::Number(_)) => true,
            (SortType::Score, _) => false,
            (_, OrderValue::Missing) => true,
            (SortType::Number(_), value) => matches!(value, OrderValue::Number(_)),
            (SortType::Text(_), value) => matches!(value, OrderValue::Text(_)),
        };
        let fits = order.len() == sort.len() && sort.iter().zip(&order).all(fits);
        if fits { Ok(Self { order, id }) } else { Err(bad()) }
    }

    fn compare(&self, other: &Self, sort: &[SortField]) -> Ordering {
        for ((field, a), b) in sort.iter().zip(&self.order).zip(&other.order) {
            let ordering = a.compare(b);
            let ordering = if field.descending { ordering.reverse() } else { ordering };
            if ordering.is_ne() {
                return ordering;
            }
        }
        self.id.cmp(&other.id)
    }
}

impl OrderValue {
    /// What is missing comes first.
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (a, b) => a.kind().cmp(&b.kind()),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Missing => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
        }
    }
}

/// Finds the first documents behind a place, and counts all.
pub(super) struct First<'a> {
    pub(super) sort: &'a [SortField],
    pub(super) after: Option<Place>,
    pub(super) limit: usize,
}

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    /// Documents that match, wherever they are.
    pub(super) total: u64,
    pub(super) first: Vec<(Place, DocAddress)>,
}

impl Collector for First<'_> {
    type Fruit = Found;
    type Child = SegmentHits;

    fn for_segment(&self, segment: u32, reader: &SegmentReader) -> tantivy::Result<SegmentHits> {
        SegmentHits::new(self, segment, reader)
    }

    fn requires_scoring(&self) -> bool {
        needs_scores(self.sort)
    }

    fn merge_fruits(
        &self,
        fruits: Vec<<SegmentHits as SegmentCollector>::Fruit>,
    ) -> tantivy::Result<Found> {
        let mut all = Found::default();
        for found in fruits {
            let found = found?;
            all.total += found.total;
            all.first.extend(found.first);
        }
        keep_first(&mut all.first, self.sort, self.limit);
        Ok(all)
    }
}

fn needs_scores(sort: &[SortField]) -> bool {
    sort.iter().any(|field| field.by == SortType::Score)
}

fn keep_first(found: &mut Vec<(Place, DocAddress)>, sort: &[SortField], limit: usize) {
    found.sort_by(|(a, _), (b, _)| a.compare(b, sort));
    found.truncate(limit);
}
