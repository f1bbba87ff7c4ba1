//! A listing of documents, read page by page.

use serde_json::Value;
use store::json::write_string;
use store::{
    Database, Direction, DocId, Head, IdRange, LocalId, Output, Partition, Show, Snapshot,
};

use super::options::{Options, Span};
use super::rows;
use crate::http::HttpError;
use crate::http::pages::{PAGE_BYTES, PAGE_DOCUMENTS_MAX, PAGE_ROWS_MAX, Pages, Progress};
use crate::http::row::write_number;

/// Which documents are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// All that replicate: `_all_docs`.
    Documents,
    /// Design documents: `_design_docs`.
    Design,
    /// Local documents: `_local_docs`.
    Local,
}

/// The least id of a namespace, and the first id behind it.
const DESIGN: (&str, &str) = ("_design/", "_design0");
const LOCAL: (&str, &str) = ("_local/", "_local0");

impl Namespace {
    fn bounds(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Documents => None,
            Self::Design => Some(DESIGN),
            Self::Local => Some(LOCAL),
        }
    }
}

/// A listing and how far it is.
#[derive(Debug)]
pub(crate) struct Listing {
    namespace: Namespace,
    rest: Rest,
    skip: u64,
    limit: u64,
    show: Option<Show>,
    update_seq: bool,
    /// The only partition whose documents are shown.
    partition: Option<Partition>,
    rows: u64,
    begun: bool,
}

/// What is still to be listed.
#[derive(Debug)]
enum Rest {
    Nothing,
    Range(IdRange),
    Keys(std::vec::IntoIter<Value>),
}

impl Listing {
    /// A listing that begins.
    pub(crate) fn new(namespace: Namespace, mut options: Options) -> Self {
        let partition = options.partition.take();
        let bounds = partition.as_ref().map(Partition::bounds);
        let bounds = bounds.as_ref().map(|(least, behind)| (least.as_str(), behind.as_str()));
        let bounds = namespace.bounds().or(bounds);
        let rest = match (options.keys.take(), options.span(bounds)) {
            (Some(keys), _) => Rest::Keys(cut(keys, &options).into_iter()),
            (None, Span::Empty) => Rest::Nothing,
            (None, Span::Range(range)) => Rest::Range(range),
        };
        Self {
            namespace,
            rest,
            skip: options.skip,
            limit: options.limit,
            show: options.show(),
            update_seq: options.update_seq,
            partition,
            rows: 0,
            begun: false,
        }
    }

    fn page(
        &mut self,
        database: &Database,
        snapshot: &Snapshot<'_>,
        out: &mut Output,
    ) -> Result<Progress, HttpError> {
        if !std::mem::replace(&mut self.begun, true) {
            self.begin(database, snapshot, out)?;
        }
        let mut budget = PAGE_ROWS_MAX;
        while budget > 0 && out.len() < PAGE_BYTES {
            let batch = if self.show.is_some() { PAGE_DOCUMENTS_MAX } else { PAGE_ROWS_MAX };
            let batch = batch.min(budget);
            budget -= batch;
            let progress = match &self.rest {
                Rest::Nothing => Progress::Done,
                Rest::Keys(_) => self.keys(snapshot, batch, out)?,
                Rest::Range(_) if self.namespace == Namespace::Local => {
                    self.locals(snapshot, batch, out)?
                }
                Rest::Range(_) => self.heads(snapshot, batch, out)?,
            };
            if progress == Progress::Done {
                out.text().extend_from_slice(b"\r\n]}\n");
                return Ok(Progress::Done);
            }
        }
        Ok(Progress::More)
    }

    /// What stands before the rows.
    fn begin(
        &self,
        database: &Database,
        snapshot: &Snapshot<'_>,
        out: &mut Output,
    ) -> Result<(), HttpError> {
        let (total, before) = self.counts(snapshot)?;
        let offset = match &self.rest {
            Rest::Keys(_) => None,
            Rest::Nothing => total,
            Rest::Range(_) => total.map(|total| total.min(before.saturating_add(self.skip))),
        };
        let text = out.text();
        text.extend_from_slice(b"{\"total_rows\":");
        write_count(text, total);
        text.extend_from_slice(b",\"offset\":");
        write_count(text, offset);
        if self.update_seq {
            text.extend_from_slice(b",\"update_seq\":");
            match self.rest {
                Rest::Keys(_) => text.extend_from_slice(b"null"),
                Rest::Nothing | Rest::Range(_) => {
                    write_string(text, &database.seq(snapshot.update_seq()?).to_string());
                }
            }
        }
        text.extend_from_slice(b",\"rows\":[\r\n");
        Ok(())
    }

    /// How many documents the namespace has, where that is known, and how many of them come before
    /// the range.
    fn counts(&self, snapshot: &Snapshot<'_>) -> Result<(Option<u64>, u64), HttpError> {
        let before = match (&self.rest, self.namespace) {
            (Rest::Range(range), Namespace::Documents | Namespace::Design) => {
                snapshot.offset(range)?
            }
            _ => 0,
        };
        Ok(match self.namespace {
            Namespace::Local => (None, 0),
            Namespace::Documents => (Some(snapshot.counts()?.0), before),
            Namespace::Design => {
                let first = snapshot.offset(&beginning_at(DESIGN.0))?;
                let behind = snapshot.offset(&beginning_at(DESIGN.1))?;
                let outside = match &self.rest {
                    Rest::Range(IdRange { direction: Direction::Descending, .. }) => {
                        snapshot.counts()?.0.saturating_sub(behind)
                    }
                    _ => first,
                };
                (Some(behind.saturating_sub(first)), before.saturating_sub(outside))
            }
        })
    }

    /// Rows of winners in the range.
    fn heads(
        &mut self,
        snapshot: &Snapshot<'_>,
        batch: usize,
        out: &mut Output,
    ) -> Result<Progress, HttpError> {
        let Rest::Range(range) = &mut self.rest else { return Ok(Progress::Done) };
        let batch = batch.min(usize::try_from(self.limit).unwrap_or(usize::MAX));
        let heads = snapshot.heads(range, std::mem::take(&mut self.skip), batch)?;
        let mut last = None;
        for head in &heads {
            separate(&mut self.rows, out);
            rows::write_head(snapshot, head, self.show.as_ref(), out)?;
            self.limit -= 1;
            last = Some(&head.id);
            if out.len() >= PAGE_BYTES {
                break;
            }
        }
        let Some(last) = last else { return Ok(Progress::Done) };
        let short = heads.len() < batch && heads.last().is_some_and(|head| head.id == *last);
        range.start = Some((last.as_str().to_owned(), false));
        Ok(if short || self.limit == 0 { Progress::Done } else { Progress::More })
    }

    /// Rows of local documents in the range.
    fn locals(
        &mut self,
        snapshot: &Snapshot<'_>,
        batch: usize,
        out: &mut Output,
    ) -> Result<Progress, HttpError> {
        let Rest::Range(range) = &mut self.rest else { return Ok(Progress::Done) };
        // The bodies come along, asked for or not.
        let batch = batch.min(PAGE_DOCUMENTS_MAX);
        let batch = batch.min(usize::try_from(self.limit).unwrap_or(usize::MAX));
        let bare = without_prefix(range);
        let locals = snapshot.locals(&bare, std::mem::take(&mut self.skip), batch)?;
        for local in &locals {
            separate(&mut self.rows, out);
            rows::write_local(local, self.show.is_some(), out.text());
            self.limit -= 1;
        }
        if let Some(last) = locals.last() {
            range.start = Some((last.id.to_string(), false));
        }
        let done = locals.len() < batch || self.limit == 0;
        Ok(if done { Progress::Done } else { Progress::More })
    }

    /// Rows of keys.
    fn keys(
        &mut self,
        snapshot: &Snapshot<'_>,
        batch: usize,
        out: &mut Output,
    ) -> Result<Progress, HttpError> {
        let Rest::Keys(keys) = &mut self.rest else { return Ok(Progress::Done) };
        for key in keys.by_ref().take(batch) {
            separate(&mut self.rows, out);
            let show = self.show.as_ref();
            let within = |partition: &Partition| key.as_str().is_some_and(|id| partition.holds(id));
            let found = match self.partition.as_ref().is_none_or(within) {
                true => find(snapshot, &key)?,
                false => Found::Nothing,
            };
            match found {
                Found::Head(head) => rows::write_head(snapshot, &head, show, out)?,
                Found::Local(local) => rows::write_local(&local, show.is_some(), out.text()),
                Found::Nothing => rows::write_not_found(&key, out.text()),
            }
            if out.len() >= PAGE_BYTES {
                break;
            }
        }
        Ok(if keys.as_slice().is_empty() { Progress::Done } else { Progress::More })
    }
}

impl Pages for Listing {
    fn read(&mut self, database: &Database, out: &mut Output) -> Result<Progress, HttpError> {
        database.read(|snapshot| self.page(database, snapshot, out))
    }
}

/// What a key names.
enum Found {
    Head(Head),
    Local(store::Local),
    Nothing,
}

fn find(snapshot: &Snapshot<'_>, key: &Value) -> Result<Found, HttpError> {
    let Some(text) = key.as_str() else { return Ok(Found::Nothing) };
    if let Ok(id) = text.parse::<LocalId>() {
        return Ok(snapshot.local(&id)?.map_or(Found::Nothing, Found::Local));
    }
    // What cannot be an id names no document.
    let Ok(id) = text.parse::<DocId>() else { return Ok(Found::Nothing) };
    Ok(snapshot.head(&id)?.map_or(Found::Nothing, Found::Head))
}

/// The keys to be shown, in reading order.
fn cut(mut keys: Vec<Value>, options: &Options) -> Vec<Value> {
    if options.direction == Direction::Descending {
        keys.reverse();
    }
    let skip = usize::try_from(options.skip).unwrap_or(usize::MAX).min(keys.len());
    keys.drain(..skip);
    keys.truncate(usize::try_from(options.limit).unwrap_or(usize::MAX));
    keys
}

fn beginning_at(id: &str) -> IdRange {
    IdRange { start: Some((id.into(), true)), end: None, direction: Direction::Ascending }
}

/// A range of local ids, which the store keeps without their prefix.
fn without_prefix(range: &IdRange) -> IdRange {
    let strip = |end: &Option<(String, bool)>| {
        let (id, inclusive) = end.as_ref()?;
        Some((id.strip_prefix(LOCAL.0)?.to_owned(), *inclusive))
    };
    IdRange { start: strip(&range.start), end: strip(&range.end), direction: range.direction }
}

fn separate(rows: &mut u64, out: &mut Output) {
    if *rows > 0 {
        out.text().extend_from_slice(b",\r\n");
    }
    *rows += 1;
    out.count_row();
}

fn write_count(out: &mut Vec<u8>, count: Option<u64>) {
    match count {
        Some(count) => write_number(out, count),
        None => out.extend_from_slice(b"null"),
    }
}
