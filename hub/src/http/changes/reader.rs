//! A changes feed, read page by page.

use store::{Database, Direction, Output, Seq, Snapshot};

use super::filter::Filter;
use super::function::Judged;
use super::options::{Options, Since};
use super::row::Format;
use crate::http::HttpError;
use crate::http::pages::{PAGE_BYTES, PAGE_DOCUMENTS_MAX, PAGE_ROWS_MAX, Pages, Progress};

/// A changes feed and how far it is.
#[derive(Debug)]
pub(super) struct Reader {
    format: Format,
    filter: Filter,
    direction: Direction,
    seq_interval: Option<u64>,
    /// Up to where everything was read.
    position: Seq,
    /// Where the feed ends for now: what is written later belongs to the next request, or the next
    /// round of a live feed.
    end: Option<Seq>,
    /// Rows that may still be sent.
    remaining: u64,
    rows: u64,
    /// Changes behind the position, as of the last page.
    pending: u64,
    /// What a function said of the changes that are read next.
    judged: Judged,
    begun: bool,
}

/// How a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// Neither the limit nor the end.
    PageEnd,
    /// The end of what is there.
    End,
    /// As many rows as were asked for.
    Limit,
}

/// Bytes of documents that are read for one page, whether or not they are shown; one document more
/// may exceed it.
const READ_BYTES_MAX: usize = 4 << 20;

/// CouchDB's limit where none is given; `seq_interval` counts down from it.
const LIMIT: u64 = 1_000_000_000_000_000;

impl Reader {
    /// A feed that begins.
    pub(super) fn new(database: &Database, options: Options) -> Result<Self, HttpError> {
        let newest = database.update_seq();
        let position = match (options.direction, &options.since) {
            // Backwards, CouchDB begins at the end and looks at `since` no more.
            (Direction::Descending, _) => Seq(newest.seq.0.saturating_add(1)),
            (Direction::Ascending, Since::Now) => newest.seq,
            (Direction::Ascending, Since::Text(text)) => database.parse_since(text)?,
        };
        let epoch = newest.to_string();
        let epoch = epoch.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
        Ok(Self {
            format: Format {
                feed: options.feed,
                all_leaves: options.all_leaves,
                show: options.show,
                epoch,
            },
            filter: options.filter,
            direction: options.direction,
            seq_interval: options.seq_interval,
            position,
            end: None,
            remaining: options.limit.unwrap_or(LIMIT),
            rows: 0,
            pending: 0,
            judged: Judged::new(),
            begun: false,
        })
    }

    /// Up to where everything was read.
    pub(super) fn position(&self) -> Seq {
        self.position
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// How the feed is written.
    pub(super) fn format(&self) -> &Format {
        &self.format
    }

    /// Goes on to what was written since the end was reached.
    pub(super) fn go_on(&mut self) {
        self.end = None;
    }

    /// What stands behind the last row.
    pub(super) fn finish(&self, out: &mut Vec<u8>) {
        self.format.end(self.position, self.pending, out);
    }

    /// Appends the next page, from one snapshot.
    pub(super) fn page(
        &mut self,
        database: &Database,
        out: &mut Output,
    ) -> Result<Reached, HttpError> {
        if !std::mem::replace(&mut self.begun, true) {
            self.format.begin(out.text());
        }
        if let Filter::Function(function) = &self.filter {
            let (from, direction) = (self.position, self.direction);
            let next =
                |snapshot: &Snapshot<'_>| snapshot.changes(from, direction, PAGE_DOCUMENTS_MAX);
            let wanted = (self.format.all_leaves, READ_BYTES_MAX);
            self.judged = function.judge(database, next, wanted)?;
        }
        database.read(|snapshot| {
            let reached = self.read_rows(snapshot, out)?;
            self.pending = match (reached, self.direction) {
                (Reached::PageEnd, _) | (_, Direction::Descending) => 0,
                (Reached::End | Reached::Limit, _) => snapshot.changes_after(self.position)?,
            };
            Ok(reached)
        })
    }

    fn read_rows(
        &mut self,
        snapshot: &Snapshot<'_>,
        out: &mut Output,
    ) -> Result<Reached, HttpError> {
        let end = match self.end {
            Some(end) => end,
            None => *self.end.insert(snapshot.update_seq()?),
        };
        let batch = if self.format.show.is_some() { PAGE_DOCUMENTS_MAX } else { PAGE_ROWS_MAX };
        let mut budget = PAGE_ROWS_MAX;
        let mut read = 0;
        while budget > 0 {
            if self.remaining == 0 {
                return Ok(Reached::Limit);
            }
            let mut wanted = batch.min(budget);
            if matches!(self.filter, Filter::All) {
                wanted = wanted.min(usize::try_from(self.remaining).unwrap_or(usize::MAX));
            }
            budget -= wanted;
            let found = self.filter.find(snapshot, self.position, self.direction, wanted)?;
            for change in &found.changes {
                if change.seq > end {
                    return Ok(self.reach(end));
                }
                if matches!(self.filter, Filter::Function(_))
                    && !self.judged.contains_key(&change.seq)
                {
                    // The function is asked about it with the next page.
                    return Ok(Reached::PageEnd);
                }
                self.position = change.seq;
                let listed = self.format.listed(change);
                let noted = (&mut read, &self.judged);
                let Some(leaves) = self.filter.leaves(snapshot, change, listed, noted)? else {
                    if read >= READ_BYTES_MAX {
                        return Ok(Reached::PageEnd);
                    }
                    continue;
                };
                let first = self.rows == 0;
                let told = self.seq_interval.is_none_or(|rows| self.remaining.is_multiple_of(rows));
                self.format.row(snapshot, change, &leaves, (first, told), out)?;
                self.rows += 1;
                out.count_row();
                self.remaining -= 1;
                if self.remaining == 0 {
                    return Ok(Reached::Limit);
                }
                if out.len() >= PAGE_BYTES || read >= READ_BYTES_MAX {
                    return Ok(Reached::PageEnd);
                }
            }
            if found.complete {
                return Ok(self.reach(end));
            }
        }
        Ok(Reached::PageEnd)
    }

    fn reach(&mut self, end: Seq) -> Reached {
        // Backwards, the last row says where the feed is; without a row it is where it began.
        if self.direction == Direction::Ascending || self.rows == 0 {
            self.position = end;
        }
        Reached::End
    }
}

impl Pages for Reader {
    fn read(&mut self, database: &Database, out: &mut Output) -> Result<Progress, HttpError> {
        match self.page(database, out)? {
            Reached::PageEnd => Ok(Progress::More),
            Reached::End | Reached::Limit => {
                self.finish(out.text());
                Ok(Progress::Done)
            }
        }
    }

    fn takes_its_time(&self) -> bool {
        self.filter.calls_functions()
    }
}
