//! A question being answered.
//!
//! Source: CouchDB's `mango_cursor_view`.

mod ending;
mod rows;

use super::plan::Plan;
use super::scan::Scan;
use super::source::{Read, Row, Source};
use super::{FindRequest, RequestError, bookmark};
use crate::document::{Document, id_text};
use crate::value::Value;

pub use self::ending::{Ending, Statistics};

/// Documents asked for, some of them answered. It keeps nothing of the database between two steps.
#[derive(Clone, Debug)]
pub struct Find {
    request: FindRequest,
    plan: Plan,
    /// Matching documents that are still left out.
    skip: u64,
    /// Documents that are still wanted.
    limit: u64,
    /// The last row that was read.
    after: Option<Row>,
    /// The last row whose document matched.
    matched: Option<Row>,
    statistics: Statistics,
}

/// What one step may read and answer.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Rows of the index, matching or not. At least one is read.
    pub rows_max: usize,
    /// Bytes of documents, after which it ends.
    pub bytes_max: usize,
}

/// Whether there is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The next step goes on.
    More,
    /// Everything is answered.
    Done,
}

impl Find {
    /// Begins to follow a plan, where the request's bookmark stands.
    ///
    /// # Errors
    /// [`RequestError::InvalidBookmark`]: it is none of ours.
    pub fn new(request: FindRequest, mut plan: Plan) -> Result<Self, RequestError> {
        let after = match &request.bookmark {
            None => None,
            Some(text) => Some(bookmark::read(text).ok_or_else(|| {
                RequestError::of(RequestError::InvalidBookmark, &Value::String(text.into()))
            })?),
        };
        if let (Some(partition), Scan::Documents { range, .. }) =
            (&request.partition, &mut plan.scan)
        {
            range.narrow(partition.bounds());
        }
        let (skip, limit) = (request.skip, request.limit);
        let statistics = Statistics::default();
        Ok(Self { request, plan, skip, limit, after, matched: None, statistics })
    }

    /// The plan that is followed.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Reads some rows and appends the documents that match to `documents`, as JSON text.
    ///
    /// # Errors
    /// What the source says. The step can be tried again.
    pub fn step<S: Source>(
        &mut self,
        source: &mut S,
        step: Step,
        documents: &mut Vec<String>,
    ) -> Result<Progress, S::Error> {
        if self.limit == 0 {
            return Ok(Progress::Done);
        }
        let rows_max = step.rows_max.max(1);
        let rows = self.rows(source, rows_max)?;
        let is_end = rows.len() < rows_max;
        let mut bytes = 0;
        let last = rows.len().saturating_sub(1);
        for (position, row) in rows.into_iter().enumerate() {
            let answered = self.answer(source, &row)?;
            self.after = Some(row);
            if let Some(document) = answered {
                bytes += document.len();
                documents.push(document);
            }
            if self.limit == 0 {
                return Ok(Progress::Done);
            }
            if bytes >= step.bytes_max && position < last {
                return Ok(Progress::More);
            }
        }
        Ok(if is_end { Progress::Done } else { Progress::More })
    }

    fn rows<S: Source>(&self, source: &mut S, rows_max: usize) -> Result<Vec<Row>, S::Error> {
        let (direction, after) = (self.request.sort.direction(), self.after.as_ref());
        match (&self.plan.scan, self.plan.index()) {
            (Scan::Keys(range), Some(index)) => {
                source.rows(index, &Read { range, direction, after, rows_max })
            }
            (Scan::Documents { range, .. }, _) => {
                let ids = source.ids(&Read { range, direction, after, rows_max })?;
                Ok(ids.into_iter().map(|id| Row { key: id_text(&id), id }).collect())
            }
            (Scan::Nothing | Scan::Keys(_), _) => Ok(Vec::new()),
        }
    }

    /// What is answered for a row.
    fn answer<S: Source>(&mut self, source: &mut S, row: &Row) -> Result<Option<String>, S::Error> {
        if self.request.partition.as_ref().is_some_and(|partition| !partition.holds(&row.id)) {
            return Ok(None);
        }
        let text = if self.plan.covering {
            self.plan.index().and_then(|index| rows::document(index, row))
        } else if row.id.starts_with("_design/") {
            None
        } else {
            source.document(&row.id, self.request.conflicts)?
        };
        self.statistics.total_keys_examined += 1;
        let Some(text) = text else { return Ok(None) };
        self.statistics.total_docs_examined += u64::from(!self.plan.covering);
        let Ok(document) = Document::parse(&text) else { return Ok(None) };
        if !self.request.selector.matches(&document) {
            return Ok(None);
        }
        self.matched = Some(row.clone());
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(None);
        }
        self.limit -= 1;
        self.statistics.results_returned += 1;
        Ok(Some(self.request.fields.extract(&document)))
    }
}

#[cfg(test)]
mod tests;
