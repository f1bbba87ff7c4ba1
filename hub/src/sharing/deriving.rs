//! Documents brought in step with the rows of a view, source by source.

use std::collections::{BTreeMap, HashSet};

use query::design::Views;
use query::index::{Progress, View, rows_of};
use query::view::ViewError;
use store::{Database, Direction, Edit, Error, IdRange, IndexFile, Seq};

use super::derive::{self, IdKey, Present};
use super::failure::{Failure, ROWS_MAX};
use super::mark::{Mark, history};
use super::published::Standing;
use crate::app::App;
use crate::clock;

/// Changes of a source read at a time, and documents of what is made of it.
const PAGE: usize = 500;

/// Most edits that are written at a time, and bytes of them; one more may exceed them.
const EDITS_MAX: usize = 500;
const BYTES_MAX: usize = 4 << 20;

/// Deletes all rows. May block.
pub(super) fn empty(target: &Database) -> Result<(), Failure> {
    let mut mark = Mark::read(target)?;
    sweep(target, |_| false)?;
    (mark.seq, mark.purge_seq, mark.index) = (0, 0, String::new());
    Ok(mark.write(target)?)
}

/// Deletes the documents of all sources but those that are to stay. May block.
fn sweep(target: &Database, stays: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let mut start = None;
    loop {
        let range = IdRange { start, end: None, direction: Direction::Ascending };
        let heads = target.read(|snapshot| snapshot.heads(&range, 0, PAGE))?;
        let Some(last) = heads.last() else { return Ok(()) };
        start = Some((last.id.as_str().to_owned(), false));
        let gone = heads.into_iter().filter(|head| !head.deleted && !stays(head.id.as_str()));
        let gone = gone.map(|head| Present { id: head.id, rev: head.rev, body: String::new() });
        write(target, derive::edits(gone.collect(), BTreeMap::new()))?;
    }
}

fn write(target: &Database, edits: Vec<Edit>) -> Result<(), Failure> {
    if edits.is_empty() {
        return Ok(());
    }
    let outcomes = target.write(edits, clock::now())?;
    match outcomes.iter().all(Result::is_ok) {
        true => Ok(()),
        false => Err(Failure::Conflict),
    }
}

/// The rows of the view, by the documents that they are of.
pub(super) struct Rows<'a> {
    pub(super) file: &'a IndexFile,
    pub(super) views: &'a Views,
    pub(super) tree: usize,
    pub(super) view: View<'a>,
}

impl Rows<'_> {
    fn of(&self, source: &str) -> Result<Vec<(String, String)>, Failure> {
        let mut rows = self
            .file
            .read(|pages| rows_of(pages, self.tree, self.view, source).map_err(ViewError::from))?;
        if self.views.partitioned {
            // The index orders by the partition first, of which whoever asks a partition sees nothing.
            for (key, _) in &mut rows {
                let parts: Option<(&str, &serde_json::value::RawValue)> =
                    serde_json::from_str(key).ok();
                if let Some((_, bare)) = parts {
                    *key = bare.get().to_owned();
                }
            }
        }
        Ok(rows)
    }
}

/// Documents brought in step with rows.
pub(super) struct Deriving<'a> {
    app: &'a App,
    source: &'a Database,
    target: &'a Database,
    rows: Rows<'a>,
    reached: Progress,
    mark: Mark,
    key: IdKey,
    /// What ids of sources with rows begin with, where the others are to be swept away.
    kept: Option<HashSet<String>>,
    standing: Standing,
    edits: Vec<Edit>,
    bytes: usize,
}

impl<'a> Deriving<'a> {
    /// From where the documents of `target` are to where the index has `reached`. May block, as everything
    /// here.
    pub(super) fn new(
        app: &'a App,
        source: &'a Database,
        target: &'a Database,
        rows: Rows<'a>,
        reached: Progress,
    ) -> Result<Self, Failure> {
        let mut mark = Mark::read(target)?;
        let history = history(source);
        let index = rows.views.signature.as_str().to_owned();
        if mark.history != history || mark.seq > reached.update_seq {
            (mark.seq, mark.sweeps) = (0, true);
        }
        if mark.index != index || mark.tree != rows.tree {
            mark.seq = 0;
        }
        (mark.history, mark.index, mark.tree) = (history, index, rows.tree);
        let key = IdKey::new(mark.key().unwrap_or_default());
        let known = app.sharing.standing(target.uuid()).unwrap_or_default();
        // What was too large is counted anew where everything is looked at.
        let too_large = if mark.seq == 0 { 0 } else { known.too_large };
        let standing = Standing { rows: target.info()?.doc_count, too_large, trouble: None };
        let (edits, kept) = (Vec::new(), None);
        Ok(Self { app, source, target, rows, reached, mark, key, kept, standing, edits, bytes: 0 })
    }

    /// Brings the documents up to date; how they are then.
    pub(super) fn run(mut self) -> Result<Standing, Failure> {
        self.take_purges()?;
        if self.mark.sweeps {
            self.mark.seq = 0;
            self.kept = Some(HashSet::new());
        }
        let until = Seq(self.reached.update_seq);
        while self.mark.since() < until {
            let since = self.mark.since();
            let changes =
                self.source.read(|snapshot| snapshot.changes(since, Direction::Ascending, PAGE))?;
            let read = changes.len();
            let mut place = since;
            for change in changes {
                // The index does not tell of what is behind yet.
                if change.seq > until {
                    place = until;
                    break;
                }
                self.take(change.id.as_str())?;
                place = change.seq;
            }
            self.flush()?;
            self.mark.seq = if read < PAGE { until.0 } else { place.0 };
            if self.kept.is_none() {
                self.mark.write(self.target)?;
            }
        }
        if let Some(kept) = self.kept.take() {
            sweep(self.target, |id| {
                id.get(..derive::SOURCE_DIGITS).is_some_and(|source| kept.contains(source))
            })?;
            self.mark.sweeps = false;
            self.standing.rows = self.target.info()?.doc_count;
        }
        self.mark.write(self.target)?;
        Ok(self.standing)
    }

    /// Looks at what was purged from the source, of which no change tells.
    fn take_purges(&mut self) -> Result<(), Failure> {
        while self.mark.purge_seq < self.reached.purge_seq && self.mark.seq > 0 {
            let after = self.mark.purge_seq;
            let purges = self.source.read(|snapshot| snapshot.purges(after, PAGE))?;
            let (Some((first, _)), Some((last, _))) = (purges.first(), purges.last()) else {
                break;
            };
            if *first > after + 1 {
                self.mark.sweeps = true;
                break;
            }
            self.mark.purge_seq = *last;
            for (_, purge) in &purges {
                self.take(purge.id.as_str())?;
            }
        }
        self.mark.purge_seq = self.reached.purge_seq;
        self.flush()
    }

    /// Compares the rows of a source with their documents.
    fn take(&mut self, source: &str) -> Result<(), Failure> {
        if *self.app.shutdown.borrow() || self.target.is_deleted() || self.source.is_deleted() {
            return Err(Failure::Stopped);
        }
        let wanted = self.key.documents(source, &self.rows.of(source)?);
        let prefix = self.key.of_source(source);
        let present = present(self.target, &prefix)?;
        if let Some(kept) = self.kept.as_mut().filter(|_| !wanted.documents.is_empty()) {
            kept.insert(prefix);
        }
        self.standing.too_large += wanted.too_large;
        let (more, fewer) = (wanted.documents.len() as u64, present.len() as u64);
        self.standing.rows = (self.standing.rows + more).saturating_sub(fewer);
        if more > fewer && self.standing.rows > ROWS_MAX {
            return Err(Failure::TooManyRows);
        }
        let edits = derive::edits(present, wanted.documents);
        self.bytes += edits.iter().map(|edit| edit.body.len()).sum::<usize>();
        self.edits.extend(edits);
        if self.edits.len() >= EDITS_MAX || self.bytes >= BYTES_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.bytes = 0;
        write(self.target, std::mem::take(&mut self.edits))
    }
}

/// The documents of a source that there are.
fn present(target: &Database, prefix: &str) -> Result<Vec<Present>, Error> {
    let mut present = Vec::new();
    let mut start = Some((prefix.to_owned(), true));
    // Behind every hexadecimal digit.
    let end = Some((format!("{prefix}g"), false));
    loop {
        let range = IdRange { start, end: end.clone(), direction: Direction::Ascending };
        let page = target.read(|snapshot| {
            let heads = snapshot.heads(&range, 0, PAGE)?;
            let mut page = Vec::with_capacity(heads.len());
            for head in heads {
                let body = if head.deleted { None } else { snapshot.body(head.body)? };
                page.push((head, body.map(|body| body.json)));
            }
            Ok::<_, Error>(page)
        })?;
        let Some((last, _)) = page.last() else { return Ok(present) };
        start = Some((last.id.as_str().to_owned(), false));
        let live = page.into_iter().filter(|(head, _)| !head.deleted);
        present.extend(live.map(|(head, body)| Present {
            id: head.id,
            rev: head.rev,
            body: body.unwrap_or_default(),
        }));
    }
}
