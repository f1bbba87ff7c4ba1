//! Rows of a view, read page by page.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use query::index::{CollationKey, Cut, GroupLevel, IndexError, Range, Tree, View, tree};
use query::view::{Reducers, ViewError};
use serde_json::Value;
use store::json::write_string;
use store::{
    Database, Direction, IndexFile, IndexName, Output, Pages as IndexPages, Show, Snapshot,
};

use super::document::write_document;
use super::options::{Grouping, Options};
use super::range::Keys;
use super::{Found, reduced};
use crate::app::App;
use crate::functions::log;
use crate::http::HttpError;
use crate::http::given::refused;
use crate::http::pages::{PAGE_BYTES, PAGE_DOCUMENTS_MAX, PAGE_ROWS_MAX, Pages, Progress};
use crate::http::row::write_number;

/// A query of a view, and how far it is.
pub(crate) struct ViewRows {
    app: Arc<App>,
    found: Found,
    keys: Keys,
    direction: Direction,
    show: Option<Show>,
    update_seq: bool,
    /// How rows are reduced, where they are.
    grouping: Option<Grouping>,
    /// What is still to be read.
    rest: std::collections::VecDeque<Part>,
    skip: u64,
    limit: u64,
    rows: u64,
    /// Whether what stands before the rows is written.
    begun: bool,
}

/// Reduce functions that a thread keeps compiled; it ends when it has nothing to do for a while.
const COMPILED_MAX: usize = 4;

thread_local! {
    static COMPILED: RefCell<Vec<(IndexName, Rc<Reducers>)>> = const { RefCell::new(Vec::new()) };
}

/// Rows to be read one after the other.
#[derive(Clone, Debug)]
struct Part {
    range: Range,
    /// Rows at its beginning that were read before.
    passed: u64,
    /// The key that was asked for, where it was one.
    key: Option<Value>,
}

impl ViewRows {
    /// A query that begins.
    pub(crate) fn new(app: &Arc<App>, found: &Found, options: &Options) -> Result<Self, HttpError> {
        let views = &found.wanted.views;
        let grouping = options.check(found.place.reduce.is_some())?;
        match (views.partitioned, &options.partition) {
            (true, None) => {
                return Err(refused(
                    "`partition` parameter is mandatory for queries to this view.",
                ));
            }
            (false, Some(_)) => {
                return Err(refused("`partition` parameter is not supported in this design doc"));
            }
            _ => {}
        }
        let raw = views.trees.get(found.place.tree).is_some_and(|tree| tree.raw);
        let keys = Keys::new(raw, options.partition.clone());
        let rest = match &options.keys {
            None => vec![Part { range: keys.range(options)?, passed: 0, key: None }],
            Some(wanted) => {
                let mut wanted: Vec<&Value> = wanted.iter().collect();
                if options.direction == Direction::Descending {
                    wanted.reverse();
                }
                let part = |key: &Value| {
                    let range = Range::of_key(&keys.kept(key)?);
                    Ok::<_, HttpError>(Part { range, passed: 0, key: Some(key.clone()) })
                };
                wanted.into_iter().map(part).collect::<Result<Vec<_>, _>>()?
            }
        };
        Ok(Self {
            app: Arc::clone(app),
            found: found.clone(),
            keys,
            direction: options.direction,
            show: options.show(),
            update_seq: options.update_seq,
            grouping,
            rest: rest.into(),
            skip: options.skip,
            limit: options.limit,
            rows: 0,
            begun: false,
        })
    }

    /// Lets `read` read the view's tree, and with it the functions that reduce its rows.
    fn with_tree<T>(
        &self,
        file: &IndexFile,
        read: impl FnOnce(&dyn IndexPages, &Tree<'_>) -> Result<T, HttpError>,
    ) -> Result<T, HttpError> {
        let number = self.found.place.tree;
        let reducers = self.reducers()?;
        let reducers = reducers.of_tree(number);
        let collation = self.keys.collation();
        let view = View { collation, reducers: &reducers };
        let outcome = file.read(|pages| {
            let tree = tree(pages, number, view).map_err(ViewError::from)?;
            read(pages, &tree)
        });
        if let Err(HttpError::Index(ViewError::Index(IndexError::Damaged(what)))) = &outcome {
            tracing::warn!(what, "an index is damaged and starts anew");
            file.distrust();
        }
        outcome
    }

    /// The view's reduce functions; those in JavaScript as this thread compiled them before.
    fn reducers(&self) -> Result<Rc<Reducers>, HttpError> {
        let views = &self.found.wanted.views;
        let new = || Reducers::new(views, self.app.functions.limits(), log).map(Rc::new);
        if !self.takes_its_time() {
            return Ok(new()?);
        }
        COMPILED.with_borrow_mut(|compiled| {
            let known = compiled.iter().find(|(signature, _)| *signature == views.signature);
            if let Some((_, reducers)) = known {
                return Ok(Rc::clone(reducers));
            }
            let reducers = new()?;
            compiled.truncate(COMPILED_MAX - 1);
            compiled.insert(0, (views.signature.clone(), Rc::clone(&reducers)));
            Ok(reducers)
        })
    }

    fn page(&mut self, database: &Database, out: &mut Output) -> Result<Progress, HttpError> {
        let file = self.found.wanted.file()?;
        // Rows as they were emitted are counted where they are read.
        let reads_rows = self.grouping.is_none() && !self.rest.is_empty() && self.limit > 0;
        if !self.begun && !reads_rows {
            let total = self.with_tree(&file, |pages, tree| self.totals(pages, tree))?;
            self.begin(database, self.grouping.is_none().then_some(total), out)?;
            self.begun = true;
        }
        let mut budget = if self.show.is_some() { PAGE_DOCUMENTS_MAX } else { PAGE_ROWS_MAX };
        while budget > 0 && out.len() < PAGE_BYTES {
            if self.limit == 0 || self.rest.is_empty() {
                out.text().extend_from_slice(b"\r\n]}\n");
                return Ok(Progress::Done);
            }
            let read = match self.grouping {
                None => self.map_rows(database, &file, budget, out)?,
                Some(grouping) => self.reduced_rows(&file, grouping, budget, out)?,
            };
            budget = budget.saturating_sub(read.max(1));
        }
        Ok(Progress::More)
    }

    /// How many rows there are, and how many of them come before the first that is shown.
    fn totals(&self, pages: &dyn IndexPages, tree: &Tree<'_>) -> Result<(u64, u64), HttpError> {
        let failed = ViewError::from;
        let whole = self.keys.all()?;
        let total = tree.count(pages, &whole).map_err(failed)?;
        let Some(part) = self.rest.front() else { return Ok((total, total)) };
        let cut = match self.direction {
            Direction::Ascending => &part.range.low,
            Direction::Descending => &part.range.high,
        };
        let before = tree.count_before(pages, cut).map_err(failed)?;
        let first = tree.count_before(pages, &whole.low).map_err(failed)?;
        let before = before.saturating_sub(first).min(total);
        let before = match self.direction {
            Direction::Ascending => before,
            Direction::Descending => total - before,
        };
        Ok((total, before.saturating_add(self.skip).min(total)))
    }

    /// What stands before the rows.
    fn begin(
        &self,
        database: &Database,
        totals: Option<(u64, u64)>,
        out: &mut Output,
    ) -> Result<(), HttpError> {
        out.text().push(b'{');
        if let Some((total, offset)) = totals {
            let text = out.text();
            text.extend_from_slice(b"\"total_rows\":");
            write_number(text, total);
            text.extend_from_slice(b",\"offset\":");
            write_number(text, offset);
            text.push(b',');
        }
        if self.update_seq {
            let reached = crate::indexer::reached(&self.found.wanted)?;
            let seq = database.seq(store::Seq(reached.update_seq)).to_string();
            out.text().extend_from_slice(b"\"update_seq\":");
            write_string(out.text(), &seq);
            out.text().push(b',');
        }
        out.text().extend_from_slice(b"\"rows\":[\r\n");
        Ok(())
    }

    /// Rows as they were emitted; how many were read.
    fn map_rows(
        &mut self,
        database: &Database,
        file: &IndexFile,
        budget: usize,
        out: &mut Output,
    ) -> Result<usize, HttpError> {
        let Some(part) = self.rest.front().cloned() else { return Ok(0) };
        let limit = self.limit.min(budget as u64);
        let skip = self.skip.saturating_add(part.passed);
        let mut read: u64 = 0;
        let mut last: Option<(CollationKey, String, u64)> = None;
        let mut failed = None;
        let mut rows = self.rows;
        let available = self.with_tree(file, |pages, tree| {
            if !self.begun {
                self.begin(database, Some(self.totals(pages, tree)?), out)?;
            }
            let available = tree.count(pages, &part.range).map_err(ViewError::from)?;
            let write = |snapshot: Option<&Snapshot<'_>>, out: &mut Output| {
                tree.range(pages, &part.range, self.direction, (skip, limit), &mut |row| {
                    if rows > 0 {
                        out.text().extend_from_slice(b",\r\n");
                    }
                    rows += 1;
                    out.count_row();
                    read += 1;
                    let same = last.take().filter(|(key, id, _)| {
                        key.as_bytes() == row.collation_key && *id == row.id
                    });
                    last = Some(match same {
                        Some((key, id, count)) => (key, id, count + 1),
                        None => {
                            let key = CollationKey::of_bytes(row.collation_key);
                            (key, row.id.clone().into_owned(), 1)
                        }
                    });
                    let key = self.keys.bare(row.key);
                    match self.write_row(snapshot, &row.id, key, row.value, out) {
                        Ok(()) if out.len() < PAGE_BYTES => ControlFlow::Continue(()),
                        Ok(()) => ControlFlow::Break(()),
                        Err(error) => {
                            failed = Some(error);
                            ControlFlow::Break(())
                        }
                    }
                })
                .map_err(|error| HttpError::from(ViewError::from(error)))
            };
            let mut write = write;
            match self.show {
                None => write(None, out)?,
                Some(_) => database.read(|snapshot| write(Some(snapshot), out))?,
            };
            Ok(available)
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        self.begun = true;
        self.rows = rows;
        self.limit -= read;
        if skip.saturating_add(read) >= available {
            // What is to be passed over beyond it lies in the next.
            self.skip = skip.saturating_sub(available);
            self.rest.pop_front();
        } else if let Some((key, id, count)) = last {
            self.skip = 0;
            self.go_on_behind(&key, &id, count);
        }
        Ok(usize::try_from(read).unwrap_or(budget))
    }

    /// The next page begins with the last row's document, of which so many rows were read.
    fn go_on_behind(&mut self, key: &CollationKey, id: &str, count: u64) {
        let Some(part) = self.rest.front_mut() else { return };
        let before = Cut::before_document(key, id);
        let after = Cut::after_document(key, id);
        // Rows of the same document and key that came with pages before are counted on.
        let again = match self.direction {
            Direction::Ascending => {
                std::mem::replace(&mut part.range.low, before.clone()) == before
            }
            Direction::Descending => {
                std::mem::replace(&mut part.range.high, after.clone()) == after
            }
        };
        part.passed = if again { part.passed + count } else { count };
    }

    fn write_row(
        &self,
        snapshot: Option<&Snapshot<'_>>,
        id: &str,
        key: &str,
        value: &str,
        out: &mut Output,
    ) -> Result<(), HttpError> {
        let text = out.text();
        text.extend_from_slice(b"{\"id\":");
        write_string(text, id);
        text.extend_from_slice(b",\"key\":");
        text.extend_from_slice(key.as_bytes());
        text.extend_from_slice(b",\"value\":");
        text.extend_from_slice(value.as_bytes());
        if let (Some(snapshot), Some(show)) = (snapshot, &self.show) {
            text.extend_from_slice(b",\"doc\":");
            write_document(snapshot, id, value, show, out)?;
        }
        out.text().push(b'}');
        Ok(())
    }

    /// Rows that a reduce function makes; how many were written.
    fn reduced_rows(
        &mut self,
        file: &IndexFile,
        grouping: Grouping,
        budget: usize,
        out: &mut Output,
    ) -> Result<usize, HttpError> {
        let Some(part) = self.rest.front().cloned() else { return Ok(0) };
        let function = self.found.place.reduce.unwrap_or_default();
        let level = match (grouping, &part.key) {
            (Grouping::Whole, _) | (_, Some(_)) => {
                let reduced = self.with_tree(file, |pages, tree| {
                    reduced::whole(pages, tree, &part.range, function)
                })?;
                self.rest.pop_front();
                if let Some(value) = reduced {
                    let key = part.key.map_or_else(|| "null".into(), |key| key.to_string());
                    self.reduced_row(&key, &value, out);
                }
                return Ok(1);
            }
            (Grouping::Exact, None) => GroupLevel::Exact,
            (Grouping::Level(level), None) => self.keys.level(level),
        };
        let wanted = self.skip.saturating_add(self.limit).min(budget as u64);
        let direction = self.direction;
        let groups = self.with_tree(file, |pages, tree| {
            let wanted = usize::try_from(wanted).unwrap_or(budget);
            reduced::groups(pages, tree, &part.range, (level, function), direction, wanted)
        })?;
        let read = groups.len();
        let Some(last) = groups.last() else {
            self.rest.pop_front();
            return Ok(1);
        };
        let kept = self.keys.of_json(&last.key)?;
        if let Some(part) = self.rest.front_mut() {
            let group = Range::of_group(&kept, level);
            match direction {
                Direction::Ascending => part.range.low = group.high,
                Direction::Descending => part.range.high = group.low,
            }
        }
        for group in &groups {
            let key = self.keys.bare(&group.key).to_owned();
            self.reduced_row(&key, &group.value, out);
        }
        Ok(read)
    }

    /// A row, unless it is passed over or too many.
    fn reduced_row(&mut self, key: &str, value: &str, out: &mut Output) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        if self.limit == 0 {
            return;
        }
        self.limit -= 1;
        out.count_row();
        let text = out.text();
        if self.rows > 0 {
            text.extend_from_slice(b",\r\n");
        }
        self.rows += 1;
        text.extend_from_slice(b"{\"key\":");
        text.extend_from_slice(key.as_bytes());
        text.extend_from_slice(b",\"value\":");
        text.extend_from_slice(value.as_bytes());
        text.push(b'}');
    }
}

impl Pages for ViewRows {
    fn read(&mut self, database: &Database, out: &mut Output) -> Result<Progress, HttpError> {
        self.page(database, out)
    }

    fn is_short(&self) -> bool {
        // A function in JavaScript may take its time.
        let reduces = self.grouping.is_some();
        !reduces && self.rest.len() <= 1 && self.skip.saturating_add(self.limit) <= SHORT_ROWS
    }

    fn takes_its_time(&self) -> bool {
        let written = |(_, source): &(String, String)| !source.trim_start().starts_with('_');
        let tree = self.found.wanted.views.trees.get(self.found.place.tree);
        self.grouping.is_some() && tree.is_some_and(|tree| tree.reduces.iter().any(written))
    }
}

/// Rows that are read in no time.
const SHORT_ROWS: u64 = 100;
