//! A database as Mango's questions see it.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use query::design::ViewPlace;
use query::index::{Collation, CollationKey, Cut, GroupLevel, Range, Tree};
use query::mango::{DocumentRange, IndexDefinition, KeyRange, Read, Row, Source};
use query::view::ViewError;
use serde_json::json;
use store::{Direction, DocId, Head, IdRange, Output, Pages, Partition, Show, Snapshot};

use crate::http::HttpError;
use crate::indexer::Wanted;

/// An index that was chosen.
#[derive(Clone, Debug)]
pub(super) struct Indexed {
    /// Its rows.
    pub(super) wanted: Wanted,
    /// Which of the index file's trees they are in.
    pub(super) place: ViewPlace,
    /// The partition that is asked, where rows are kept by partition.
    pub(super) partition: Option<Partition>,
}

/// One snapshot, and one of the index.
pub(super) struct Reading<'r> {
    snapshot: &'r Snapshot<'r>,
    index: Option<(&'r dyn Pages, &'r Tree<'r>, &'r Indexed)>,
    /// Of the documents whose ids were read last, those that were not asked for yet.
    heads: VecDeque<Head>,
}

impl<'r> Reading<'r> {
    pub(super) fn new(
        snapshot: &'r Snapshot<'r>,
        index: Option<(&'r dyn Pages, &'r Tree<'r>, &'r Indexed)>,
    ) -> Self {
        Self { snapshot, index, heads: VecDeque::new() }
    }

    /// What is known of a document that is not deleted. They are asked for in the order of their ids.
    fn head(&mut self, id: &str) -> Result<Option<Head>, HttpError> {
        while let Some(head) = self.heads.pop_front() {
            if head.id.as_str() == id {
                return Ok(Some(head));
            }
        }
        let Ok(id) = id.parse::<DocId>() else { return Ok(None) };
        Ok(self.snapshot.head(&id)?.filter(|head| !head.deleted))
    }
}

impl Indexed {
    /// The rows of a range, all of which lie in the partition that is asked.
    fn range(&self, range: &KeyRange) -> Result<Range, HttpError> {
        let low = self.beginning(&texts(range.low()), range.low().len())?;
        let high = self.beginning(&texts(range.high()), range.high().len())?;
        Ok(Range { low: low.low, high: high.high })
    }

    /// The rows whose keys begin with these values.
    fn beginning(&self, values: &str, count: usize) -> Result<Range, HttpError> {
        match &self.partition {
            None if count == 0 => Ok(Range::all()),
            None => Ok(Range::of_group(&key(values)?, GroupLevel::Elements(count))),
            Some(partition) => {
                let name = json!(partition.as_str());
                let kept = match count {
                    0 => {
                        return Ok(Range::of_group(
                            &key(&format!("[{name}]"))?,
                            GroupLevel::Elements(1),
                        ));
                    }
                    _ => key(&format!("[{name},{values}]"))?,
                };
                Ok(Range::of_group(&kept, GroupLevel::InnerElements(count)))
            }
        }
    }

    /// A row's key as it is kept.
    fn kept(&self, text: &str) -> Result<CollationKey, HttpError> {
        match &self.partition {
            None => key(text),
            Some(partition) => key(&format!("[{},{text}]", json!(partition.as_str()))),
        }
    }

    /// What stands around a key where it is kept.
    fn bare<'k>(&self, text: &'k str) -> &'k str {
        let Some(partition) = &self.partition else { return text };
        let front = format!("[{},", json!(partition.as_str()));
        let bare = text.strip_prefix(front.as_str());
        bare.and_then(|text| text.strip_suffix(']')).unwrap_or(text)
    }
}

fn texts(values: &[query::Value<'static>]) -> String {
    query::Value::Array(values.to_vec()).to_string()
}

fn key(text: &str) -> Result<CollationKey, HttpError> {
    CollationKey::of_json(text, Collation::Standard)
        .map_err(|_| HttpError::BadRequest("invalid UTF-8 JSON".into()))
}

impl Source for Reading<'_> {
    type Error = HttpError;

    fn rows(
        &mut self,
        _index: &IndexDefinition,
        read: &Read<'_, KeyRange>,
    ) -> Result<Vec<Row>, HttpError> {
        let Some((pages, tree, indexed)) = self.index else { return Ok(Vec::new()) };
        let mut range = indexed.range(read.range)?;
        if let Some(after) = read.after {
            let key = indexed.kept(&after.key)?;
            match read.direction {
                Direction::Ascending => range.low = Cut::after_document(&key, &after.id),
                Direction::Descending => range.high = Cut::before_document(&key, &after.id),
            }
        }
        let mut rows = Vec::with_capacity(read.rows_max.min(1000));
        let part = (0, read.rows_max as u64);
        tree.range(pages, &range, read.direction, part, &mut |row| {
            rows.push(Row {
                key: indexed.bare(row.key).to_owned(),
                id: row.id.clone().into_owned(),
            });
            ControlFlow::Continue(())
        })
        .map_err(ViewError::from)?;
        Ok(rows)
    }

    fn ids(&mut self, read: &Read<'_, DocumentRange>) -> Result<Vec<String>, HttpError> {
        let low = read.range.low.clone().map(|id| (id, true));
        let high = read.range.high.clone().map(|id| (id, true));
        let (start, end) = match read.direction {
            Direction::Ascending => (low, high),
            Direction::Descending => (high, low),
        };
        let start = read.after.map(|row| (row.id.clone(), false)).or(start);
        let range = IdRange { start, end, direction: read.direction };
        let heads = self.snapshot.heads(&range, 0, read.rows_max)?;
        let ids = heads.iter().map(|head| head.id.as_str().to_owned()).collect();
        self.heads = heads.into();
        Ok(ids)
    }

    fn document(&mut self, id: &str, conflicts: bool) -> Result<Option<String>, HttpError> {
        let Some(head) = self.head(id)? else { return Ok(None) };
        let show = Show { conflicts, ..Show::default() };
        let mut out = Output::new();
        self.snapshot.render_winner(&head, &show, &mut out)?;
        let text = String::from_utf8(std::mem::take(out.text()));
        let damaged = |_| store::Error::Damaged(format!("document {id} is not UTF-8"));
        Ok(Some(text.map_err(damaged)?))
    }
}
